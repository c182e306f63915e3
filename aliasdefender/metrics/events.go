package metrics

import (
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// Events counts events: a sink of the recorder. Its lock is held for moments only.
type Events struct {
	mu      sync.Mutex
	aliases map[record.Alias]*ofAlias
	totals
}

// totals is what is not counted by alias.
type totals struct {
	rows     map[string]uint64
	routes   map[string]uint64
	hooks    map[hookResult]uint64
	failures uint64
}

// ofAlias is what is counted of one alias.
type ofAlias struct {
	takes, releases, rivals uint64
	handOvers               [len(outcomes)]uint64
	recoveries              [len(recoveryOutcomes)]uint64
	moved                   time.Time
}

// hookResult is what became of hooks of one name.
type hookResult struct{ hook, result string }

// The outcomes of a hand-over.
const (
	given = iota
	taken
	failed
)

var outcomes = [...]string{given: "given", taken: "taken", failed: "failed"}

// The outcomes of a recovery.
const (
	helped = iota
	brokenOff
	hasFailed
)

var recoveryOutcomes = [...]string{helped: "helped", brokenOff: "broken off", hasFailed: "failed"}

// outcomeOf is the outcome of a recovery that has ended, by the level of its event.
func outcomeOf(l rules.Level) int {
	switch {
	case l >= rules.Error:
		return hasFailed
	case l == rules.Warning:
		return brokenOff
	default:
		return helped
	}
}

// rivals are the reasons of decisions about an alias that another host claims too.
var rivals = func() map[string]bool {
	all := map[string]bool{}
	for _, r := range []rules.Reason{
		rules.RivalPartner, rules.FailbackRefused, rules.TwoPrimaries, rules.PartnerDefended, rules.ForeignDefended,
		rules.ClaimDefended, rules.PartnerClaims, rules.ForeignClaims, rules.ClaimAsked,
	} {
		all[r.String()] = true
	}
	return all
}()

// NewEvents makes Events that has counted nothing.
func NewEvents() *Events {
	return &Events{
		aliases: map[record.Alias]*ofAlias{},
		totals:  totals{rows: map[string]uint64{}, routes: map[string]uint64{}, hooks: map[hookResult]uint64{}},
	}
}

// Every has Events told of what happens too often to be recorded one by one.
func (c *Events) Every() {}

// Put counts an event.
func (c *Events) Put(e record.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Kind {
	case record.Lasts, record.Lost:
		return // said again, or about the log
	case record.Repeated:
		return // each of them was counted when it happened
	case record.Failed:
		c.failures++
	case record.HookRan:
		c.hooks[hookResult{e.Hook, "ran"}]++
	case record.HookFailed:
		c.hooks[hookResult{e.Hook, "failed"}]++
	case record.HookSkipped:
		c.hooks[hookResult{e.Hook, "skipped"}] += max(e.Drops, 1)
	case record.RouteMoved:
		if e.Via != e.ViaOld { // otherwise it was found
			c.routes[e.Route]++
		}
	}
	if e.Decision.Row != "" && decides(e.Kind) {
		c.rows[e.Decision.Row]++
	}
	if e.Alias.Addr.IsValid() {
		c.of(e.Alias).put(e)
	}
}

// decides tells whether an event of that kind is a decision, and not something about one.
func decides(k record.Kind) bool {
	switch k {
	case record.Decided, record.Moved, record.HandoverBegun, record.RouteDecided, record.RouteMoved:
		return true
	}
	return false
}

// of is what is counted of an alias. mu is held.
func (c *Events) of(a record.Alias) *ofAlias {
	a.Addr = a.Addr.WithZone("")
	one := c.aliases[a]
	if one == nil {
		one = &ofAlias{}
		c.aliases[a] = one
	}
	return one
}

func (a *ofAlias) put(e record.Event) {
	if decides(e.Kind) && rivals[e.Decision.Reason] {
		a.rivals++
	}
	switch {
	case e.Kind == record.HandoverEnded:
		a.handOvers[failed]++
	case e.Kind == record.RecoveryEnded:
		a.recoveries[outcomeOf(e.Level)]++
	case e.Kind != record.Moved:
	default:
		switch e.Decision.Action { // what was found, or put back, has not moved
		case rules.Take.String():
			a.moved = e.Time
			a.takes++
			if e.Decision.Reason == rules.Offered.String() {
				a.handOvers[taken]++
			}
		case rules.Release.String(), rules.Forget.String():
			a.moved = e.Time
			a.releases++
			if e.Decision.Reason == rules.HandedOver.String() {
				a.handOvers[given]++
			}
		}
	}
}

// copyTo copies to a page what was counted of the aliases that it has.
func (c *Events) copyTo(p *page) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.events = totals{maps.Clone(c.rows), maps.Clone(c.routes), maps.Clone(c.hooks), c.failures}
	for i := range p.Aliases {
		if one := c.aliases[recorded(&p.Aliases[i])]; one != nil {
			p.counted[i] = *one
		}
	}
}

// recorded is the alias as events name it.
func recorded(a *control.Alias) record.Alias {
	addr, _ := netip.ParseAddr(a.Alias) // the zero Addr is no alias of an event
	nic, _, _ := strings.Cut(a.NIC, ":")
	return record.Alias{Addr: addr.WithZone(""), NIC: nic}
}
