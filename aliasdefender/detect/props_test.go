package detect_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/rules"
)

// TestRandomScripts has things befall a Set in any order, and looks at what is
// promised of it after each step.
func TestRandomScripts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arp := rapid.IntRange(0, 3).Draw(t, "arp") > 0
		b := newBench(tb{T: t}, arp)
		b.quiet, b.lazy = true, rapid.Bool().Draw(t, "two wakes")
		b.most = rapid.SampledFrom([]int{1, 7, 1 << 20}).Draw(t, "most")
		r := detect.Rhythm{
			Interval: rapid.SampledFrom([]time.Duration{100 * ms, time.Second, 3 * time.Second}).Draw(t, "interval"),
			Misses:   rapid.IntRange(1, 4).Draw(t, "misses"),
		}
		r.Timeout = r.Interval / time.Duration(rapid.IntRange(1, 8).Draw(t, "timeouts in an interval"))
		w, v := b.wish(alias, r), b.wish(second, r)
		w.Witnesses = []detect.Key{witness, distant}
		wishes := []detect.Wish{w, v}
		p := &promises{b: b, t: t, r: r, heard: map[detect.Key]time.Time{}, was: map[detect.Key]rules.Fact{}}
		b.check = p.look
		b.begin(wishes...)
		n := rapid.IntRange(0, 40).Draw(t, "happenings")
		length := 12 * r.Interval
		for range n {
			at := time.Duration(rapid.Int64Range(0, int64(length)).Draw(t, "at"))
			do := anything(t, b, r, wishes)
			b.when(at, do)
		}
		b.run(length)
		// A doubt asks eight times a timeout. An answer that comes later than a timeout
		// may bring one question more, where the target is wanted again and again.
		each := int(length/r.Timeout+1)*8*2 + n*20
		for k, asked := range b.asked {
			if asked > each {
				t.Fatalf("%s was asked %d times in %d timeouts and %d happenings", call(k), asked, length/r.Timeout, n)
			}
		}
	})
}

// tb is a rapid.T as a bench wants it.
type tb struct {
	testing.TB
	T *rapid.T
}

func (t tb) Helper()                        {}
func (t tb) Fatalf(format string, a ...any) { t.T.Fatalf(format, a...) }
func (t tb) Errorf(format string, a ...any) { t.T.Errorf(format, a...) }

