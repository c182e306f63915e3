package rehearse

import (
	"fmt"
	"slices"
	"time"

	"alias-defender/aliasdefender/config"
)

// service is the rhythm of the one check that stands in for the user's in a rehearsal. It
// asks for the carrier of a cable that leads nowhere: pulling that is a service's death.
// Nothing of the user's is asked or run.
type service struct {
	Interval, Timeout time.Duration
	Rise, Fall        int
}

// serviceName is the name of that check.
const serviceName = "service"

// serviceOf has the rhythm of the user's slowest check; the zero service if no alias has
// one.
func serviceOf(cfg *config.Config) (s service) {
	for _, k := range cfg.OfServices() {
		if its := (service{k.Interval, k.Timeout, k.Rise, k.Fall}); its.dies() > s.dies() {
			s = its
		}
	}
	return s
}

// played tells whether there is such a check.
func (v service) played() bool { return v.Fall > 0 }

// dies is how long a dead service may go unnoticed, revives the same of one that lives.
func (v service) dies() time.Duration    { return time.Duration(v.Fall)*v.Interval + v.Timeout }
func (v service) revives() time.Duration { return time.Duration(v.Rise)*v.Interval + v.Timeout }

// notes is what the user has to know of it.
func (v service) notes(cfg *config.Config, some bool) (all []string) {
	if slices.ContainsFunc(cfg.Aliases, func(a config.Alias) bool { return a.Recover.Any() }) {
		all = append(all, "the recovery of a partner's service is not rehearsed: its programs are not run")
	}
	if !v.played() {
		if !some {
			all = append(all, "a dead service is left out: no alias has a check")
		}
		return all
	}
	all = append(all, fmt.Sprintf("your checks are not run: a switch of the rehearsal's is the service on each host, asked each %s, failing after %d answers and good after %d, as your slowest check",
		config.Tidy(v.Interval), v.Fall, v.Rise))
	if slices.ContainsFunc(cfg.OfServices(), func(k config.Check) bool { return k.Holding }) {
		all = append(all, "it is also asked where the alias is not; your checks with when = \"holding\" are not")
	}
	return all
}

// serviceNIC is the name of the interface that is the switch: one that no alias is on.
func (p *plan) serviceNIC() string {
	name := "service"
	for i := 2; slices.Contains(p.Networks, name); i++ {
		name = fmt.Sprintf("service%d", i)
	}
	return name
}

// checked tells whether the alias leaves a host for its service.
func (s situation) checked() bool { return s.Service.played() && len(s.Checks) > 0 }

// unserved: with a channel the alias is handed over; without one it stays, or is released
// for a partner that may take it.
func (s situation) unserved() expectation {
	e := s.still(3)
	switch {
	case !s.holderHit() || !s.checked() && !s.Served[bare(s.Addr)]:
	case s.Keyed:
		e = s.handed()
	case s.OnServiceFailure == config.ServiceRelease:
		e = s.moves(doubted(s.Rhythm))
		if s.Holder == s.primary() {
			e.Vacant, e.Why = true, fmt.Sprintf("as the rules say (H8, W12): released, and %s is not primary and sees that the host is alive", s.standby())
		}
	}
	e.Delay = s.Service.dies()
	return e
}

// unservedOnBoth: wherever it is, it would be no better on the other host.
func (s situation) unservedOnBoth() expectation {
	e := s.still(3)
	if s.checked() && !s.Keyed && s.OnServiceFailure == config.ServiceRelease {
		e = expectation{Holders: [][]string{nil}, Both: -1, Vacant: true, Why: "as the rules say (H8): released, because on_service_failure is \"release\", and the service is dead on both hosts"}
	}
	e.Delay = s.Service.dies()
	return e
}

// servedAgain: a holder whose service lives again keeps the alias. If nobody has it, the
// primary's does, and that takes it.
func (s situation) servedAgain() expectation {
	if len(s.Now) > 0 {
		e := s.still(3)
		e.Delay = s.Service.revives()
		return e
	}
	return expectation{Holders: [][]string{{s.primary()}}, Gap: s.Service.revives() + doubted(s.Rhythm) + starting, Both: resolved(s.Rhythm)}
}

// servedOnBoth: nothing is left to be done but the failback that the user has set.
func (s situation) servedOnBoth() expectation {
	e := s.returned()
	e.Delay = s.Service.revives()
	return e
}

// mended are the hosts whose services live again first: those that have the aliases with
// checks, or should have them.
func mended(all []situation) (hosts []string) {
	for _, s := range all {
		now := s.Now
		if len(now) == 0 {
			now = []string{s.primary()}
		}
		for _, h := range now {
			if s.checked() && !slices.Contains(hosts, h) {
				hosts = append(hosts, h)
			}
		}
	}
	return hosts
}
