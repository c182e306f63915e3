package ipv6

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// byHand adds an address to eth0 as an operator does: with duplicate address detection.
func byHand(t *testing.T, h *lab.Host, a netip.Prefix) {
	t.Helper()
	stage.Must(t, h.Do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		addr, err := netlink.ParseAddr(a.String())
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, addr)
	}))
}

// flags are those of the address on the host; false if it is not there.
func flags(t *testing.T, h *lab.Host, a netip.Addr) (have int, there bool) {
	t.Helper()
	stage.Must(t, h.Do(func() error {
		list, err := netlink.AddrList(nil, netlink.FAMILY_V6)
		for _, addr := range list {
			if addr.IP.Equal(a.AsSlice()) {
				have, there = addr.Flags, true
			}
		}
		return err
	}))
	return have, there
}

// settled waits until detection has ended for the address, and tells whether it failed.
func settled(t *testing.T, h *lab.Host, a netip.Addr) (duplicate bool) {
	t.Helper()
	ctx, tick := stage.Patiently(t), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		if have, there := flags(t, h, a); there && (have&unix.IFA_F_DADFAILED != 0 || have&unix.IFA_F_TENTATIVE == 0) {
			return have&unix.IFA_F_DADFAILED != 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s is still tentative on %s", a, h.Name)
		}
	}
}

// TestAnotherHostsDetectionFindsTheAlias: the holder's kernel defends it, and nothing moves.
func TestAnotherHostsDetectionFindsTheAlias(t *testing.T) {
	t.Parallel()
	served(t, func(t *testing.T, p *pair.Pair) {
		foreign := third(t, p)
		byHand(t, foreign, subnet(p))
		if !settled(t, foreign, p.Alias) {
			t.Error("the third host's kernel believes that the alias is its own")
		}
		<-time.After(2 * time.Second)
		served := time.Now()
		stage.Served(t, p, "a")
		if by := p.Asker.Report(served, time.Time{}).By; by["b"]+by["third"] > 0 {
			t.Errorf("answered by %v", by)
		}
		if have := p.Holders.Holders(); slices.Contains(have, "b") || !slices.Contains(have, "a") {
			t.Errorf("held by %v", have)
		}
		stage.Until(t, p, p.A, "H9 and no alarm", func(_ control.Snapshot, a control.Alias) bool { return a.Row == "H9" && a.Level != "alarm" })
	})
}

// TestBothHostsAreOrderedToTakeItAtOnce: one of them has it at the end. It is parked on both
// before, because otherwise one host would take it without an order.
func TestBothHostsAreOrderedToTakeItAtOnce(t *testing.T) {
	t.Parallel()
	for name, keys := range withAndWithoutAKey {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := six.Pair(t, pair.Spec{PrimaryA: true, Keys: keys})
			for _, h := range []*lab.Host{p.A, p.B} {
				stage.Obeyed(t, p, h, "RemoveAlias")
				m, err := p.Start(h)
				stage.Must(t, err)
				stage.Said(t, m, "row=W1 ")
			}
			var both sync.WaitGroup
			for _, h := range []*lab.Host{p.A, p.B} {
				both.Go(func() {
					out, errs, code := p.Run(stage.Patiently(t), h, "AddAlias")
					t.Logf("AddAlias on %s: exit %d: %s%s", h.Name, code, out, errs)
				})
			}
			both.Wait()
			one(t, p)
		})
	}
}

// TestBothHostsTakeItAtOnceWithoutAMonitor: both have it when their Monitors start. The
// primary keeps it, and the other lets go.
func TestBothHostsTakeItAtOnceWithoutAMonitor(t *testing.T) {
	t.Parallel()
	for name, keys := range withAndWithoutAKey {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := six.Pair(t, pair.Spec{PrimaryA: true, Keys: keys})
			stage.Must(t, p.A.NIC("eth0").AddAddr(subnet(p)))
			stage.Must(t, p.B.NIC("eth0").AddAddr(subnet(p)))
			stage.Held(t, p, "a", "b")
			stage.Must(t, p.Begin(stage.Patience))
			one(t, p)
			stage.Held(t, p, "a") // the primary
			stage.Served(t, p, "a")
		})
	}
}

