package drill

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/probe"
)

func TestFiguresAreWhatTheQuestionsTell(t *testing.T) {
	from := time.Now()
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	// Each letter is 10 ms: a question answered at once (a), or when the next one is that is
	// answered at once (q), lost (.), that nobody heard (?), none (_).
	for line, want := range map[string]figures{
		"":           {},
		"aaaa":       {asked: 4, pause: ms(10)},
		"aa.a":       {asked: 4, lost: 1, gap: ms(20), pause: ms(10)},
		"a..a...a.a": {asked: 10, lost: 6, gap: ms(40), pause: ms(10)},
		"aa...":      {asked: 5, lost: 3, gap: ms(40), pause: ms(10)},
		"..aa":       {asked: 4, lost: 2, gap: ms(20), pause: ms(10)},
		"aa___a":     {asked: 3, pause: ms(40)},
		"aa??a":      {asked: 3, pause: ms(30)},
		"a.__.a":     {asked: 4, lost: 2, gap: ms(50), pause: ms(30)},
		"____":       {pause: ms(40)},
		"aaqqqqqqa":  {asked: 9, gap: ms(70), pause: ms(10)},
		"aaqaa":      {asked: 5, pause: ms(10)}, // no later than answers may be
		"aa..qqa":    {asked: 7, lost: 2, gap: ms(50), pause: ms(10)},
		"qqqaa":      {asked: 5, gap: ms(30), pause: ms(10)},
		"aqqqaqqqqa": {asked: 10, gap: ms(50), pause: ms(10)},
	} {
		var all []question
		for i, c := range line {
			q := question{at: from.Add(ms(10 * i)), answered: c == 'a' || c == 'q', deaf: c == '?'}
			if q.arrived = q.at; c == 'q' {
				q.arrived = q.at.Add(ms(10 * strings.IndexByte(line[i:], 'a')))
			}
			if c != '_' {
				all = append(all, q)
			}
		}
		if d := cmp.Diff(want, tally(all, from, from.Add(ms(10*len(line)))), cmp.AllowUnexported(figures{})); d != "" {
			t.Errorf("%q: -want +got\n%s", line, d)
		}
	}
}

func TestFiguresThatProveNothingAreNoGoodDrill(t *testing.T) {
	for _, c := range []struct {
		f    figures
		want string
	}{
		{figures{asked: 300, gap: Bound, pause: Bound}, ""},
		{figures{asked: 300, gap: Bound + 1}, control.DrillGap},
		{figures{asked: 300, pause: Bound + 1}, control.DrillUnmeasured},
		{figures{}, control.DrillUnmeasured},
	} {
		if got := c.f.verdict(); got != c.want {
			t.Errorf("%s: %q, want %q", c.f, got, c.want)
		}
	}
}

// Of a group the partner has to tell what it measured of each member.
func TestAPartnerThatTellsOnlyAPartProvesNothing(t *testing.T) {
	well := figures{asked: 300, pause: every}
	second := netip.MustParseAddr("10.0.0.2")
	for _, c := range []struct {
		theirs map[netip.Addr]figures
		want   string
	}{
		{map[netip.Addr]figures{alias: well, second: well}, control.DrillGood},
		{map[netip.Addr]figures{alias: well}, control.DrillUnmeasured},
		{map[netip.Addr]figures{alias: well, second: {asked: 300, gap: Bound + 1}}, control.DrillGap},
	} {
		is := control.Drill{}
		if judge(&is, []figures{well, well}, c.theirs, true, 2); is.Outcome != c.want {
			t.Errorf("%v: %s, want %s", c.theirs, is.Outcome, c.want)
		}
	}
}

// The figures of an earlier drill, which the partner says until it has heard of the next one,
// are no figures of this one.
func TestWhatThePartnerSaysOfAnotherDrillDoesNotCount(t *testing.T) {
	mine := &own{number: 7, says: map[netip.Addr]peer.Drill{}, told: make(chan struct{}, 1)}
	for number, want := range map[uint32]int{6: 0, 8: 0, 7: 1} {
		clear(mine.says)
		if mine.hear(alias, peer.Drill{Number: number, Stage: peer.DrillMeasured}); len(mine.says) != want {
			t.Errorf("drill %d during drill 7: %v", number, mine.says)
		}
	}
}

// The kernel keeps what is sent to a neighbour that it does not know yet, and such questions
// are answered all at once when the gap is over.
func TestAGapIsMeasuredWhereQuestionsAreKeptAndAnsweredLate(t *testing.T) {
	for _, gap := range []time.Duration{0, 30 * time.Millisecond, 95 * time.Millisecond, 250 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			const back = 300 * time.Millisecond
			from, over := time.Now().Add(back-gap), time.Now().Add(back)
			m := newMeter(alias, func(q probe.Question, heard func(time.Time, error)) error {
				at := time.Now()
				late := 200 * time.Microsecond
				if !at.Before(from) && at.Before(over) {
					late += time.Until(over)
				}
				if late <= q.Timeout {
					time.AfterFunc(late, func() { heard(at, nil) })
				}
				return nil
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if f := m.run(ctx); f.gap < gap || f.gap > gap+21*time.Millisecond || gap == 0 && f.gap > 0 {
				t.Errorf("a gap of %s is measured as: %s", gap, f)
			}
		})
	}
}

func TestFiguresSayThatAnswersWereLate(t *testing.T) {
	want := "a gap of at most 40ms, all 9 pings answered, but some late"
	if got := (figures{asked: 9, gap: 40 * time.Millisecond}).String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
