package metrics

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	vm "github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/count"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

var now = time.Date(2026, 11, 29, 18, 0, 0, 0, time.UTC)

// whole is a source in which every family has a row.
func whole() Source {
	var h count.Histogram
	h.Add(2 * time.Millisecond)
	s := Source{Go: "go1.26", Dropped: 7, Stale: true, Events: NewEvents(), Snapshot: control.Snapshot{
		Version: "1.2.3", Now: now, Started: now.Add(-time.Hour), Problems: []string{"one"},
		Channel: &control.Channel{Foreign: 3, Refused: 4, Partners: []control.ChannelPartner{{
			Partner: "172.16.1.5", Dropped: map[string]uint64{"replayed": 5}, Paths: []control.ChannelPath{{Addr: "10.9.9.5", Heard: now.Add(-time.Second)}},
		}}},
		Checks: []control.Check{{Name: "web", Kind: "http", State: "failing", Late: 2}},
		Routes: []control.Route{{Route: "192.0.2.64/27", Hops: []control.Hop{{Hop: "10.1.0.2", NIC: "eth1", Lives: "yes", Sent: 12, Lost: 3}}}, {Route: "192.0.2.32/27", Kept: "yes", Via: []control.Via{{Hop: "10.1.0.2", Weight: 1}},
			Hops: []control.Hop{{Hop: "10.1.0.2", NIC: "eth1", Answer: "answered", Lives: "yes", Sent: 12, Lost: 3}, {Hop: "10.1.0.3", Answer: "answered", Link: "down", Lives: "no"}}}},
		Drill: &control.Drill{At: now.Add(-time.Hour), Outcome: control.DrillGood, Aliases: []control.Drilled{
			{Alias: "172.16.1.2", Us: &control.Measure{Asked: 400, Lost: 2, GapMS: 30.5}, Partner: &control.Measure{Asked: 390}}, {Alias: "172.16.1.3"}}},
		Counts: control.Counts{Drills: map[string]uint64{control.DrillGood: 2, control.DrillRefused: 1}, Lag: h, Trips: map[string]count.Histogram{"icmp": h, "arp": {}}, Probes: []control.Probes{{Addr: "172.16.1.254", NIC: "eth0", Sent: 9, Lost: 1}}},
		Aliases: []control.Alias{{
			Alias: "172.16.1.2", NIC: "eth0:1", Role: "primary", Holder: "us", Level: "alarm", Pair: []string{"x"}, Handover: "giving", Announcements: 6,
			Group:    &control.Group{Name: "firewall", Here: "yes", Partner: "unknown"},
			Recovery: &control.Recovery{Step: "fence", Level: "alarm", Fenced: now},
			Standby:  &control.Standby{Host: "partner", Ready: "no", HandOver: "yes"}, Says: &control.Says{Daemon: "heard"},
			Facts: []control.Fact{{Name: "nic up", Value: "yes"}, {Name: "carrier", Value: "yes", Asked: now.Add(-90 * time.Millisecond)},
				{Name: "own address", Value: "no"}, {Name: "alias elsewhere", Value: "answered", Asked: now}, {Name: "router", Value: "unknown"}, {Name: "service", Value: "good"}},
		}},
	}}
	at := record.Alias{Addr: netip.MustParseAddr("172.16.1.2"), NIC: "eth0"}
	for _, e := range []record.Event{
		{Kind: record.Moved, Decision: record.Decision{Row: "W5", Action: "take", Reason: "offered"}, Time: now.Add(-time.Minute)},
		{Kind: record.Decided, Decision: record.Decision{Row: "H7", Action: "announce", Reason: "foreign host claims it"}},
		{Kind: record.HookRan, Hook: "take"},
		{Kind: record.RecoveryEnded, Level: rules.Info}, {Kind: record.RecoveryEnded, Level: rules.Alarm}, {Kind: record.RecoveryEnded, Level: rules.Alarm},
	} {
		e.Alias = at
		s.Events.Put(e)
	}
	return s
}

