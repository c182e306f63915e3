package drill

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
)

func TestFiguresAreWhatTheQuestionsTell(t *testing.T) {
	from := time.Now()
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	// Each letter is 10 ms: a question answered (a), lost (.), that nobody heard (?), none (_).
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
	} {
		var all []question
		for i, c := range line {
			if q := (question{at: from.Add(ms(10 * i)), answered: c == 'a', deaf: c == '?'}); c != '_' {
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
