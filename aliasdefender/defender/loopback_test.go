package defender

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// sharedIP is an address that both hosts of a world have on their loopback interfaces.
func sharedIP() netip.Addr {
	if family == host.IPv6 {
		return netip.MustParseAddr("2001:db8:f::33")
	}
	return netip.MustParseAddr("192.0.2.33")
}

// sharedRow is its row.
func sharedRow(checks ...string) config.Alias {
	r := row(2, true)
	r.NIC, r.Label, r.Addr, r.Prefix = "lo", "lo:1", sharedIP(), netip.PrefixFrom(sharedIP(), sharedIP().BitLen())
	r.Partner, r.OnServiceFailure, r.Checks = config.Partner{Name: config.NoPartner}, config.ServiceRelease, checks
	return r
}

// playShared plays a story in which both hosts have a row of the shared alias besides that
// of the pair. The source speaks for the service of a.
func playShared(t *testing.T, r config.Alias, set func(w *world), f func(w *world, s *spy)) {
	t.Helper()
	s := &spy{}
	playWith(t, 1, true, false, func(w *world) {
		for _, st := range []*station{w.a, w.b} {
			st.kernel.nics = append(st.kernel.nics, host.NIC{Name: "lo", Index: 1, Up: true, Carrier: true, Addrs: []host.Address{
				{Prefix: netip.MustParsePrefix("127.0.0.1/8"), Label: "lo"}, {Prefix: netip.MustParsePrefix("::1/128"), Label: "lo"},
			}})
		}
		w.cfgA.Aliases, w.cfgB.Aliases = append(w.cfgA.Aliases, r), append(w.cfgB.Aliases, r)
		w.a.sources = []Source{s}
		set(w)
	}, func(w *world) { f(w, s) })
}

func (s *spy) saysOfShared(v rules.Value, lives time.Duration) {
	s.post(Observation{Alias: sharedIP(), Fact: rules.FactService, Value: v, Asked: time.Now(), Lives: lives, Why: "web: " + v.Health()})
}

// sharedOn tells which of the two hosts have the shared alias.
func (w *world) sharedOn() (on string) {
	w.seg.mu.Lock()
	defer w.seg.mu.Unlock()
	for _, st := range []*station{w.a, w.b} {
		if st.kernel.has(sharedIP()) {
			on += st.name
		}
	}
	return on
}

func (w *world) expectShared(want, why string) {
	w.t.Helper()
	if on := w.sharedOn(); on != want {
		w.fail("the shared alias is on %q, want %q: %s", on, want, why)
	}
}

// sharedStatus is what Status shows of it on a host.
func (w *world) sharedStatus(st *station) control.Alias {
	w.t.Helper()
	s, err := st.daemon.Snapshot(w.t.Context(), true)
	if err != nil {
		w.fail("%v", err)
	}
	i := slices.IndexFunc(s.Aliases, func(a control.Alias) bool { return a.Alias == sharedIP().String() })
	if i < 0 {
		w.fail("Status has no shared alias")
	}
	return s.Aliases[i]
}

func TestALoopbackAliasIsOnEveryHostAndNobodyIsAskedAboutIt(t *testing.T) {
	playShared(t, sharedRow(), nothing, func(w *world, s *spy) {
		w.wait(time.Second)
		w.expectShared("ab", "nothing speaks against it")
		w.settle()
		w.expect("a", "the pair goes on")
		w.a.set(func() { w.a.nic().Carrier = false })
		w.wait(30 * time.Second)
		w.expectShared("ab", "no link, router or partner matters")
		w.a.set(func() { w.a.nic().Carrier = true })
		w.settle()
		w.seg.mu.Lock()
		for _, q := range w.seg.questions {
			if q.target == sharedIP() {
				w.seg.mu.Unlock()
				w.fail("a frame about it was sent at %s", q.at)
			}
		}
		w.seg.mu.Unlock()
		for _, st := range []*station{w.a, w.b} {
			a := w.sharedStatus(st)
			if a.Holder != "us" || a.Role != "shared" || a.Level != "" || a.Standby != nil || a.Row != "L9" || a.Partner.Answer != "-" || a.Router.Answer != "-" || len(a.Facts) != 2 {
				w.fail("%s shows %+v", st.name, a)
			}
			if n := len(a.Journal); n == 0 || a.Journal[0].Row != "L4" || a.Journal[0].Action != "take" || a.Journal[0].Reason != "shared" {
				w.fail("Why of %s: %+v", st.name, a.Journal)
			}
		}
		if n := strings.Count(w.log.String(), "nic=lo "); n > 0 {
			w.fail("%d lines about a listener on lo", n)
		}
		if !s.holds[sharedIP()] {
			w.fail("the source is not told that it is here")
		}
	})
}

