package defender

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
)

// blink takes the station's own address away for so long: with the alias, which then
// stands before it, or the alias with it.
func (st *station) blink(w *world, away time.Duration, alias bool) {
	st.set(func() {
		st.loseOwn()
		if alias {
			st.kernel.lose()
		}
	})
	w.wait(away)
	st.set(func() { st.gainOwn() })
}

// shown is what Status shows of the alias.
func (w *world) shown(st *station) control.Alias {
	w.t.Helper()
	s, err := st.daemon.Snapshot(w.t.Context(), false)
	if err != nil {
		w.fail("%v", err)
	}
	return s.Aliases[0]
}

// firstAddr is the address that the station speaks with.
func (w *world) firstAddr(st *station) netip.Addr {
	w.seg.mu.Lock()
	defer w.seg.mu.Unlock()
	return st.nic().Addrs[0].Prefix.Addr()
}

func TestOwnAddressThatComesBackStandsBeforeTheAliasAgain(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.settle()
		gap := w.unserved()
		w.a.blink(w, 100*time.Millisecond, false)
		w.wait(10 * time.Millisecond)
		if first := w.firstAddr(w.a); first != w.a.own.Addr() {
			w.fail("A speaks with %v", first)
		}
		if n := w.logged("event=decided"); n == 0 || !strings.Contains(w.log.String(), "action=reorder") || w.logged("row=H10") == 0 {
			w.fail("it is not said")
		}
		w.wait(time.Second)
		w.must(w.a, control.Order{Give: true}, "")
		w.expect("b", "handed over")
		if d := gap(); d > 0 {
			w.fail("nobody served for %v", d)
		}
	})
}

// TestAProgramThatKeepsPuttingTheAliasFirstIsAnAlarm, and does not make us work more
// often than once in half a minute.
func TestAProgramThatKeepsPuttingTheAliasFirstIsAnAlarm(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		begun := time.Now()
		for time.Since(begun) < 5*time.Minute {
			if w.firstAddr(w.a) == w.a.own.Addr() {
				w.a.blink(w, time.Millisecond, false)
			}
			w.wait(50 * time.Millisecond)
		}
		w.expect("a", "it keeps the alias")
		w.seg.mu.Lock()
		n := w.a.reorders
		w.seg.mu.Unlock()
		if n < 8 || n > 16 {
			w.fail("put in order %d times in five minutes", n)
		}
		if w.logged("own address behind again") != n-2 {
			w.fail("%d alarms for %d times", w.logged("own address behind again"), n)
		}
		w.wait(time.Minute)
	})
}

func TestReorderThatFailsIsSaidOnceAndTriedAgain(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.a.set(func() { w.a.reorderErr = errors.New("no room") })
		w.a.blink(w, time.Millisecond, false)
		w.wait(20 * time.Second)
		if n := w.logged("could not be put behind"); n != 1 {
			w.fail("said %d times", n)
		}
		if s := w.shown(w.a); s.Level != "error" || !strings.Contains(s.Why, "no room") {
			w.fail("Status says %+v", s)
		}
		w.a.set(func() { w.a.reorderErr = nil })
		w.wait(time.Minute)
		if first := w.firstAddr(w.a); first != w.a.own.Addr() {
			w.fail("A speaks with %v", first)
		}
		if s := w.shown(w.a); s.Level != "" {
			w.fail("Status says %+v", s)
		}
	})
}

// TestTheChannelIsWrittenFromTheOwnAddress, also while the order cannot be mended.
func TestTheChannelIsWrittenFromTheOwnAddress(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.settle()
		from := func() map[netip.Addr][]netip.Addr {
			w.seg.mu.Lock()
			defer w.seg.mu.Unlock()
			return w.a.from
		}
		if len(from()) > 0 {
			w.fail("in order, and written from %v", from())
		}
		w.a.set(func() { w.a.reorderErr = errors.New("no room") })
		w.a.blink(w, time.Millisecond, false)
		w.wait(100 * time.Millisecond)
		if got := from()[w.b.own.Addr()]; !slices.Equal(got, []netip.Addr{w.a.own.Addr()}) {
			w.fail("written from %v", from())
		}
		w.a.set(func() { w.a.reorderErr = nil })
		w.wait(time.Minute)
		if len(from()) > 0 {
			w.fail("in order again, and written from %v", from())
		}
	})
}

