package chaos

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// TestBreachesAreFoundAndNothingElse has a story of ten seconds, with one change from
// the first second to the ninth, and who had the alias.
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
		{"two with a key, and nobody lets go", func(m *moment) { m.keyed = true }, []lab.Span{span("a", 0, 10), span("b", 2, 6)},
			[]string{"held by both, which hear each other", "taken by b while a, which it hears, held it"}},
		{"handed over", func(m *moment) { m.keyed = true }, []lab.Span{span("a", 0, 5.5), span("b", 5, 10)}, nil},
		{"handed over and given back", func(m *moment) { m.keyed = true }, []lab.Span{span("a", 0, 10), span("b", 5, 5.5)}, nil},
		{"taken by one with a key that hears a laptop with it", func(m *moment) { m.keyed = true },
			[]lab.Span{span("mallory", 0, 5.5), span("a", 5, 10)}, []string{"taken by a while mallory, which it hears, held it"}},
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
		{"handed over beside a laptop", func(m *moment) { m.keyed = true },
			[]lab.Span{span("a", 0, 5.1), span("mallory", 2, 10), span("b", 5, 10)}, nil},
		{"taken beside a laptop, from one that is gone", func(m *moment) { m.keyed = true },
			[]lab.Span{span("a", 0, 4.9), span("mallory", 2, 10), span("b", 5, 10)}, []string{"taken by b while mallory, which it hears, held it"}},
		{"taken by one that hears a laptop with it", nil, []lab.Span{span("mallory", 0, 10), span("a", 5, 10)},
			[]string{"taken by a while mallory, which it hears, held it"}},
		{"a laptop that takes what is held, and leaves", nil, []lab.Span{span("a", 0, 10), span("mallory", 2, 9)}, nil},
		{"a laptop that has it alone, and leaves", nil, []lab.Span{span("a", 0, 2), span("mallory", 2, 5), span("a", 5.5, 10)}, nil},
		{"nobody, once a laptop that had it has left", nil, []lab.Span{span("a", 0, 2), span("mallory", 2, 5), span("a", 6, 10)},
			[]string{"held by nobody that a hears, which should take it"}},
		{"nobody, and a laptop has it on the other side of a cut", func(m *moment) { m.group = [5]int{1, 1, 1, 1, 2} },
			[]lab.Span{span("a", 0, 2), span("mallory", 0, 10), span("a", 5, 10)},
			[]string{"held by nobody that a hears, which should take it"}},
		{"nobody, while it is claimed falsely", func(m *moment) { m.forged = pair.Alias }, nobody,
			[]string{"let go by a for the claim of an attacker"}},
		{"nobody, while another alias is claimed falsely", func(m *moment) { m.forged = pair.Alias.Next() }, nobody,
			[]string{"held by nobody that a hears, which should take it"}},
		{"nobody in a storm", func(m *moment) { m.storm = true }, nobody, []string{"held by nobody that a hears, which should take it"}},
		{"two, and it is claimed falsely", func(m *moment) { m.forged = pair.Alias }, both,
			[]string{"held by both, which hear each other", "taken by b while a, which it hears, held it"}},
		{"nobody, one host dead, and frames come in its name", func(m *moment) {
			m.hosts[hostA].up, m.forged, m.inName = false, pair.Alias.Next(), true
		}, nobody, nil},
		{"let go for a false claim", func(m *moment) { m.forged = pair.Alias }, []lab.Span{span("a", 0, 5), span("a", 5.4, 10)},
			[]string{"let go by a for the claim of an attacker"}},
		{"let go for a laptop", func(m *moment) { m.laptop = pair.Alias }, []lab.Span{span("a", 0, 5), span("mallory", 4, 10)},
			[]string{"let go by a for the claim of an attacker"}},
		{"let go for a claim with the other's hardware address", func(m *moment) { m.forged, m.byPair = pair.Alias, true },
			[]lab.Span{span("a", 0, 5), span("a", 5.4, 10)}, nil},
		{"let go while it is claimed, and the other claims it too", func(m *moment) { m.forged = pair.Alias },
			[]lab.Span{span("a", 0, 5), span("b", 4.9, 10)}, []string{"taken by b while a, which it hears, held it"}},
		{"nobody, the own address of the primary gone", func(m *moment) { m.hosts[hostA].noOwn = true }, nobody, nil},
		{"nobody, the NIC of the primary set down", func(m *moment) { m.hosts[hostA].off = true }, nobody,
			[]string{"held by nobody that b hears, which should take it"}},
		{"nobody for a second, taken off for the third time", func(m *moment) {
			for range 3 {
				m.hosts[hostA].takeOff(pair.Alias, at(2))
			}
		}, []lab.Span{span("a", 0, 2), span("a", 3.2, 10)}, nil},
		{"nobody for longer, taken off for the third time", func(m *moment) {
			for range 3 {
				m.hosts[hostA].takeOff(pair.Alias, at(2))
			}
		}, []lab.Span{span("a", 0, 2), span("a", 4, 10)}, []string{"held by nobody that a hears, which should take it"}},
		{"nobody for a second, taken off for the second time", func(m *moment) {
			for range 2 {
				m.hosts[hostA].takeOff(pair.Alias, at(2))
			}
		}, []lab.Span{span("a", 0, 2), span("a", 3.2, 10)}, []string{"held by nobody that a hears, which should take it"}},
		{"put behind the own address beside a laptop", func(m *moment) { m.hosts[hostA].blinked = at(1) },
			[]lab.Span{span("a", 0, 6), span("mallory", 2, 10), span("a", 6.001, 10)}, nil},
		{"put on again beside a laptop, with nothing to put in order", nil,
			[]lab.Span{span("a", 0, 6), span("mallory", 2, 10), span("a", 6.001, 10)},
			[]string{"taken by a while mallory, which it hears, held it"}},
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

// crowd is how often the kernel's ARP table was full, or had to make room, up to a
// moment. All namespaces share the table, also those of other tests and programs.
// While it is full a kernel does not answer hosts that are new to it, or forgets
// hosts that are not.
type crowd struct {
	at    time.Time
	times uint64
}

// countCrowd reads the count; 0 if this process may not see it.
func countCrowd() (c crowd) {
	text, _ := os.ReadFile("/proc/net/stat/arp_cache")
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i, column := range strings.Fields(lines[0]) {
		if column != "table_fulls" && column != "forced_gc_runs" {
			continue
		}
		for _, cpu := range lines[1:] {
			n, _ := strconv.ParseUint(strings.Fields(cpu)[i], 16, 64)
			c.times += n
		}
	}
	c.at = time.Now()
	return c
}
