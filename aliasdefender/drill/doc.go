// Package drill runs a drill: it has an alias handed over to the partner and taken back,
// while both hosts measure whether the alias answers.
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
// would work now, and the alias should end up where it was. A group moves as a whole.
//
// Each host measures from its own side, with its own clock: it pings the alias every 10
// ms. While a host has the alias its own kernel answers; otherwise the partner's does,
// over the wire. The hosts exchange durations and counts, so their clocks are never
// compared. The longest time without a ping is a figure too: a gap may hide there. A
// feature bit of the channel tells whether the partner's program knows drills. If it does
// not, it measures nothing, and the result says so.
//
// Nothing here decides about an alias. A drill orders what Handover and AddAlias order,
// through the same door, and the rules decide. The orders are marked as a drill's, and
// the loop refuses them where an operator's stands, on either host. Whatever breaks a
// drill off (the end of either Monitor, a dead host, an operator's order) leaves the
// alias to the rules. Every wait is bounded. A drill goes on if the client that asked for
// it has gone.
//
// The package refuses to know the network, the files and what Check finds.
package drill
