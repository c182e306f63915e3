package defender

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
)

// crowd puts n aliases into both files in place of the one.
func (w *world) crowd(n int) {
	for _, c := range []*config.Config{w.cfgA, w.cfgB} {
		r := c.Aliases[0]
		c.Aliases = nil
		for i := range n {
			r.Addr, r.Prefix = many(i)
			r.Label = fmt.Sprintf("eth0:%d", i)
			c.Aliases = append(c.Aliases, r)
		}
	}
}

// held is how many aliases the station's kernel has.
func (st *station) held() (n int) {
	st.seg.mu.Lock()
	defer st.seg.mu.Unlock()
	for _, a := range st.nic().Addrs {
		if a.Ours {
			n++
		}
	}
	return n
}

// asked are the frames that the station sent in the last d.
func (st *station) asked(d time.Duration) (all []question) {
	st.seg.mu.Lock()
	defer st.seg.mu.Unlock()
	for _, q := range st.seg.questions {
		if q.from == st && time.Since(q.at) <= d {
			all = append(all, q)
		}
	}
	return all
}

func TestHolderOfManyAsksForRivalsFiftyTimesASecond(t *testing.T) {
	if leftToTheOther(t) {
		return
	}
	playWith(t, 1, true, false, func(w *world) { w.crowd(400) }, func(w *world) {
		w.wait(2 * time.Minute)
		if n := w.a.held(); n != 400 {
			w.t.Fatalf("%d held", n)
		}
		for range 20 {
			w.wait(time.Second)
			n := 0
			for _, q := range w.a.asked(time.Second) {
				if !q.claims && isMany(q.target) {
					n++
				}
			}
			if n > 50 { // docs/design.md, detection
				w.t.Errorf("%d questions for rivals in a second", n)
			}
		}
		seen := map[netip.Addr]bool{}
		for _, q := range w.a.asked(20 * time.Second) {
			seen[q.target] = true
		}
		if len(seen) < 400 {
			w.t.Errorf("%d addresses were asked for in 20 s, want each of the 400 aliases", len(seen))
		}
	})
}

func TestAliasOfManyIsRestoredAtOnce(t *testing.T) {
	if leftToTheOther(t) {
		return
	}
	playWith(t, 1, true, false, func(w *world) { w.crowd(400) }, func(w *world) {
		w.wait(2 * time.Minute)
		one := w.cfgA.Aliases[321]
		w.a.set(func() { w.a.kernel.Remove([]host.Placement{{NIC: "eth0", Prefix: one.Prefix}}) })
		w.wait(10 * time.Millisecond)
		if w.a.held() != 400 {
			w.t.Errorf("%s is not back", one.Addr)
		}
		if w.logged("alias="+one.Addr.String()+" event=vanished nic=\"eth0:321\" on=a") != 1 || w.logged("has vanished from this host") != 1 {
			w.t.Error("the log does not say once that it vanished")
		}
	})
}

func TestStandbyAsksTheHolderAloneAndAllOnlyInDoubt(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.wait(time.Minute)
		for _, q := range w.b.asked(20 * time.Second) {
			if q.target == aliasIP && q.to != w.a.hw {
				w.t.Errorf("asked of %s, want of the holder alone", q.to)
			}
		}
		w.a.set(func() { w.a.muted = true })
		w.wait(2 * time.Second)
		all := 0
		for _, q := range w.b.asked(2 * time.Second) {
			if q.target == aliasIP && q.to.IsZero() {
				all++
			}
		}
		if all == 0 {
			w.t.Error("in doubt nobody else was asked")
		}
	})
}

// crash ends A, and waits until B has n aliases.
func (w *world) crash(n int) (first, last time.Time) {
	w.t.Helper()
	w.a.set(func() { w.a.on = false })
	w.a.kill()
	deadline := time.Now().Add(5 * time.Second)
	for last.IsZero() && time.Now().Before(deadline) {
		w.wait(100 * time.Microsecond)
		held := w.b.held()
		if first.IsZero() && held > 0 {
			first = time.Now()
		}
		if held == n {
			last = time.Now()
		}
	}
	if last.IsZero() {
		w.t.Fatalf("%d of %d taken", w.b.held(), n)
	}
	return first, last
}

func TestThousandAliasesAreTakenTogether(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) {
		w.crowd(aThousand)
		w.b.sending = 20 * time.Microsecond // silences come as far apart as questions leave
	}, func(w *world) {
		w.wait(3 * time.Second)
		if a, b := w.a.held(), w.b.held(); a != aThousand || b != 0 {
			w.t.Fatalf("a holds %d, b %d", a, b)
		}
		before := w.b.tries
		if first, last := w.crash(aThousand); last.Sub(first) > 5*time.Millisecond {
			w.t.Errorf("the first and the last were %v apart", last.Sub(first))
		}
		if n := w.b.tries - before; n != 2 {
			w.t.Errorf("the kernel was given %d batches, want one of one address and one of all others", n)
		}
	})
}

