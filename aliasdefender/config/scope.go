package config

import (
	"fmt"
	"net/netip"
	"time"
)

// Defaults of aliasdefender.toml. With them an alias that falls silent is known to be
// silent after 23 s at worst, within the original's 30 s.
const (
	DefaultInterval      = 20 * time.Second
	DefaultMisses        = 3
	DefaultIsolatedAfter = time.Minute // longer if Rhythm.Detect is longer
	DefaultMaxTakes      = 10
	DefaultFailbackAfter = time.Minute
	DefaultPort          = 6940 // UDP
)

// The bounds of the settings, with their reasons unless these are plain:
const (
	// Below 10 ms the answer of a busy but healthy host comes too late.
	minInterval, maxInterval = 10 * time.Millisecond, time.Hour
	minTimeout, maxTimeout   = time.Millisecond, 10 * time.Second

	// One timeout has four questions, so one lost packet changes nothing even with one
	// miss. But all four may fall into one hiccup of a switch. And H3 waits (misses - 1)
	// timeouts for a lost carrier: with one miss a blink of the link would release the
	// alias.
	minMisses, maxMisses = 2, 100

	// If a doubt took more intervals than this, the interval would mean nothing: the time
	// to detect would be all doubt.
	maxDoubt = 4

	// The rules remember each take of the last hour.
	minTakes, maxTakes = 1, 1000

	// Whoever wants to wait longer wants "never", which has settings of its own.
	maxWait = 24 * time.Hour

	// The kernel counts a lease in whole seconds, and checks only now and then. The loop
	// renews it each interval, and may be late once.
	minLease       = 3 * time.Second
	leaseIntervals = 2
)

// DefaultLease returns the lease that goes with an interval if no lease is set: three
// intervals, at least 10 s.
func DefaultLease(interval time.Duration) time.Duration {
	return max(10*time.Second, (3*interval + time.Second - 1).Truncate(time.Second))
}

// DefaultTimeout returns the timeout that goes with an interval if no timeout is set: a
// quarter of it, from 5 ms to 1 s.
func DefaultTimeout(interval time.Duration) time.Duration {
	return min(max(interval/4, 5*time.Millisecond), time.Second)
}

// Detect returns the longest time for which nobody notices that an address is silent:
// until the next question, and then for the doubt of Misses timeouts.
func (r Rhythm) Detect() time.Duration {
	return r.Interval + r.doubt()
}

func (r Rhythm) doubt() time.Duration { return time.Duration(r.Misses) * r.Timeout }

// scope is what one part of aliasdefender.toml gives for aliases: the top of
// the file for all, a table [alias."..."] for one.
type scope struct {
	addr netip.Addr // the alias; the zero Addr: the top of the file, or a bad name
	place

	interval, timeout, isolatedAfter, failbackAfter, lease given[time.Duration]
	misses, maxTakes                                       given[int]
	router                                                 given[netip.Addr]
	witnesses                                              given[[]witness]
	onIsolation                                            given[OnIsolation]
	failback                                               given[bool]
	hooks                                                  hookScope
	checks                                                 given[[]named]
	onServiceFailure                                       given[OnServiceFailure]
	recover                                                recoverScope // of one alias only
}

// place is where a mistake is.
type place struct {
	line  int // 0 for nowhere
	field string
}

// within joins a scope with the wider one around it, setting by setting.
func (s scope) within(wide scope) scope {
	s.interval = s.interval.or(wide.interval)
	s.timeout = s.timeout.or(wide.timeout)
	s.misses = s.misses.or(wide.misses)
	s.router = s.router.or(wide.router)
	s.witnesses = s.witnesses.or(wide.witnesses)
	s.onIsolation = s.onIsolation.or(wide.onIsolation)
	s.isolatedAfter = s.isolatedAfter.or(wide.isolatedAfter)
	s.maxTakes = s.maxTakes.or(wide.maxTakes)
	s.failback = s.failback.or(wide.failback)
	s.failbackAfter = s.failbackAfter.or(wide.failbackAfter)
	s.lease = s.lease.or(wide.lease)
	s.hooks = s.hooks.within(wide.hooks)
	s.checks = s.checks.or(wide.checks)
	s.onServiceFailure = s.onServiceFailure.or(wide.onServiceFailure)
	return s
}

