package lab

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWatchSeesEveryHolderThroughCrashAndBoot(t *testing.T) {
	x := newRig(t)
	w, err := x.lab.Watch(alias)
	x.must(err)
	began := time.Now()
	x.must(w.Wait(x.ctx)) // nobody

	x.takes(x.a)
	x.must(w.Wait(x.ctx, "a"))
	x.takes(x.b)
	x.must(w.Wait(x.ctx, "b", "a"))
	both := time.Now()
	<-time.After(100 * time.Millisecond)
	crash := time.Now()
	x.must(x.a.Crash())
	x.must(x.lab.WaitHolder(x.ctx, alias, "b"))
	if have, err := x.lab.Holders(alias); err != nil || !slices.Equal(have, []string{"b"}) {
		t.Errorf("held by %v, %v; want b", have, err)
	}
	x.must(x.b.NIC("eth0").DelAddr(alias))
	x.must(x.lab.WaitHolder(x.ctx, alias, ""))
	x.must(x.a.Boot())
	x.takes(x.a) // seen on the booted host too
	x.must(x.lab.WaitHolder(x.ctx, alias, "a"))

	var by []string
	for _, s := range w.Spans() {
		by = append(by, s.By)
	}
	if want := []string{"a", "b", "a"}; !slices.Equal(by, want) {
		t.Errorf("held in turn by %v, want %v", by, want)
	}
	tenure := w.Tenure(began, time.Time{})
	if least, most := crash.Sub(both), time.Since(both); tenure.Both < least || tenure.Both > most+noise {
		t.Errorf("two had it for %v, want %v to %v", tenure.Both, least, most)
	}
	if tenure.Takes != 3 || tenure.Nobody == 0 || tenure.LongestNobody > tenure.Nobody {
		t.Errorf("%+v, want three takes and some time with nobody", tenure)
	}
}

func TestTwoCopiesOnOneHostAreSeenAndListed(t *testing.T) {
	x := newRig(t)
	w, err := x.lab.Watch(alias)
	x.must(err)
	nic := x.a.NIC("eth0")
	once, again := netip.PrefixFrom(alias, 24), netip.PrefixFrom(alias, 32)
	x.must(nic.AddAddr(once))
	x.must(x.b.NIC("eth0").AddAddr(once)) // another host's is no copy
	x.must(w.Wait(x.ctx, "a", "b"))
	if n := w.Copies(); n != 1 {
		t.Errorf("%d copies, want 1", n)
	}
	x.must(nic.AddAddr(again))
	have, err := x.a.Addrs()
	x.must(err)
	want := []Addr{{"eth0", nic.Addrs[0]}, {"eth0", once}, {"eth0", again}, {"lo", netip.MustParsePrefix("127.0.0.1/8")}}
	if d := cmp.Diff(want, have, cmp.Comparer(func(a, b Addr) bool { return a == b })); d != "" {
		t.Errorf("the kernel's addresses (-want +got):\n%s", d)
	}
	x.must(nic.DelAddr(alias))
	x.must(w.Wait(x.ctx, "b"))
	if n := w.Copies(); n != 2 {
		t.Errorf("%d copies, want 2", n)
	}
}

