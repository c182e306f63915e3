package operator

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
	"alias-defender/aliasdefender/record"
)

// held is since when a host had the alias.
type held struct {
	by string
	at time.Time
}

// since is what Why --since tells on a host from its event log.
func since(t *testing.T, p *pair.Pair, h *lab.Host, from time.Time) []record.Event {
	t.Helper()
	out, errs, code := p.Run(stage.Patiently(t), h, "Why", "--json", "--since", from.Format(time.RFC3339Nano), pair.Alias.String())
	var told struct {
		Events  []record.Event `json:"events"`
		LeftOut int            `json:"left_out"`
		Skipped int            `json:"skipped"`
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil || code != stage.Done || told.LeftOut+told.Skipped > 0 {
		t.Fatalf("Why --since on %s: exit %d, %v:\n%s%s", h.Name, code, err, out, errs)
	}
	return told.Events
}

// story is who had the alias, by what one host's event log tells of both.
func story(us, partner string, told []record.Event) (all []held) {
	for _, e := range told {
		by := ""
		switch {
		case e.Kind == record.Moved && (e.Decision.Action == "take" || e.Decision.Action == "adopt"):
			by = us
		case e.Kind == record.PartnerSays && e.Says == "holding":
			by = partner
		}
		if by != "" && (len(all) == 0 || all[len(all)-1].by != by) {
			all = append(all, held{by, e.Time})
		}
	}
	return all
}

// watched is the same as the lab's own watch of the kernels saw it.
func watched(p *pair.Pair) (all []held) {
	spans := p.Holders.Spans()
	slices.SortStableFunc(spans, func(a, b lab.Span) int { return a.From.Compare(b.From) })
	for _, s := range spans {
		if len(all) == 0 || all[len(all)-1].by != s.By {
			all = append(all, held{s.By, s.From})
		}
	}
	return all
}

// names are who had the alias, in order.
func names(all []held) (by []string) {
	for _, h := range all {
		by = append(by, h.by)
	}
	return by
}

// has tells whether there is such an event.
func has(told []record.Event, ok func(record.Event) bool) bool { return slices.ContainsFunc(told, ok) }

// A crash, a take, the return and a hand-over, told by either host's event log alone after
// both Monitors were restarted, are what the lab did and saw.
func TestWhySinceTellsWhatTheLabDid(t *testing.T) {
	begin := time.Now()
	p := stage.Talking(t, 500*time.Millisecond)
	onDisk(t, p, p.A, why(t, p, p.A, stage.Done), p.A.Do)
	crash := time.Now()
	stage.Must(t, p.A.Crash())
	stage.Held(t, p, "b")
	stage.Said(t, p.Monitor(p.B), `says="nothing said"`)
	stage.Must(t, p.Boot(p.A))
	stage.Hears(t, p, p.A, "holding")
	stage.Hears(t, p, p.B, "able")
	over := time.Now()
	stage.Obeyed(t, p, p.B, "Handover")
	stage.Held(t, p, "a")
	stage.Hears(t, p, p.B, "holding")
	for _, h := range []*lab.Host{p.A, p.B} {
		onDisk(t, p, h, why(t, p, h, stage.Done), h.Do)
		stage.Killed(t, p.Monitor(h))
		started(t, p, h)
	}
	stage.Hears(t, p, p.A, "able")
	stage.Hears(t, p, p.B, "holding")
	end := time.Now()

	const near = 10 * time.Second // of the same moment, also on a busy machine
	saw := watched(p)
	for _, h := range []struct {
		host    *lab.Host
		us, not string
		runs    int
	}{{p.A, "a", "b", 3}, {p.B, "b", "a", 2}} {
		told := since(t, p, h.host, begin)
		tale := story(h.us, h.not, told)
		if d := cmp.Diff(names(saw), names(tale)); d != "" {
			t.Fatalf("%s: the lab saw (-), Why --since tells (+):\n%s", h.us, d)
		}
		for i, bounds := range [][2]time.Time{{begin, crash}, {crash, over}, {over, end}} {
			if at := tale[i].at; at.Before(bounds[0]) || at.After(bounds[1]) || tale[i].by == h.us && at.Sub(saw[i].at).Abs() > near {
				t.Errorf("%s: %s had it at %v, which was between %v and %v; the lab saw it at %v", h.us, tale[i].by, at, bounds[0], bounds[1], saw[i].at)
			}
		}
		var runs []record.Run
		for _, e := range told {
			if !slices.Contains(runs, e.Run) {
				runs = append(runs, e.Run)
			}
		}
		if len(runs) != h.runs {
			t.Errorf("%s: told of %d runs of its Monitor, want %d", h.us, len(runs), h.runs)
		}
	}
	a, b := since(t, p, p.A, begin), since(t, p, p.B, begin)
	for what, is := range map[string]bool{
		"b took it because a was silent": has(b, func(e record.Event) bool {
			return e.Kind == record.Moved && e.Decision.Action == "take" && e.Decision.Row == "W14" && e.Time.After(crash)
		}),
		"a was not heard any more": has(b, func(e record.Event) bool {
			return e.Kind == record.PartnerSays && e.Says == "nothing said" && e.Time.After(crash)
		}),
		"a came back": has(b, func(e record.Event) bool {
			return e.Kind == record.PartnerSays && e.Says == "able" && e.Time.After(crash)
		}),
		"an operator ordered it": has(b, func(e record.Event) bool { return e.Kind == record.Ordered && e.Time.After(over) }),
		"b handed it over": has(b, func(e record.Event) bool {
			return e.Kind == record.Moved && e.Decision.Reason == "handed over" && e.Time.After(over)
		}),
		"a took what was offered": has(a, func(e record.Event) bool {
			return e.Kind == record.Moved && e.Decision.Row == "W5" && e.Time.After(over)
		}),
		"b's own lane is in a's log after all": has(a, func(e record.Event) bool { return e.Kind == record.PartnerSays && e.Says == "able" }),
	} {
		if !is {
			t.Errorf("the event logs do not tell that %s:\na: %+v\nb: %+v", what, a, b)
		}
	}
	stage.Killed(t, p.Monitor(p.B)) // nobody need run
	text := stage.Saying(t, p, p.B, stage.Done, []string{"took it (W14): ", "the Monitor started, ", "the Monitor before this ended without a word", "the partner says that it holds the alias"},
		"Why", "--since", "1h")
	if n := strings.Count(text, "the Monitor started"); n != 2 {
		t.Errorf("%d starts told, want 2", n)
	}
}
