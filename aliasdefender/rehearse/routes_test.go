package rehearse

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
)

// routed are the settings of a host that only keeps routes.
func routed(t *testing.T, text string) *config.Config {
	t.Helper()
	f, err := config.ParseSettings(strings.NewReader(text), "aliasdefender.toml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Join(nil, f)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestTheFirstRouteWithTwoHopsIsPlayed(t *testing.T) {
	cfg := routed(t, `
[[route]]
prefix = "192.0.2.0/27"
via = ["10.1.0.2"]
[[route]]
prefix = "198.18.0.0/27"
via = ["10.1.0.1", "10.1.0.2", "10.2.0.1"]
table = 100
check = "web"
install = false
[check.web]
http = "http://{via}/"
`)
	p := routePlayed(cfg)
	if p == nil || p.Route.Prefix != cfg.Routes[1].Prefix {
		t.Fatalf("%+v", p)
	}
	if p.Service != netip.MustParsePrefix("198.18.0.1/32") || p.Front.Addr().String() != "198.51.100.1" {
		t.Errorf("the client at %s, behind %s, asks %s", p.Client, p.Front, p.Service)
	}
	if p.NICs[0] != p.NICs[1] || p.NICs[0] == p.NICs[2] || p.Near[0].String() != "10.1.0.3/24" || p.Near[2].String() != "10.2.0.2/24" {
		t.Errorf("%v, %v", p.NICs, p.Near)
	}
	played := routed(t, p.settings("/run/x")).Routes
	if len(played) != 1 || !played[0].Install || played[0].Check != "" || played[0].Table != config.DefaultTable || len(played[0].Via) != 3 {
		t.Errorf("%+v", played)
	}
	if notes := strings.Join(daemonsOf(cfg).notes(cfg, true), "\n"); !strings.Contains(notes, "of 2 routes one is played, 198.18.0.0/27") || !strings.Contains(notes, "are pinged") || strings.Contains(notes, "hand-over") {
		t.Errorf("said: %s", notes)
	}
}

func TestRoutesOfIPv6AndASpreadArePlanned(t *testing.T) {
	p := routePlayed(routed(t, `
[[route]]
prefix = "2001:db8:1::/48"
via = ["fe80::2%eth1", "fe80::2%eth2", "2001:db8::2"]
mode = "spread"
weights = [3, 2, 1]
`))
	if strings.Join(p.NICs, " ") != "eth1 eth2 hop3" || p.Near[0].String() != "fe80::1/64" || p.Service.String() != "2001:db8:1::1/128" || !p.Front.Addr().Is6() {
		t.Errorf("%+v", p)
	}
	if r := routed(t, p.settings("/run/x")).Routes[0]; r.Mode != config.RouteSpread || len(r.Weights) != 3 || r.Weights[0] != 3 {
		t.Errorf("%+v", r)
	}
	if p := routePlayed(routed(t, "[[route]]\nprefix = \"0.0.0.0/0\"\nvia = [\"10.1.0.2\", \"10.1.0.3\"]\n")); p.Service.Addr().String() != "192.0.2.1" {
		t.Errorf("of a default route the client asks %s", p.Service)
	}
}

func TestAHostWithoutTwoHopsOrAliasesHasNothingToRehearse(t *testing.T) {
	one := "[[route]]\nprefix = \"192.0.2.0/27\"\nvia = [\"10.1.0.2\"]\n"
	q := Request{Load: func() (*config.Config, error) { return routed(t, one), nil }}
	if _, _, err := q.files(t.Context()); !errors.Is(err, errNothing) {
		t.Error(err)
	}
	some, err := routesOnly(scenarios, false)
	if err != nil || len(some) != 1 || some[0].Key != routeKey {
		t.Errorf("%v, %v", some, err)
	}
	if _, err := routesOnly(scenarios, true); err == nil {
		t.Error("crash was asked for by name, and there is no alias")
	}
	if _, err := playable(some, daemons{}, true); err == nil || !strings.Contains(err.Error(), "route needs a [[route]] with two next hops") {
		t.Error(err)
	}
}

func TestAStepOfARouteIsJudged(t *testing.T) {
	for want, tt := range map[string]struct {
		by           string
		gap, control time.Duration
	}{
		"good":                                          {"b", time.Second, 0},
		"nobody serves it in the end":                   {"", 0, 0},
		"a serves it in the end, and not b or c":        {"a", 0, 0},
		"nobody answered for longer than 2s":            {"c", 3 * time.Second, 0},
		"late, but this machine stood still for 400 ms": {"c", 3 * time.Second, 400 * time.Millisecond},
	} {
		good, got := judgeRoute([]string{"b", "c"}, tt.by, tt.gap, 2*time.Second, tt.control)
		if got != want || good != (want == "good" || strings.HasPrefix(want, "late")) {
			t.Errorf("%v, %q, want %q", good, got, want)
		}
	}
}

func TestARouteIsRetimed(t *testing.T) {
	cfg := retime(routed(t, "[[route]]\nprefix = \"192.0.2.0/27\"\nvia = [\"10.1.0.2\", \"10.1.0.3\"]\n"), 100*time.Millisecond)
	if r := cfg.Routes[0]; r.Interval != 100*time.Millisecond || r.Detect() != 175*time.Millisecond {
		t.Errorf("%+v", r.Rhythm)
	}
}
