package rehearse

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
)

// act is one thing done to the stage.
type act string

const (
	doBegin      act = "begin"      // every Monitor is started
	doCrash      act = "crash"      // power cut
	doBoot       act = "boot"       // and back, with its Monitor
	doPull       act = "pull"       // cables out: no carrier
	doPlug       act = "plug"       // and in
	doMute       act = "mute"       // every frame lost, carrier kept
	doUnmute     act = "unmute"     // and no more
	doStop       act = "stop"       // TERM to the Monitor
	doStart      act = "start"      // and a new one
	doKill       act = "kill"       // no time for the Monitor to do anything
	doGive       act = "give"       // Handover where the aliases are
	doGiveBack   act = "giveBack"   // and where they went
	doMaintain   act = "maintain"   // Maintenance on
	doServe      act = "serve"      // and off
	doRouterDown act = "routerDown" // the router crashes
	doRouterUp   act = "routerUp"   // and boots
	doDivide     act = "divide"     // holder and client here, standby and router there
	doHeal       act = "heal"       // and together again
	doPullOne    act = "pullOne"    // one cable of a group out
	doPlugOne    act = "plugOne"    // and in
	doFail       act = "fail"       // the service dies
	doFailAll    act = "failAll"    // on every host
	doMend       act = "mend"       // it lives where the aliases are
	doMendAll    act = "mendAll"    // on every host
)

// target says which hosts a scenario hits.
type target int

const (
	hitHolders target = iota
	hitStandbys
	hitNobody
)

// scenario is a fault and its end. It begins and ends with every machine up.
type scenario struct {
	Key   string // of Request.Only
	Hits  target
	Steps []step
	Needs need
}

// need is what the user's settings must have for a scenario.
type need int

const (
	nothing   need = iota
	aKey           // the daemons talk to each other
	someCheck      // an alias has a check
	aGroup         // a group is on more than one NIC
	aRoute         // there is a route with two next hops
)

// step is a deed and what the rules say should come of it for an alias.
type step struct {
	Name   string
	Deed   act
	Expect func(situation) expectation
}

// situation is an alias at the beginning of a step.
type situation struct {
	part
	daemons
	Hit    []string // the hosts that the scenario hits
	Meant  bool     // for this alias, and not for another of the same hosts
	Holder string   // who had it when the scenario began
	Now    []string // who has it
}

func (s situation) standby() string { return s.other(s.Holder) }
func (s situation) holderHit() bool { return slices.Contains(s.Hit, s.Holder) }

// scenarios is the rehearsal, in its order. Each scenario begins where the previous one
// has ended, so that a holder crashes now on this host, now on the other.
var scenarios = []scenario{
	{"crash", hitHolders, []step{{"crash", doCrash, situation.crashed}, {"return", doBoot, situation.returned}}, nothing},
	{"cable", hitHolders, []step{{"cable pulled", doPull, situation.pulled}, {"cable back", doPlug, situation.returned}}, nothing},
	{"cut", hitStandbys, []step{{"silent cut, standby", doMute, situation.muted}, {"standby back", doUnmute, situation.reunited}}, nothing},
	{"cut", hitHolders, []step{{"silent cut, holder", doMute, situation.muted}, {"holder back", doUnmute, situation.reunited}}, nothing},
	{"stop", hitHolders, []step{{"stop", doStop, situation.stopped}, {"start", doStart, situation.returned}}, nothing},
	{"router", hitNobody, []step{{"router lost", doRouterDown, situation.unmoved}, {"router back", doRouterUp, situation.returned}}, nothing},
	{"partition", hitHolders, []step{{"partition", doDivide, situation.divided}, {"heal", doHeal, situation.reunited}}, nothing},
	{"handover", hitHolders, []step{{"hand-over", doGive, situation.handed}, {"hand-over back", doGiveBack, situation.handedBack}}, aKey},
	{"maintenance", hitHolders, []step{{"maintenance on", doMaintain, situation.handed}, {"maintenance off", doServe, situation.returned}}, aKey},
	{"kill", hitHolders, []step{{"daemon killed", doKill, situation.orphaned}, {"daemon back", doStart, situation.returned}}, aKey},
	{"service", hitHolders, []step{{"service dead", doFail, situation.unserved}, {"service dead on both", doFailAll, situation.unservedOnBoth}, {"service back, holder", doMend, situation.servedAgain}, {"service back, standby", doMendAll, situation.servedOnBoth}}, someCheck},
	{"group", hitHolders, []step{{"one cable of a group pulled", doPullOne, situation.nicLost}, {"that cable back", doPlugOne, situation.returned}}, aGroup},
	{routeKey, hitNobody, nil, aRoute},
}

// opening is how every rehearsal begins.
var opening = scenario{"begin", hitNobody, []step{{"begin", doBegin, situation.begun}}, nothing}

// withinOf names the scenarios that are the end of another one.
var withinOf = map[string]string{"return": "crash", "heal": "partition"}

