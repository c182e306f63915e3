package ipv6

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// advertised is a pair whose hosts learn their default route from the advertisements of the
// router, which radvd sends.
func advertised(t *testing.T, spec pair.Spec) *pair.Pair {
	t.Helper()
	stage.Wanted(t, "radvd", "radvd")
	spec.PrimaryA = true
	spec.Host = func(s *lab.HostSpec) {
		if s.Name == "a" || s.Name == "b" {
			s.Gateway = netip.Addr{}
			s.Sysctls = map[string]string{"net/ipv6/conf/default/accept_ra": "1", "net/ipv6/conf/default/router_solicitations": "-1"}
		}
	}
	return six.Pair(t, spec)
}

// radvd starts it on the router. When it is stopped it withdraws what it has advertised, by
// an advertisement with lifetime 0; when it is killed it does not.
func radvd(t *testing.T, p *pair.Pair, lifetime time.Duration) *lab.Process {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "radvd.conf")
	stage.Place(t, file, fmt.Sprintf("interface eth0 {\n\tAdvSendAdvert on;\n\tMinRtrAdvInterval 3;\n\tMaxRtrAdvInterval 4;\n\tAdvDefaultLifetime %d;\n};\n", int(lifetime.Seconds())))
	m, err := p.Router.Start("radvd", "radvd", "--nodaemon", "--logmethod", "stderr", "--config", file, "--pidfile", filepath.Join(dir, "pid"))
	stage.Must(t, err)
	return m
}

// routed waits until the host has a default route of IPv6, or none.
func routed(t *testing.T, p *pair.Pair, h *lab.Host, want bool) {
	t.Helper()
	router := p.Router.NIC("eth0").LinkLocal().WithZone("")
	ctx, tick := stage.Patiently(t), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		have := false
		stage.Must(t, h.Do(func() error {
			list, err := netlink.RouteList(nil, netlink.FAMILY_V6)
			for _, r := range list {
				have = have || (r.Dst == nil || r.Dst.IP.IsUnspecified()) && bytes.Equal(r.Gw, router.AsSlice())
			}
			return err
		}))
		if have == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: default route by %s: %t, want %t", h.Name, router, have, want)
		}
	}
}

// TestARouterThatIsLinuxWithRadvd gives the default routes, dies, comes back, and at last
// withdraws them. A default route that is withdrawn makes a holder keep the alias, and a
// standby take nothing, and say so before it has to.
func TestARouterThatIsLinuxWithRadvd(t *testing.T) {
	t.Parallel()
	for name, keys := range withAndWithoutAKey {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := advertised(t, pair.Spec{Keys: keys})
			radvd(t, p, 30*time.Minute)
			for _, h := range []*lab.Host{p.A, p.B} {
				routed(t, p, h, true)
			}
			stage.Must(t, p.Begin(stage.Patience))
			stage.Held(t, p, "a")
			stage.Said(t, p.Monitor(p.B), "row=W6")

			// It dies: the default routes stay, and lead nowhere.
			stage.MovesNothing(t, p, 3*time.Second, p.Router.Crash, p.Router.Boot)
			for _, h := range []*lab.Host{p.A, p.B} {
				routed(t, p, h, true)
			}
			stage.Must(t, p.A.Crash())
			stage.Said(t, p.Monitor(p.B), "row=W8")
			stage.Unchanged(t, p, 2*time.Second) // nobody has it
			stage.Must(t, p.Router.Boot())
			stage.Served(t, p, "b")

			// The other comes back, and has its default route again once it is advertised.
			second := radvd(t, p, 30*time.Minute)
			stage.Must(t, p.Boot(p.A))
			routed(t, p, p.A, true)
			stage.Until(t, p, p.A, "a standby that is ready", func(_ control.Snapshot, a control.Alias) bool {
				return a.Row == "W6" && a.Standby != nil && a.Standby.Ready == "yes"
			})
			stage.Held(t, p, "b")

			// It withdraws them.
			stage.Must(t, second.Signal(unix.SIGTERM))
			for _, h := range []*lab.Host{p.A, p.B} {
				routed(t, p, h, false)
			}
			stage.Until(t, p, p.A, "a standby without a router", func(_ control.Snapshot, a control.Alias) bool {
				return a.Standby != nil && a.Standby.Ready == "no" && a.Standby.Row == "W8" && a.Standby.Reason == "no router known"
			})
			stage.Saying(t, p, p.A, 1, []string{"router"}, "Status")
			stage.Unchanged(t, p, 3*time.Second)
			stage.Held(t, p, "b")
			stage.Must(t, p.B.Crash())
			stage.Said(t, p.Monitor(p.A), `reason="no router known"`)
			stage.Unchanged(t, p, 2*time.Second) // nobody has it
			radvd(t, p, 30*time.Minute)
			stage.Served(t, p, "a")
			stage.Held(t, p, "a")
		})
	}
}

// TestADefaultRouteThatEndsByItselfIsNoLongerARouter: the router dies, and its
// advertisement's lifetime ends. The kernel removes the route half a minute after that at
// the latest; a Monitor does not wait for it.
func TestADefaultRouteThatEndsByItselfIsNoLongerARouter(t *testing.T) {
	t.Parallel()
	p := advertised(t, pair.Spec{})
	radvd(t, p, 9*time.Second)
	routed(t, p, p.A, true)
	routed(t, p, p.B, true)
	stage.Must(t, p.Begin(stage.Patience))
	stage.Held(t, p, "a")
	stage.Said(t, p.Monitor(p.B), "row=W6")
	stage.Must(t, p.Router.Crash())
	from := time.Now()
	stage.Until(t, p, p.B, "no router known", func(_ control.Snapshot, a control.Alias) bool {
		return a.Row == "W6" && a.Standby != nil && a.Standby.Ready == "no" && a.Standby.Reason == "no router known"
	})
	stage.Until(t, p, p.A, "it keeps the alias", func(_ control.Snapshot, a control.Alias) bool { return a.Holder == "us" })
	stage.Held(t, p, "a")
	if n := p.Holders.Tenure(from, time.Time{}).Takes; n != 0 {
		t.Errorf("%d takes", n)
	}
}
