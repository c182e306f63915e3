package rehearse

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/timeline"
)

// mostPlays is how often a scenario is played at most if the machine stands still each
// time: then its last verdict counts.
const mostPlays = 3

// play is a rehearsal under way.
type play struct {
	*Rehearsal
	say    func(step string)
	stage  *stage
	report Report
	marks  map[netip.Addr][]timeline.Mark // the steps that were played with an alias
}

// Run builds the stage, plays, and takes the stage down whatever happened. say is told of
// each step as it begins. When ctx ends, Run ends early with an error. Call it once. The
// error is lab.ErrRefused if the system refuses the lab.
func (r *Rehearsal) Run(ctx context.Context, say func(step string)) (_ *Report, err error) {
	began := time.Now()
	p := &play{Rehearsal: r, say: say, marks: map[netip.Addr][]timeline.Mark{}}
	say("building the network")
	longest := time.Duration(0)
	for _, sc := range r.scenarios {
		longest = max(longest, r.plan.duration([]scenario{sc}, r.daemons))
	}
	if p.stage, err = newStage(r.plan, r.daemons, longest); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stage.close()) }()
	if p.stage.every > time.Millisecond {
		p.report.Notes = append(p.report.Notes, fmt.Sprintf("each alias was asked each %s", p.stage.every))
	}
	for _, sc := range append([]scenario{opening}, r.scenarios...) {
		play := p.play
		if sc.Key == routeKey {
			play = func(ctx context.Context, _ scenario) error { return p.playRoute(ctx) }
		}
		if err := play(ctx, sc); err != nil {
			return nil, err
		}
	}
	p.report.end(began)
	p.report.Timeline = p.timeline(time.Now())
	return &p.report, nil
}

// play plays a scenario for every alias. If there are holders on several hosts it takes
// two rounds, because the two hosts of an alias must not be hit at once.
func (r *play) play(ctx context.Context, sc scenario) error {
	left := slices.Clone(r.plan.Parts)
	for len(left) > 0 {
		var now rounds
		var hit []string
		if sc.Hits == hitNobody {
			now, left = left, nil
		} else if now, left, hit = r.round(sc.Hits, left); len(now) == 0 {
			r.report.add(unplayed(sc, left)...)
			return nil
		}
		rows, err := r.playRound(ctx, sc, now, hit)
		if err != nil {
			return err
		}
		for plays := 1; plays < mostPlays; plays++ {
			noise := noisyRow(rows)
			if noise == nil {
				break
			}
			again, _, hit := r.round(sc.Hits, now)
			if sc.Hits != hitNobody && len(again) != len(now) {
				break
			}
			r.report.Notes = append(r.report.Notes, fmt.Sprintf("%s was played again: at %s %s", sc.Key, noise.Step, noise.noise()))
			if rows, err = r.playRound(ctx, sc, now, hit); err != nil {
				return err
			}
		}
		r.report.add(rows...)
	}
	return nil
}

// round picks the aliases that can be hit together: all for which this host is hit, or
// all for which partners are hit. An alias without exactly one holder cannot be hit.
func (r *play) round(hits target, of rounds) (now, left rounds, hit []string) {
	for _, us := range []bool{true, false} {
		now, left, hit = nil, nil, nil
		for _, a := range of {
			who := ""
			if have := r.stage.watches[a.Addr].Holders(); len(have) == 1 {
				who = have[0]
			}
			if who != "" && hits == hitStandbys {
				who = a.other(who)
			}
			if who == "" || (who == a.Host) != us {
				left = append(left, a)
				continue
			}
			now = append(now, a)
			if !slices.Contains(hit, who) {
				hit = append(hit, who)
			}
		}
		if len(now) > 0 {
			break
		}
	}
	return now, left, hit
}

// unplayed is what is said of aliases that no host had when a scenario began.
func unplayed(sc scenario, left rounds) (rows []Step) {
	for _, a := range left {
		j := broken(2, "not played: it did not have exactly one holder")
		rows = append(rows, Step{Scenario: sc.Key, Step: sc.Steps[0].Name, Alias: a.Addr, Promise: j.Promise, Verdict: j.Text})
	}
	return rows
}