// rhythm fills in the defaults. The default timeout follows the interval in force, so a
// faster alias need not set both.
func (s scope) rhythm() Rhythm {
	interval := s.interval.orDefault(DefaultInterval)
	return Rhythm{
		Interval: interval,
		Timeout:  s.timeout.orDefault(DefaultTimeout(interval)),
		Misses:   s.misses.orDefault(DefaultMisses),
	}
}

// apply writes the settings, and defaults where there are none, into an alias.
func (s scope) apply(a *Alias) {
	a.Rhythm = s.rhythm()
	a.Router = s.router.value
	a.Witnesses = nil
	for _, w := range s.witnesses.value {
		a.Witnesses = append(a.Witnesses, w.addr)
	}
	a.OnIsolation = s.onIsolation.orDefault(IsolationKeep)
	a.IsolatedAfter = s.isolatedAfter.orDefault(max(DefaultIsolatedAfter, a.Detect()))
	a.MaxTakes = s.maxTakes.orDefault(DefaultMaxTakes)
	// Set for all aliases, failback means those of which this host is primary.
	a.Failback = s.failback.value && a.Primary
	a.FailbackAfter = s.failbackAfter.orDefault(DefaultFailbackAfter)
	a.Lease = s.lease.orDefault(DefaultLease(a.Interval))
	a.Hooks = s.hooks.hooks(HookName.ofAliases)
	a.Checks = s.names()
	a.OnServiceFailure = s.onServiceFailure.orDefault(ServiceKeep)
	a.Recover = s.recover.settings()
}

// checkTimes finds times that contradict each other in s, within wide. It blames only
// what s itself sets: the rest is wrong elsewhere and is reported there.
func (s scope) checkTimes(file string, wide scope) (mistakes Mistakes) {
	all := s.within(wide)
	if all.interval.bad || all.timeout.bad || all.misses.bad {
		return nil // nothing can be concluded from a value that was refused
	}
	blame := func(text string, candidates ...place) {
		for _, c := range candidates {
			if c.line > 0 {
				mistakes = append(mistakes, Mistake{File: file, Line: c.line, Field: c.field, Text: text})
				return
			}
		}
	}
	interval, timeout, misses := s.interval.place(), s.timeout.place(), s.misses.place()
	r := all.rhythm()
	if r.Timeout > r.Interval {
		blame(fmt.Sprintf("the timeout of %s is longer than the interval of %s: the next probe would be sent before the answer is due",
			Tidy(r.Timeout), Tidy(r.Interval)), timeout, interval)
	} else if r.doubt() > maxDoubt*r.Interval {
		blame(fmt.Sprintf("%d misses with a timeout of %s take %s, more than %d intervals of %s; lower misses or timeout, or raise interval",
			r.Misses, Tidy(r.Timeout), Tidy(r.doubt()), maxDoubt, Tidy(r.Interval)), misses, timeout, interval)
	}
	if isolated := all.isolatedAfter; isolated.isSet() && !isolated.bad && isolated.value < r.Detect() {
		blame(fmt.Sprintf("isolated_after is %s, shorter than the %s that it takes to find anything silent (interval + misses × timeout)",
			Tidy(isolated.value), Tidy(r.Detect())), s.isolatedAfter.place(), interval, timeout, misses)
	}
	if lease := all.lease; lease.isSet() && !lease.bad && lease.value > 0 && lease.value < leaseIntervals*r.Interval {
		blame(fmt.Sprintf("a lease of %s is shorter than %d intervals of %s: one late renewal would cost a healthy holder its alias",
			Tidy(lease.value), leaseIntervals, Tidy(r.Interval)), s.lease.place(), interval)
	}
	return mistakes
}
