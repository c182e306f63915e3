package handover

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// mostGap is the longest gap of a client that asks each millisecond in a hand-over.
const mostGap = 20 * time.Millisecond

// moved is one hand-over, and when it moved the alias.
type moved struct {
	deed     string
	from, to time.Time
	hindered bool // by the machine
}

// seen is what the client saw of a hand-over.
type seen struct {
	gap   time.Duration
	lost  int
	noise time.Duration // the machine's own lateness at that time
}

// noisy tells whether the machine itself may have caused a gap, or the loss of an
// answer: a service that stands still for some milliseconds loses what is in its
// queue.
func (s seen) noisy() bool {
	return (s.lost > 0 || s.gap > mostGap/2) && s.noise > max(s.gap/2, 3*time.Millisecond)
}

// mover hands the alias over in every way, again and again.
type mover struct {
	*testing.T
	*pair.Pair
	sniff *lab.Sniffer
	own   []*lab.Client // they ask the hosts' own addresses, so they reach the same services
	all   []moved
}

// saw is what the client saw of a move. If the giver's service does not get to run,
// questions in its queue are read only after the alias has gone, and nobody answers
// them. So a service that also stood still at its host's own address counts as noise.
func (m *mover) saw(x moved) seen {
	r := m.Asker.Report(x.from, x.to)
	noise := stage.Stillness(m.Asker, m.Control, r.Longest.From, r.Longest.To)
	for _, own := range m.own {
		noise = max(noise, own.Report(r.Longest.From.Add(-mostGap), r.Longest.To.Add(mostGap)).Silence)
	}
	return seen{r.Longest.Length(), r.Lost, noise}
}

// ways is in how many ways a round hands the alias over.
const ways = 8

// move hands the alias over, and then waits a moment for late effects. It tells whether
// the alias stayed there. What went wrong because of the machine is not among all.
func (m *mover) move(deed, to string, do func()) bool {
	m.Helper()
	from, ctx := time.Now(), stage.Patiently(m.T)
	daemons := []*lab.Process{m.Monitor(m.A), m.Monitor(m.B)}
	returned := func() bool {
		if stage.Soak() || !stage.Logged(from, `reason="given back"`, daemons...) {
			return false
		}
		// The router is asked three times within a second.
		if still := stage.Stillness(m.Asker, m.Control, from, time.Now()); still < 100*time.Millisecond {
			m.Errorf("%s: it was given back; the machine stood still for %v only", deed, still)
		}
		m.Logf("%s: the machine was so late that the router did not answer the alias in time, and it was given back", deed)
		return true
	}
	do()
	for !m.movedTo(to, from) && !slices.Equal(m.Holders.Holders(), []string{to}) { // it may be back already
		if returned() {
			return false
		}
		within, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		_ = m.Holders.Wait(within, to)
		if cancel(); ctx.Err() != nil {
			stage.Held(m.T, m.Pair, to) // which says who has it
		}
	}
	<-time.After(300 * time.Millisecond)
	if returned() {
		return false
	}
	x := moved{deed: deed, from: from, to: time.Now()}
	announced, err := stage.Announcement(m.T, m.sniff, m.Lab.Lookup(to), m.Alias, from)
	if err != nil {
		m.Errorf("%s: %s has not announced the alias: %v", deed, to, err)
	}
	// What the machine hinders does what the design says for that: it releases, or
	// waits. That is not a hand-over.
	daemons = append(daemons, m.Monitor(m.A), m.Monitor(m.B))
	x.hindered = stage.Hindered(from.Add(-time.Second), daemons...)
	if m.wrong(x, announced).Judged(m.T, x.hindered) {
		m.all = append(m.all, x)
	}
	return true
}

