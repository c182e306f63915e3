// Package rules decides about one alias: facts in, a decision with its reason
// out. It is the one place where we can prove that two hosts do not both hold an
// alias for longer than they need to hear each other, and that unknown never counts
// as no.
//
// It refuses to know where facts come from and how decisions are carried out:
// no address, no socket, no kernel, no log, no clock. Time comes in with the
// facts. It imports only time and fmt, which a test checks.
//
// # Its caller
//
// The caller files what it hears into [Facts]. After each change, and when
// [Decision].Again has come, it asks:
//
//	State.Saw      brings the record up to date with the facts
//	Decide         says what to do, and why
//	State.Report   says how an operator's command has ended, if one is under way
//	State.MayBegin, State.Begin
//	               before a deed that takes a while
//	State.Done     records how it ended, and returns as a [Follow] what to do next
//	Say            is what the partner is told
//	SeatOf, Together
//	               make, out of the facts of each member, what is known of a group
//	Ready          says whether another host would take the alias if its holder failed
//
// [State.Obey] takes in commands: from operators, from the file, and from the caller
// that ends the daemon. State.Pinged, Awoke, LinkIsUp, PartnerIsBack and ProbedFor
// take in the few observations that are not facts. Only these methods write a State.
// The search in the tests, which proves the table, uses them all: what is proved is
// what runs.
//
// # States
//
//	         RemoveAlias           take: W4 W5 W6 W10 W11 W12 W14; adopt
//	parked <------------- waiting ---------------------------------------> holding
//	  |                    ^   ^                                              |
//	  '--------------------'   '----------------------------------------------'
//	         AddAlias               release: H1 H2 H3 H6 H8 H11; forget: H5
//
//	waiting: wait, or ask for a hand-over (W4 W6)
//	holding: keep (H1 H2 H4 H5 H7 H9 H10 H11), announce (H7 H9), restore (H5), refresh (H9),
//	         reorder (H10), hand over (H2 H4 H11)
//
// Parked is waiting, with only row W1. A holder that is told to park the alias
// passes through H2. A hand-over is W5 on one host and H1 on the other; what
// goes on between them, and who plays which part, is in [Handover]. Adoption is
// not a row: the caller that finds the alias on its host tells State so, as a deed.
//
// # A new row, a new fact
//
// A row costs its line in rows.go, its reason with number, name, level and
// sentence in words.go, and its story in testdata/stories.txt; the tests ask by
// name for an example, for what makes the reason true and for a promise that
// needs the row. A fact costs its field in [Facts] and its row in [FactRows].
// docs/design.md has an example of each.
//
// # The table
//
// The rows are tried in order, in the half that fits what we hold; the first
// that matches decides. [Rows] is this table, and the verb Why reads it. A fact
// that is older than 2 x interval + misses x timeout (of this host itself: and 5 s)
// is unknown, and so is an answer of partner or router to a question from before
// the present doubt. What the partner's daemon says counts until its channel
// would be silent: misses heartbeats and a timeout. A hand-over that failed is
// begun again after half a minute, and by an operator at once.
// "Rival" and "claims" mean another host that answers for an alias which we
// hold; "served" and "answered" the same for one that we do not.
//
// # Not holding
//
//	W1  parked by an operator
//	      -> wait: parked
//	W1  it is not known what operators parked, nobody has ordered the alias here since, and the partner is not silent
//	      -> wait: parked unknown
//	W2  NIC missing, down, without carrier or without an address of its own
//	      -> wait: no link
//	W2  link unknown
//	      -> wait: link unknown
//	W2  another NIC of this host has the alias, or it is not known whether one has
//	      -> wait: on another NIC
//	W3  own service failing, and the partner's is not known to be failing too
//	      -> wait: service failing
//	W4  an operator orders it, the alias is silent and its group may be here, or an operator forces it
//	      -> take: operator
//	W5  the holder offers it to us, the offer has not expired, router answered
//	      -> take: offered
//	W15 not all of its group could be here, and the partner could have all
//	      -> wait: group apart
//	W15 neither host could have all of its group, and when_split = "release"
//	      -> wait: group split
//	W4  an operator orders it, the partner says that it holds the alias, router answered
//	      -> ask for hand-over: operator
//	W6  failback due, and the partner says that it holds the alias
//	      -> ask for hand-over: failback
//	W6  failback due, and the partner serves the alias but cannot be asked: no channel, or nothing heard on it since our start, or not for failback_after and a lease
//	      -> take: failback
//	W6  the partner was fenced, and the alias is still answered
//	      -> wait: fenced, and answers
//	W6  alias answered by another host
//	      -> wait: served
//	W7  alias unknown
//	      -> wait: cannot ask
//	W8  router silent
//	      -> wait: router silent
//	W8  no router known
//	      -> wait: no router known
//	W8  router unknown, or not heard since the alias or the partner missed an answer
//	      -> wait: router unknown
//	W9  taken too often within an hour, the pause after the last take is not over, and the partner is not silent
//	      -> wait: flapping
//	W10 alias silent, router answered, we act as primary, partner silent
//	      -> take: primary
//	W10 alias silent for twice the doubt, router answered, we act as primary
//	      -> take: primary
//	W10 we act as primary, the partner is not silent, and the alias is not yet silent for twice the doubt
//	      -> wait: doubted twice
//	W11 not primary, and the partner says that it cannot serve the alias, or that it is parked or released there
//	      -> take: partner cannot
//	W11 not primary, the partner was fenced, and the alias was silent when asked after that
//	      -> take: partner fenced
//	W11 not primary, and we were the last to let it go
//	      -> take: ours before
//	W12 not primary, partner answered, its daemon has fallen silent on the channel
//	      -> take: partner's daemon dead
//	W12 not primary, partner answered, alias silent for a minute
//	      -> wait: partner alive, nobody serves
//	W12 not primary, partner answered
//	      -> wait: partner alive
//	W13 not primary, partner unknown
//	      -> wait: cannot ask the partner
//	W14 not primary, partner silent
//	      -> take: partner silent
//
// # Holding
//
//	H1  the partner confirms that it took what we handed over
//	      -> release: handed over
//	H1  it was handed over to us, the router does not answer it here, and the partner still has it
//	      -> release: given back
//	H2  ordered off or to be handed over, the partner would take it, and no hand-over is open or has just failed
//	      -> hand over: operator
//	H2  ordered off, and no hand-over open
//	      -> release: operator
//	H3  NIC missing or down
//	      -> release: no link
//	H3  without carrier for (misses - 1) x timeout
//	      -> release: no link
//	H4  own service failing, the partner would take it, and no hand-over is open or has just failed
//	      -> hand over: service failing
//	H4  the partner asks for it, and would take it
//	      -> hand over: asked
//	H11 not all of its group could be here, the partner could have all and would take it, and no hand-over is open or has just failed
//	      -> hand over: group apart
//	H11 the partner has the first member of its group, could have all and would take it, and no hand-over is open or has just failed
//	      -> hand over: group joins
//	H5  the kernel lost it, and another host has claimed it since
//	      -> forget: lost to another
//	H5  the kernel lost it because its lease ran out
//	      -> forget: lease ended
//	H5  the kernel lost it yet again, link good, nobody else claims it, and the last restore is too recent
//	      -> keep: keeps vanishing
//	H5  the kernel lost it yet again, link good, nobody else claims it
//	      -> restore: keeps vanishing
//	H5  the kernel lost it, link good, nobody else claims it
//	      -> restore: restored
//	H5  the kernel lost it, link not good or rivals not known
//	      -> keep: lost
//	H6  the rival is the partner, and we do not act as primary
//	      -> release: rival
//	H6  taken by failback, announced twice, and the partner has not yielded
//	      -> release: failback refused
//	H6  no channel tells the roles, we have defended twice, the partner still claims it, and our hardware address is the higher
//	      -> release: two primaries
//	H9  the lease is due, and we have looked at kernel and wire since our last pause
//	      -> refresh: lease
//	H7  the rival is the partner, and we stay
//	      -> announce: partner claims it
//	H7  the rival is a third host
//	      -> announce: foreign host claims it
//	H7  it is not yet known who the rival is, and we act as primary or have asked for long enough
//	      -> announce: claimed
//	H7  the rival has fallen silent
//	      -> announce: rival gone
//	H10 our own address stands behind the alias, for the third time in a row
//	      -> reorder: own address behind again
//	H10 our own address stands behind the alias, link good, no hand-over open
//	      -> reorder: own address behind
//	H7  the rival is the partner, and it is too soon to answer it
//	      -> keep: partner claims it
//	H7  the rival is a third host, and it is too soon to answer it
//	      -> keep: foreign host claims it
//	H7  it is not yet known who the rival is: we are asking
//	      -> keep: claimed
//	H8  router and partner silent for isolated_after, and on_isolation = "release"
//	      -> release: isolated
//	H8  own service failing, no channel, and on_service_failure = "release"
//	      -> release: service released
//	H11 neither host could have all of its group, when_split = "release", and no hand-over is open
//	      -> release: group split
//	H9  an announcement is due, we have looked since our last pause, and we are not handing the alias over
//	      -> announce: announcement due
//	H4  own service failing, and the partner's too
//	      -> keep: both services failing
//	H4  own service failing, and no hand-over can begin now
//	      -> keep: service failing
//	H1  a hand-over is open
//	      -> keep: handing over
//	H2  to be handed over, but the partner would not take it
//	      -> keep: partner would not take
//	H11 neither host could have all of its group
//	      -> keep: group split
//	H11 not all of its group could be here, and no hand-over can begin now
//	      -> keep: group apart
//	H11 the partner has the first member of its group and could have all, and no hand-over can begin now
//	      -> keep: group joins
//	H10 our own address stands behind the alias, and cannot be put before it yet
//	      -> keep: own address stays behind
//	H10 the NIC has no address of its own
//	      -> keep: own address gone
//	H9  otherwise
//	      -> keep: held
//
// # On a loopback interface
//
// An alias on a loopback interface is on many hosts at once. [LoopbackRows] are all that
// is decided about it: L1 to L4 while we do not hold it, L5 to L9 while we do. A service
// without a check counts as good, and unknown moves nothing.
//
//	L1  parked by an operator
//	      -> wait: parked
//	L1  it is not known what operators parked, and nobody has ordered the alias here since
//	      -> wait: parked unknown
//	L2  another NIC of this host has the alias or an address in its subnet, or a default route's gateway is in it, or this is not known
//	      -> wait: on another NIC
//	L3  own service failing
//	      -> wait: service failing
//	L4  an operator forces it
//	      -> take: operator
//	L3  own service unknown
//	      -> wait: service unknown
//	L4  an operator orders it
//	      -> take: operator
//	L4  otherwise
//	      -> take: shared
//	L5  ordered off
//	      -> release: operator
//	L6  own service failing, and nothing says to keep it then
//	      -> release: service failing
//	L7  the kernel lost it yet again, and the last restore is too recent
//	      -> keep: keeps vanishing
//	L7  the kernel lost it yet again
//	      -> restore: keeps vanishing
//	L7  the kernel lost it
//	      -> restore: restored
//	L8  own service failing, and on_service_failure = "keep"
//	      -> keep: service failing
//	L9  otherwise
//	      -> keep: held
//
// # Routes
//
// [DecideRoute] decides about a route that this host keeps as a router, from what is known
// of its next hops: a hop is dead if it is silent or its NIC is down or without carrier, it
// lives if it answers, and is unknown otherwise. Nobody is asked for permission: only one
// router keeps the route.
//
//	R1  this host's routes unknown
//	      -> rest: routes unknown
//	R2  ordered off, and ours is there
//	      -> withdraw: ordered off
//	R2  ordered off
//	      -> rest: gone
//	R3  a foreign route has its place, and ours is not there
//	      -> rest: foreign route
//	R3  it is not known whether a foreign route has its place, and ours is not there
//	      -> rest: routes unknown
//	R4  all hops dead, ours is there, and on_all_dead = "withdraw"
//	      -> withdraw: all hops dead
//	R4  all hops dead
//	      -> rest: all hops dead
//	R5  no hop lives, nothing that is known can be mended, and interval + doubt have passed since the start
//	      -> rest: hops unknown
//	R5  no hop lives, and nothing that is known can be mended
//	      -> rest: hops not known yet
//	R5  ours is not there, a hop that it would rather lead to is not known yet, and interval + doubt have not passed since the start, or since that hop's NIC came back
//	      -> rest: hops not known yet
//	R6  ours is not there
//	      -> add: added
//	R7  mode first, the hop it goes to unknown
//	      -> rest: hop unknown
//	R7  mode spread, nothing else is wanted, a hop that it goes to unknown, and interval + doubt have passed since the start
//	      -> rest: hop unknown
//	R8  mode first, failback, and a hop of more preference lives
//	      -> replace: failback
//	R9  mode first, the hop it goes to dead, or none of those that are set
//	      -> replace: hop dead
//	R10 mode spread, and other hops or weights are wanted
//	      -> replace: hops changed
//	R11 a foreign route shadows it
//	      -> rest: shadowed
//	R12 otherwise
//	      -> rest: good
package rules
