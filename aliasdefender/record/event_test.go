package record

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// start is when the tests' first event happens.
var start = time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)

// one is the nth alias of a file.
func one(n int) Alias {
	return Alias{netip.AddrFrom4([4]byte{172, 16, byte(n >> 8), byte(n)}), "eth0"}
}

// take is an event as the loop records them.
func take(a Alias) Event {
	return Event{
		Time: time.Now(), Alias: a, Label: "eth0:1", Kind: Moved, Level: rules.Warning,
		Decision: DecisionOf(rules.Decision{Row: "W14", Action: rules.Take, Reason: rules.PartnerSilent}),
		Text:     "take: " + rules.PartnerSilent.Text(),
		Facts: []Fact{
			{Name: "nic up", Value: "yes", Since: start, Asked: start},
			{Name: "carrier", Value: "yes", Since: start, Asked: start},
			{Name: "own address", Value: "yes", Since: start, Asked: start},
			{Name: "in kernel", Value: "no", Since: start, Asked: start},
			{Name: "alias elsewhere", Value: "silent", Since: start, Asked: start},
			{Name: "partner", Value: "silent", Since: start, Asked: start},
			{Name: "router", Value: "answered", HW: "02:00:00:00:00:01", Since: start, Asked: start},
		},
	}
}

func TestALineOfTheEventLogReadsAsItDid(t *testing.T) {
	e := take(Alias{netip.MustParseAddr("fe80::1"), "eth0"})
	e.Time, e.Run, e.Seq, e.Facts, e.Text = start.Add(123*time.Millisecond), 0xbeef, 7, e.Facts[4:5], "take: <it>"
	got, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-11-28T20:00:00.123Z","run":"000000000000beef","seq":7,"event":"moved","level":"warning","alias":"fe80::1","nic":"eth0","label":"eth0:1",` +
		`"row":"W14","action":"take","reason":"partner silent","why":"` + rules.PartnerSilent.Text() + `","text":"take: \u003cit\u003e",` +
		`"facts":[{"name":"alias elsewhere","value":"silent","since":"2026-11-28T20:00:00Z","asked":"2026-11-28T20:00:00Z"}]}`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestAnEventSurvivesJSON(t *testing.T) {
	word := rapid.StringN(0, 40, 80)
	at := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(0, 1<<35).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).
			In(time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "zone")))
	})
	addr := rapid.Custom(func(t *rapid.T) netip.Addr {
		switch b := rapid.SliceOfN(rapid.Byte(), 17, 17).Draw(t, "addr"); b[0] % 4 {
		case 0:
			return netip.Addr{}
		case 1:
			return netip.AddrFrom4([4]byte(b[1:]))
		case 2:
			return netip.AddrFrom16([16]byte(b[1:])).WithZone("eth0")
		default:
			return netip.AddrFrom16([16]byte(b[1:]))
		}
	})
	fact := rapid.Custom(func(t *rapid.T) Fact {
		return Fact{word.Draw(t, "name"), word.Draw(t, "value"), word.Draw(t, "by"), word.Draw(t, "hw"), word.Draw(t, "why not"), at.Draw(t, "since"), at.Draw(t, "asked")}
	})
	rapid.Check(t, func(t *rapid.T) {
		e := Event{
			Run: Run(rapid.Uint64().Draw(t, "run")), Seq: rapid.Uint64().Draw(t, "seq"), Time: at.Draw(t, "time"),
			Alias: Alias{addr.Draw(t, "alias"), word.Draw(t, "nic")}, Label: word.Draw(t, "label"),
			Kind: Kind(word.Draw(t, "kind")), Level: rules.Level(rapid.IntRange(0, int(rules.Alarm)).Draw(t, "level")),
			Decision: Decision{word.Draw(t, "row"), word.Draw(t, "action"), word.Draw(t, "reason"), word.Draw(t, "why")},
			Text:     word.Draw(t, "text"), Partner: word.Draw(t, "partner"), Error: word.Draw(t, "error"), Drops: rapid.Uint64().Draw(t, "drops"),
		}
		if facts := rapid.SliceOfN(fact, 0, 3).Draw(t, "facts"); len(facts) > 0 {
			e.Facts = facts
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var got Event
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if d := cmp.Diff(e, got, sameAddr); d != "" {
			t.Errorf("-written +read:\n%s", d)
		}
	})
}

