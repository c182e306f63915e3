package hook

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/program"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// moved is a route's event, decided by R9.
func moved(kind record.Kind, level rules.Level, via, old string) record.Event {
	return record.Event{
		Time: time.Now(), Route: "192.0.2.32/27 metric 5", Kind: kind, Level: level, Via: via, ViaOld: old,
		Decision: record.Decision{Row: "R9", Action: "replace", Reason: "hop dead", Why: "its next hop is dead"},
	}
}

// routed is one route with these hooks.
func routed(t *testing.T, names ...config.HookName) config.Route {
	return config.Route{Prefix: netip.MustParsePrefix("192.0.2.32/27"), Table: config.DefaultTable, Metric: 5, Hooks: rows(t, 1, config.Hooks{}, names...)[0].Hooks}
}

func TestAHookIsToldOfARoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.Set(nil, routed(t, config.HookRoute, config.HookAlarm, config.HookRecovered))
		tell := func(e record.Event, reason string) {
			e.Decision.Reason = reason
			b.recorder.Record(e)
		}
		tell(moved(record.RouteMoved, rules.Info, "10.1.0.2", "10.1.0.2"), "found") // nothing has moved
		tell(moved(record.RouteMoved, rules.Warning, "10.1.0.3", "10.1.0.2"), "hop dead")
		tell(moved(record.RouteDecided, rules.Alarm, "", ""), "all hops dead")
		tell(moved(record.RouteVanished, rules.Warning, "", "10.1.0.3"), "vanished") // the hops are dead all the same
		tell(moved(record.RouteMoved, rules.Info, "10.1.0.2", "10.1.0.3"), "failback")
		other := moved(record.RouteMoved, rules.Warning, "10.1.0.3", "10.1.0.2")
		other.Route = "198.51.100.0/24"
		b.recorder.Record(other)
		b.End(time.Minute)
		var got []string
		for _, env := range b.envs {
			got = append(got, env["AD_EVENT"]+" ["+env["AD_VIA"]+"] ["+env["AD_VIA_OLD"]+"]")
		}
		want := []string{"route [10.1.0.3] [10.1.0.2]", "alarm [] []", "route [10.1.0.2] [10.1.0.3]", "recovered [10.1.0.2] [10.1.0.3]"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		whole := map[string]string{
			"PATH": program.SearchPath, "AD_EVENT": "route", "AD_ROUTE": "192.0.2.32/27 metric 5", "AD_PREFIX": "192.0.2.32/27",
			"AD_VIA": "10.1.0.3", "AD_VIA_OLD": "10.1.0.2", "AD_ROW": "R9", "AD_REASON": "hop dead", "AD_WHY": "its next hop is dead",
			"AD_SEQ": "2", "AD_TIME": "2000-01-01T00:00:00Z",
		}
		if diff := cmp.Diff(whole, b.envs[0]); diff != "" {
			t.Error(diff)
		}
		for _, e := range b.events {
			if e.Route != "192.0.2.32/27 metric 5" || e.Alias.Addr.IsValid() {
				t.Errorf("of another: %+v", e)
			}
		}
		if last := b.LastOfRoute("192.0.2.32/27 metric 5"); len(last) != 3 || last[2].Hook != config.HookRoute || last[2].Result != Ran {
			t.Errorf("%+v", last)
		}
	})
}

// A route that is gone from the file is told of until it is withdrawn.
func TestARouteThatIsGoneKeepsItsHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.Set(nil, routed(t, config.HookRoute))
		b.recorder.Record(moved(record.RouteMoved, rules.Info, "10.1.0.2", ""))
		synctest.Wait()
		b.Set(nil)
		b.recorder.Record(moved(record.RouteMoved, rules.Info, "", "10.1.0.2"))
		synctest.Wait()
		if n := len(b.envs); n != 2 || b.envs[1]["AD_VIA_OLD"] != "10.1.0.2" {
			t.Errorf("told %d times: %v", n, b.envs)
		}
		if len(b.routes) != 0 {
			t.Errorf("kept: %v", b.routes)
		}
		b.End(time.Minute)
	})
}
