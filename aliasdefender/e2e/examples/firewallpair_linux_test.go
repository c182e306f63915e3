package examples

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// firewalls are the example with both aliases on A. The hosts inside and outside ask the
// alias on their side.
type firewalls struct {
	*example
	out, in *lab.Watch
	inner   *lab.Client // asks the inner alias from inside
}

// detection is how long an alias that nobody answers for may go unnoticed.
const detection = 1750 * time.Millisecond

func newFirewalls(t *testing.T, change changed) *firewalls {
	t.Helper()
	dir, err := os.MkdirTemp("", "ad")
	stage.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	x := &example{T: t, lab: lab.ForTest(t), name: "firewall-pair", dir: dir, monitors: map[*lab.Host]*lab.Process{}}
	outside, err := x.lab.Switch("outside")
	stage.Must(t, err)
	inside, err := x.lab.Switch("inside")
	stage.Must(t, err)
	nic := func(name string, on *lab.Switch, addr ...string) lab.NICSpec {
		return lab.NICSpec{Name: name, Switch: on, Addrs: stage.Prefixes(addr...)}
	}
	host := func(spec lab.HostSpec) *lab.Host {
		t.Helper()
		h, err := x.lab.Host(spec)
		stage.Must(t, err)
		return h
	}
	x.a = host(lab.HostSpec{Name: "a", Forward: true, NICs: []lab.NICSpec{nic("eth0", outside, "192.0.2.2/24"), nic("eth1", inside, "10.0.0.2/24")}})
	x.b = host(lab.HostSpec{Name: "b", Forward: true, NICs: []lab.NICSpec{nic("eth0", outside, "192.0.2.3/24"), nic("eth1", inside, "10.0.0.3/24")}})
	x.router = host(lab.HostSpec{Name: "router", Forward: true, NICs: []lab.NICSpec{nic("eth0", outside, "192.0.2.254/24")}})
	x.user = host(lab.HostSpec{Name: "client", NICs: []lab.NICSpec{nic("eth0", outside, "192.0.2.50/24")}})
	printer := host(lab.HostSpec{Name: "printer", NICs: []lab.NICSpec{nic("eth0", inside, "10.0.0.250/24", "10.0.0.251/24")}})
	key := stage.NewKey()
	for _, h := range []*lab.Host{x.a, x.b} {
		x.install(h, key, func(x *example, h *lab.Host, settings string) string { return change(x, h, x.withHook(h, settings)) })
		x.run(h, "Check", "--files")
		x.shell(h, "ip route add default via 10.0.0.1 metric 100") // by which the one that stands by reaches the world
	}
	x.control = x.asks(netip.MustParseAddr("192.0.2.254"))
	f := &firewalls{example: x, out: x.watched(netip.MustParseAddr("192.0.2.1")), in: x.watched(netip.MustParseAddr("10.0.0.1"))}
	f.inner, err = printer.Client(lab.ClientSpec{Target: netip.MustParseAddr("10.0.0.1"), Every: every})
	stage.Must(t, err)
	x.start(x.a)
	x.start(x.b)
	f.both(x.a)
	x.ready()
	return f
}

// withHook installs the example's hook on a host, with a conntrackd that writes down what
// it is told.
func (x *example) withHook(h *lab.Host, settings string) string {
	x.Helper()
	hook, told := x.file(h, "firewall"), x.file(h, "conntrackd")
	for path, text := range map[string]string{
		hook: stage.Read(x.T, filepath.Join(examples, x.name, "firewall")),
		told: "#!/bin/sh\necho \"$1\" >> " + x.file(h, "told") + "\n",
	} {
		stage.Must(x.T, os.WriteFile(path, []byte(text), 0o755))
	}
	const theirs = `["/usr/local/lib/aliasdefender/firewall", "192.0.2.254"]`
	return replacedAll(x.T, 3, settings, theirs, `["`+hook+`", "192.0.2.254", "`+told+`"]`)
}

// both waits until exactly this host has both aliases.
func (f *firewalls) both(h *lab.Host) {
	f.Helper()
	f.held(f.out, h)
	f.held(f.in, h)
}