func TestHolderWhoseOwnAddressIsGoneKeepsAndWarns(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		w.a.set(func() { w.a.loseOwn() })
		w.wait(time.Second)
		w.expect("a", "it is kept")
		if s := w.shown(w.a); s.Row != "H10" || s.Level != "warning" {
			w.fail("Status says %s, %s: %s", s.Row, s.Level, s.Why)
		}
		out := w.order(w.a, control.Order{Remove: true})
		if out.Done || !strings.Contains(out.Text, "last "+addressOf[family]+" of eth0") {
			w.fail("RemoveAlias: %+v", out)
		}
		w.expect("a", "it was not forced")
		w.a.set(func() { w.a.gainOwn() })
		w.wait(time.Minute)
	})
}

// TestWhatTheKernelLostWithItsOwnAddressIsRestoredAtOnce: at the default rhythm, as
// a program does that configures the NIC anew. Own addresses that are away for longer
// than an answer takes leave nothing known.
func TestWhatTheKernelLostWithItsOwnAddressIsRestoredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		for _, c := range []*config.Config{w.cfgA, w.cfgB} {
			c.Aliases[0].Interval, c.Aliases[0].Timeout = 20*time.Second, time.Second
		}
		w.begin()
		defer w.end()
		w.wait(5 * time.Minute)
		w.expect("a", "at the start")
		gone := time.Now()
		w.a.blink(w, 5*time.Millisecond, true)
		for w.holders() != "a" && time.Since(gone) < time.Minute {
			w.wait(time.Millisecond)
		}
		if d := time.Since(gone); d > 20*time.Millisecond {
			w.fail("restored after %v", d)
		}
		w.wait(time.Minute)
		w.a.blink(w, 1100*time.Millisecond, true)
		w.wait(100 * time.Millisecond)
		w.expect("", "who may have it meanwhile is asked first")
		w.wait(time.Minute)
		w.expect("a", "nobody had it")
	})
}

func TestTheOnlyAddressOfANICIsNotAdoptedUnlessItIsOurs(t *testing.T) {
	for _, ours := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, true, false)
			w.b.on = false
			w.a.nic().Addrs = []host.Address{{Prefix: with(aliasIP), Label: "eth0", Ours: ours}}
			w.a.start(w.cfgA, &w.log)
			defer w.end()
			w.wait(time.Minute)
			s := w.shown(w.a)
			if ours {
				if s.Holder != "us" || s.Row != "H10" {
					w.fail("ours: Status says %s by %s", s.Holder, s.Row)
				}
				return
			}
			if s.Holder == "us" || s.Level != "error" || !strings.Contains(s.Why, "only "+addressOf[family]+" of eth0") || w.logged("event=only_address") != 1 {
				w.fail("Status says %s, %s: %s", s.Holder, s.Level, s.Why)
			}
			w.a.set(func() { w.a.nic().Carrier = false })
			w.wait(time.Minute)
			w.a.set(func() { w.a.nic().Carrier = true })
			w.wait(time.Minute)
			out := w.order(w.a, control.Order{Remove: true, DryRun: true})
			if out.Done || !strings.Contains(out.Text, "would be refused") {
				w.fail("RemoveAlias --dry-run: %+v", out)
			}
			out = w.order(w.a, control.Order{Remove: true})
			if out.Done || !strings.Contains(out.Text, "refused") || !w.a.kernel.has(aliasIP) {
				w.fail("RemoveAlias: %+v", out)
			}
			if len(w.remembered) > 0 {
				w.fail("refused, and parked %v", w.remembered)
			}
			// Maintenance has no --force: RemoveAlias has.
			out = w.order(w.a, control.Order{Maintenance: control.On, DryRun: true})
			if out.Done || !strings.Contains(out.Text, "; RemoveAlias --force takes it off") {
				w.fail("Maintenance --dry-run: %+v", out)
			}
			out = w.order(w.a, control.Order{Maintenance: control.On})
			if out.Done || !w.a.kernel.has(aliasIP) {
				w.fail("Maintenance: %+v", out)
			}
			out = w.order(w.a, control.Order{Remove: true, Force: true})
			if !out.Done || w.a.kernel.has(aliasIP) || !slices.Contains(w.remembered, aliasIP) {
				w.fail("RemoveAlias --force: %+v", out)
			}
		})
	}
}

