package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// checks is the source of whether the services behind the aliases are well. It connects
// the checks, each of which is asked once, with the aliases that name them: an alias's
// service is failing if one of its checks is, and good if all of them are.
type checks struct {
	set    *check.Set
	record func(record.Event)
	also   func(check.Report) // is told each report too; nil: nobody is
	wake   chan struct{}      // one place: something may have to be posted

	mu    sync.Mutex
	uses  map[netip.Addr][]string    // the checks of each alias that has some
	holds map[netip.Addr]bool        // the aliases that this host has
	told  map[netip.Addr]observation // what was posted last
	flood record.Flood
}

// observation is what is known of the service of one alias.
type observation struct {
	value rules.Value
	why   string
	asked time.Time // when the newest question behind it was put
	until time.Time // how long it counts
}

// againAfter is how much longer a fact must live before it is posted again although
// nothing else has changed: a fast check of a thousand aliases must not keep the loop busy.
const againAfter = time.Second

// newChecks makes the source. Nothing is asked before Run.
func newChecks(cfg *config.Config, ask check.Asker, record func(record.Event)) *checks {
	c := &checks{record: record, wake: make(chan struct{}, 1), holds: map[netip.Addr]bool{}, told: map[netip.Addr]observation{}}
	c.set = check.New(ask, c.tell)
	c.use(cfg)
	return c
}

// String is the source's name in the log.
func (c *checks) String() string { return "checks" }

// use puts the checks of a configuration in force. Those that have not changed go on.
func (c *checks) use(cfg *config.Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses = map[netip.Addr][]string{}
	for _, a := range cfg.Aliases {
		if len(a.Checks) > 0 {
			c.uses[host.Zoned(a.Addr, a.NIC)] = a.Checks
		}
	}
	c.set.Use(cfg.Used())
	c.tellHeld()
	c.poke()
}

// Want is called by the loop when its aliases have changed. What they are is known from
// the file; of those that are new the loop has to be told what is known.
func (c *checks) Want([]netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for alias, o := range c.told {
		o.until = time.Time{}
		c.told[alias] = o
	}
	c.poke()
}

// Holds notes that this host has an alias, or no longer.
func (c *checks) Holds(alias netip.Addr, yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holds[alias] = true; !yes {
		delete(c.holds, alias)
	}
	c.tellHeld()
}

// tellHeld tells each check whether an alias that uses it is here.
func (c *checks) tellHeld() {
	here := map[string]bool{}
	for alias, names := range c.uses {
		for _, name := range names {
			here[name] = here[name] || c.holds[alias]
		}
	}
	for name, is := range here {
		c.set.Held(name, is)
	}
}

func (c *checks) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run asks, and posts what follows for each alias.
func (c *checks) Run(ctx context.Context, post func(...defender.Observation)) error {
	var asking sync.WaitGroup
	asking.Go(func() { c.set.Run(ctx) })
	defer asking.Wait()
	counts := time.NewTicker(time.Minute)
	defer counts.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-counts.C:
			c.sayRepeated()
		case <-c.wake:
			if all := c.due(time.Now()); len(all) > 0 {
				post(all...)
			}
		}
	}
}

