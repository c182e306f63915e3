package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// rate is a rhythm: keepalived's advertisements and Alias Defender's questions come
// this often.
type rate struct {
	Name     string
	Interval time.Duration
}

var (
	perSecond   = rate{"1s", time.Second}
	tenth       = rate{"100ms", 100 * time.Millisecond}
	hundredth   = rate{"10ms", 10 * time.Millisecond}
	defaultRate = rate{"default", 20 * time.Second} // of Alias Defender; keepalived's is 1 s
	rates       = []rate{perSecond, tenth, hundredth, defaultRate}
)

// entry is one program with its settings in a story.
type entry struct {
	Program  string
	Variant  string // "": there is but one
	Settings string // further lines for aliasdefender.toml

	// StandbyPrimary: the holder is not the primary host but its standby is. It
	// took the alias while the other was away.
	StandbyPrimary bool
	Far            bool // the client is on the standby's side of a partition
}

// story is what happens to the entries at each of its rhythms.
type story struct {
	Key     string
	Rates   []rate
	Aliases []int
	Entries []entry
	// Takes is about how long one run takes, from the first fault.
	Takes func(interval time.Duration) time.Duration
}

// The variants, as the tables call them.
const (
	keepOnExit     = "on_exit keep"
	releaseOnExit  = "on_exit release"
	releasePrimary = "on_exit release, standby primary"
	standbyPrimary = "standby primary"
	clientNear     = "client at the holder"
	clientFar      = "client at the standby"
)

var (
	three = []rate{perSecond, tenth, hundredth}
	both  = []entry{{Program: keepalived}, {Program: ours}}
)

// stories are all stories, in the order in which they are played.
var stories = []story{
	{"crash", three, []int{1}, both, func(i time.Duration) time.Duration { return detection(i) + tail + restart(i) }},
	{"cable", three, []int{1}, both, func(i time.Duration) time.Duration { return detection(i) + tail }},
	{"cut", three, []int{1}, both, cutTakes},
	{"stop", three, []int{1}, []entry{
		{Program: keepalived},
		{Program: ours, Variant: keepOnExit},
		{Program: ours, Variant: releasePrimary, Settings: `on_exit = "release"`, StandbyPrimary: true},
		{Program: ours, Variant: releaseOnExit, Settings: `on_exit = "release"`},
	}, func(i time.Duration) time.Duration { return stopWatch(i) }},
	{"partition", three, []int{1}, []entry{
		{Program: keepalived, Variant: clientNear}, {Program: ours, Variant: clientNear},
		{Program: keepalived, Variant: clientFar, Far: true}, {Program: ours, Variant: clientFar, Far: true},
	}, cutTakes},
	{"kill", three, []int{1}, both, func(i time.Duration) time.Duration { return killWatch(i) + restart(i) }},
	{"loss", []rate{tenth, hundredth}, []int{1}, []entry{
		{Program: keepalived}, {Program: ours}, {Program: ours, Variant: standbyPrimary, StandbyPrimary: true},
	}, func(time.Duration) time.Duration { return lossFor }},
	{"cpu", three, []int{1}, both, func(time.Duration) time.Duration { return cpuFor }},
	{"cpu", []rate{perSecond}, []int{100, 1000}, both, func(time.Duration) time.Duration { return cpuFor }},
	{"cpu", []rate{defaultRate}, []int{1, 100, 1000}, both[1:], func(time.Duration) time.Duration { return cpuFor }},
	{"take", []rate{perSecond, tenth}, []int{1000}, both, func(i time.Duration) time.Duration { return detection(i) + takeTail }},
}

// How long things are watched.
const (
	settling = 6 * time.Second // both announce again about 5 s after a take: what is measured is not that
	tail     = 2 * time.Second // after the client is served again
	takeTail = 8 * time.Second // keepalived announces again 5 s after a take
	calm     = 5 * time.Second // a heal is over when one holder has served for this long
	healMost = 40 * time.Second
	lossFor  = time.Minute
	cpuFor   = time.Minute
)

// detection is about how long keepalived needs to see that the holder is gone:
// three advertisements and a skew (RFC 9568, 6.1). Ours is no longer.
func detection(i time.Duration) time.Duration { return 36 * i / 10 }

// hold is how long a cut or a partition lasts after the standby has taken.
func hold(i time.Duration) time.Duration { return 3*time.Second + 5*i }

// restart is how long a daemon that was started again is watched.
func restart(i time.Duration) time.Duration { return 8*time.Second + 5*i }

func killWatch(i time.Duration) time.Duration { return 10*time.Second + 5*i }
func stopWatch(i time.Duration) time.Duration { return 5*time.Second + 10*i }

func cutTakes(i time.Duration) time.Duration { return detection(i) + hold(i) + 2*calm }

// setupTakes is about how long it takes until a run can begin: the lab, the start,
// and the wait until nothing moves any more.
func setupTakes(i time.Duration, aliases int, e entry) time.Duration {
	d := time.Second + detection(i) + settling + i + time.Duration(aliases)*3*time.Millisecond
	if e.StandbyPrimary {
		d += 2 * time.Second
	}
	return d
}

// part is a group to measure.
type part struct {
	story   story
	rate    rate
	aliases int
}

// choose picks what to measure: stories and rhythms by name, "" for all.
func choose(only, at string) (parts []part, err error) {
	keys, err := names("-only", only, func(yield func(string) bool) {
		for _, s := range stories {
			if !yield(s.Key) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	rhythms, err := names("-rates", at, func(yield func(string) bool) {
		for _, r := range rates {
			if !yield(r.Name) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for _, s := range stories {
		for _, n := range s.Aliases {
			for _, r := range s.Rates {
				if slices.Contains(keys, s.Key) && slices.Contains(rhythms, r.Name) {
					parts = append(parts, part{s, r, n})
				}
			}
		}
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("-only %s has nothing at -rates %s: leave one of them out", only, at)
	}
	return parts, nil
}

// names splits a list at its commas; each must be one of all.
func names(flag, list string, all func(func(string) bool)) ([]string, error) {
	known := slices.Compact(slices.Collect(all))
	if list == "" {
		return known, nil
	}
	var chosen []string
	for n := range strings.SplitSeq(list, ",") {
		n = strings.TrimSpace(n)
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("%s: %q is none of %s", flag, n, strings.Join(known, ", "))
		}
		chosen = append(chosen, n)
	}
	return chosen, nil
}

// estimate is about how long the parts take, if nothing has to be repeated.
func estimate(parts []part, runs int) (d time.Duration) {
	for _, p := range parts {
		d += p.takes() * time.Duration(runs)
	}
	return d
}

// takes is about how long one run of each entry takes.
func (p part) takes() (d time.Duration) {
	for _, e := range p.story.Entries {
		d += setupTakes(p.rate.Interval, p.aliases, e) + p.story.Takes(p.rate.Interval)
	}
	return d
}