// apart is for how long at a stretch, since a moment, one host has had one alias alone and
// another host the other.
func (f *firewalls) apart(since time.Time) (longest time.Duration) {
	for _, one := range f.out.Spans() {
		for _, other := range f.in.Spans() {
			from, to := latest(one.From, other.From, since), one.To
			if other.To.Before(to) {
				to = other.To
			}
			if one.By != other.By && to.After(from) {
				longest = max(longest, to.Sub(from))
			}
		}
	}
	return longest
}

func latest(all ...time.Time) (t time.Time) {
	for _, x := range all {
		if x.After(t) {
			t = x
		}
	}
	return t
}

// active waits until the hook has made this host the active firewall: it sends out with the
// alias, and conntrackd was told.
func (f *firewalls) active(h *lab.Host, told string) {
	f.Helper()
	ctx := stage.Patiently(f.T)
	for {
		out, _, _ := h.Run(ctx, "ip", "-4", "route", "show", "default")
		text, _ := os.ReadFile(f.file(h, "told"))
		if strings.Contains(out, "via 192.0.2.254 dev eth0") && strings.Contains(out, "src 192.0.2.1") && strings.HasSuffix(strings.Join(strings.Fields(string(text)), " "), told) {
			return
		}
		if ctx.Err() != nil {
			f.Fatalf("%s is not active: %q, conntrackd was told %q", h.Name, out, text)
		}
		f.status(ctx, h) // which takes its time
	}
}

// TestFirewallPairMovesAsOne: whichever NIC of the active firewall dies, both addresses are
// at the partner soon after, and the two never have parts for longer than a hand-over.
func TestFirewallPairMovesAsOne(t *testing.T) {
	t.Parallel()
	f := newFirewalls(t, func(_ *example, _ *lab.Host, settings string) string {
		return "max_takes = 1000\n" + settings // in make soak more than ten within an hour
	})
	f.active(f.a, "-c -f -R -B")
	took := stage.NewFigures(t, "a NIC of the active firewall dies, until both addresses are at the partner", detection+time.Second)
	apart := stage.NewFigures(t, "the same, for how long the two have parts", time.Second)
	for range stage.Runs(20) {
		for _, nic := range []string{"eth1", "eth0"} {
			f.ready()
			from, port := time.Now(), f.a.NIC(nic).Port
			stage.Must(t, port.Down())
			f.both(f.b)
			still := stage.Stillness(f.control, f.control, from, time.Now())
			took.Add(time.Since(from), still)
			apart.Add(f.apart(from), still)
			f.active(f.b, "-c -f -R -B")
			stage.Must(t, port.Up())
			f.home()
		}
	}
	stage.Said(t, f.monitors[f.a], `row=H11 reason="group apart"`)
}

// TestFirewallPairSendsOutAgainAfterItsAliasWasRemoved: with an address the kernel removes the
// routes that have it as their source. The Monitor puts the alias back, and nobody but the
// hook the route.
func TestFirewallPairSendsOutAgainAfterItsAliasWasRemoved(t *testing.T) {
	t.Parallel()
	f := newFirewalls(t, asItIs)
	f.active(f.a, "-c -f -R -B")
	f.shell(f.a, "ip address del 192.0.2.1/24 dev eth0")
	stage.Said(t, f.monitors[f.a], "action=restore row=H5")
	f.active(f.a, "-c -f -R -B -c -f -R -B")
	f.both(f.a)
	f.shell(f.b, "ip route get 192.0.3.1 | grep -q 'via 10.0.0.1 dev eth1'")
}

// TestFirewallPairsHookDoesNothingThatItDoesNotKnow and says so.
func TestFirewallPairsHookDoesNothingThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args, env []string
		want      string
	}{
		{nil, []string{"AD_EVENT=take"}, "name the gateway"},
		{[]string{"192.0.2.254"}, nil, `nothing to do at ""`},
		{[]string{"192.0.2.254"}, []string{"AD_EVENT=alarm"}, `nothing to do at "alarm"; it is for take, release and reasserted`},
	} {
		c := exec.Command("sh", append([]string{filepath.Join(examples, "firewall-pair", "firewall")}, tt.args...)...)
		c.Env = append(os.Environ(), tt.env...)
		if out, _ := c.CombinedOutput(); c.ProcessState == nil || c.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), tt.want) {
			t.Errorf("%q with %q: %v, want exit code 2 and %q:\n%s", tt.args, tt.env, c.ProcessState, tt.want, out)
		}
	}
}