// rows are the rows of a page, by name and labels.
func rows(t *testing.T, page []byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		name, value := line[:max(i, 0)], line[i+1:]
		if err := vm.ValidateMetric(name); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if _, twice := all[name]; twice {
			t.Errorf("twice: %s", name)
		}
		all[name] = value
	}
	return all
}

func TestAPageShowsWhatTheMonitorKnows(t *testing.T) {
	const in = `{alias="172.16.1.2",nic="eth0:1"}`
	fact := func(name string) string {
		return fmt.Sprintf(`{alias="172.16.1.2",nic="eth0:1",fact=%q}`, name)
	}
	got := rows(t, Write(whole()))
	for name, want := range map[string]string{
		`build_info{version="1.2.3",go="go1.26"}`: "1",
		"start_time_seconds":                      "1.7799e+09",
		`drills_total{outcome="good"}`:            "2", `drills_total{outcome="refused"}`: "1", "drill_last_good": "1",
		"drill_last_timestamp_seconds":                         "1.7959716e+09",
		`drill_last_gap_seconds{alias="172.16.1.2",host="us"}`: "0.0305", `drill_last_gap_seconds{alias="172.16.1.2",host="partner"}`: "0",
		"configuration_stale": "1", "observing": "0", "problems": "1", "event_log_dropped_total": "7",
		"held" + in: "1", "expected_holder" + in: "1", "primary" + in: "1", "shared" + in: "0", "parked" + in: "0",
		"problem" + in: "1", "alarm" + in: "1", "standby_ready" + in: "0", "standby_problem" + in: "1", "hand_over_ready" + in: "1",
		"hand_over_open" + in: "1", "pair_misfit" + in: "1", "rival" + in: "1", "link_good" + in: "0", "partner_heard" + in: "1",
		"fact" + fact("nic up"): "1", "fact" + fact("own address"): "0", "fact" + fact("alias elsewhere"): "1", "fact" + fact("service"): "1",
		"fact" + fact("router"): "0", "fact_unknown" + fact("router"): "1", "fact_unknown" + fact("nic up"): "0", "fact_age_seconds" + fact("carrier"): "0.09",
		"takes_total" + in: "1", "releases_total" + in: "0", "rival_decisions_total" + in: "1", "announcements_total" + in: "6",
		`hand_overs_total{alias="172.16.1.2",nic="eth0:1",outcome="taken"}`: "1",
		`hand_overs_total{alias="172.16.1.2",nic="eth0:1",outcome="given"}`: "0",
		`decisions_total{row="W5"}`:                                         "1",
		`decisions_total{row="L9"}`:                                         "0",
		`decisions_total{row="R12"}`:                                        "0",
		`hooks_total{hook="take",result="ran"}`:                             "1",
		`channel_dropped_total{partner="172.16.1.5",kind="replayed"}`:       "5",
		`check_failing{check="web",kind="http"}`:                            "1",
		`check_good{check="web",kind="http"}`:                               "0",
		`route_hop_lives{route="192.0.2.32/27",hop="10.1.0.2"}`:             "1",
		`route_hop_lives{route="192.0.2.32/27",hop="10.1.0.3"}`:             "0",
		`route_hop_used{route="192.0.2.32/27",hop="10.1.0.3"}`:              "0",
		`hop_probes_sent_total{hop="10.1.0.2",nic="eth1"}`:                  "12",
		`hop_probes_lost_total{hop="10.1.0.2",nic="eth1"}`:                  "3",
		`group_here{group="firewall"}`:                                      "1", `group_partner{group="firewall"}`: "0",
		`group_members{group="firewall"}`: "1", `group_held{group="firewall"}`: "1",
		"recovery_open" + in: "1", "recovery_problem" + in: "1", "partner_fenced" + in: "1",
		`recoveries_total{alias="172.16.1.2",nic="eth0:1",outcome="helped"}`:     "1",
		`recoveries_total{alias="172.16.1.2",nic="eth0:1",outcome="broken off"}`: "0",
		`recoveries_total{alias="172.16.1.2",nic="eth0:1",outcome="failed"}`:     "2",
		`probes_sent_total{address="172.16.1.254",nic="eth0"}`:                   "9",
		`round_trip_seconds_bucket{medium="icmp",le="0.001"}`:                    "0",
		`round_trip_seconds_bucket{medium="icmp",le="0.003"}`:                    "1",
		`round_trip_seconds_bucket{medium="icmp",le="+Inf"}`:                     "1",
		`round_trip_seconds_sum{medium="icmp"}`:                                  "0.002",
		`loop_lag_seconds_count`:                                                 "1",
	} {
		value, there := got["aliasdefender_"+name]
		if name == "start_time_seconds" {
			want = fmt.Sprint(float64(now.Add(-time.Hour).Unix()))
		}
		if value != want || !there {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
}

// TestEveryFamilyHasARow also where nothing is set up: then counters begin at 0, so that a
// first take is seen as an increase.
func TestEveryFamilyHasARow(t *testing.T) {
	got := rows(t, Write(whole()))
	for _, f := range Families() {
		if !slices.ContainsFunc(slices.Collect(keys(got)), func(name string) bool {
			bare, _, _ := strings.Cut(name, "{")
			return bare == f.Name || f.Type == Histogram && strings.HasPrefix(bare, f.Name+"_")
		}) {
			t.Errorf("%s has no row", f.Name)
		}
	}
	quiet := rows(t, Write(Source{Snapshot: control.Snapshot{Aliases: []control.Alias{{Alias: "172.16.1.2", NIC: "eth0"}}}, Events: NewEvents()}))
	if v := quiet[`aliasdefender_takes_total{alias="172.16.1.2",nic="eth0"}`]; v != "0" {
		t.Errorf("takes before the first: %q", v)
	}
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestThePageOfMetricsHasTheTable: docs/metrics.md lists each name with its type, its labels
// and what it means, in the order of the page, and no other.
func TestThePageOfMetricsHasTheTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range Families() {
		want = append(want, fmt.Sprintf("| `%s` | %s | %s | %s |", f.Name, f.Type, f.Labels, f.Help))
	}
	got := regexp.MustCompile("(?m)^\\| `aliasdefender_.*$").FindAllString(string(text), -1)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("program (-) and page (+):\n%s", d)
	}
}

// TestNoTextBreaksThePage: whatever stands in a name, the page has the same rows, and none
// of them is another's.
func TestNoTextBreaksThePage(t *testing.T) {
	plain := rows(t, Write(whole()))
	for _, evil := range []string{"", " ", `"`, `\`, `\"`, "\n", "\r\n", `"} 1` + "\nevil 1\n", "# HELP x", "a{b=\"c\"}", "\xff\xfe", "\x00", "\u2028", `\n`, strings.Repeat("x", 10000)} {
		s := whole()
		s.Version, s.Go = evil, evil
		s.Checks[0].Name, s.Checks[0].Kind = evil, evil
		s.Routes[1].Route, s.Routes[1].Via[0].Hop, s.Routes[1].Hops[0].Hop, s.Routes[0].Hops[0].Hop = evil, evil, evil, evil
		s.Aliases[0].Group.Name = evil
		s.Channel.Partners[0].Partner, s.Channel.Partners[0].Paths[0].Addr = evil, evil
		s.Aliases[0].NIC, s.Aliases[0].Facts[5].Name = "eth0:"+evil, evil
		s.Counts.Probes[0].NIC = evil
		s.Events.Put(record.Event{Kind: record.HookRan, Hook: evil + "x"})
		got := rows(t, Write(s))
		if want := len(plain) + 1; len(got) != want { // the row of that hook
			t.Errorf("%.30q: %d rows, want %d", evil, len(got), want)
		}
		for name := range got {
			if !strings.HasPrefix(name, "aliasdefender_") {
				t.Errorf("%q: a row %q", evil, name)
			}
		}
	}
}

func FuzzLabels(f *testing.F) {
	f.Add(`"} 1` + "\n")
	f.Add("\xff\\")
	f.Fuzz(func(t *testing.T, value string) {
		name := "x{" + labels("a", value, "b", "c") + "}"
		if err := vm.ValidateMetric(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if strings.Contains(name, "\n") || !strings.HasSuffix(name, `",b="c"}`) {
			t.Errorf("%q", name)
		}
	})
}
