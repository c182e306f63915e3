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

// Soak tells whether this is make soak: then times are judged. Otherwise nothing but
// the order of events is, and what was lost.
func Soak() bool { return *soak }

// Runs is how often a story is played: once, or in make soak so often.
func Runs(soaked int) int {
	if Soak() {
		return soaked
	}
	return 1
}

// Figures are the times that something took, one for each time it was played.
type Figures struct {
	t     *testing.T
	what  string
	limit time.Duration
	took  []time.Duration
	over  []time.Duration // longer than the limit, and the machine did not stand still
	noisy int             // longer than the limit; the machine's own standing still explains it
}

// NewFigures begins a figure of a story. At the test's end it is printed, in one
// line. In make soak none may be over the limit; what the machine itself
// explains is left out, of one in five at most: where there was more noise than
// that, the run says nothing, and so fails.
func NewFigures(t *testing.T, what string, limit time.Duration) *Figures {
	t.Helper()
	f := &Figures{t: t, what: what, limit: limit}
	t.Cleanup(f.judge)
	return f
}

// Add takes in a time, and for how long the machine itself stood still in it.
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

// Crashed judges how the alias came from a host that crashed to the other one: who
// had it crashed first, there were never two, the taker announced it after it had it,
// and the client is answered by nobody else after.
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