// TestAThirdHostAddsItWhileItIsTaken: whichever comes first, one of the two has it at the
// end. The other is refused, or its kernel finds a duplicate.
func TestAThirdHostAddsItWhileItIsTaken(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, 300 * time.Millisecond, time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			p := six.Pair(t, pair.Spec{PrimaryA: true})
			foreign := third(t, p)
			byHand(t, foreign, subnet(p))
			<-time.After(after)
			out, errs, code := p.Run(stage.Patiently(t), p.A, "AddAlias")
			theirs := !settled(t, foreign, p.Alias)
			t.Logf("the third host has it: %t; AddAlias: exit %d: %s%s", theirs, code, out, errs)
			_, ours := flags(t, p.A, p.Alias)
			if ours != (code == stage.Done) {
				t.Errorf("exit %d, and the alias is on the host: %t", code, ours)
			}
			if ours == theirs {
				t.Errorf("the third host has it: %t; so has ours: %t", theirs, ours)
			}
		})
	}
}

// one waits until one host has the alias, and sees that it stays there.
func one(t *testing.T, p *pair.Pair) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stage.Patience)
	defer cancel()
	for tick := time.Tick(10 * time.Millisecond); len(p.Holders.Holders()) != 1; {
		select {
		case <-tick:
		case <-ctx.Done():
			t.Fatalf("held by %v", p.Holders.Holders())
		}
	}
	stage.Unchanged(t, p, 2*time.Second)
	stage.Served(t, p, p.Holders.Holders()[0])
}

// TestAnAliasThatTheKernelTookForADuplicateIsMended: it was added by hand while a third host
// had it, so that the kernel neither answers for it nor will ever try again.
func TestAnAliasThatTheKernelTookForADuplicateIsMended(t *testing.T) {
	t.Parallel()
	for name, primary := range map[string]bool{"on the primary": true, "on the secondary": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := six.Pair(t, pair.Spec{PrimaryA: primary, PrimaryB: !primary})
			foreign := third(t, p, subnet(p))
			byHand(t, p.A, subnet(p))
			if !settled(t, p.A, p.Alias) {
				t.Fatal("the alias is no duplicate")
			}
			a, err := p.Start(p.A)
			stage.Must(t, err)
			stage.Said(t, a, "row=W6") // what is not usable is not adopted
			stage.Must(t, foreign.Crash())
			if !primary {
				stage.Said(t, a, "row=W12")
				stage.Must(t, p.B.Crash())
			}
			usable(t, p.A, p.Alias)
			stage.Served(t, p, "a")
			stage.Held(t, p, "a")
		})
	}
}

// TestAHoldersAliasThatBecomesADuplicateIsMended: while the Monitor stands still an operator
// deletes the alias and adds it again, and a third host has it. If the Monitor then hears the
// third host's claim first, it forgets the alias (H5) until that host is gone; otherwise it
// adds it again at once.
func TestAHoldersAliasThatBecomesADuplicateIsMended(t *testing.T) {
	t.Parallel()
	p := six.Begun(t)
	foreign := third(t, p, subnet(p))
	stage.Must(t, p.Monitor(p.A).Freeze())
	stage.Must(t, p.A.NIC("eth0").DelAddr(p.Alias))
	byHand(t, p.A, subnet(p))
	if !settled(t, p.A, p.Alias) {
		t.Fatal("the alias is no duplicate")
	}
	stage.Must(t, p.Monitor(p.A).Signal(unix.SIGCONT))
	stage.Said(t, p.Monitor(p.A), "row=H5")
	stage.Must(t, foreign.Crash())
	usable(t, p.A, p.Alias)
	stage.Served(t, p, "a")
	stage.Held(t, p, "a")
}

// usable waits until the host's kernel has the address and answers for it.
func usable(t *testing.T, h *lab.Host, a netip.Addr) {
	t.Helper()
	ctx, tick := stage.Patiently(t), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		have, there := flags(t, h, a)
		if there && have&(unix.IFA_F_DADFAILED|unix.IFA_F_TENTATIVE) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s on %s: there %t, flags %#x", a, h.Name, there, have)
		}
	}
}
