package rehearse

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/config"
)

func TestVerdicts(t *testing.T) {
	a, b, both := []string{"a"}, []string{"b"}, []string{"a", "b"}
	crash := expectation{Holders: [][]string{b}, Gap: 2300 * time.Millisecond}
	still := expectation{Holders: [][]string{a}, Gap: slack, Still: true, Promise: 8}
	heal := expectation{Holders: [][]string{a}, Gap: 2 * time.Second, Both: 2 * time.Second}
	cut := expectation{Holders: [][]string{both}, Gap: 2300 * time.Millisecond, Both: -1}
	stop := expectation{Holders: [][]string{b}, Gap: time.Second, Both: -1, Vacant: true, Why: "as the rules say (W12)"}
	for _, tt := range []struct {
		name string
		e    expectation
		o    outcome
		want judgement
	}{
		{"taken over in time", crash, outcome{Before: a, After: b, Gap: 2 * time.Second, Takes: 1, Served: "b"},
			judgement{Good: true, Text: "good: at most 2300 ms"}},
		{"taken over late", crash, outcome{Before: a, After: b, Gap: 3 * time.Second, Takes: 1, Served: "b"},
			judgement{Promise: 2, Text: "3000 ms without an answer; at most 2300 ms"}},
		{"taken over late by a machine that kept the Monitors waiting", crash,
			outcome{Before: a, After: b, Gap: 3 * time.Second, Takes: 1, Served: "b", Late: 800 * time.Millisecond},
			judgement{Good: true, Excused: true, Text: "good: at most 2300 ms, and 800 ms for which this machine kept the Monitors waiting"}},
		{"taken over very late by a machine that did little else", crash, outcome{Before: a, After: b, Gap: 5 * time.Second, Takes: 1, Served: "b", Late: time.Minute},
			judgement{Promise: 2, Text: "5000 ms without an answer; at most 2300 ms, and 2300 ms for which this machine kept the Monitors waiting"}},
		{"taken over in time by such a machine", crash,
			outcome{Before: a, After: b, Gap: 2 * time.Second, Takes: 1, Served: "b", Late: 800 * time.Millisecond},
			judgement{Good: true, Text: "good: at most 2300 ms"}},
		{"taken over later than that", crash, outcome{Before: a, After: b, Gap: 3 * time.Second, Takes: 1, Served: "b", Late: 600 * time.Millisecond},
			judgement{Promise: 2, Text: "3000 ms without an answer; at most 2300 ms, and 600 ms for which this machine kept the Monitors waiting"}},
		{"never taken over", crash, outcome{Before: a, Gap: 5 * time.Second},
			judgement{Promise: 2, Text: "nobody has it after 5000 ms"}},
		{"taken over, and the client is sent elsewhere", crash, outcome{Before: a, After: b, Takes: 1, Served: "a"},
			judgement{Promise: 5, Text: "b has it, and the client is answered by a"}},
		{"nothing moved", still, outcome{Before: a, After: a, Served: "a"}, judgement{Good: true, Text: "good: at most 300 ms"}},
		{"moved for nothing", still, outcome{Before: a, After: b, Takes: 1, Served: "b"}, judgement{Promise: 8, Text: "b took it"}},
		{"moved and back", still, outcome{Before: a, After: a, Takes: 2, Served: "a"},
			judgement{Promise: 8, Text: "it was taken 2 times, for no reason"}},
		{"a second one took it", still, outcome{Before: a, After: both, Takes: 1, Served: "a"},
			judgement{Promise: 1, Text: "in the end a and b have it"}},
		{"healed", heal, outcome{Before: both, After: a, Both: time.Second, Served: "a"}, judgement{Good: true, Text: "good: at most 2000 ms"}},
		{"healed late", heal, outcome{Before: both, After: a, Both: 2500 * time.Millisecond, Served: "a"},
			judgement{Promise: 1, Text: "both had it for 2500 ms; at most 2000 ms"}},
		{"healed late by such a machine", heal, outcome{Before: both, After: a, Both: 2500 * time.Millisecond, Served: "a", Late: 800 * time.Millisecond},
			judgement{Promise: 1, Text: "both had it for 2500 ms; at most 2000 ms"}},
		{"never healed", heal, outcome{Before: both, After: both, Both: 3 * time.Second, Served: "a"},
			judgement{Promise: 1, Text: "in the end a and b have it"}},
		{"the wrong one yielded", heal, outcome{Before: both, After: b, Served: "b"}, judgement{Promise: 3, Text: "b has it, not a"}},
		{"both have it while they are apart", cut, outcome{Before: a, After: both, Both: time.Hour, Served: "b"},
			judgement{Good: true, Text: "good: at most 2300 ms; both have it while they are apart"}},
		{"the cut-off holder is not replaced", cut, outcome{Before: a, After: a, Gap: time.Second},
			judgement{Promise: 2, Text: "nobody but a has it"}},
		{"nobody serves, and the rules say so", stop, outcome{Before: a, Gap: time.Hour}, judgement{Good: true, Text: "as the rules say (W12)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := judge(tt.e, tt.o)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
			if !got.Good && Promises[got.Promise] == "" {
				t.Errorf("promise %d has no words", got.Promise)
			}
		})
	}
}