// chosen returns the scenarios of Request.Only, in the rehearsal's order; none named
// means all.
func chosen(only []string) ([]scenario, error) {
	if len(only) == 0 {
		return scenarios, nil
	}
	want := map[string]bool{}
	for _, key := range only {
		key = strings.ToLower(strings.TrimSpace(key))
		if outer, ok := withinOf[key]; ok {
			key = outer
		}
		if !slices.ContainsFunc(scenarios, func(s scenario) bool { return s.Key == key }) {
			return nil, &RequestError{"only", fmt.Sprintf("%q is not a scenario; choose from %s", key, strings.Join(Scenarios(), ", "))}
		}
		want[key] = true
	}
	var some []scenario
	for _, s := range scenarios {
		if want[s.Key] {
			some = append(some, s)
		}
	}
	return some, nil
}

// playable leaves out scenarios that the rehearsed daemons cannot play. If they were
// asked for by name, it says so.
func playable(all []scenario, d daemons, named bool) (some []scenario, err error) {
	for _, s := range all {
		switch {
		case s.Needs == nothing, s.Needs == aKey && d.Keyed, s.Needs == someCheck && d.Service.played(), s.Needs == aGroup && d.Spread != "", s.Needs == aRoute && d.Route != nil:
			some = append(some, s)
		case named && s.Needs == aRoute:
			return nil, &RequestError{"only", fmt.Sprintf("%s needs a [[route]] with two next hops", s.Key)}
		case named && s.Needs == aGroup:
			return nil, &RequestError{"only", fmt.Sprintf("%s needs a group whose members are on more than one NIC ([group.NAME])", s.Key)}
		case named && s.Needs == someCheck:
			return nil, &RequestError{"only", fmt.Sprintf("%s needs a check of the service behind an alias, but no alias has one (checks); leave it out, or see the example of [check.web] in the sample of the settings", s.Key)}
		case named:
			return nil, &RequestError{"only", fmt.Sprintf("%s needs the channel between the daemons, but the settings have no key ([peer] key_file); leave it out, or try 'aliasdefender GenKey --help'", s.Key)}
		}
	}
	return some, nil
}

// Scenarios are the words that Request.Only knows.
func Scenarios() (keys []string) {
	for _, s := range scenarios {
		if !slices.Contains(keys, s.Key) {
			keys = append(keys, s.Key)
		}
		for inner, outer := range withinOf {
			if outer == s.Key && !slices.Contains(keys, inner) {
				keys = append(keys, inner)
			}
		}
	}
	return keys
}

// still expects that nothing moves.
func (s situation) still(promise int) expectation {
	return expectation{Holders: [][]string{s.Now}, Gap: slack, Still: true, Promise: promise}
}

// moves expects that in the end the standby has it, and no other host.
func (s situation) moves(within time.Duration) expectation {
	return expectation{Holders: [][]string{{s.standby()}}, Gap: within, Both: -1}
}

func (s situation) begun() expectation {
	return expectation{Holders: [][]string{{s.primary()}}, Gap: doubted(s.Rhythm) + starting}
}

func (s situation) crashed() expectation {
	if !s.holderHit() {
		return s.still(3)
	}
	e := s.moves(takeover(s.Rhythm))
	e.Both = 0
	return e
}

// returned is the end of a fault: an alias that has a holder stays there, except for the
// failback that the user has set; one that has none is taken.
func (s situation) returned() expectation {
	switch {
	case len(s.Now) == 0:
		return expectation{Holders: [][]string{{s.Host}, {s.Partner}}, Gap: doubted(s.Rhythm) + starting, Both: resolved(s.Rhythm)}
	case s.failsBack():
		return expectation{Holders: [][]string{{s.primary()}}, Gap: resolved(s.Rhythm), Both: resolved(s.Rhythm)}
	}
	return s.still(8)
}

// failsBack tells whether the primary will ask for the alias back. Whether a primary
// partner does so is in the partner's own file, which is not here.
func (s situation) failsBack() bool {
	return s.Failback && s.Primary && !slices.Contains(s.Now, s.Host)
}

func (s situation) pulled() expectation {
	if !s.holderHit() {
		return s.still(7)
	}
	return s.moves(takeover(s.Rhythm))
}

func (s situation) muted() expectation {
	if !s.holderHit() {
		return s.still(7)
	}
	return s.bothHave(takeover(s.Rhythm))
}

// bothHave expects that the standby takes it, and that the holder, which hears nobody,
// keeps it, or releases it as isolated.
func (s situation) bothHave(within time.Duration) expectation {
	e := expectation{Holders: [][]string{{s.Host, s.Partner}}, Gap: within, Both: -1}
	if s.OnIsolation == config.IsolationRelease {
		e.Holders = append(e.Holders, []string{s.standby()})
	}
	return e
}

