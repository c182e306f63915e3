package stage

import (
	"flag"
	"slices"
	"testing"
	"time"

	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

var soak = flag.Bool("soak", false, "play stories by the dozen, measure, and judge the times")

// Soak tells whether this is make soak, which judges times. Otherwise tests judge
// only the order of events and what was lost.
func Soak() bool { return *soak }

// Runs is how often to play a story: once, or n times in make soak.
func Runs(soaked int) int {
	if Soak() {
		return soaked
	}
	return 1
}

// Figures are how long something took, once for each time that it was played.
type Figures struct {
	t     *testing.T
	what  string
	limit time.Duration
	took  []time.Duration
	over  []time.Duration // longer than the limit, and the machine did not stand still
	noisy int             // longer than the limit, because the machine itself stood still
}

// NewFigures begins a figure of a story. At the end of the test it prints the figure
// in one line. In make soak no value may be over the limit. Values that the machine
// itself explains are left out, at most one in five: with more noise than that the
// run proves nothing, and so fails.
func NewFigures(t *testing.T, what string, limit time.Duration) *Figures {
	t.Helper()
	f := &Figures{t: t, what: what, limit: limit}
	t.Cleanup(f.judge)
	return f
}

// Add adds a time, and how long the machine itself stood still meanwhile.
func (f *Figures) Add(took, still time.Duration) {
	switch {
	case took <= f.limit:
		f.took = append(f.took, took)
	case took <= f.limit+still:
		f.noisy++
	default:
		f.took, f.over = append(f.took, took), append(f.over, took)
	}
}

func (f *Figures) judge() {
	f.t.Helper()
	all := len(f.took) + f.noisy
	if all == 0 {
		return
	}
	median, most := time.Duration(0), time.Duration(0)
	if len(f.took) > 0 {
		median, most = Median(f.took), slices.Max(f.took)
	}
	f.t.Logf("figure: %s: %d times: median %v, max %v, limit %v, %d left out for noise",
		f.what, all, median.Round(10*time.Microsecond), most.Round(10*time.Microsecond), f.limit, f.noisy)
	if !Soak() {
		return
	}
	if len(f.over) > 0 {
		f.t.Errorf("%s: took %v, want at most %v", f.what, f.over, f.limit)
	}
	if f.noisy*5 > all {
		f.t.Errorf("%s: %d of %d times were noise of the machine, more than a fifth: this run says nothing", f.what, f.noisy, all)
	}
}

// Crashed judges how the alias came from a host that crashed to the other one: its
// holder crashed first, there were never two holders, the taker announced the alias
// after it had it, and after that nobody else answers the client.
func Crashed(t *testing.T, p *pair.Pair, s *lab.Sniffer, crash time.Time, from, to *lab.Host) {
	t.Helper()
	if both := p.Holders.Tenure(crash, time.Time{}).LongestBoth; both > 0 {
		t.Errorf("held by two for %v after the crash of %s", both, from.Name)
	}
	var took lab.Span
	for _, span := range p.Holders.Spans() {
		if span.From.Before(crash) {
			continue
		}
		if span.By != to.Name || !took.From.IsZero() {
			t.Errorf("%s has it from %v on after the crash, want %s once", span.By, span.From.Sub(crash), to.Name)
		}
		took = span
	}
	if took.From.IsZero() {
		t.Fatalf("nobody took it after the crash of %s", from.Name)
	}
	Announced(t, s, to, p.Alias, crash)
}