// TestMaintenanceThatIsRefusedBeginsNothing: neither this host nor the disk is told of one,
// and AddAlias is refused by nothing. With an alias that goes there is maintenance.
func TestMaintenanceThatIsRefusedBeginsNothing(t *testing.T) {
	for _, both := range []bool{false, true} {
		play(t, 1, true, false, func(w *world) {
			if both {
				c := one(w.cfgA.Aliases[0])
				r := c.Aliases[0]
				r.Addr, r.Prefix, r.Label = secondIP, with(secondIP), "eth0:2"
				c.Aliases = append(c.Aliases, r)
				w.a.daemon.Reload(c)
				w.order(w.a, control.Order{Alias: secondIP, Remove: true})
			}
			w.settle()
			w.a.set(func() { w.a.loseOwn() })
			w.wait(time.Second)
			var kept Kept
			out, err := w.a.daemon.Order(w.t.Context(), control.Order{Maintenance: control.On}, func(k Kept) error {
				kept = k
				return nil
			})
			if err != nil || out[0].Done || strings.Contains(out[0].Text, "this host does not go into maintenance") == both {
				w.fail("%+v, %v", out, err)
			}
			s, err := w.a.daemon.Snapshot(w.t.Context(), false)
			if err != nil || s.Maintenance != both || kept.Maintenance != both {
				w.fail("maintenance %v, on the disk %v, %v", s.Maintenance, kept.Maintenance, err)
			}
			if out := w.order(w.a, control.Order{Alias: aliasIP}); out.Done == both {
				w.fail("AddAlias: %+v", out)
			}
			w.expect("a", "it was not forced")
			w.a.set(func() { w.a.gainOwn() })
			w.wait(time.Minute)
		})
	}
}

func TestAMaskThatIsNotTheNICsIsSaidOnce(t *testing.T) {
	usual := with(aliasIP).Bits()
	for bits, want := range map[int]int{usual - 8: 1, usual + 1: 1, usual: 0, aliasIP.BitLen(): 0} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, true, false)
			w.b.on = false
			w.cfgA.Aliases[0].Prefix = netip.PrefixFrom(aliasIP, bits)
			w.a.start(w.cfgA, &w.log)
			defer w.end()
			w.wait(time.Minute)
			if n := w.logged("event=mask_differs"); n != want {
				w.fail("/%d: said %d times, want %d", bits, n, want)
			}
			harm := map[host.Family]string{host.IPv4: "may then come from the alias", host.IPv6: "the two masks disagree"}[family]
			if n := w.logged(harm); n != want {
				w.fail("/%d: %q is said %d times, want %d", bits, harm, n, want)
			}
		})
	}
}

// TestAliasOnANICThatWasRenamedIsTakenOffThere, also where it was not read there yet,
// and comes back with the name.
func TestAliasOnANICThatWasRenamedIsTakenOffThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true, false)
		w.b.on = false
		nic, taken := w.a.nic(), false
		w.a.added = func() { taken, nic.Name = true, "lan1" }
		w.a.start(w.cfgA, &w.log)
		defer w.end()
		w.wait(time.Minute)
		w.expect("", "its NIC has another name as soon as the alias is there")
		if !taken {
			w.fail("it was not taken")
		}
		w.a.set(func() { nic.Name = "eth0" })
		w.wait(time.Minute)
		w.expect("a", "the name is back")
		w.a.set(func() { nic.Name = "lan0" })
		w.wait(100 * time.Millisecond)
		w.expect("", "its NIC has another name")
		if w.logged("was given the name lan0") != 1 || w.logged("vanished") != 0 {
			w.fail("it is not said as it is")
		}
		w.a.set(func() { nic.Name = "eth0" })
		w.wait(time.Minute)
		w.expect("a", "the name is back again")
	})
}
