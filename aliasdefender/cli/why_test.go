package cli

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

func TestWhyReadsWellInTheNight(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.Local)
	at := time.Date(2026, 3, 2, 5, 12, 9, 750e6, time.Local)
	facts := func(at time.Time, carrier, alias, by, partner, router string) []control.Fact {
		f := func(name, value string, age time.Duration) control.Fact {
			return control.Fact{Name: name, Value: value, Asked: at.Add(-age)}
		}
		all := []control.Fact{f("nic up", "yes", 0), f("carrier", carrier, 0), f("own address", "yes", 0),
			f("alias elsewhere", alias, 62*time.Millisecond), f("partner", partner, 3140*time.Millisecond), f("router", router, 150*time.Second)}
		all[3].By = by
		return all
	}
	night := at.AddDate(0, 0, -1)
	snapshot := control.Snapshot{Now: now, Aliases: []control.Alias{
		{Alias: "10.0.0.8", NIC: "eth0:1", Holder: "us", Journal: []control.Entry{
			{At: night.Add(-time.Hour), Row: "W7", Action: "wait", Why: "it is not known whether the alias answers"},
			{At: night, Row: "W6", Action: "wait", Why: "another host serves the alias", Facts: facts(night, "yes", "answered", "partner", "answered", "answered")},
			{At: at, Row: "W14", Action: "take", Why: "alias and partner are silent, and the router answers", Facts: facts(at, "yes", "silent", "", "silent", "answered")},
			{At: at.Add(time.Second), Row: "H3", Action: "release", Why: "the NIC is missing, down or without carrier", Facts: facts(at.Add(time.Second), "no", "unknown", "", "unknown", "unknown")},
		}},
		{Alias: "10.0.0.9", NIC: "eth0:2", Holder: "unknown", Journal: []control.Entry{
			{At: at, Action: "adopt", Why: "it was found on this host"},
			{At: at, Row: "W10", Action: "would take", Why: "this Monitor observed"},
			{At: at, Row: "W99", Action: "levitate", Why: "a later Monitor knows why"},
		}},
		{Alias: "10.0.0.10", NIC: "eth0:3", Holder: "nobody"},
		{Alias: "10.0.0.11", NIC: "eth0:4", Holder: "us", Journal: []control.Entry{
			{At: at, Row: "pair", Action: "alarm", Why: "the netmask is /24 here and /25 on the partner", Facts: facts(at, "yes", "silent", "", "answered", "answered")},
			{At: at.Add(time.Second), Row: "H2", Action: "hand over", Why: "an operator ordered it"},
			{At: at.Add(3 * time.Second), Row: "H1", Action: "hand-over ended", Why: "the partner refused the hand-over"},
		}},
	}}
	told, err := tell(snapshot, netip.Addr{}, 3)
	if err != nil {
		t.Fatal(err)
	}
	told[1].Journal[0].Facts = facts(at, "unknown", "silent", "", "silent", "silent")
	var out bytes.Buffer
	printWhy(&out, now, told)
	const want = `10.0.0.8 on eth0:1, now held by us
2026-03-01 05:12:09.750  left it alone (W6): another host serves the alias.
    alias answered by partner (asked 62ms before), partner answered (asked 3.1s before), router answered (asked 2m30s before); link good
05:12:09.750  took it (W14): alias and partner are silent, and the router answers.
    alias silent (asked 62ms before), partner silent (asked 3.1s before), router answered (asked 2m30s before); link good
05:12:10.750  released it (H3): the NIC is missing, down or without carrier.
    alias unknown (asked 62ms before), partner unknown (asked 3.1s before), router unknown (asked 2m30s before); no carrier

10.0.0.9 on eth0:2, now holder unknown
05:12:09.750  adopted it: it was found on this host.
    alias silent (asked 62ms before), partner silent (asked 3.1s before), router silent (asked 2m30s before); carrier unknown
05:12:09.750  would take it (W10): this Monitor observed.
    no facts known
05:12:09.750  levitate (W99): a later Monitor knows why.
    no facts known

10.0.0.10 on eth0:3, now held by nobody
nothing has been decided yet

10.0.0.11 on eth0:4, now held by us
05:12:09.750  the pair does not fit: the netmask is /24 here and /25 on the partner.
    alias silent (asked 62ms before), partner answered (asked 3.1s before), router answered (asked 2m30s before); link good
05:12:10.750  offered it to the partner (H2): an operator ordered it.
    no facts known
05:12:12.750  the hand-over ended where it was (H1): the partner refused the hand-over.
    no facts known
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
	one, err := tell(snapshot, netip.MustParseAddr("10.0.0.9"), 1)
	if err != nil || len(one) != 1 || len(one[0].Journal) != 1 || one[0].Journal[0].Row != "W99" {
		t.Errorf("%v, %v", one, err)
	}
}

// What is known of the group moves its members: Why shows it beside what the network said.
func TestWhyShowsWhatIsKnownOfTheGroup(t *testing.T) {
	at := time.Date(2026, 3, 2, 5, 12, 9, 0, time.Local)
	f := func(name, value string) control.Fact { return control.Fact{Name: name, Value: value, Asked: at} }
	e := control.Entry{At: at, Facts: []control.Fact{f("carrier", "yes"), f("partner", "answered"), f("whole group here", "no"), f("whole group at the partner", "yes")}}
	const want = "partner answered (asked 0s before), whole group here no, whole group at the partner yes; link good"
	if got := factLine(e); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhySaysEachActionAsSomethingThatWasDone(t *testing.T) {
	for a := rules.Wait; a.String() != rules.Action(200).String(); a++ {
		if deeds[a.String()] == "" {
			t.Errorf("%s is not among the deeds", a)
		}
	}
}
