package metrics

import (
	"net/netip"
	"testing"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// TestEventsAreCountedByWhatTheyMean plays one event each and looks at what has changed.
func TestEventsAreCountedByWhatTheyMean(t *testing.T) {
	decision := func(row string, a rules.Action, r rules.Reason) record.Decision {
		return record.DecisionOf(rules.Decision{Row: row, Action: a, Reason: r})
	}
	const in = `{alias="172.16.1.2",nic="eth0:1"}`
	over := func(outcome string) string {
		return `hand_overs_total{alias="172.16.1.2",nic="eth0:1",outcome="` + outcome + `"}`
	}
	for name, tt := range map[string]struct {
		event record.Event
		want  map[string]string
	}{
		"a take":            {record.Event{Kind: record.Moved, Decision: decision("W14", rules.Take, rules.PartnerSilent)}, map[string]string{"takes_total" + in: "1", `decisions_total{row="W14"}`: "1"}},
		"taken from it":     {record.Event{Kind: record.Moved, Decision: decision("W5", rules.Take, rules.Offered)}, map[string]string{"takes_total" + in: "1", over("taken"): "1", `decisions_total{row="W5"}`: "1"}},
		"given to it":       {record.Event{Kind: record.Moved, Decision: decision("H1", rules.Release, rules.HandedOver)}, map[string]string{"releases_total" + in: "1", over("given"): "1", `decisions_total{row="H1"}`: "1"}},
		"failed":            {record.Event{Kind: record.HandoverEnded, Decision: decision("", rules.Keep, rules.NoAnswer)}, map[string]string{over("failed"): "1"}},
		"gone":              {record.Event{Kind: record.Moved, Decision: decision("H5", rules.Forget, rules.LostToOther)}, map[string]string{"releases_total" + in: "1", `decisions_total{row="H5"}`: "1"}},
		"adopted":           {record.Event{Kind: record.Moved, Decision: decision("", rules.Adopt, rules.Adopted)}, map[string]string{}},
		"a rival":           {record.Event{Kind: record.Decided, Decision: decision("H7", rules.Keep, rules.ForeignClaims)}, map[string]string{"rival_decisions_total" + in: "1", `decisions_total{row="H7"}`: "1"}},
		"said again":        {record.Event{Kind: record.Lasts, Decision: decision("H7", rules.Keep, rules.ForeignClaims)}, map[string]string{}},
		"counted before":    {record.Event{Kind: record.Repeated, Drops: 9}, map[string]string{}},
		"could not be done": {record.Event{Kind: record.Failed}, map[string]string{"failures_total": "1"}},
		"hooks not run":     {record.Event{Kind: record.HookSkipped, Hook: "take", Drops: 3}, map[string]string{`hooks_total{hook="take",result="skipped"}`: "3"}},
		"a route":           {record.Event{Kind: record.RouteMoved, Route: "192.0.2.32/27", Via: "10.1.0.2"}, map[string]string{`route_moves_total{route="192.0.2.32/27"}`: "1"}},
		"a route found":     {record.Event{Kind: record.RouteMoved, Route: "192.0.2.32/27", Via: "10.1.0.2", ViaOld: "10.1.0.2"}, map[string]string{`route_moves_total{route="192.0.2.32/27"}`: "0"}},
		"a hook not run":    {record.Event{Kind: record.HookSkipped, Hook: "take"}, map[string]string{`hooks_total{hook="take",result="skipped"}`: "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := Source{Events: NewEvents(), Snapshot: control.Snapshot{Aliases: []control.Alias{{Alias: "172.16.1.2", NIC: "eth0:1"}}, Routes: []control.Route{{Route: "192.0.2.32/27"}}}}
			before := rows(t, Write(s))
			tt.event.Alias = record.Alias{Addr: netip.MustParseAddr("172.16.1.2"), NIC: "eth0"}
			s.Events.Put(tt.event)
			after := rows(t, Write(s))
			for row, value := range tt.want {
				if got := after["aliasdefender_"+row]; got != value {
					t.Errorf("%s is %q, want %q", row, got, value)
				}
			}
			for row, value := range after {
				want := before[row]
				if w, changes := tt.want[row[len("aliasdefender_"):]]; changes {
					want = w
				}
				if value != want {
					t.Errorf("%s is %s, want %q", row, value, want)
				}
			}
		})
	}
}

// TestALinkLocalAliasHasItsOwnCounts: one address may be an alias on two NICs.
func TestALinkLocalAliasHasItsOwnCounts(t *testing.T) {
	s := Source{Events: NewEvents(), Snapshot: control.Snapshot{Aliases: []control.Alias{{Alias: "fe80::1%eth0", NIC: "eth0"}, {Alias: "fe80::1%eth1", NIC: "eth1:x"}}}}
	s.Events.Put(record.Event{Kind: record.Moved, Alias: record.Alias{Addr: netip.MustParseAddr("fe80::1"), NIC: "eth1"}, Decision: record.Decision{Row: "W14", Action: "take"}})
	got := rows(t, Write(s))
	if a, b := got[`aliasdefender_takes_total{alias="fe80::1%eth0",nic="eth0"}`], got[`aliasdefender_takes_total{alias="fe80::1%eth1",nic="eth1:x"}`]; a != "0" || b != "1" {
		t.Errorf("%s and %s", a, b)
	}
}