func TestWhatANewerVersionWroteIsRead(t *testing.T) {
	var e Event
	text := `{"time":"2030-01-01T00:00:00Z","run":"1","seq":1,"event":"fenced","level":"panic","alias":"::1","reason":"fence went through","weather":{"rain":[1,2]}}`
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	want := Event{Run: 1, Seq: 1, Time: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Kind: "fenced", Level: rules.Error,
		Alias: Alias{Addr: netip.MustParseAddr("::1")}, Decision: Decision{Reason: "fence went through"}}
	if d := cmp.Diff(want, e, sameAddr); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if e.Kind.Journal() {
		t.Error("Why shows what it does not understand")
	}
}

// TestWhyHasTheEntriesOfVersion1: what `Why --json` says of an event is what it
// said before there were events.
func TestWhyHasTheEntriesOfVersion1(t *testing.T) {
	entry := func(e Event) string {
		d := e.Entry()
		c := control.Entry{At: e.Time, Row: d.Row, Action: d.Action, Reason: d.Reason, Why: d.Why}
		for _, f := range e.Facts {
			c.Facts = append(c.Facts, control.Fact{Name: f.Name, Value: f.Value, By: f.By, Since: f.Since, Asked: f.Asked})
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	facts := []Fact{{Name: "alias elsewhere", Value: "answered", By: "partner", HW: "02:00:00:00:00:01", Since: start}}
	tail := `,"facts":[{"name":"alias elsewhere","value":"answered","by":"partner","since":"2026-11-28T20:00:00Z"}]}`
	for name, c := range map[string]struct {
		e    Event
		want string
	}{
		"a decision": {Event{Kind: Decided, Decision: DecisionOf(rules.Decision{Row: "W6", Action: rules.Wait, Reason: rules.Served})},
			`"row":"W6","action":"wait","reason":"` + rules.Served.String() + `","why":"` + rules.Served.Text() + `"`},
		"what a Monitor that observes would do": {Event{Kind: Decided, Text: Observing + "take: ...", Decision: DecisionOf(rules.Decision{Row: "W10", Action: rules.Take, Reason: rules.PrimaryTakes})},
			`"row":"W10","action":"would take","reason":"` + rules.PrimaryTakes.String() + `","why":"` + rules.PrimaryTakes.Text() + `"`},
		"adopted": {Event{Kind: Moved, Text: "adopt: ...", Decision: DecisionOf(rules.Decision{Action: rules.Adopt, Reason: rules.Adopted})},
			`"row":"","action":"adopt","reason":"` + rules.Adopted.String() + `","why":"` + rules.Adopted.Text() + `"`},
		"a hand-over that ended": {Event{Kind: HandoverEnded, Decision: DecisionOf(rules.Decision{Reason: rules.NotVerified})},
			`"row":"H1","action":"hand-over ended","reason":"` + rules.NotVerified.String() + `","why":"` + rules.NotVerified.Text() + `"`},
		"a pair that does not fit": {Event{Kind: PairMisfit, Decision: Decision{Why: "the netmask is /24 here and /25 on the partner"}, Text: "the pair does not fit: the netmask"},
			`"row":"pair","action":"alarm","reason":"the pair does not fit","why":"the netmask is /24 here and /25 on the partner"`},
	} {
		c.e.Time, c.e.Facts = start, facts
		if d := cmp.Diff(`{"at":"2026-11-28T20:00:00Z",`+c.want+tail, entry(c.e)); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
	}
}

func TestALineIsNeverLongerThanTheReaderTakes(t *testing.T) {
	long := strings.Repeat("\x01", 2*maxLine)
	for name, e := range map[string]Event{
		"text":  {Text: long, Kind: Kind(long), Error: long, Partner: long, Label: long, Decision: Decision{long, long, long, long}, Alias: Alias{NIC: long}},
		"facts": {Kind: Failed, Text: "kept", Facts: []Fact{{Name: long}}},
		"zone":  {Kind: Failed, Alias: Alias{Addr: netip.MustParseAddr("fe80::1").WithZone(long)}},
		"time":  {Kind: Failed, Time: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), Facts: []Fact{{Since: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)}}},
	} {
		e.Seq, e.Run = 3, 4
		if e.Time.IsZero() {
			e.Time = start
		}
		got, ok := parse([]byte(encoded(e)))
		if !ok || len(encoded(e)) > maxLine || strings.Count(encoded(e), "\n") != 1 || got.Seq != 3 || got.Run != 4 {
			t.Errorf("%s: %d bytes, %+v", name, len(encoded(e)), got)
		}
		if name == "facts" && got.Text != "kept" {
			t.Errorf("%+v", got)
		}
	}
}

// encoded is the event as a line of the file.
func encoded(e Event) string {
	var b bytes.Buffer
	encode(&b, e)
	return b.String()
}
