package stage

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/lab"
)

// GapLimit is the longest gap that does not count: 20 ms in make soak, and 60 ms in
// make test, which is not to be red because a Monitor had to wait for a processor. Whoever
// takes an alias because it is silent, and not because it was handed over, needs 85 ms at
// the fastest rhythm of the tests.
func GapLimit() time.Duration {
	if Soak() {
		return 20 * time.Millisecond
	}
	return 60 * time.Millisecond
}

// Gaps are the gaps that count: those of GapsOver GapLimit.
func Gaps(c, control *lab.Client, since time.Time) (own []lab.Gap) {
	return GapsOver(GapLimit(), c, control, since)
}

// GapsOver are those gaps of the client since a moment that are longer than counts and are
// not the machine's own: in the same time the control client had no gap of half the length,
// and neither of them came late with its questions. What was asked just now may still be
// answered: GapsOver waits for that.
func GapsOver(counts time.Duration, c, control *lab.Client, since time.Time) (own []lab.Gap) {
	const within = 2 * time.Second // a client takes an answer for a second
	to := time.Now()
	gaps := c.Gaps(since, to, counts)
	if n := len(gaps); n > 0 && gaps[n-1].Open {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		_ = c.WaitAnswer(ctx, "") // without one the gap stays open
		gaps = c.Gaps(since, to, counts)
	}
	for _, g := range gaps {
		if !Soak() && KernelStood(g.From.Add(-time.Second), g.To) >= kernelLate {
			continue // a lease that could not be renewed in time is lost a moment later
		}
		if Stillness(c, control, g.From, g.To) < g.Length()/2 {
			own = append(own, g)
		}
	}
	return own
}

// Stillness is the longest time in a stretch in which the machine itself stood still:
// a client asked its questions late, the router answered control late, or the kernel let
// nobody change a network.
func Stillness(c, control *lab.Client, from, to time.Time) time.Duration {
	from, to = from.Add(-10*time.Millisecond), to.Add(10*time.Millisecond)
	if now := time.Now(); to.After(now) {
		to = now
	}
	r := control.Report(from, to)
	return max(r.Stall, r.Longest.Length(), c.Report(from, to).Stall, KernelStood(from, to))
}

// Hindered tells whether the machine has kept these Monitors, since a moment, from what their
// rules want. One has found that it did not get to run for so long that earlier facts no
// longer count: until it knows more it cannot hand over. Or the kernel stood still, for us
// too, for so long that what the partner waits for may have come too late, and a lease may
// have ended that could not be renewed.
func Hindered(since time.Time, monitors ...*lab.Process) bool {
	return Logged(since, "event=away", monitors...) || !Soak() && KernelStood(since, time.Now()) >= kernelLate
}

// Wrong is what was wrong in a play.
type Wrong []string

// Add says it.
func (w *Wrong) Add(format string, args ...any) { *w = append(*w, fmt.Sprintf(format, args...)) }

// Judged reports what was wrong, and tells whether the play proves something. If the machine
// hindered it, what was wrong is only logged; what was right all the same is right.
func (w Wrong) Judged(t *testing.T, hindered bool) bool {
	t.Helper()
	if hindered && len(w) > 0 {
		t.Logf("a Monitor or the kernel did not get to run: %s", strings.Join(w, "\n"))
		return false
	}
	for _, text := range w {
		t.Error(text)
	}
	return true
}

// Proven plays a story until it proves something, which play tells: the machine may have
// hindered it. If that happens five times, the test fails.
func Proven(t *testing.T, play func() bool) {
	t.Helper()
	for range 5 {
		if play() || t.Failed() {
			return
		}
	}
	t.Fatal("the machine hindered it each time: nothing is proven")
}

// Logged tells whether a Monitor has logged a field since a moment.
func Logged(since time.Time, field string, monitors ...*lab.Process) bool {
	for _, m := range monitors {
		for line := range strings.Lines(m.Output()) {
			at, err := time.ParseInLocation("2006-01-02 15:04:05.000", line[:min(len(line), 23)], time.Local)
			if err == nil && at.After(since) && strings.Contains(line, field) {
				return true
			}
		}
	}
	return false
}

// Announced requires that the last announcement of the alias is the host's, and that
// there was one since a moment.
func Announced(t *testing.T, s *lab.Sniffer, h *lab.Host, alias netip.Addr, since time.Time) {
	t.Helper()
	if _, err := Announcement(t, s, h, alias, since); err != nil {
		t.Errorf("%s has not announced %s: %v", h.Name, alias, err)
	}
	if f, ok := s.Last(func(f lab.Frame) bool { return f.Claim(alias) }); ok && !slices.Equal(f.SenderHW, h.NIC("eth0").MAC) {
		t.Errorf("%s has %s, and the last announcement of it is %v", h.Name, alias, f)
	}
}

// Announcement waits for the first gratuitous ARP for the alias from the host's
// own hardware address after a moment.
func Announcement(t *testing.T, s *lab.Sniffer, h *lab.Host, alias netip.Addr, since time.Time) (time.Time, error) {
	t.Helper()
	mac := h.NIC("eth0").MAC
	f, err := s.Wait(Patiently(t), func(f lab.Frame) bool {
		return f.At.After(since) && f.Claim(alias) && f.ToAll() && slices.Equal(f.SenderHW, mac)
	})
	return f.At, err
}

// Median is the middle value.
func Median(d []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(d))[len(d)/2]
}

// LoopLag reads from metrics by how much the loop has woken late, and how often it has woken.
func LoopLag(t *testing.T, metrics string) (late time.Duration, woken int) {
	t.Helper()
	number := func(row string) (n float64) {
		_, rest, _ := strings.Cut(metrics, "\naliasdefender_loop_lag_seconds_"+row+" ")
		if _, err := fmt.Sscan(rest, &n); err != nil {
			t.Fatalf("%s: %v", row, err)
		}
		return n
	}
	return time.Duration(number("sum") * float64(time.Second)), int(number("count"))
}