func TestALoopbackAliasFollowsItsChecks(t *testing.T) {
	playShared(t, sharedRow("web"), func(w *world) { w.cfgB.Aliases[1].Checks = nil }, func(w *world, s *spy) {
		w.settle()
		w.expectShared("b", "nothing is known of the service of a")
		if a := w.sharedStatus(w.a); a.Holder != "-" || a.Reason != "service unknown" || a.Level != "warning" {
			w.fail("%+v", a)
		}
		s.saysOfShared(rules.Yes, time.Hour)
		w.wait(50 * time.Millisecond)
		w.expectShared("ab", "its service is good")
		s.saysOfShared(rules.No, time.Hour)
		w.wait(50 * time.Millisecond)
		w.expectShared("b", "its service fails")
		if a := w.sharedStatus(w.a); a.Reason != "service failing" || !strings.HasSuffix(a.Why, ": web: failing") {
			w.fail("%+v", a)
		}
		s.saysOfShared(rules.Unknown, 0)
		w.wait(50 * time.Millisecond)
		w.expectShared("b", "unknown brings nothing")
		s.saysOfShared(rules.Yes, 10*time.Second)
		w.wait(50 * time.Millisecond)
		w.expectShared("ab", "good again")
		w.wait(time.Minute)
		w.expectShared("ab", "unknown takes nothing away")
		if a := w.sharedStatus(w.a); a.Reason != "held" {
			w.fail("%+v", a)
		}
		w.expect("a", "the pair is not concerned")
	})
}

func TestALoopbackAliasIsKeptWhereThatIsSet(t *testing.T) {
	r := sharedRow("web")
	r.Partner, r.OnServiceFailure = config.Partner{Name: "web2"}, config.ServiceKeep
	playShared(t, r, nothing, func(w *world, s *spy) {
		w.wait(time.Second)
		s.saysOfShared(rules.Yes, time.Hour)
		w.settle()
		s.saysOfShared(rules.No, time.Hour)
		w.wait(50 * time.Millisecond)
		w.expectShared("a", "it is to be kept")
		if a := w.sharedStatus(w.a); a.Row != "L8" || a.Level != "warning" {
			w.fail("%+v", a)
		}
		if n := w.logged("name_unresolved") + w.logged("no_partner"); n > 0 {
			w.fail("its partner was looked up")
		}
	})
}

func TestALoopbackAliasThatIsRemovedByHandIsRestored(t *testing.T) {
	playShared(t, sharedRow(), nothing, func(w *world, _ *spy) {
		w.settle()
		remove := func() {
			w.a.set(func() { w.a.kernel.Remove([]host.Placement{{NIC: "lo", Prefix: sharedRow().Prefix}}) })
		}
		for range 2 {
			remove()
			w.wait(100 * time.Millisecond)
			w.expectShared("ab", "restored at once")
		}
		remove()
		w.wait(100 * time.Millisecond)
		w.expectShared("b", "the third time after a pause")
		if a := w.sharedStatus(w.a); a.Reason != "keeps vanishing" || a.Level != "alarm" {
			w.fail("%+v", a)
		}
		w.wait(5 * time.Second)
		w.expectShared("ab", "the pause is over")
	})
}

