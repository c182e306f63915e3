package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/lab"
)

// measured is what a run found: values whose names end in their unit, and the names
// of those that are "at least".
type measured struct {
	values map[string]float64
	open   []string
	had    []Had
}

func (m *measured) set(name string, v float64) {
	if m.values == nil {
		m.values = map[string]float64{}
	}
	m.values[name] = v
}

// gap files the longest gap of a client.
func (m *measured) gap(name string, c *lab.Client, from, to time.Time) {
	d, open := longest(c, from, to)
	m.set(name, ms(d))
	if open && ms(d) >= noGap { // ignore what is shorter: the last question's answer is on its way
		m.open = append(m.open, name)
	}
}

// plays are the stories' deeds, by key.
var plays = map[string]func(context.Context, *stage, *measured) error{
	"crash":     playCrash,
	"cable":     playCable,
	"cut":       playCut,
	"stop":      playStop,
	"partition": playPartition,
	"kill":      playKill,
	"loss":      playLoss,
	"cpu":       playCPU,
	"take":      playTake,
}

// patience is how long to wait for a take before giving up.
func patience(i time.Duration) time.Duration { return 20*time.Second + 10*i }

// served waits until b answers, and then a little longer. If it never does, that is a
// finding and not an error.
func (s *stage) served(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, patience(s.rate.Interval))
	defer cancel()
	if err := s.asker.WaitAnswer(within, hostB); err != nil && ctx.Err() != nil {
		return err
	}
	return pause(ctx, tail)
}

// playCrash is a power cut of the holder, and its return.
func playCrash(ctx context.Context, s *stage, m *measured) error {
	from := s.mark()
	if err := s.a.Crash(); err != nil {
		return err
	}
	if err := s.served(ctx); err != nil {
		return err
	}
	m.gap("gap_ms", s.asker, from, time.Now())

	from = time.Now()
	if err := s.boot(s.a); err != nil {
		return err
	}
	if err := pause(ctx, restart(s.rate.Interval)); err != nil {
		return err
	}
	m.gap("return_gap_ms", s.asker, from, time.Now())
	t := s.holders.Tenure(from, time.Time{})
	m.set("return_both_ms", ms(t.Both))
	m.set("return_takes", float64(t.Takes))
	return nil
}

// playCable pulls the holder's cable.
func playCable(ctx context.Context, s *stage, m *measured) error {
	from := s.mark()
	if err := s.a.Port().Down(); err != nil {
		return err
	}
	if err := s.served(ctx); err != nil {
		return err
	}
	m.gap("gap_ms", s.asker, from, time.Now())
	return nil
}

// playCut stops every frame of the holder and leaves it its carrier, then heals.
func playCut(ctx context.Context, s *stage, m *measured) error {
	return s.divide(ctx, m, s.a.Port().Mute, s.a.Port().Unmute, true)
}

// playPartition divides the holder from standby and router, then heals. The
// control client is in no part: it reaches the router throughout.
func playPartition(ctx context.Context, s *stage, m *measured) error {
	near, far := []*lab.Port{s.a.Port()}, []*lab.Port{s.b.Port(), s.router.Port()}
	if s.Far {
		far = append(far, s.client.Port())
	} else {
		near = append(near, s.client.Port())
	}
	return s.divide(ctx, m, func() error { return s.lan.Partition(near, far) }, s.lan.Heal, s.Far)
}

