package system

import (
	"net/netip"
	"strings"
	"testing"
)

// routed is a manager of addresses on machines that keep a route by way of the client.
// systemd-networkd is told to leave the routes of others alone.
func routed(m manager) manager {
	inner := m.files
	m.files = func(own netip.Prefix) map[string]string {
		all := inner(own)
		all["etc/aliasdefender.toml"] = settings + "\n[[route]]\nprefix = \"198.51.100.0/24\"\nvia = [\"" + clientAddr.Addr().String() + "\"]\n"
		all["etc/systemd/networkd.conf"] = "[Network]\nManageForeignRoutes=no\n"
		return all
	}
	return m
}

// TestRoutesOfARealSystem: systemd-networkd leaves a route where it is when it is started
// anew. When it configures the NIC anew it removes the NIC's addresses, and with them the
// kernel removes the route, whatever ManageForeignRoutes says: it is put back.
func TestRoutesOfARealSystem(t *testing.T) {
	sweepDead(t, *systemDir)
	for _, m := range managers {
		if !m.is("networkd") || m.is("DHCP") {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			s := newScene(t, routed(m))
			there := func() {
				t.Helper()
				ctx := patiently(t)
				until(t, ctx, "a has the route", func() bool {
					out, _, _ := s.a.in(ctx, "ip", "route", "show", "198.51.100.0/24", "proto", "77")
					return strings.Contains(out, "via "+clientAddr.Addr().String()+" ")
				})
			}
			there()
			since := strings.TrimSpace(s.a.do(t, "date", "+%Y-%m-%d %H:%M:%S.%N"))
			removed := func() bool {
				said := s.a.do(t, "journalctl", "--no-pager", "--output=cat", "--unit=aliasdefender", "--since="+since)
				return strings.Contains(said, "event=route_vanished")
			}
			settled := func() {
				t.Helper()
				for _, wrong := range s.settle() {
					t.Error(wrong)
				}
				there()
			}
			s.a.do(t, "systemctl", "restart", "systemd-networkd")
			settled()
			if removed() {
				t.Error("the route was removed at a restart of systemd-networkd")
			}
			s.a.do(t, "networkctl", "reconfigure", "eth0")
			until(t, patiently(t), "a says that the route has gone", removed)
			settled()
		})
	}
}