// wrong is what is wrong with a move unless the giver had the alias until it was announced,
// somebody had it at every instant, and nobody asked for it by a probe who had it: the answer
// to one, which in IPv6 is for all, would move it before it is served.
func (m *mover) wrong(x moved, announced time.Time) (all stage.Wrong) {
	wrong := func(format string, args ...any) {
		all.Add("%s: %s\n%s", x.deed, fmt.Sprintf(format, args...), m.story(x))
	}
	if d := m.Holders.Tenure(x.from, x.to).LongestNobody; d > 0 {
		wrong("nobody had the alias for %v", d)
	}
	for _, s := range m.Holders.Spans() {
		if !s.Open && s.To.Before(x.from) {
			continue
		}
		if !s.Open && s.From.Before(x.from) && s.To.Before(announced) {
			wrong("%s had the alias until %v before it was announced", s.By, announced.Sub(s.To))
		}
		mac := m.Lab.Lookup(s.By).NIC("eth0").MAC
		for _, f := range m.sniff.Frames() {
			if f.Probe(m.Alias) && slices.Equal(f.EthSrc, mac) && f.At.After(s.From) && f.At.After(x.from) && (s.Open || f.At.Before(s.To)) {
				wrong("%s has the alias and probes for it", s.By)
				break
			}
		}
	}
	return all
}

// ordered is move for an order to a. If the machine spoils it, the alias is ordered to
// where it should be.
func (m *mover) ordered(deed, to, verb string, args ...string) {
	m.Helper()
	if m.move(deed, to, func() { m.Helper(); stage.Obeyed(m.T, m.Pair, m.A, verb, args...) }) {
		return
	}
	stage.Obeyed(m.T, m.Pair, m.Lab.Lookup(to), "AddAlias")
	stage.Held(m.T, m.Pair, to)
}

// movedTo tells whether the host has got the alias since then.
func (m *mover) movedTo(host string, since time.Time) bool {
	return slices.ContainsFunc(m.Holders.Spans(), func(s lab.Span) bool { return s.By == host && s.From.After(since) })
}

// round is each way once. A has failback, so the round ends as it began.
func (m *mover) round() {
	m.Helper()
	failsBack := func(deed string) {
		m.Helper()
		if !m.move("failback after "+deed, "a", func() {}) {
			stage.Obeyed(m.T, m.Pair, m.A, "AddAlias")
		}
		stage.Hears(m.T, m.Pair, m.A, "able")
	}
	m.ordered("RemoveAlias", "b", "RemoveAlias")
	stage.Hears(m.T, m.Pair, m.A, "holding")
	m.ordered("AddAlias on the other host", "a", "AddAlias")
	stage.Hears(m.T, m.Pair, m.A, "able")
	m.ordered("Handover", "b", "Handover")
	failsBack("Handover")
	there := m.move("TERM", "b", func() {
		stage.Must(m.T, m.Monitor(m.A).Signal(unix.SIGTERM))
		_, err := m.Monitor(m.A).Wait(stage.Patiently(m.T))
		stage.Must(m.T, err)
	})
	_, err := m.Start(m.A)
	stage.Must(m.T, err)
	if there {
		stage.Hears(m.T, m.Pair, m.A, "holding")
		failsBack("TERM")
	}
	stage.Hears(m.T, m.Pair, m.A, "able")
	m.ordered("Maintenance on", "b", "Maintenance", "on")
	stage.Obeyed(m.T, m.Pair, m.A, "Maintenance", "off")
	failsBack("Maintenance off")
}

// TestHandoverIsNotNoticed plays each way to hand over. Each time some host has the
// alias at every instant, the taker announces it while the giver still has it, no holder
// probes for it, and the client has no gap that counts except for a known reason: the
// machine's noise, or the giver's service that had the question and did not get to run.
// How long the gaps are at the two rhythms is measured by make soak.
func TestHandoverIsNotNoticed(t *testing.T) {
	t.Parallel()
	rhythms := []time.Duration{time.Second}
	if stage.Soak() {
		rhythms = append(rhythms, 100*time.Millisecond)
	}
	for _, interval := range rhythms {
		for _, family := range []string{"IPv4", "IPv6"} {
			t.Run(family+", "+interval.String(), func(t *testing.T) {
				t.Parallel()
				handoverIsNotNoticed(t, family, interval)
			})
		}
	}
}