func TestOrdersForALoopbackAlias(t *testing.T) {
	playShared(t, sharedRow("web"), nothing, func(w *world, s *spy) {
		of := func(o control.Order) control.Order { o.Alias = sharedIP(); return o }
		is := func(o control.Order, done bool, text, next string) {
			w.t.Helper()
			out := w.order(w.a, of(o))
			if out.Done != done || !strings.Contains(out.Text, text) || !strings.Contains(out.Next, next) {
				w.fail("%+v: %+v", o, out)
			}
		}
		w.wait(time.Second)
		s.saysOfShared(rules.Yes, time.Hour)
		w.settle()
		is(control.Order{Remove: true, DryRun: true}, true, "would be released", "")
		is(control.Order{Remove: true}, true, "released", "stays out until AddAlias")
		if len(w.remembered) != 1 || w.remembered[0] != sharedIP() {
			w.fail("remembered: %v", w.remembered)
		}
		w.wait(time.Minute)
		w.expectShared("", "parked")
		s.saysOfShared(rules.No, time.Hour)
		w.wait(time.Second)
		is(control.Order{DryRun: true}, false, "would not come now", "")
		is(control.Order{}, false, "not now: our own service fails its check: web: failing", "it comes here as soon as")
		s.saysOfShared(rules.Yes, time.Hour)
		w.wait(time.Second)
		w.expectShared("a", "no longer parked, and good")
		is(control.Order{}, true, hasAlready, "until one of its checks fails")
		is(control.Order{Give: true}, false, "refused: many hosts have it at once", "")
		is(control.Order{Give: true, DryRun: true}, false, "refused: many hosts have it at once", "")
		all, err := w.a.daemon.Order(w.t.Context(), control.Order{Give: true, DryRun: true}, nil)
		if err != nil || len(all) != 2 || !all[1].Done {
			w.fail("Handover of all: %+v, %v", all, err)
		}
		is(control.Order{Remove: true}, true, "released", "")
		s.saysOfShared(rules.Unknown, 0)
		w.wait(time.Second)
		is(control.Order{Force: true}, true, "taken: this host has it", "")
		w.expectShared("a", "forced, and not known to fail")
	})
}

// TestADryRunForALoopbackAliasSaysWhatTheOrderDoes where what is known of this host is too old.
func TestADryRunForALoopbackAliasSaysWhatTheOrderDoes(t *testing.T) {
	playShared(t, sharedRow(), nothing, func(w *world, _ *spy) {
		w.settle()
		add := control.Order{Alias: sharedIP()}
		w.order(w.a, control.Order{Alias: sharedIP(), Remove: true})
		w.a.set(func() { w.a.readErr = errors.New("no memory") })
		w.wait(time.Minute)
		dry := add
		dry.DryRun = true
		said, is := w.order(w.a, dry), w.order(w.a, add)
		if said.Done || is.Done || !strings.Contains(said.Text, "would be refused") || !strings.Contains(is.Text, "refused") {
			w.fail("it would be: %+v, and is: %+v", said, is)
		}
		w.a.set(func() { w.a.readErr = nil })
		w.wait(time.Minute)
		w.expectShared("ab", "no longer parked, and readable")
	})
}

func TestMaintenanceTakesALoopbackAliasOff(t *testing.T) {
	playShared(t, sharedRow(), nothing, func(w *world, _ *spy) {
		w.settle()
		for _, o := range []struct {
			to   control.Switch
			want string
		}{{control.On, "b"}, {control.Off, "ab"}} {
			if _, err := w.a.daemon.Order(w.t.Context(), control.Order{Maintenance: o.to}, func(Kept) error { return nil }); err != nil {
				w.fail("%v", err)
			}
			w.wait(time.Second)
			w.expectShared(o.want, "maintenance")
		}
	})
}

func TestOrdersForALoopbackAliasWithoutAMonitor(t *testing.T) {
	playShared(t, sharedRow("web"), func(w *world) { w.a.deeds, w.b.deeds = OrderedDeeds, OrderedDeeds }, func(w *world, _ *spy) {
		w.wait(time.Second)
		w.expectShared("", "nobody has ordered it")
		out := w.looked(w.a, control.Order{Alias: sharedIP()})
		if !out.Done || out.Text != "taken: this host has it" || out.Next != noMonitorNow {
			w.fail("AddAlias: %+v", out)
		}
		w.expectShared("a", "ordered; no check is asked without a Monitor")
		out = w.looked(w.a, control.Order{Alias: sharedIP(), Remove: true})
		if !out.Done || !strings.HasPrefix(out.Text, "released") || !strings.Contains(out.Next, "stays out until AddAlias") {
			w.fail("RemoveAlias: %+v", out)
		}
		w.expectShared("", "ordered off")
	})
}

