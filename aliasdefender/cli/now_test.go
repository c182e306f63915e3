package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
)

func TestWhyNowIsALineForEachRow(t *testing.T) {
	at := time.Date(2026, 3, 2, 5, 12, 9, 750e6, time.Local)
	fact := func(name, value string) control.Fact {
		return control.Fact{Name: name, Value: value, Asked: at.Add(-62 * time.Millisecond)}
	}
	var out bytes.Buffer
	printNow(&out, []control.Now{
		{
			Alias: "10.0.0.8", NIC: "eth0:1", At: at, Row: "W6", Action: "wait", Reason: "served", Why: "another host serves the alias",
			Facts: []control.Fact{fact("carrier", "yes"), fact("alias elsewhere", "answered"), fact("partner", "answered"), fact("router", "answered")},
			Above: []control.Lack{
				{Row: "W1", Action: "wait", Reason: "parked", Needs: []string{"an operator parks it"}},
				{Row: "W2", Action: "wait", Reason: "no link", Needs: []string{"the NIC is missing or down", "the NIC has no carrier", "the NIC has no address of its own", "x", "y"}},
				{Row: "W6", Action: "ask for hand-over", Reason: "failback", Needs: []string{"this host acts as primary", "failback = true"}, Together: true},
			},
			Far: []control.Lack{{Row: "W5", Reason: "offered"}, {Row: "W15", Reason: "group apart"}, {Row: "W15", Reason: "group split"}},
		},
		{Alias: "10.0.0.9", NIC: "eth0:2", At: at, Row: "W1", Action: "wait", Reason: "parked", Why: "an operator took it off this host"},
	})
	const want = `10.0.0.8 on eth0:1: row W6 decides (wait: another host serves the alias).
    alias answered (asked 62ms before), partner answered (asked 62ms before), router answered (asked 62ms before); link good
Each row above it needs this; the first that had it would decide instead:
  W1 (wait: parked) needs: an operator parks it
  W2 (wait: no link) needs: the NIC is missing or down, or the NIC has no carrier, or the NIC has no
    address of its own, or 2 more
  W6 (ask for hand-over: failback) needs: this host acts as primary, and failback = true
  these above it need more than two things, or a key, a check or a group: W5, W15

10.0.0.9 on eth0:2: row W1 decides (wait: an operator took it off this host).
    no facts known
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