// reunited: two holders that hear each other again become one, the primary.
func (s situation) reunited() expectation {
	if len(s.Now) < 2 {
		return s.returned()
	}
	return expectation{Holders: [][]string{{s.primary()}}, Gap: resolved(s.Rhythm), Both: resolved(s.Rhythm)}
}

func (s situation) stopped() expectation {
	switch {
	case !s.holderHit() || s.OnExit == config.ExitKeep:
		return s.still(3)
	case s.Keyed: // whatever on_exit says about aliases that the partner would not take
		return s.handed()
	case s.Holder != s.primary():
		return s.moves(doubted(s.Rhythm))
	}
	e := s.moves(doubted(s.Rhythm))
	e.Vacant, e.Why = true, fmt.Sprintf("as the rules say (W12): %s is not primary, and the host is alive", s.standby())
	return e
}

// handed expects that the standby has it, and that no client noticed.
func (s situation) handed() expectation {
	if !s.holderHit() {
		return s.still(3)
	}
	e := s.moves(noisyGap)
	e.Both = handing
	return e
}

// handedBack expects the way back, unless failback was quicker.
func (s situation) handedBack() expectation {
	if slices.Contains(s.Now, s.Holder) {
		return s.still(3)
	}
	return expectation{Holders: [][]string{{s.Holder}}, Gap: noisyGap, Both: handing}
}

// orphaned: the kernel keeps the alias until its lease ends. Then the standby takes it,
// because it has not heard the daemon for long.
func (s situation) orphaned() expectation {
	if !s.holderHit() || s.Lease == 0 {
		return s.still(3)
	}
	e := s.moves(doubted(s.Rhythm))
	e.Both, e.Delay = 0, s.Lease+leaseLate
	return e
}

func (s situation) unmoved() expectation { return s.still(8) }

// divided: the standby, which is on the router's side, takes the alias; the holder, on
// the client's side, keeps it.
func (s situation) divided() expectation {
	if !s.holderHit() {
		e := s.still(3)
		e.Unreached, e.Why = true, "as the rules say: the client is on the other side"
		return e
	}
	e := s.bothHave(slack)
	if s.OnIsolation == config.IsolationRelease {
		e.Unreached, e.Why = true, "as the rules say (H8): released, because on_isolation is \"release\""
	}
	return e
}

// wait is how long a step may take for an alias at most, and whether it ends as soon as
// what is expected has come.
func (s situation) wait(e expectation) (most time.Duration, early bool) {
	switch {
	case s.failsBack() && !e.Still:
		most = s.FailbackAfter + doubted(s.Rhythm) + starting
		if s.checked() {
			most += s.Service.revives() // until then it is not known to be well
		}
		return most, false
	case e.Still:
		return e.Delay + settled(s.Rhythm), false
	case e.Both > 0: // two holders become one, and the client has to follow
		return e.Delay + max(e.Gap, e.Both), len(s.Now) == 0
	case e.Vacant || e.Unreached:
		return e.Delay + doubted(s.Rhythm) + starting, false
	}
	return e.Delay + max(e.Gap, doubted(s.Rhythm)) + starting, true
}

// duration is about how long the scenarios take: those that can end early do so somewhere
// in the last interval.
func (p *plan) duration(all []scenario, d daemons) time.Duration {
	total := time.Duration(0)
	for _, sc := range append([]scenario{opening}, all...) {
		for _, group := range p.groups(sc.Hits) {
			total += group.duration(sc, d)
		}
	}
	return total
}

// rounds are the aliases that one host, or all partners, can be hit for at once.
type rounds []part

func (p *plan) groups(hits target) (all []rounds) {
	if hits == hitNobody {
		return []rounds{p.Parts}
	}
	var ours, theirs rounds
	for _, a := range p.Parts {
		if a.Primary {
			ours = append(ours, a)
		} else {
			theirs = append(theirs, a)
		}
	}
	for _, r := range []rounds{ours, theirs} {
		if len(r) > 0 {
			all = append(all, r)
		}
	}
	return all
}

func (r rounds) duration(sc scenario, d daemons) (total time.Duration) {
	now := map[string][]string{}
	for _, st := range sc.Steps {
		longest := time.Duration(0)
		for _, a := range r {
			s := situation{part: a, daemons: d, Holder: a.primary(), Now: []string{a.primary()}}
			if n, ok := now[a.Addr.String()]; ok {
				s.Now = n
			}
			switch sc.Hits {
			case hitHolders:
				s.Hit = []string{s.Holder}
			case hitStandbys:
				s.Hit = []string{s.standby()}
			}
			if st.Deed == doBegin {
				s.Now = nil
			}
			e := st.Expect(s)
			most, early := s.wait(e)
			if early {
				most -= starting + a.Interval/2 + e.Delay/6 // a lease is renewed when a third of it has passed
			}
			longest = max(longest, most)
			now[a.Addr.String()] = e.Holders[0]
		}
		total += longest + 200*time.Millisecond // for the deed
	}
	return total
}
