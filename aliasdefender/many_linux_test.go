package main

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// row is a line of hostname.alias.
type row struct {
	label   string
	alias   netip.Prefix
	primary bool
}

// rows are n of them, the stage's own alias the first.
func rows(n int, primary bool) (all []row) {
	addr := pair.Alias
	for i := range n {
		all = append(all, row{fmt.Sprintf("eth0:%d", i+1), netip.PrefixFrom(addr, 24), primary})
		addr = addr.Next()
	}
	return all
}

// put writes the files of a host of the pair.
func put(t *testing.T, p *pair.Pair, h *lab.Host, settings string, rows []row) {
	t.Helper()
	partner := pair.OwnA.Addr()
	if h == p.A {
		partner = pair.OwnB.Addr()
	}
	must(t, p.Write(h, partner, false, settings))
	must(t, os.WriteFile(p.File(h, "hostname.alias"), []byte(table(partner, rows)), 0o644))
}

func table(partner netip.Addr, rows []row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%s | %s | %d | %s | %t\n", r.label, r.alias.Addr(), r.alias.Bits(), partner, r.primary)
	}
	return b.String()
}

// begunWith is a pair in which the primary serves n aliases.
func begunWith(t *testing.T, n int, settings string) *pair.Pair {
	t.Helper()
	p := stage(t, pair.Spec{PrimaryA: true, Settings: settings})
	put(t, p, p.A, settings, rows(n, true))
	put(t, p, p.B, settings, rows(n, false))
	last, err := p.Lab.Watch(rows(n, true)[n-1].alias.Addr())
	must(t, err)
	must(t, p.Begin(20*time.Second))
	held(t, p, 10*time.Second, "a")
	must(t, last.Wait(within(t, 20*time.Second), "a"))
	waitAddrs(t, p.A, 10*time.Second, rows(n, true))
	return p
}

// waitAddrs waits until the host's kernel has just its own address and these
// aliases.
func waitAddrs(t *testing.T, h *lab.Host, d time.Duration, rows []row) {
	t.Helper()
	if strange := awaitAddrs(t, h, d, rows); len(strange) > 0 {
		t.Fatalf("%s, after %v: %s", h.Name, d, strings.Join(strange, ", "))
	}
}

// awaitAddrs does too, and returns what was still strange at the end.
func awaitAddrs(t *testing.T, h *lab.Host, d time.Duration, rows []row) []string {
	t.Helper()
	for deadline := time.Now().Add(d); ; {
		strange := strangeAddrs(t, h, rows)
		if len(strange) == 0 || time.Now().After(deadline) {
			return strange
		}
		<-time.After(time.Millisecond)
	}
}

// strangeAddrs compares the aliases in the host's kernel with the rows that it
// should have.
func strangeAddrs(t *testing.T, h *lab.Host, rows []row) (strange []string) {
	t.Helper()
	have, err := h.Addrs()
	must(t, err)
	have = slices.DeleteFunc(have, func(a lab.Addr) bool {
		return a.Label == "lo" || slices.Contains(h.NIC("eth0").Addrs, a.Prefix)
	})
	for _, r := range rows {
		i := slices.Index(have, lab.Addr{Label: r.label, Prefix: r.alias})
		if i < 0 {
			strange = append(strange, fmt.Sprintf("no %s on %s", r.alias, r.label))
			continue
		}
		have = slices.Delete(have, i, i+1)
	}
	for _, a := range have {
		strange = append(strange, fmt.Sprintf("%s on %s left behind", a.Prefix, a.Label))
	}
	return strange
}

// gaps are those of the client since a moment that are longer than 20 ms and
// not the machine's own: at the same time the control client had none of half
// the length, nor did either of them come late with its questions.
func gaps(c, control *lab.Client, since time.Time) (own []lab.Gap) {
	for _, g := range c.Gaps(since, time.Time{}, 20*time.Millisecond) {
		if stillness(c, control, g.From, g.To) < g.Length()/2 {
			own = append(own, g)
		}
	}
	return own
}

// stillness is the longest time in a stretch in which the machine itself stood
// still: a client's questions came late, or the router's answer to control did.
func stillness(c, control *lab.Client, from, to time.Time) time.Duration {
	from, to = from.Add(-10*time.Millisecond), to.Add(10*time.Millisecond)
	if now := time.Now(); to.After(now) {
		to = now
	}
	r := control.Report(from, to)
	return max(r.Stall, r.Longest.Length(), c.Report(from, to).Stall)
}

// announcement waits for the first gratuitous ARP for the alias from the host's
// own hardware address after a moment.
func announcement(t *testing.T, s *lab.Sniffer, h *lab.Host, alias netip.Addr, since time.Time) (time.Time, error) {
	t.Helper()
	mac := h.NIC("eth0").MAC
	f, err := s.Wait(within(t, 10*time.Second), func(f lab.ARP) bool {
		return f.At.After(since) && f.Claim(alias) && slices.Equal(f.EthDst, lab.Broadcast) && slices.Equal(f.SenderHW, mac)
	})
	return f.At, err
}

func median(d []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(d))[len(d)/2]
}
