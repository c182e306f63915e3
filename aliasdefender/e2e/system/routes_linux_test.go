package system

import (
	"maps"
	"net/netip"
	"strings"
	"testing"
)

// routed is a manager of addresses on machines that keep a route by way of the client, and
// have these files too.
func routed(m manager, more map[string]string) manager {
	inner := m.files
	m.files = func(own netip.Prefix) map[string]string {
		all := inner(own)
		all["etc/aliasdefender.toml"] = settings + "\n[[route]]\nprefix = \"198.51.100.0/24\"\nvia = [\"" + clientAddr.Addr().String() + "\"]\n"
		maps.Copy(all, more)
		return all
	}
	return m
}

// TestRoutesOfARealSystem: systemd-networkd removes the routes of others when it configures
// a NIC, unless it is told not to. What it removes is put back.
func TestRoutesOfARealSystem(t *testing.T) {
	sweepDead(t, *systemDir)
	for _, tt := range []struct {
		name    string
		more    map[string]string
		removes bool
	}{
		{"networkd", nil, true},
		{"networkd, ManageForeignRoutes=no", map[string]string{"etc/systemd/networkd.conf": "[Network]\nManageForeignRoutes=no\n"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, m := range managers {
				if m.name != "networkd" {
					continue
				}
				s := newScene(t, routed(m, tt.more))
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
				journal := func() string {
					t.Helper()
					return s.a.do(t, "journalctl", "--no-pager", "--output=cat", "--unit=aliasdefender", "--since="+since)
				}
				s.a.do(t, "networkctl", "reconfigure", "eth0")
				if tt.removes {
					until(t, patiently(t), "a says that the route has gone", func() bool { return strings.Contains(journal(), "event=route_vanished") })
				}
				for _, wrong := range s.settle() {
					t.Error(wrong)
				}
				there()
				said := journal()
				if removed := strings.Contains(said, "event=route_vanished"); removed != tt.removes {
					t.Errorf("removed: %v, want %v\n%s", removed, tt.removes, said)
				}
			}
		})
	}
}