// divide cuts the holder off, lets the standby take, heals, and watches until one
// holder has served the client for a while.
func (s *stage) divide(ctx context.Context, m *measured, cut, heal func() error, moves bool) error {
	i := s.rate.Interval
	from := s.mark()
	if err := cut(); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, patience(i))
	defer cancel()
	var err error
	if moves {
		err = s.asker.WaitAnswer(within, hostB)
	} else {
		err = s.holders.Wait(within, hostA, hostB)
	}
	if err != nil && ctx.Err() != nil {
		return err // it is a finding if nobody takes
	}
	// Not a whole number of intervals after the take: it would always be the same
	// moment of a daemon's rhythm.
	if err := pause(ctx, hold(i)+s.phase); err != nil {
		return err
	}
	m.gap("gap_ms", s.asker, from, time.Now())

	from = time.Now()
	if err := heal(); err != nil {
		return err
	}
	for s.calmSince(from) < calm && time.Since(from) < healMost {
		if err := pause(ctx, calm/50); err != nil {
			return err
		}
	}
	to := time.Now()
	m.gap("heal_gap_ms", s.asker, from, to)
	m.set("heal_both_ms", ms(s.holders.Tenure(from, to).Both))
	m.set("heal_served", s.servedAtTheEnd(to))
	return nil
}

// answerTime is how long after a question its answer has surely arrived.
const answerTime = 100 * time.Millisecond

// calmSince tells since when the only holder has been serving the client, but not
// before the given moment.
func (s *stage) calmSince(from time.Time) time.Duration {
	to := time.Now().Add(-answerTime)
	have := s.holders.Holders()
	if len(have) != 1 || to.Before(from) {
		return 0
	}
	since := from
	for _, span := range s.holders.Spans() {
		since = latest(since, span.From)
		if !span.Open {
			since = latest(since, span.To)
		}
	}
	for _, g := range s.asker.Gaps(since, to, s.noise) {
		since = latest(since, g.To)
	}
	for _, a := range s.asker.Spans(since, to) {
		if a.By != have[0] {
			since = latest(since, a.To)
		}
	}
	return to.Sub(since)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// servedAtTheEnd is 1 if the client is answered, otherwise 0.
func (s *stage) servedAtTheEnd(to time.Time) float64 {
	r := s.asker.Report(to.Add(-time.Second-answerTime), to.Add(-answerTime))
	if r.Sent > 0 && r.Answered*10 >= r.Sent*9 {
		return 1
	}
	return 0
}

// playStop ends the holder's daemon by TERM.
func playStop(ctx context.Context, s *stage, m *measured) error {
	from := s.mark()
	if err := s.procs[s.a].Signal(unix.SIGTERM); err != nil {
		return err
	}
	if err := pause(ctx, stopWatch(s.rate.Interval)); err != nil {
		return err
	}
	m.gap("gap_ms", s.asker, from, time.Now())
	m.set("takes", float64(s.holders.Tenure(from, time.Time{}).Takes))
	return nil
}

// playKill kills the holder's daemon but not its host, then starts the daemon again.
func playKill(ctx context.Context, s *stage, m *measured) error {
	from := s.mark()
	if err := kill(s.procs[s.a]); err != nil {
		return err
	}
	if err := pause(ctx, killWatch(s.rate.Interval)); err != nil {
		return err
	}
	to := time.Now()
	m.set("watched_ms", ms(to.Sub(from)))
	m.set("both_ms", ms(s.holders.Tenure(from, to).Both))
	m.gap("gap_ms", s.asker, from, to)

	if err := s.start(s.a); err != nil {
		return err
	}
	if err := pause(ctx, restart(s.rate.Interval)); err != nil {
		return err
	}
	m.set("restart_both_ms", ms(s.holders.Tenure(to, time.Time{}).Both))
	m.gap("restart_gap_ms", s.asker, to, time.Now())
	return nil
}

// lossPercent is how many of the frames to the standby are lost, and how many of
// those from it.
const lossPercent = 30

// playLoss loses frames at the standby's port, and counts how often that moves the
// alias.
func playLoss(ctx context.Context, s *stage, m *measured) error {
	from := s.mark()
	if err := s.b.Port().Loss(lossPercent, lossPercent); err != nil {
		return err
	}
	if err := pause(ctx, lossFor); err != nil {
		return err
	}
	to := time.Now()
	t := s.holders.Tenure(from, to)
	m.set("takes", float64(t.Takes))
	m.set("both_ms", ms(t.Both))
	m.gap("gap_ms", s.asker, from, to)
	return nil
}

// playCPU lets the daemons run undisturbed.
func playCPU(ctx context.Context, s *stage, m *measured) error {
	hosts := map[string]*lab.Process{"holder": s.procs[s.a], "standby": s.procs[s.b]}
	s.mark()
	before := map[string]cost{}
	for name, p := range hosts {
		c, err := costOf(p)
		if err != nil {
			return err
		}
		before[name] = c
	}
	if err := pause(ctx, cpuFor); err != nil {
		return err
	}
	for name, p := range hosts {
		c, err := costOf(p)
		if err != nil {
			return err
		}
		if !slices.Equal(c.pids, before[name].pids) {
			return fmt.Errorf("the %s's processes were %v and are %v", name, before[name].pids, c.pids)
		}
		m.set(name+"_cpu_ms", ms(c.cpu-before[name].cpu))
		m.set(name+"_resident_kb", float64(c.resident))
		m.set(name+"_pss_kb", float64(c.proportionate))
	}
	if have := s.holders.Holders(); !slices.Equal(have, []string{hostA}) {
		return fmt.Errorf("held by %v at the end", have)
	}
	return nil
}

// playTake has the standby take many aliases after a crash.
func playTake(ctx context.Context, s *stage, m *measured) error {
	came, err := watchAdds(s.b)
	if err != nil {
		return err
	}
	defer came.close()
	heard, err := s.client.Port().Sniff()
	if err != nil {
		return err
	}
	from := s.mark()
	if err := s.a.Crash(); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, patience(s.rate.Interval))
	defer cancel()
	if err := came.wait(within, len(s.aliases)); err != nil {
		return err
	}
	if err := pause(ctx, takeTail); err != nil {
		return err
	}
	if err := heard.Close(); err != nil {
		return err
	}
	first, last := came.span()
	m.set("first_ms", ms(first.Sub(from)))
	m.set("added_ms", ms(last.Sub(first)))
	m.gap("gap_ms", s.asker, from, time.Now())
	at, err := lastAnnounced(heard.Frames(), s.aliases, s.b.NIC(nic).MAC.String())
	if err != nil {
		return err
	}
	m.set("announced_ms", ms(at.Sub(first)))
	return nil
}

