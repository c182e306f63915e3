package defender

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"aliasdefender/config"
	"aliasdefender/host"
)

// crowd puts n aliases into both files in place of the one.
func (w *world) crowd(n int) {
	for _, c := range []*config.Config{w.cfgA, w.cfgB} {
		r := c.Aliases[0]
		c.Aliases = nil
		for i := range n {
			r.Addr = netip.AddrFrom4([4]byte{10, 0, byte(1 + i/200), byte(1 + i%200)})
			r.Prefix, r.Label = netip.PrefixFrom(r.Addr, 16), fmt.Sprintf("eth0:%d", i)
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
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.crowd(400)
		w.begin()
		defer w.end()
		w.wait(2 * time.Minute)
		if n := w.a.held(); n != 400 {
			t.Fatalf("%d held", n)
		}
		for range 20 {
			w.wait(time.Second)
			n := 0
			for _, q := range w.a.asked(time.Second) {
				if !q.claims && q.target.As4()[2] != 0 {
					n++
				}
			}
			if n > rivalsPerSecond {
				t.Errorf("%d questions for rivals in a second", n)
			}
		}
		seen := map[netip.Addr]bool{}
		for _, q := range w.a.asked(20 * time.Second) {
			seen[q.target] = true
		}
		if len(seen) < 400 {
			t.Errorf("%d addresses were asked for in 20 s, want each of the 400 aliases", len(seen))
		}
	})
}

func TestAliasOfManyIsRestoredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.crowd(400)
		w.begin()
		defer w.end()
		w.wait(2 * time.Minute)
		one := w.cfgA.Aliases[321]
		w.a.set(func() { w.a.kernel.Remove([]host.Order{{NIC: "eth0", Prefix: one.Prefix}}) })
		w.wait(10 * time.Millisecond)
		if w.a.held() != 400 {
			t.Errorf("%s is not back", one.Addr)
		}
		if w.logged("alias="+one.Addr.String()+" nic=\"eth0:321\" on=a") == 0 || w.logged("has vanished from this host") != 1 {
			t.Error("the log does not say once that it vanished")
		}
	})
}

func TestStandbyAsksTheHolderAloneAndAllOnlyInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.begin()
		defer w.end()
		w.wait(time.Minute)
		for _, q := range w.b.asked(20 * time.Second) {
			if q.target == aliasIP && q.to != w.a.hw {
				t.Errorf("asked of %s, want of the holder alone", q.to)
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
			t.Error("in doubt nobody else was asked")
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
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.crowd(1000)
		w.b.sending = 20 * time.Microsecond // silences come as far apart as questions leave
		w.begin()
		defer w.end()
		w.wait(30 * time.Second)
		if a, b := w.a.held(), w.b.held(); a != 1000 || b != 0 {
			t.Fatalf("a holds %d, b %d", a, b)
		}
		before := w.b.tries
		if first, last := w.crash(1000); last.Sub(first) > 5*time.Millisecond {
			t.Errorf("the first and the last were %v apart", last.Sub(first))
		}
		if n := w.b.tries - before; n != 2 {
			t.Errorf("the kernel was given %d batches, want one of one address and one of all others", n)
		}
	})
}

func TestAliasThatIsBeingTakenIsNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.crowd(200)
		w.begin()
		defer w.end()
		w.wait(10 * time.Second)
		w.b.adding = 90 * time.Millisecond
		first, last := w.crash(200)
		n := 0
		for _, q := range w.b.asked(last.Sub(first) - time.Millisecond) {
			if q.target.As4()[2] != 0 && q.target != w.cfgB.Aliases[0].Addr && q.at.Before(last.Add(-time.Millisecond)) {
				n++
			}
		}
		if n > 0 {
			t.Errorf("%d questions while the kernel was at work", n)
		}
	})
}

func TestAliasThatLeavesTheFileWhileItsTakeWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.crowd(200)
		w.begin()
		defer w.end()
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
		s, err := w.b.daemon.Snapshot(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Aliases) != 100 || w.b.held() != 100 {
			t.Errorf("%d held, and %d known to the loop; want the 100 of the new file", w.b.held(), len(s.Aliases))
		}
	})
}

func TestManyThatWentWithTheirNICAreBackTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.crowd(400)
		w.begin()
		defer w.end()
		w.wait(2 * time.Minute)
		w.a.set(func() { w.a.kernel.lose(); w.a.nic().Index++ }) // made anew in a moment
		w.wait(2 * time.Second)
		if n := w.a.held(); n != 400 {
			t.Errorf("%d of 400 are back after 2 s", n)
		}
	})
}