func TestALoopbackAliasWhoseSubnetHasThisHostIsNotTaken(t *testing.T) {
	if family == host.IPv6 {
		return // of IPv6 such a row has one address only
	}
	r := sharedRow()
	r.Prefix = netip.MustParsePrefix("192.0.2.33/24")
	playShared(t, r, func(w *world) {
		w.a.kernel.nics[0].Addrs = append(w.a.kernel.nics[0].Addrs, host.Address{Prefix: netip.MustParsePrefix("192.0.2.7/25"), Label: "eth0"})
		w.b.gateways = []netip.Addr{netip.MustParseAddr("192.0.2.254")}
	}, func(w *world, _ *spy) {
		w.settle()
		w.expectShared("", "it would take the network of a, and the router of b")
		for st, want := range map[*station]string{w.a: "has 192.0.2.7, which is on eth0", w.b: "has 192.0.2.254, which is on eth0"} {
			if a := w.sharedStatus(st); a.Row != "L2" || a.Level != "error" || !strings.Contains(a.Why, want) {
				w.fail("%+v", a)
			}
		}
		if out := w.order(w.a, control.Order{Alias: sharedIP()}); out.Done || !strings.Contains(out.Text, "write a longer mask") {
			w.fail("%+v", out)
		}
	})
}

func TestALoopbackAliasAtTheEndOfADaemonAndAtTheStartOfTheNext(t *testing.T) {
	playShared(t, sharedRow(), nothing, func(w *world, _ *spy) {
		w.settle()
		w.a.daemon.Stop(ExitAsSet)
		w.wait(time.Second)
		w.expectShared("ab", "on_exit is keep")
		w.a.kill()
		w.a.start(w.cfgA, &w.log)
		w.settle()
		if a := w.sharedStatus(w.a); a.Holder != "us" {
			w.fail("not adopted: %+v", a)
		}
		only := *w.cfgA
		only.Aliases = only.Aliases[:1]
		if dropped, err := w.a.daemon.ReloadUnless(w.t.Context(), &only); err != nil || len(dropped) != 1 || dropped[0].Addr != sharedIP() {
			w.fail("%v, %v", dropped, err)
		}
		w.a.daemon.Reload(&only)
		w.wait(time.Second)
		w.expectShared("b", "its row is gone")
		w.a.daemon.Reload(w.cfgA)
		w.wait(time.Second)
		w.expectShared("ab", "its row is back")
		released := *w.cfgA
		released.Settings.OnExit = config.ExitRelease
		w.a.daemon.Reload(&released)
		w.wait(time.Second)
		w.a.daemon.Stop(ExitAsSet)
		w.wait(time.Second)
		w.expectShared("b", "on_exit is release")
	})
}

func TestALoopbackAliasPassesTheGates(t *testing.T) {
	g := &openGate{}
	playShared(t, sharedRow(), func(w *world) { w.a.gates = []Gate{g} }, func(w *world, _ *spy) {
		w.settle()
		w.order(w.a, control.Order{Alias: sharedIP(), Remove: true})
		var of []string
		for _, d := range g.deeds {
			if d.Alias == sharedIP() {
				of = append(of, d.Action.String()+" "+d.NIC+" "+d.Row)
			}
		}
		if !slices.Equal(of, []string{"take lo L4", "release lo L5"}) {
			w.fail("the gate was asked: %v", of)
		}
	})
}

// openGate stands open, and remembers what it was asked.
type openGate struct {
	mu    sync.Mutex
	deeds []Deed
}

func (g *openGate) String() string { return "the open gate" }

func (g *openGate) Ask(_ context.Context, d Deed, _ func(error)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deeds = append(g.deeds, d)
	return false
}