// TestWhatTheRulesExpect asks each step of the scenarios for the two roles.
func TestWhatTheRulesExpect(t *testing.T) {
	cfg, seen, err := sample()
	isNil(t, err)
	release, isolated, failback, keyed := "release", "isolated", "failback", "keyed"
	checked, lets, keeps := "checked and keyed", "checked, and releases", "checked, and keeps"
	for _, tt := range []struct {
		step   string
		holder string // "us" is primary
		with   string
		want   string // holders, gap in ms, and what else is said
	}{
		{"begin", "", "", "us 4050"},
		{"crash", "us", "", "partner 2300"},
		{"crash", "partner", "", "us 2300"},
		{"return", "partner", "", "partner 300 still"},
		{"return", "partner", failback, "us 2000"},
		{"return", "us", failback, "us 300 still"},
		{"cable pulled", "us", "", "partner 2300"},
		{"cable pulled", "partner", "", "us 2300"},
		{"silent cut, holder", "us", "", "both 2300"},
		{"silent cut, holder", "us", isolated, "both partner 2300"},
		{"silent cut, standby", "us", "", "us 300 still"},
		{"stop", "us", "", "us 300 still"},
		{"stop", "us", release, "partner 3050 vacant"},
		{"stop", "partner", release, "us 3050"},
		{"router lost", "us", "", "us 300 still"},
		{"partition", "us", "", "both 300"},
		{"heal", "both", "", "us 2000"},
		{"stop", "us", keyed, "partner 50"},
		{"hand-over", "us", keyed, "partner 50"},
		{"hand-over", "partner", keyed, "us 50"},
		{"hand-over back", "us", keyed, "us 300 still"}, // failback was quicker
		{"maintenance on", "us", keyed, "partner 50"},
		{"maintenance off", "us", keyed, "us 300 still"},
		{"daemon killed", "us", keyed, "partner 3050 after 12000"},
		{"daemon killed", "partner", keyed, "us 3050 after 12000"},
		{"service dead", "us", checked, "partner 50 after 1750"},
		{"service dead", "us", keyed, "us 300 still"}, // it has no check
		{"service dead", "us", keeps, "us 300 still after 1750"},
		{"service dead", "us", lets, "partner 3050 after 1750 vacant"},
		{"service dead", "partner", lets, "us 3050 after 1750"},
		{"service dead on both", "partner", checked, "partner 300 still after 1750"},
		{"service dead on both", "us", keeps, "us 300 still after 1750"},
		{"service dead on both", "us", lets, "nobody 0 after 1750 vacant"},
		{"service back, holder", "partner", checked, "partner 300 still after 1250"},
		{"service back, holder", "", lets, "us 5300"},
		{"service back, standby", "us", checked, "us 300 still after 1250"},
		{"service back, standby", "partner", failback, "us 2000"},
	} {
		p := planOf(t, cfg, seen)
		s := situation{part: p.Parts[0], daemons: daemons{OnExit: config.ExitKeep}}
		names := map[string]string{"us": s.Host, "partner": s.Partner}
		if s.Holder = names[tt.holder]; s.Holder != "" {
			s.Now = []string{s.Holder}
		}
		if tt.holder == "both" {
			s.Holder, s.Now = s.Host, []string{s.Host, s.Partner}
		}
		switch tt.with {
		case keyed:
			s.daemons = daemons{OnExit: config.ExitHandover, Keyed: true}
		case release:
			s.OnExit = config.ExitRelease
		case isolated:
			s.OnIsolation = config.IsolationRelease
		case failback:
			s.Failback = true
		case checked, lets, keeps:
			s.daemons = daemons{OnExit: config.ExitHandover, Keyed: tt.with == checked, Service: service{500 * time.Millisecond, 250 * time.Millisecond, 2, 3}}
			s.Checks, s.OnServiceFailure = []string{"web"}, config.ServiceKeep
			if tt.with == lets {
				s.OnServiceFailure = config.ServiceRelease
			}
		}
		for _, sc := range append([]scenario{opening}, scenarios...) {
			for _, st := range sc.Steps {
				if st.Name != tt.step {
					continue
				}
				if sc.Hits == hitHolders {
					s.Hit = []string{s.Holder}
				} else if sc.Hits == hitStandbys {
					s.Hit = []string{s.standby()}
				}
				if got := worded(s, st.Expect(s)); got != tt.want {
					t.Errorf("%s with %s holding (%s): %s, want %s", tt.step, tt.holder, tt.with, got, tt.want)
				}
			}
		}
	}
}

func worded(s situation, e expectation) string {
	var words []string
	for _, h := range e.Holders {
		switch {
		case len(h) == 0:
			words = append(words, "nobody")
		case len(h) == 2:
			words = append(words, "both")
		case h[0] == s.Host:
			words = append(words, "us")
		default:
			words = append(words, "partner")
		}
	}
	words = append(words, strings.TrimSuffix(ms(e.Gap), " ms"))
	if e.Still {
		words = append(words, "still")
	}
	if e.Delay > 0 {
		words = append(words, "after", strings.TrimSuffix(ms(e.Delay), " ms"))
	}
	if e.Vacant {
		words = append(words, "vacant")
	}
	return strings.Join(words, " ")
}

func TestABadVerdictBesideANoisyControlIsPlayedAgain(t *testing.T) {
	bad, good := Step{Step: "crash", Control: 80}, Step{Step: "return", Good: true, Control: 80}
	if again := noisyRow([]Step{good, bad}); again == nil || again.Step != "crash" {
		t.Errorf("%+v, want the crash", again)
	}
	bad.Control, bad.Late = 20, 80
	if again := noisyRow([]Step{good, bad}); again == nil {
		t.Error("not again, though the Monitors were kept waiting")
	}
	good.excused = true
	if again := noisyRow([]Step{good}); again == nil {
		t.Error("not again, though it is good only because the Monitors were kept waiting")
	}
	good.excused, bad.Late = false, 20
	if again := noisyRow([]Step{good, bad}); again != nil {
		t.Errorf("%+v, though the control client was answered", again)
	}
}