// anything is one thing that may befall a Set.
func anything(t *rapid.T, b *bench, r detect.Rhythm, wishes []detect.Wish) func() {
	k := rapid.SampledFrom([]detect.Key{alias, alias, second, partner, router, witness, distant}).Draw(t, "whom")
	a := rapid.SampledFrom([]detect.Key{alias, second}).Draw(t, "alias")
	d := time.Duration(rapid.Int64Range(0, int64(2*r.Timeout)).Draw(t, "how long"))
	yes := rapid.Bool().Draw(t, "yes")
	h := b.host(k)
	to := func(f func(x *detect.Target)) func() {
		return func() {
			if x := b.set.At(k); x != nil {
				f(x)
			}
		}
	}
	all := []struct {
		name string
		do   func()
	}{
		{"lives or dies", func() { h.dead = yes }},
		{"dies", func() { h.dead = true }},
		{"filters pings", func() { h.filters = yes }},
		{"takes its time", func() { h.after = d }},
		{"cannot be pinged", func() { h.noPing, h.late = errNoPing, d }},
		{"can be pinged", func() { h.noPing = nil }},
		{"cannot be asked by ARP", func() { h.noARP = errDeaf }},
		{"can be asked by ARP", func() { h.noARP = nil }},
		{"has the router's hardware address", func() { h.hw = b.host(router).hw }},
		{"NIC down", func() { b.links(func(l *detect.Link) { l.Err = errDown }) }},
		{"NIC up", func() { b.links(func(l *detect.Link) { l.Err = nil }) }},
		{"NIC anew", func() { b.links(func(l *detect.Link) { l.Index++ }) }},
		{"listener lost or opened", func() { b.links(func(l *detect.Link) { l.Hears, l.Deaf = !l.Hears, errDeaf }) }},
		{"held or not", func() { b.holds(a, yes) }},
		{"worked on", func() { b.here[a].Working = yes }},
		{"kernel unknown", func() { b.here[a].Kernel = rules.Unknown }},
		{"frame", func() { b.frame(k, b.now.Add(-d), yes) }},
		{"frame of the future", func() { b.frame(k, b.now.Add(d), yes) }},
		{"short pause", func() { b.set.Away(b.now, 2*d) }},
		{"long pause", func() { b.set.Away(b.now, r.Interval+r.Doubt()+1) }},
		{"fewer wishes", func() { b.set.Want(b.now, wishes[:1]); b.set.Link(b.now, b.link) }},
		{"all wishes", func() { b.set.Want(b.now, wishes); b.set.Link(b.now, b.link) }},
		{"ask", to(func(x *detect.Target) { b.set.Ask(b.now, x) })},
		{"ask by ARP", to(func(x *detect.Target) { b.set.AskByARP(b.now, x) })},
		{"forget", to(func(x *detect.Target) { b.set.Forget(b.now, x) })},
		{"look", to(func(x *detect.Target) { b.set.Look(b.now, x) })},
		{"rest", to(func(x *detect.Target) { b.set.Rest(b.now, x) })},
		{"alive", to(func(x *detect.Target) { b.set.Alive(b.now, x, b.now.Add(-d)) })},
		{"an answer lost", func() { b.deafened(true, 0) }},
		{"answers that wait", func() { b.deafened(false, d) }},
		{"answers that do not wait", func() { b.deafened(false, 0) }},
		{"neighbour", to(func(x *detect.Target) { b.set.Neighbour(b.now, x, h.hw) })},
	}
	x := all[rapid.IntRange(0, len(all)-1).Draw(t, "what")]
	t.Log(call(k), call(a), x.name)
	return x.do
}

// promises are looked at after each step.
type promises struct {
	b     *bench
	t     *rapid.T
	r     detect.Rhythm
	heard map[detect.Key]time.Time // when an answer was taken in last
	was   map[detect.Key]rules.Fact
}

func (p *promises) look() {
	b := p.b
	for _, x := range b.set.Targets() {
		f, was := x.Fact(), p.was[x.Key]
		p.was[x.Key] = f
		if f.Value == rules.Answered && f.Miss.IsZero() && f != was {
			p.heard[x.Key] = b.now
		}
		switch {
		case f.Asked.After(b.now):
			p.t.Fatalf("%s: %s lies ahead of %v", call(x.Key), b.fact(x.Key), b.now.Sub(b.start))
		case f.Value == rules.Answered && was.Value == rules.Answered && f.Asked.Before(was.Asked) && f.Since.Equal(was.Since):
			p.t.Fatalf("%s: %s, and was asked %v", call(x.Key), b.fact(x.Key), was.Asked.Sub(b.start))
		case f.Value == rules.Silent && was.Value != rules.Silent && b.now.Sub(p.heard[x.Key]) < p.r.Doubt():
			p.t.Fatalf("%s: %s at %v, and was heard at %v", call(x.Key), b.fact(x.Key), b.now.Sub(b.start), p.heard[x.Key].Sub(b.start))
		case f.Value == rules.Silent && !f.Asked.Equal(was.Asked) && b.lostAt.After(f.Asked):
			p.t.Fatalf("%s: %s at %v, and answers were lost at %v", call(x.Key), b.fact(x.Key), b.now.Sub(b.start), b.lostAt.Sub(b.start))
		case f.Value == rules.Silent && !f.Asked.Equal(was.Asked) && b.waits >= p.r.Timeout:
			p.t.Fatalf("%s: %s at %v, and answers wait for %v", call(x.Key), b.fact(x.Key), b.now.Sub(b.start), b.waits)
		case f.Value == rules.Silent && !f.Asked.Equal(was.Asked) && !f.Asked.Equal(b.newest(x.Key)):
			p.t.Fatalf("%s: %s, and the newest question known to be sent is of %v", call(x.Key), b.fact(x.Key), b.newest(x.Key).Sub(b.start))
		}
	}
}