// playRound plays a scenario once. Aliases that it was not meant for are watched all the
// same, and reported if they suffered.
func (r *play) playRound(ctx context.Context, sc scenario, meant rounds, hit []string) (rows []Step, err error) {
	holder := map[netip.Addr]string{}
	for _, a := range r.plan.Parts {
		if have := r.stage.watches[a.Addr].Holders(); len(have) == 1 {
			holder[a.Addr] = have[0]
		}
	}
	for _, st := range sc.Steps {
		var all []situation
		for _, a := range r.plan.Parts {
			isMeant := slices.ContainsFunc(meant, func(m part) bool { return m.Addr == a.Addr })
			if holder[a.Addr] == "" && !isMeant {
				continue // it was reported already
			}
			all = append(all, situation{
				part: a, daemons: r.daemons, Hit: hit, Meant: isMeant, Holder: holder[a.Addr], Now: r.stage.watches[a.Addr].Holders(),
			})
		}
		r.say(st.Name)
		made, err := r.playStep(ctx, sc, st, all)
		if err != nil {
			return nil, err
		}
		for i, row := range made {
			if all[i].Meant || !row.Good {
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

// playStep carries out one step and judges it for each alias.
func (r *play) playStep(ctx context.Context, sc scenario, st step, all []situation) (rows []Step, err error) {
	expected := make([]expectation, len(all))
	most, early := time.Duration(0), true
	for i, s := range all {
		expected[i] = st.Expect(s)
		if s.Meant { // other aliases are watched for just as long
			m, e := s.wait(expected[i])
			most, early = max(most, m), early && e
		}
	}
	from, waited := time.Now(), r.stage.waited()
	for _, s := range all {
		if s.Meant {
			r.marks[s.Addr] = append(r.marks[s.Addr], timeline.Mark{At: from, Text: st.Name})
		}
	}
	if err := r.stage.do(ctx, st.Deed, all); err != nil {
		return nil, err
	}
	if err := r.await(ctx, time.Now().Add(most), early, func() bool { return r.come(all, expected) }); err != nil {
		return nil, err
	}
	to, late := time.Now(), time.Duration(0)
	for host, since := range r.stage.waited() {
		late = max(late, since-waited[host]) // one that was started meanwhile began at 0
	}
	for i, s := range all {
		o := r.stage.look(s, from, to)
		o.Late = late
		j := judge(expected[i], o)
		row := Step{
			Scenario: sc.Key, Step: st.Name, Alias: s.Addr, Hit: s.Hit, Before: o.Before, After: o.After, ServedBy: o.Served,
			GapMS: millis(o.Gap), BothMS: millis(o.Both), Control: millis(r.stage.noise(s, st.Deed, from, to)), Late: millis(late),
			Good: j.Good, Promise: j.Promise, Verdict: j.Text, excused: j.Excused,
		}
		if !j.Good {
			row.Log = r.stage.logSince(s.part, from)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// await waits until a given moment or, with early, until what is expected has come and
// has lasted for a little.
func (r *play) await(ctx context.Context, until time.Time, early bool, come func() bool) error {
	const look = 20 * time.Millisecond
	for time.Now().Before(until) {
		if early && come() {
			until, early = time.Now().Add(slack), false
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(look, time.Until(until))):
		}
	}
	return nil
}

// come tells whether every alias is where it is expected, and its client gets answers.
func (r *play) come(all []situation, expected []expectation) bool {
	for i, s := range all {
		have := r.stage.watches[s.Addr].Holders()
		if !slices.ContainsFunc(expected[i].Holders, func(h []string) bool { return sameHosts(h, have) }) {
			return false
		}
		if !expected[i].Unreached && !slices.Contains(have, r.stage.served(s.part, time.Now())) {
			return false
		}
	}
	return true
}

// served is who last answered the client before that moment: in the last 100 ms, and in
// the time before them in which the control client was not answered either.
func (s *stage) served(a part, at time.Time) string {
	from := at.Add(-max(100*time.Millisecond, 20*s.every))
	for _, g := range s.controls[a.Control].Gaps(from, at, noisyGap) {
		from = minTime(from, g.From)
	}
	spans := s.askers[a.Addr].Spans(from, at)
	if len(spans) == 0 {
		return ""
	}
	return spans[len(spans)-1].By
}

// look sums up what a step did to an alias.
func (s *stage) look(sit situation, from, to time.Time) outcome {
	w, c := s.watches[sit.Addr], s.askers[sit.Addr]
	tenure := w.Tenure(from, to)
	o := outcome{Before: sit.Now, After: w.Holders(), Both: tenure.LongestBoth, Takes: tenure.Takes, Served: s.served(sit.part, to)}
	for _, g := range c.Gaps(from, to, 0) {
		// Gaps do not count as far as they began before the step or ended after it.
		o.Gap = max(o.Gap, minTime(g.To, to).Sub(maxTime(g.From, from)))
	}
	return o
}

// waited is for how long the Monitors have been kept waiting for a processor, by host.
func (s *stage) waited() map[string]time.Duration {
	all := map[string]time.Duration{}
	for host, m := range s.monitors {
		all[host] = m.Waited()
	}
	return all
}

// noise is the longest gap of the control client, if it can reach what it asks; otherwise
// the longest time in which our own client did not get to ask.
func (s *stage) noise(sit situation, d act, from, to time.Time) time.Duration {
	longest := s.askers[sit.Addr].Report(from, to).Stall
	if slices.Contains([]act{doRouterDown, doRouterUp, doDivide, doHeal}, d) {
		return longest
	}
	for _, g := range s.controls[sit.Control].Gaps(from, to, 0) {
		longest = max(longest, minTime(g.To, to).Sub(maxTime(g.From, from)))
	}
	return longest
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func maxTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// timelineWidth is how wide the drawing is, in pixels.
const timelineWidth = 1200

// timeline tells who had each alias that was played, from its first step on.
func (r *play) timeline(now time.Time) timeline.Chart {
	c := timeline.Chart{Title: "A rehearsal: who had each alias when", From: now, To: now, Width: timelineWidth, Elapsed: true}
	for _, marks := range r.marks {
		c.From = minTime(c.From, marks[0].At)
	}
	for _, a := range r.plan.Parts {
		row := timeline.Row{Name: a.Addr.String(), Marks: r.marks[a.Addr]}
		spans := r.stage.watches[a.Addr].Spans()
		for _, host := range []string{a.Host, a.Partner} {
			var had []timeline.Span
			for _, s := range spans {
				if s.By == host {
					one := timeline.Span{From: s.From, To: s.To}
					if s.Open {
						one.To = time.Time{}
					}
					had = append(had, one)
				}
			}
			row.Lanes = append(row.Lanes, timeline.Watched(host, c.From, had))
		}
		c.Rows = append(c.Rows, row)
	}
	return c
}
