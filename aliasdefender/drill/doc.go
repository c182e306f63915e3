// Package drill does a drill: an alias is handed over to the partner and comes back,
// while both hosts measure whether it answers.
//
//	this host                                        its partner
//	measures, and says: measure      ── channel ──>  begins to measure
//	waits for that                   <── channel ──  measures: the alias answers here
//	orders Handover                                  takes the alias
//	stays away for a second
//	orders AddAlias                                  hands it over
//	stops, and says: the drill ends  ── channel ──>  stops
//	records both hosts' figures      <── channel ──  these are mine; it records them too
//
// A drill is done on the host that has the alias: only a holder knows whether a hand-over
// would work now, and the alias is to end where it was. A group moves as a whole.
//
// Each host measures from its own side, with its own clock: it pings the alias each 10 ms.
// Where the alias is on the host itself its own kernel answers, and where it is not the
// partner's does, over the wire. What it tells is durations and counts, so the clocks of
// the two hosts are never compared. How long it did not ask is a figure too: a gap may hide
// there. A partner whose program knows no drills, as a feature bit of the channel tells,
// measures nothing, and the result says so.
//
// Nothing here decides about an alias. A drill orders what Handover and AddAlias order,
// through the same door, and the rules decide. The orders are marked as a drill's, and the
// loop refuses them where an operator's stands, on either host. Whatever breaks a drill off
// (the end of either Monitor, a dead host, an operator's order) leaves the alias to the
// rules. Every wait is bounded, and a drill goes on if whoever asked for it has left.
//
// The package refuses to know the network, the files and what Check finds.
package drill
