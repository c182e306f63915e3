package chaos

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// TestBreachesAreFoundAndNothingElse has a story of ten seconds, in which one
// change lasts from the first second to the ninth, and who had the alias.
func TestBreachesAreFoundAndNothingElse(t *testing.T) {
	t.Parallel()
	began := time.Now()
	at := func(s float64) time.Time { return began.Add(time.Duration(s * float64(time.Second))) }
	span := func(by string, from, to float64) lab.Span { return lab.Span{By: by, From: at(from), To: at(to)} }
	both := []lab.Span{span("a", 0, 10), span("b", 2, 5)}
	nobody := []lab.Span{span("a", 0, 2), span("a", 5, 10)}
	for _, tt := range []struct {
		name   string
		change func(*moment)
		spans  []lab.Span
		want   []string
	}{
		{"one holder", nil, []lab.Span{span("a", 0, 10)}, nil},
		{"the alias moves at once", nil, []lab.Span{span("a", 0, 5), span("b", 5, 10)}, nil},
		{"two that hear each other, the second not the first to answer", nil, both,
			[]string{"held by both, which hear each other", "taken by b while a, which it hears, held it"}},
		{"two on a segment that is cut", func(m *moment) { m.group[hostB] = 1 }, both, nil},
		{"two, of whom one is mute", func(m *moment) { m.hosts[hostA].mute = true }, []lab.Span{span("a", 0, 10), span("b", 1.4, 9.2)}, nil},
		{"two, the daemon of one stopped: a theft, but not to be mended", func(m *moment) { m.hosts[hostB].daemon = paused }, both,
			[]string{"taken by b while a, which it hears, held it"}},
		{"two while something is done to one", func(m *moment) { m.hosts[hostB].busy = true }, both, nil},
		{"two with loss on the way", func(m *moment) { m.hosts[hostA].lossy = true }, both, nil},
		{"nobody, and the primary could", nil, nobody, []string{"held by nobody that a hears, which should take it"}},
		{"nobody, the router dead", func(m *moment) { m.router = false }, nobody, nil},
		{"nobody, the primary's daemon dead, its host alive", func(m *moment) { m.hosts[hostA].daemon = dead }, nobody, nil},
		{"nobody, the primary's host dead", func(m *moment) { m.hosts[hostA].up = false }, nobody,
			[]string{"held by nobody that b hears, which should take it"}},
		{"nobody, the primary without a cable", func(m *moment) { m.hosts[hostA].cable = false }, nobody,
			[]string{"held by nobody that b hears, which should take it"}},
		{"a holder that the other side of a cut does not hear", func(m *moment) { m.group = [5]int{1, 2, 2, 2, 2} }, []lab.Span{span("a", 0, 10)},
			[]string{"held by nobody that b hears, which should take it"}},
		{"taken by a daemon that has just been started, and hears the holder",
			func(m *moment) { m.hosts[hostA].daemon = dead }, []lab.Span{span("b", 0, 10), span("a", 9.05, 9.1)},
			[]string{"taken by a while b, which it hears, held it"}},
		{"held without a row", func(m *moment) { m.hosts[hostA].rows = nil }, []lab.Span{span("a", 0, 10)}, []string{"held by a without a row"}},
	} {
		m := moment{at: at(0), router: true}
		for i := range m.hosts {
			m.hosts[i] = member{up: true, cable: true, daemon: running, interval: 100 * time.Millisecond, rows: stage.Rows(1, i == hostA)}
		}
		story := []moment{m}
		if tt.change != nil {
			changed := m
			changed.at = at(1)
			tt.change(&changed)
			m.at = at(9)
			story = append(story, changed, m)
		}
		var got []string
		for _, v := range breaches(story, tt.spans, pair.Alias, at(10)) {
			got = append(got, v.text)
		}
		slices.Sort(got)
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}
