package lab

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// recorded is a client of 1 ms that has asked questions and got these answers:
// "." none, any other letter that host.
func recorded(answers string) *Client {
	c := &Client{
		every: time.Millisecond, within: time.Second,
		start: time.Now().Add(-time.Hour),
		ring:  make([]question, len(answers)*2),
		names: []string{""}, byName: map[string]int32{},
	}
	for i, r := range answers {
		q := c.at(int64(i))
		q.sent.Store(int64(i+1) * int64(time.Millisecond))
		if r != '.' {
			q.by.Store(c.number([]byte(string(r))))
			q.got.Store(q.sent.Load() + 1)
		}
		c.sent.Add(1)
	}
	return c
}

func TestGapsAreCountedFromAnsweredQuestionToAnsweredQuestion(t *testing.T) {
	type gap struct {
		ms            int
		before, after string
		open          bool
	}
	for _, tt := range []struct {
		name, answers string
		from, to      int // ms
		want          []gap
	}{
		{"none", "aaaaaaaaaa", 2, 10, nil},
		{"one", "aaa....bbb", 2, 10, []gap{{5, "a", "b", false}}},
		{"began before the stretch", "aa......bb", 5, 10, []gap{{7, "a", "b", false}}},
		{"ended after the stretch", "aa......bb", 2, 5, []gap{{7, "a", "b", false}}},
		{"around the stretch", "aa......bb", 4, 6, []gap{{7, "a", "b", false}}},
		{"still open", "aaaa......", 2, 10, []gap{{6, "a", "", true}}},
		{"two", "a...a....b", 1, 10, []gap{{4, "a", "a", false}, {5, "a", "b", false}}},
		{"nobody yet", ".....aaaaa", 0, 10, []gap{{6, "", "a", false}}},
		{"never", "..........", 3, 10, []gap{{7, "", "", true}}},
	} {
		c := recorded(tt.answers)
		at := func(ms int) time.Time { return c.start.Add(time.Duration(ms) * time.Millisecond) }
		got := c.Gaps(at(tt.from), at(tt.to), 3*time.Millisecond)
		if len(got) != len(tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
			continue
		}
		for i, w := range tt.want {
			g := got[i]
			if g.Length() != time.Duration(w.ms)*time.Millisecond || g.Before != w.before || g.After != w.after || g.Open != w.open {
				t.Errorf("%s: gap %d is %v %+v, want %+v", tt.name, i, g.Length(), g, w)
			}
		}
	}
}

func TestReportCountsAnswersAndLosses(t *testing.T) {
	c := recorded("aab..b..bb")
	r := c.Report(c.start, c.start.Add(20*time.Millisecond))
	if r.Sent != 10 || r.Answered != 6 || r.Lost != 4 || r.By["a"] != 2 || r.By["b"] != 4 || len(r.By) != 2 {
		t.Errorf("%+v", r)
	}
	if r.Stall != time.Millisecond || r.Silence != 3*time.Millisecond {
		t.Errorf("stall %v, silence %v; want 1 ms, 3 ms", r.Stall, r.Silence)
	}
}

func TestReportsForgetWhatTheRingHasLost(t *testing.T) {
	c := recorded("aaaaaaaaaaaaaaaaaaaa")
	c.ring = c.ring[:10]
	for i := range c.ring { // the second half has overwritten the first
		c.ring[i].sent.Store(int64(i+11) * int64(time.Millisecond))
		c.ring[i].got.Store(c.ring[i].sent.Load() + 1)
		c.ring[i].by.Store(1)
	}
	if r := c.Report(c.start, c.start.Add(30*time.Millisecond)); r.Sent != 9 || r.Answered != 9 {
		t.Errorf("%d sent, %d answered, want the 9 that are surely there", r.Sent, r.Answered)
	}
}

func TestAskingCostsLittleAndAllocatesNothing(t *testing.T) {
	x := newRig(t)
	c := x.client(router)
	x.must(c.WaitAnswer(x.ctx, "r"))
	before := cpu(t)
	from := time.Now()
	allocs := testing.AllocsPerRun(1, func() { <-time.After(500 * time.Millisecond) })
	r := c.Report(from, time.Time{})
	t.Logf("%d questions, %d answered, %.0f allocations, %v CPU, stall %v", r.Sent, r.Answered, allocs, cpu(t)-before, r.Stall)
	if r.Answered == 0 || allocs > float64(r.Sent)/10 {
		t.Errorf("%.0f allocations for %d questions", allocs, r.Sent)
	}
}

func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