// A link-local address on another NIC is another one.
func TestALinkLocalAliasIsWatchedOnItsNICOnly(t *testing.T) {
	x := newRig(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	h, err := x.lab.Host(HostSpec{Name: "two", NICs: []NICSpec{
		{Name: "eth0", Switch: x.sw, Addrs: []netip.Prefix{netip.MustParsePrefix("2001:db8::1/64")}}, {Name: "eth1", Switch: x.sw},
	}})
	must(err)
	near := netip.MustParsePrefix("fe80::1/64")
	zero, one := near.Addr().WithZone("eth0"), near.Addr().WithZone("eth1")
	w, err := x.lab.Watch(zero)
	must(err)
	must(h.NIC("eth1").AddAddr(near))
	must(h.NIC("eth0").AddAddr(near))
	must(w.Wait(x.ctx, "two"))
	if n := w.Copies(); n != 1 {
		t.Errorf("%d copies on eth0, of which one is eth1's", n)
	}
	must(x.lab.WaitHolder(x.ctx, one, "two"))
	must(h.NIC("eth0").DelAddr(near.Addr()))
	must(w.Wait(x.ctx))
	for alias, want := range map[netip.Addr]int{zero: 0, one: 1} {
		if have, err := x.lab.Holders(alias); len(have) != want || err != nil {
			t.Errorf("%s is held by %v, %v", alias, have, err)
		}
	}
}

// TestAWatchIsNeverBehindItsCaller: what a host has taken before the question is in the
// answer, although the notice of it may not have been read yet.
func TestAWatchIsNeverBehindItsCaller(t *testing.T) {
	x := newRig(t)
	w, err := x.lab.Watch(alias)
	x.must(err)
	for n := 1; n <= 200; n++ {
		x.takes(x.a)
		if takes, by := w.Tenure(time.Time{}, time.Time{}).Takes, w.Holders(); takes != n || !slices.Equal(by, []string{"a"}) {
			t.Fatalf("%d takes, held by %v, want %d by a", takes, by, n)
		}
		x.must(x.a.NIC("eth0").DelAddr(alias))
		if spans := w.Spans(); len(spans) != n || spans[n-1].Open {
			t.Fatalf("%v, want %d that have ended", spans, n)
		}
	}
}

func TestWaitingForAHolderThatNeverComesSaysWhoHasIt(t *testing.T) {
	x := newRig(t)
	x.takes(x.a)
	ctx, cancel := context.WithCancel(x.ctx)
	cancel()
	if err := x.lab.WaitHolder(ctx, alias, "b"); err == nil || err.Error() != "10.0.0.100 is held by [a], waiting for [b]: context canceled" {
		t.Errorf("got %v", err)
	}
}

func TestTenureIsCountedFromChanges(t *testing.T) {
	at := time.Now()
	s := func(n int) time.Time { return at.Add(time.Duration(n) * time.Second) }
	w := &Watch{changes: []change{
		{s(1), "a", true, 1}, {s(4), "b", true, 2}, {s(6), "a", false, 1}, {s(7), "b", false, 0}, {s(10), "a", true, 1},
	}}
	for _, tt := range []struct {
		from, to int
		want     Tenure
	}{
		{0, 12, Tenure{Nobody: 4 * time.Second, LongestNobody: 3 * time.Second, Both: 2 * time.Second, LongestBoth: 2 * time.Second, Takes: 3}},
		{5, 9, Tenure{Nobody: 2 * time.Second, LongestNobody: 2 * time.Second, Both: time.Second, LongestBoth: time.Second}},
		{2, 3, Tenure{}},
	} {
		if got := w.Tenure(s(tt.from), s(tt.to)); got != tt.want {
			t.Errorf("%d to %d: %+v, want %+v", tt.from, tt.to, got, tt.want)
		}
	}
}

// On a busy machine the notices of the one host are read before those of the other; and
// what the other's say until its take is older than the take.
func TestNoticesReadInAnyOrderMakeNoGap(t *testing.T) {
	x := newRig(t)
	w := newWatch(x.lab, alias)
	for _, h := range []*Host{x.a, x.b} {
		w.subs[h.Name] = &subscription{space: h.space} // nobody reads its notices
	}
	w.set("a", true)
	x.takes(x.b)
	w.file("a", false)
	w.file("b", false) // of an earlier release, or of another address
	if !slices.Equal(w.holding, []string{"b"}) {
		t.Errorf("held by %v, and b has it", w.holding)
	}
	w.file("b", true)
	x.must(x.b.NIC("eth0").DelAddr(alias))
	w.file("b", false)
	if len(w.holding) != 0 || len(w.changes) != 4 {
		t.Errorf("held by %v, after %+v", w.holding, w.changes)
	}
}