// lastAnnounced is when the last alias was first announced with that hardware
// address.
func lastAnnounced(frames []lab.Frame, aliases []netip.Prefix, mac string) (last time.Time, err error) {
	first := map[netip.Addr]time.Time{}
	for _, f := range frames {
		if _, ok := first[f.SenderIP]; !ok && f.Claim(f.SenderIP) && f.SenderHW.String() == mac {
			first[f.SenderIP] = f.At
		}
	}
	missing := 0
	for _, a := range aliases {
		at, ok := first[a.Addr()]
		if !ok {
			missing++
		}
		last = latest(last, at)
	}
	if missing > 0 {
		return last, fmt.Errorf("%d of %d aliases were not announced within %v, or not heard to be", missing, len(aliases), takeTail)
	}
	return last, nil
}

// errDisturbed wraps what the machine did to a run.
var errDisturbed = errors.New("disturbed")

// once plays a story in a lab of its own. An error that wraps errDisturbed is about
// the machine.
func once(ctx context.Context, p part, e entry, program contender, phase, noise time.Duration) (m measured, err error) {
	s, err := newStage(setup{entry: e, rate: p.rate, aliases: addressesOf(e.IPv6).aliases(p.aliases)}, program, p.story.Key == "cpu")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.phase, s.noise = phase, noise
	if err := s.begin(ctx); err != nil {
		return m, fmt.Errorf("begin: %w", err)
	}
	if err := plays[p.story.Key](ctx, s, &m); err != nil {
		return m, err
	}
	if p.draws(e) {
		m.had = s.had()
	}
	if d := s.disturbed(&m); d != "" {
		return m, fmt.Errorf("%w: %s", errDisturbed, d)
	}
	return m, nil
}
