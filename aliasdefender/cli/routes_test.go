package cli

import (
	"bytes"
	"cmp"
	"net/netip"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
)

// routed is what a router's Monitor says.
func routed() control.Snapshot {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.Local)
	at := now.Add(-time.Hour)
	hop := func(addr, answer string) control.Hop {
		lives := map[string]string{"answered": "yes", "good": "yes", "silent": "no"}[answer]
		return control.Hop{Hop: addr, NIC: "eth1", Answer: answer, Link: "up", Lives: cmp.Or(lives, "unknown")}
	}
	return control.Snapshot{Now: now, Version: "test", Routes: []control.Route{
		{Route: "192.0.2.32/27", Prefix: "192.0.2.32/27", Mode: "first", Kept: "yes", Via: []control.Via{{Hop: "10.1.0.3", Weight: 1}},
			Hops: []control.Hop{hop("10.1.0.2", "silent"), hop("10.1.0.3", "answered")}, Row: "R12", Why: "it goes where it shall", Since: at,
			Journal: []control.Entry{
				{At: at, Action: "adopt", Reason: "found", Why: "an earlier Monitor put it there"},
				{At: at.Add(time.Second), Row: "R9", Action: "replace", Why: "its next hop is dead", Facts: []control.Fact{
					{Name: "hop 10.1.0.2", Value: "silent", Asked: at.Add(990 * time.Millisecond)}, {Name: "route", Value: "yes"}}},
				{At: at.Add(2 * time.Second), Why: "it has gone from the kernel, and nobody here removed it"},
				{At: at.Add(3 * time.Second), Row: "R6", Action: "would add", Why: "this Monitor observed"},
			}},
		{Route: "198.51.100.0/24 metric 5", Prefix: "198.51.100.0/24", Mode: "spread", Kept: "yes", Via: []control.Via{{Hop: "10.1.0.2", Weight: 3}, {Hop: "10.1.0.3", Weight: 1}},
			Hops: []control.Hop{hop("10.1.0.2", "good"), {Hop: "203.0.113.2", Answer: "unknown", Link: "unknown", Lives: "unknown", Why: "203.0.113.2 is on no network of this host"}, {Hop: "10.2.0.2", NIC: "eth2", Answer: "good", Link: "down", Lives: "no"}},
			Row:  "R11", Why: "ours is not used", Level: "alarm", Since: at},
		{Route: "2001:db8:1::/48", Prefix: "2001:db8:1::/48", Mode: "first", Kept: "hooks", Hops: []control.Hop{hop("2001:db8::2", "unknown")}, Row: "R5", Why: "it is not known yet", Since: now},
	}}
}

func TestStatusShowsRoutes(t *testing.T) {
	var out bytes.Buffer
	if err := printStatus(&out, routed(), "test"); err != nil {
		t.Fatal(err)
	}
	const want = `ROUTE                     MODE    VIA                  HOPS         SINCE  WHY
192.0.2.32/27             first   10.1.0.3             1 of 2 live  1h00m  it goes where it shall
  next hop 10.1.0.2: silent
198.51.100.0/24 metric 5  spread  10.1.0.2*3,10.1.0.3  1 of 3 live  1h00m  ALARM: ours is not used
  next hop 203.0.113.2: unknown: 203.0.113.2 is on no network of this host
  next hop 10.2.0.2: good, eth2 is down or without carrier
2001:db8:1::/48           first   -                    0 of 1 live  0s     it is not known yet
  next hop 2001:db8::2: unknown
`
	if diff := gocmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	if tally := routed().Tally(); tally.Well() || tally.String() != "keeping 3 routes; 1 problem" {
		t.Error(tally)
	}
	both := routed()
	both.Aliases = []control.Alias{{Alias: "10.0.0.8", Prefix: 24, NIC: "eth0:1", Holder: "us"}}
	if s := both.Tally().String(); s != "holding 1 of 1 alias; keeping 3 routes; 1 problem" {
		t.Error(s)
	}
	out.Reset()
	if err := printStatus(&out, both, "test"); err != nil || !strings.HasPrefix(out.String(), "ALIAS ") || !strings.Contains(out.String(), "\n\nROUTE ") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestWhyShowsRoutes(t *testing.T) {
	s := routed()
	told, err := tellRoutes(s, netip.MustParsePrefix("192.0.2.32/27"), 10)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	printWhyRoutes(&out, s.Now, told)
	const want = `route 192.0.2.32/27, now to 10.1.0.3
08:00:00.000  found it: an earlier Monitor put it there.
08:00:01.000  moved it (R9): its next hop is dead.
    hop 10.1.0.2 silent (asked 10ms before), route yes
08:00:02.000  found it changed: it has gone from the kernel, and nobody here removed it.
08:00:03.000  would add (R6): this Monitor observed.
`
	if diff := gocmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	all, err := tellRoutes(s, netip.Prefix{}, 1)
	if err != nil || len(all) != 3 || len(all[0].Journal) != 1 {
		t.Errorf("all: %+v, %v", all, err)
	}
	if _, err := tellRoutes(s, netip.MustParsePrefix("203.0.113.0/24"), 1); err == nil || !strings.Contains(err.Error(), "203.0.113.0/24 is no route of the running Monitor's file, which has 192.0.2.32/27, ") {
		t.Error(err)
	}
	if _, err := tellRoutes(control.Snapshot{}, netip.MustParsePrefix("203.0.113.0/24"), 1); err == nil || !strings.HasSuffix(err.Error(), "which has none") {
		t.Error(err)
	}
	for prefix, want := range map[string]bool{"192.0.2.32/27": true, "192.0.2.33/27": true, "2001:db8::/32": true, "10.0.0.1": false, "eth0": false} {
		if _, is := argRoute([]string{prefix}); is != want {
			t.Errorf("%s is a route: %v", prefix, is)
		}
	}
}
