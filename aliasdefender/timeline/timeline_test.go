package timeline

import (
	"encoding/xml"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

var (
	began = time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)
	alias = record.Alias{Addr: netip.MustParseAddr("172.16.1.2"), NIC: "eth0"}
)

// at is that many seconds after the beginning.
func at(s float64) time.Time { return began.Add(time.Duration(s * float64(time.Second))) }

// event is one about the alias.
func event(run record.Run, s float64, k record.Kind, action rules.Action) record.Event {
	e := record.Event{Run: run, Time: at(s), Kind: k, Alias: alias}
	if k == record.Moved || k == record.Decided {
		e.Decision.Action = action.String()
	}
	return e
}

func says(run record.Run, s float64, standing rules.Standing) record.Event {
	return record.Event{Run: run, Time: at(s), Kind: record.PartnerSays, Alias: alias, Says: standing.String()}
}

// seq is an event that was recorded; without a number it was not, because it happened too often.
func seq(n uint64, e record.Event) record.Event {
	e.Seq = n
	return e
}

// counted tells of more of a kind within the minute before.
func counted(s float64, k record.Kind) record.Event {
	return record.Event{Run: 1, Time: at(s), Kind: record.Repeated, Alias: alias, Drops: 5, Text: record.More{Sort: record.Sort{Kind: k, Reason: "x"}, N: 5}.Text()}
}

func whole(run record.Run, s float64, k record.Kind) record.Event {
	return record.Event{Run: run, Time: at(s), Kind: k}
}

// told are the pieces of a story, as words with seconds.
func told(t *testing.T, from, to float64, events ...record.Event) (all []string) {
	t.Helper()
	var s Story
	for _, e := range events {
		s.Put(e)
	}
	for _, p := range s.Row(alias, "x", "a", "b").Pieces(at(from), at(to)) {
		all = append(all, p.From.Sub(began).String()+" "+p.Words())
	}
	return all
}

func TestStories(t *testing.T) {
	wire := event(1, 9, record.Moved, rules.Take)
	wire.Facts = []record.Fact{{Name: "alias elsewhere", Value: "silent", Since: at(7)}}
	alone := event(1, 2, record.Decided, rules.Wait)
	alone.Facts = []record.Fact{{Name: "alias elsewhere", Value: "answered", By: "partner", Since: at(1)}}
	stranger := event(1, 2, record.Decided, rules.Wait)
	stranger.Facts = []record.Fact{{Name: "alias elsewhere", Value: "answered", By: "02:00:00:00:00:09", Since: at(1)}}
	lost := event(1, 5, record.Decided, rules.Keep)
	lost.Decision.Reason = rules.KernelLost.String()
	for name, one := range map[string]struct {
		events []record.Event
		want   []string
	}{
		"a hand-over: both have it for a moment": {
			[]record.Event{whole(1, 0, record.Started), event(1, 1, record.Moved, rules.Adopt), says(1, 1, rules.SaysAble), says(1, 5, rules.SaysHolding), event(1, 6, record.Moved, rules.Release)},
			[]string{"0s not known", "1s a", "5s both: a and b", "6s b"},
		},
		"a partner that dies: the gap begins where the alias fell silent": {
			[]record.Event{event(1, 1, record.Decided, rules.Wait), says(1, 2, rules.SaysHolding), wire},
			[]string{"0s not known", "2s b", "7s nobody", "9s a"},
		},
		"without a channel the wire tells of the partner": {
			[]record.Event{alone, wire},
			[]string{"0s not known", "1s b", "7s nobody", "9s a"},
		},
		"a stranger is not the partner": {[]record.Event{stranger}, []string{"0s not known"}},
		"a killed Monitor says nothing: what follows its last word is not known": {
			[]record.Event{event(1, 1, record.Moved, rules.Take), whole(2, 6, record.Started), event(2, 7, record.Moved, rules.Adopt)},
			[]string{"0s not known", "7s a"},
		},
		"one that ends says so": {
			[]record.Event{event(1, 1, record.Moved, rules.Take), whole(1, 4, record.Ended), whole(2, 6, record.Started), event(2, 7, record.Moved, rules.Adopt)},
			[]string{"0s not known", "1s a", "4s not known", "7s a"},
		},
		"an alias that the kernel has lost is not here": {
			[]record.Event{event(1, 1, record.Moved, rules.Take), says(1, 1, rules.SaysAble), lost, event(1, 6, record.Moved, rules.Restore)},
			[]string{"0s not known", "1s a", "5s nobody", "6s a"},
		},
		"moves that a log has only counted: where it was meanwhile is not known": {
			[]record.Event{seq(1, event(1, -100, record.Moved, rules.Take)), seq(2, counted(6, record.Moved)), seq(3, event(1, 8, record.Moved, rules.Take))},
			[]string{"0s not known", "8s a"},
		},
		"what else is only counted changes nothing": {
			[]record.Event{seq(1, event(1, 1, record.Moved, rules.Take)), seq(2, counted(6, record.Failed))},
			[]string{"0s not known", "1s a"},
		},
		"what the partner said so often that it is only counted": {
			[]record.Event{seq(1, says(1, 1, rules.SaysHolding)), seq(2, counted(6, record.PartnerSays)), seq(3, says(1, 8, rules.SaysHolding))},
			[]string{"0s not known", "8s b"},
		},
		"moves that were counted, but heard too": {
			[]record.Event{seq(1, event(1, 1, record.Moved, rules.Take)), event(1, 3, record.Moved, rules.Release), event(1, 4, record.Moved, rules.Take), seq(2, counted(6, record.Moved))},
			[]string{"0s not known", "1s a", "3s not known", "4s a"},
		},
		"a clock that steps back": {
			[]record.Event{event(1, 5, record.Moved, rules.Take), says(1, 0, rules.SaysAble), event(1, 3, record.Moved, rules.Release)},
			[]string{"0s not known", "3s nobody"},
		},
	} {
		if d := cmp.Diff(one.want, told(t, 0, 10, one.events...)); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
}

func TestAnAliasThatFlapsIsBounded(t *testing.T) {
	var s Story
	for i := range 5000 {
		s.Put(event(1, float64(2*i), record.Moved, rules.Take))
		s.Put(event(1, float64(2*i+1), record.Moved, rules.Release))
		s.Put(event(1, float64(2*i+1), record.Ordered, rules.Wait))
	}
	r := s.Row(alias, "x", "a", "b")
	if len(r.Lanes[0].Spans) > spansMost || len(r.Marks) > marksMost {
		t.Errorf("%d spans, %d marks", len(r.Lanes[0].Spans), len(r.Marks))
	}
	s.Keep(func(record.Alias) bool { return false })
	if r := s.Row(alias, "x", "a", "b"); len(r.Lanes[0].Spans) != 0 {
		t.Error("an alias that is gone is remembered")
	}
}

// hostile is a text that tries to be markup.
const hostile = `<script>alert(1)</script>"'&]]>` + "\x00\x1b[31m\xff\uFFFE"

func TestADrawingIsXMLWhateverTheNames(t *testing.T) {
	c := Chart{Title: hostile, From: began, To: at(10), Width: 700, Rows: []Row{{
		Name:  hostile,
		Lanes: []Lane{{hostile, []Span{{From: at(1), To: at(4), State: Holding}}}, {"b", []Span{{From: began, To: at(2), State: Holding}, {From: at(2), State: Without}}}},
		Marks: []Mark{{at(4), hostile}, {at(40), "later"}},
	}}}
	svg := string(c.SVG())
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "script" {
			t.Fatal("there is a script")
		}
	}
	for _, want := range []string{`role="img"`, "<title id=", "<desc id=", "both 1.0 s", ">not known of b", "class=\"several\""} {
		if strings.Contains(svg, want) == (want == ">not known of b") {
			t.Errorf("%q: %t", want, strings.Contains(svg, want))
		}
	}
}