func handoverIsNotNoticed(t *testing.T, family string, interval time.Duration) {
	m := &mover{T: t, Pair: stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Rhythm(interval), Keys: []string{stage.NewKey()}, Every: time.Millisecond, IPv6: family == "IPv6"})}
	stage.Must(t, m.Write(m.A, m.OwnB.Addr(), true, stage.Rhythm(interval)+"\n[alias.\""+m.Alias.String()+"\"]\nfailback = true\nfailback_after = \"1s\""))
	var err error
	m.sniff, err = m.User.Port().Sniff()
	stage.Must(t, err)
	for _, addr := range []netip.Prefix{m.OwnA, m.OwnB} {
		c, err := m.User.Client(lab.ClientSpec{Target: addr.Addr(), Every: 2 * time.Millisecond})
		stage.Must(t, err)
		m.own = append(m.own, c)
	}
	stage.Begin(t, m.Pair)
	figures := map[string]*stage.Figures{}
	lost := map[string][]int{}
	proven := map[string]bool{} // which ways
	judged := func() bool {
		m.all = nil
		m.round()
		<-time.After(time.Second) // until an answer counts as lost
		for _, x := range m.all {
			s := m.saw(x)
			if s.lost > 0 || s.gap > mostGap {
				t.Logf("%s: %+v\n%s", x.deed, s, m.story(x))
			}
			var wrong stage.Wrong
			if s.gap > stage.GapLimit() && !s.noisy() {
				wrong.Add("%s: the client's longest gap was %v, %d questions lost; the machine itself stood still for %v only", x.deed, s.gap, s.lost, s.noise)
			}
			if wrong.Judged(t, x.hindered) {
				proven[x.deed] = true
			}
			if x.hindered {
				continue
			}
			if figures[x.deed] == nil {
				figures[x.deed] = stage.NewFigures(t, "the client's gap, "+x.deed+" at "+interval.String()+", "+family, mostGap)
			}
			figures[x.deed].Add(s.gap, s.noise)
			if !s.noisy() {
				lost[x.deed] = append(lost[x.deed], s.lost)
			}
		}
		return len(proven) == ways
	}
	for range stage.Runs(20) {
		stage.Proven(t, judged)
	}
	for deed, n := range lost {
		slices.Sort(n)
		if stage.Soak() && n[len(n)/2] > 0 {
			t.Errorf("%s: %d questions are lost in the median run", deed, n[len(n)/2])
		}
	}
}

// story is what happened in a hand-over, for the reader of a failed test.
func (m *mover) story(x moved) string {
	type event struct {
		at   time.Time
		what string
	}
	var all []event
	for _, s := range m.Holders.Spans() {
		all = append(all, event{s.From, s.By + " has it"})
		if !s.Open {
			all = append(all, event{s.To, s.By + " has it no more"})
		}
	}
	for _, g := range m.Asker.Gaps(x.from, x.to, 3*time.Millisecond) {
		all = append(all, event{g.From, fmt.Sprintf("gap of %v, %s before, %s after", g.Length(), g.Before, g.After)}, event{g.To, "gap ends"})
	}
	for _, g := range m.Control.Gaps(x.from, x.to, 3*time.Millisecond) {
		all = append(all, event{g.From, fmt.Sprintf("control gap of %v", g.Length())}, event{g.To, "control gap ends"})
	}
	for _, f := range m.sniff.Frames() {
		if f.SenderIP == m.Alias || f.TargetIP == m.Alias {
			who := "?"
			for _, h := range []*lab.Host{m.A, m.B, m.User, m.Router} {
				if slices.Equal(h.NIC("eth0").MAC, f.EthSrc) {
					who = h.Name
				}
			}
			all = append(all, event{f.At, who + ": " + f.String()})
		}
	}
	slices.SortStableFunc(all, func(a, b event) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, e := range all {
		if e.at.After(x.from) && e.at.Before(x.to) {
			fmt.Fprintf(&b, "%9.3f ms  %s\n", float64(e.at.Sub(x.from))/1e6, e.what)
		}
	}
	return b.String()
}