// due is what has to be posted now.
func (c *checks) due(now time.Time) (all []defender.Observation) {
	reports := map[string]check.Report{}
	for _, r := range c.set.Reports() {
		reports[r.Check.Name] = r
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for alias := range c.told {
		if c.uses[alias] == nil { // its row has no checks any more
			delete(c.told, alias)
			all = append(all, defender.Observation{Alias: alias, Fact: rules.FactService, Asked: now})
		}
	}
	for alias, names := range c.uses {
		was := c.told[alias]
		is := judge(names, reports, was, now)
		if is.value == was.value && is.why == was.why && is.until.Sub(was.until) < againAfter {
			continue
		}
		c.told[alias] = is
		all = append(all, defender.Observation{
			Alias: alias, Fact: rules.FactService, Value: is.value, Why: is.why, Asked: is.asked, Lives: is.until.Sub(is.asked),
		})
	}
	return all
}

// judge is what the reports of an alias's checks say together. Questions of different
// checks overlap: asked never goes back.
func judge(names []string, reports map[string]check.Report, was observation, now time.Time) observation {
	is := observation{value: rules.Yes, asked: was.asked}
	var bad []string
	for _, name := range names {
		r := reports[name]
		until := r.Asked.Add(r.Lives)
		if r.Asked.After(is.asked) {
			is.asked = r.Asked
		}
		switch {
		case r.State == check.Failing && now.Before(until):
			if is.value != rules.No || until.After(is.until) {
				is.until = until
			}
			is.value = rules.No
			bad = append(bad, name+": "+r.Cause)
		case is.value == rules.No:
		case r.State != check.Good || !now.Before(until):
			is.value = rules.Unknown
		case is.value == rules.Yes && (is.until.IsZero() || until.Before(is.until)):
			is.until = until
		}
	}
	if is.value == rules.Unknown {
		return observation{asked: now}
	}
	is.why = brief(bad)
	return is
}

// mostSaid is how many checks of an alias are named together.
const mostSaid = 3

// brief is a list of which the first few are said.
func brief(all []string) string {
	if n := len(all); n > mostSaid {
		return strings.Join(all[:mostSaid], "; ") + fmt.Sprintf("; and %d more", n-mostSaid)
	}
	return strings.Join(all, "; ")
}

// tell takes in what is known of a check, and records if it has turned.
func (c *checks) tell(r check.Report) {
	if r.Turned {
		c.turned(r, time.Now())
	}
	if c.also != nil {
		c.also(r)
	}
	c.poke()
}

// turned records that a check says something else than before.
func (c *checks) turned(r check.Report, now time.Time) {
	e := record.Event{Time: now, Check: r.Check.Name, Decision: record.Decision{Reason: r.Reason}}
	switch {
	case r.State == check.Failing:
		e.Kind, e.Level = record.CheckFailing, rules.Warning
	case r.State == check.Good:
		e.Kind = record.CheckGood
	case r.Idle:
		e.Kind = record.CheckUnknown
	default:
		e.Kind, e.Level = record.CheckUnknown, rules.Warning
	}
	e.Text = fmt.Sprintf("the check %s is %s: %s", r.Check.Name, r.State, r.Reason)
	c.mu.Lock()
	may := c.flood.May(record.Sort{Kind: e.Kind, Reason: r.Check.Name}, now)
	c.mu.Unlock()
	if may {
		c.record(e)
	}
}

// sayRepeated records how often checks have turned that was not recorded each time.
func (c *checks) sayRepeated() {
	now := time.Now()
	c.mu.Lock()
	all := c.flood.Due(now)
	c.mu.Unlock()
	for _, more := range all {
		c.record(record.Event{
			Time: now, Kind: record.Repeated, Level: rules.Warning, Check: more.Reason, Drops: more.N,
			Text: more.Text(),
		})
	}
}

// shown are the checks as Status shows them.
func (c *checks) shown() (all []control.Check) {
	for _, r := range c.set.Reports() {
		s := control.Check{
			Name: r.Check.Name, Kind: string(r.Check.Kind), State: r.State.String(), Since: r.Since.Round(0),
			Why: r.Reason, Output: r.Output, Asked: r.Asked.Round(0), Late: r.Late,
		}
		if r.State != check.Unknown && r.Last != r.State {
			s.Why = r.Cause + "; the last answer: " + r.Reason
		}
		if r.State == check.Failing || cannotBeAsked(r) {
			s.Level = "warning"
		}
		all = append(all, s)
	}
	return all
}

// cannotBeAsked tells whether nothing is known of a service although it is asked.
func cannotBeAsked(r check.Report) bool {
	return r.State == check.Unknown && r.Last == check.Unknown && !r.Idle
}

// problems are the checks that nothing can be learnt from.
func (c *checks) problems() (all []string) {
	for _, r := range c.set.Reports() {
		if cannotBeAsked(r) {
			all = append(all, fmt.Sprintf("the check %s is unknown, and an alias stays where it is whatever its service does: %s", r.Check.Name, r.Reason))
		}
	}
	if len(all) > mostNamed {
		all = append(all[:mostNamed], fmt.Sprintf("and %d more checks are unknown", len(all)-mostNamed))
	}
	return all
}