// TestEveryGapIsWideEnoughToSee: a gap of a moment in a week.
func TestEveryGapIsWideEnoughToSee(t *testing.T) {
	week := 7 * 24 * 3600.0
	c := Chart{Title: "x", From: began, To: at(week), Width: 360, Rows: []Row{{Name: "x", Lanes: []Lane{
		{"a", []Span{{From: began, To: at(1000), State: Holding}, {From: at(1000), To: at(1000.2), State: Without}, {From: at(1000.2), State: Holding}}},
		{"b", []Span{{From: began, State: Without}}},
	}}}}
	if svg := string(c.SVG()); !strings.Contains(svg, `class="nobody"`) || !strings.Contains(svg, "nobody 200 ms") || !strings.Contains(svg, `width="4"`) {
		t.Error(svg)
	}
	if d := cmp.Diff([]string{"x: a for 16 min 40 s, nobody for 200 ms, a for 6 d 23 h."}, c.Words()); d != "" {
		t.Error(d)
	}
	if all := c.Table(); len(all) != 3 || !all[1].Bad || all[1].Who != "nobody" {
		t.Errorf("%+v", all)
	}
}

func TestAnEmptyDrawingIsOne(t *testing.T) {
	if svg := string(Chart{}.SVG()); !strings.Contains(svg, "nothing is known yet") || xml.Unmarshal([]byte(svg), new(struct{})) != nil {
		t.Error(svg)
	}
}

func TestAxis(t *testing.T) {
	for _, one := range []struct {
		long    time.Duration
		width   int
		elapsed bool
		want    []string
	}{
		{10 * time.Second, 700, true, []string{">0<", ">2 s<", ">10 s<"}},
		{time.Hour, 360, false, []string{">20:00<", ">20:20<"}},
		{24 * time.Hour, 1000, false, []string{">Nov 29<", ">06:00<"}},
		{300 * time.Millisecond, 500, true, []string{">100 ms<"}},
		{30 * 24 * time.Hour, 1200, false, []string{">Dec 1<"}},
	} {
		svg := string(Chart{From: began, To: began.Add(one.long), Width: one.width, Elapsed: one.elapsed}.SVG())
		for _, w := range one.want {
			if !strings.Contains(svg, w) {
				t.Errorf("%s at %d: no %s in\n%s", one.long, one.width, w, svg)
			}
		}
	}
}

func TestWatched(t *testing.T) {
	from := func(s, to float64, state State) Span { return Span{at(s), at(to), state} }
	for _, one := range []struct{ had, want []Span }{
		{nil, []Span{{From: at(0), State: Without}}},
		{[]Span{{From: at(1), To: at(2)}, {From: at(3)}}, []Span{from(0, 1, Without), from(1, 2, Holding), from(2, 3, Without), {From: at(3), State: Holding}}},
		{[]Span{{From: at(-1), To: at(2)}}, []Span{from(-1, 2, Holding), {From: at(2), State: Without}}},
	} {
		if d := cmp.Diff(one.want, Watched("a", at(0), one.had).Spans); d != "" {
			t.Error(d)
		}
	}
}
