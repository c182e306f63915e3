package stage

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"alias-defender/aliasdefender/lab"
)

// Gaps are those of the client since a moment that are longer than 20 ms and
// not the machine's own: at the same time the control client had none of half
// the length, nor did either of them come late with its questions.
func Gaps(c, control *lab.Client, since time.Time) (own []lab.Gap) {
	for _, g := range c.Gaps(since, time.Time{}, 20*time.Millisecond) {
		if Stillness(c, control, g.From, g.To) < g.Length()/2 {
			own = append(own, g)
		}
	}
	return own
}

// Stillness is the longest time in a stretch in which the machine itself stood
// still: a client's questions came late, or the router's answer to control did.
func Stillness(c, control *lab.Client, from, to time.Time) time.Duration {
	from, to = from.Add(-10*time.Millisecond), to.Add(10*time.Millisecond)
	if now := time.Now(); to.After(now) {
		to = now
	}
	r := control.Report(from, to)
	return max(r.Stall, r.Longest.Length(), c.Report(from, to).Stall)
}

// Announcement waits for the first gratuitous ARP for the alias from the host's
// own hardware address after a moment.
func Announcement(t *testing.T, s *lab.Sniffer, h *lab.Host, alias netip.Addr, since time.Time) (time.Time, error) {
	t.Helper()
	mac := h.NIC("eth0").MAC
	f, err := s.Wait(Within(t, 10*time.Second), func(f lab.ARP) bool {
		return f.At.After(since) && f.Claim(alias) && slices.Equal(f.EthDst, lab.Broadcast) && slices.Equal(f.SenderHW, mac)
	})
	return f.At, err
}

// Median is the one in the middle.
func Median(d []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(d))[len(d)/2]
}