// fastCrowd is a thousand aliases at a rhythm of 100 ms.
func (w *world) fastCrowd() {
	w.crowd(1000)
	for _, c := range []*config.Config{w.cfgA, w.cfgB} {
		for i := range c.Aliases {
			c.Aliases[i].Interval, c.Aliases[i].Timeout = 100*time.Millisecond, 25*time.Millisecond
		}
	}
}

func TestDoubtAboutManyIsNoFlood(t *testing.T) {
	if leftToTheOther(t) {
		return
	}
	playWith(t, 1, true, false, (*world).fastCrowd, func(w *world) {
		w.wait(3 * time.Second)
		if a, b := w.a.held(), w.b.held(); a != 1000 || b != 0 {
			w.t.Fatalf("a holds %d, b %d", a, b)
		}
		died := time.Now()
		_, last := w.crash(1000)
		took := last.Sub(died)
		if took > 200*time.Millisecond {
			w.t.Errorf("all were taken %v after the crash", took)
		}
		n, probed := 0, map[netip.Addr]bool{}
		for _, q := range w.b.asked(time.Since(died)) {
			if !isMany(q.target) || q.claims || q.at.After(last) {
				continue
			}
			if n++; q.probe {
				probed[q.target] = true
			}
		}
		if n > 6000 { // one each timeout, and one when the partner's first answer is missed
			w.t.Errorf("%d questions in %v", n, took)
		}
		if len(probed) != 1000 {
			w.t.Errorf("%d aliases had a last look, want all", len(probed))
		}
	})
}

// TestDoubtAboutOneOfManyIsAThoroughOne: where frames are lost, the one that seems
// silent is asked as often as if it were alone.
func TestDoubtAboutOneOfManyIsAThoroughOne(t *testing.T) {
	if leftToTheOther(t) {
		return
	}
	playWith(t, 1, true, false, (*world).fastCrowd, func(w *world) {
		w.wait(3 * time.Second)
		one := w.cfgA.Aliases[5].Addr
		if out := w.order(w.a, control.Order{Alias: one, Remove: true}); !out.Done {
			w.fail("%+v", out)
		}
		w.wait(time.Second)
		n := 0
		for _, q := range w.b.asked(time.Second) {
			if q.target == one {
				n++
			}
		}
		if n < 24 { // six timeouts of a doubt, and ten intervals less these
			w.fail("asked %d times", n)
		}
	})
}

func TestAliasThatIsBeingTakenIsNotAskedFor(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) { w.crowd(200) }, func(w *world) {
		w.wait(10 * time.Second)
		w.b.adding = 90 * time.Millisecond
		if family == host.IPv6 {
			w.b.adding /= 200/slowBatch + 1 // for each of the batches
		}
		first, last := w.crash(200)
		n := 0
		for _, q := range w.b.asked(last.Sub(first) - time.Millisecond) {
			if isMany(q.target) && !q.holds && q.target != w.cfgB.Aliases[0].Addr && q.at.Before(last.Add(-time.Millisecond)) {
				n++
			}
		}
		if n > 0 {
			w.t.Errorf("%d questions while the kernel was at work", n)
		}
	})
}

func TestAliasThatLeavesTheFileWhileItsTakeWaits(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) { w.crowd(200) }, func(w *world) {
		w.wait(10 * time.Second)
		w.seg.mu.Lock()
		w.b.adding = 90 * time.Millisecond
		before := w.b.tries
		w.seg.mu.Unlock()
		tries := func() int {
			w.seg.mu.Lock()
			defer w.seg.mu.Unlock()
			return w.b.tries
		}
		w.a.set(func() { w.a.on = false })
		w.a.kill()
		for tries() == before { // the first: the others wait for it
			w.wait(time.Millisecond)
		}
		less := *w.cfgB
		less.Aliases = less.Aliases[:100]
		w.b.daemon.Reload(&less)
		w.wait(time.Second)
		s, err := w.b.daemon.Snapshot(w.t.Context(), false)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(s.Aliases) != 100 || w.b.held() != 100 {
			w.t.Errorf("%d held, and %d known to the loop; want the 100 of the new file", w.b.held(), len(s.Aliases))
		}
	})
}

func TestManyThatWentWithTheirNICAreBackTogether(t *testing.T) {
	if leftToTheOther(t) {
		return
	}
	playWith(t, 1, true, false, func(w *world) { w.crowd(400) }, func(w *world) {
		w.wait(2 * time.Minute)
		w.a.set(func() { w.a.kernel.lose(); w.a.nic().Index++ }) // made anew in a moment
		w.wait(2 * time.Second)
		if n := w.a.held(); n != 400 {
			w.t.Errorf("%d of 400 are back after 2 s", n)
		}
	})
}