// home waits until A could have all, and has B give it back by an order for one of the two.
func (f *firewalls) home() {
	f.Helper()
	f.ready()
	f.run(f.b, "Handover", "10.0.0.1")
	f.both(f.a)
	f.active(f.a, "-c -f -R -B")
}

// TestFirewallPairFollowsAnAliasThatWasCutOff: a dead switch takes no carrier away. The
// active firewall keeps its inner alias in vain, the partner takes it where the hosts are,
// and the outer one follows. When the switch works again one of them yields, and both stay
// where the outer one is.
func TestFirewallPairFollowsAnAliasThatWasCutOff(t *testing.T) {
	t.Parallel()
	f := newFirewalls(t, asItIs)
	port := f.a.NIC("eth1").Port
	stage.Must(t, port.Mute())
	f.held(f.out, f.b)
	stage.Must(t, f.in.Wait(stage.Patiently(t), "a", "b"))
	f.active(f.b, "-c -f -R -B")
	stage.Must(t, port.Unmute())
	f.both(f.b)
	f.answered(f.inner, f.b)
	f.home()
}

// TestFirewallPairOfWhichNeitherCanHaveBoth: a NIC is dead on each of them, on different
// sides: an alarm, and when_split says what becomes of each alias.
func TestFirewallPairOfWhichNeitherCanHaveBoth(t *testing.T) {
	for _, split := range []string{"serve", "release"} {
		t.Run(split, func(t *testing.T) {
			t.Parallel()
			f := newFirewalls(t, func(_ *example, _ *lab.Host, settings string) string {
				return replaced(t, settings, `when_split = "serve"`, `when_split = "`+split+`"`)
			})
			stage.Must(t, f.b.NIC("eth0").Port.Down())
			stage.Said(t, f.monitors[f.b], "alias=10.0.0.1 nic=eth1:1 action=wait row=W15")
			from := time.Now()
			stage.Must(t, f.a.NIC("eth1").Port.Down())
			if split == "serve" {
				f.held(f.out, f.a)
				f.held(f.in, f.b)
				f.answered(f.inner, f.b)
			} else {
				stage.Must(t, f.out.Wait(stage.Patiently(t)))
				stage.Must(t, f.in.Wait(stage.Patiently(t)))
			}
			for _, h := range []*lab.Host{f.a, f.b} {
				stage.Said(t, f.monitors[h], `reason="group split"`)
			}
			if n := f.out.Tenure(from, time.Time{}); n.Takes != 0 {
				t.Errorf("the outer alias was taken %d times", n.Takes)
			}
			stage.Must(t, f.a.NIC("eth1").Port.Up())
			f.both(f.a)
			f.answered(f.inner, f.a)
		})
	}
}

// TestFirewallPairWhileOneFileLacksTheGroup: whoever sets a group up changes one host's file
// before the other's. Until both have it the Monitors go on hearing each other, and say what
// does not fit; then the group is together.
func TestFirewallPairWhileOneFileLacksTheGroup(t *testing.T) {
	t.Parallel()
	whole := ""
	f := newFirewalls(t, func(_ *example, _ *lab.Host, settings string) string {
		if whole == "" { // A's
			whole = settings
			return settings
		}
		before, after, found := strings.Cut(settings, "[group.firewall]")
		_, after, more := strings.Cut(after, `when_split = "serve"`)
		if !found || !more {
			t.Fatalf("no group:\n%s", settings)
		}
		return before + after
	})
	stage.Said(t, f.monitors[f.a], "event=pair_misfit")
	stage.Said(t, f.monitors[f.b], "event=pair_misfit")
	text := stage.Read(t, f.file(f.b, "aliasdefender.toml"))
	stage.Place(t, f.file(f.b, "aliasdefender.toml"), text+"\n[group.firewall]\naliases = [\"192.0.2.1\", \"10.0.0.1\"]\n")
	f.run(f.b, "Reload")
	for _, h := range []*lab.Host{f.a, f.b} {
		stage.Said(t, f.monitors[h], "event=pair_fits")
	}
	f.ready()
	stage.Must(t, f.a.NIC("eth1").Port.Down())
	f.both(f.b)
}
