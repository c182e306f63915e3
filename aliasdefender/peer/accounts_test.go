package peer

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOtherKeysAreReportedOnceAndWhenTheyFitAgain(t *testing.T) {
	now := time.Now()
	c, p, b := proven(t, now)
	b.keys = keysOf(t, 2)
	var changes []string
	hear := func() {
		if _, e := c.take(b.says("x"), portB, now); e.readable != nil {
			changes = append(changes, fmt.Sprint(*e.readable, " ", e.partner))
		}
	}
	for range 2 { // the second time for the same reason
		for range 40 {
			now = now.Add(100 * time.Millisecond)
			hear()
			if len(changes) > 0 != p.unreadable && len(changes)%2 == 1 {
				t.Errorf("reported %v, status %v", changes, p.unreadable)
			}
		}
		b.keys = keysOf(t, 1)
		hear()
		b.keys = keysOf(t, 2)
	}
	want := []string{"false 127.0.0.2", "true 127.0.0.2", "false 127.0.0.2", "true 127.0.0.2"}
	if d := cmp.Diff(want, changes); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	// Garbage between readable packets is no other key.
	for range 100 {
		now = now.Add(100 * time.Millisecond)
		hear()
		hear()
		b.keys = keysOf(t, 1)
		hear()
		b.keys = keysOf(t, 2)
	}
	if len(changes) != 4 {
		t.Errorf("%v", changes)
	}
}

func TestPacketsAreCountedByKind(t *testing.T) {
	now := time.Now()
	c, p, b := proven(t, now)
	p.counts = Counts{}
	other := newEnd(t, 2)
	words := func() []byte {
		var e encoder
		e.encode(&Message{}, room)
		b.Begin(1)
		return b.Seal(b.keys, nil, e.content(0), 0, false)
	}
	with := func(d []byte, at int, v byte) []byte { d[at] = v; return d }
	from := func(d []byte, at netip.AddrPort) {
		t.Helper()
		c.take(d, at, now)
	}
	first := words()
	late := words()
	from(words(), portB)
	from(first, portB)
	from(late, netip.AddrPortFrom(addrA, testPort)) // another address of the same partner
	from(late, portB)
	from(late, portB)
	from(words(), netip.MustParseAddrPort("127.0.0.3:6940"))
	from(words(), netip.MustParseAddrPort("127.0.0.2:6941"))
	from([]byte("GET / HTTP/1.0\r\n\r\n"), portB)
	from(with(words(), versionAt, 0), portB)
	from(with(words(), versionAt, 2), portB)
	from(words()[:overhead-1], portB)
	from(b.says("no content"), portB)
	from(other.says("x"), portB)
	from(with(words(), toAt, 0xff), portB)
	c.Say(addrB, Message{}, 0)
	c.due(p, now)
	from(c.send[0], portB)
	got := map[string]uint64{}
	for _, k := range Kinds() {
		if p.counts[k] > 0 {
			got[k.String()] = p.counts[k]
		}
	}
	want := map[string]uint64{"taken": 1, "late": 2, "duplicate": 1, "replayed": 1, "foreign": 1, "old version": 1, "new version": 1,
		"malformed": 2, "unreadable": 2, "own": 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if s := c.Status(); s.Foreign != 2 {
		t.Errorf("%d foreign", s.Foreign)
	}
}

// Whoever does not know our boot gets little time, and whoever does as much as
// leaves the partner its place.
func TestGarbageIsBounded(t *testing.T) {
	now := time.Now()
	c, p, b := proven(t, now)
	stranger := append(append(append(magic[:], version), make([]byte, 200)...), 1)
	stranger[toAt] = 1
	flood := func(d []byte, n int) (flooded int) {
		for range n {
			now = now.Add(10 * time.Microsecond) // 100,000 a second
			if _, e := c.take(d, portB, now); e.flooded {
				flooded++
			}
		}
		return flooded
	}
	p.counts = Counts{}
	if n := flood(stranger, 100_000); n > 0 {
		t.Errorf("100,000 a second are too many %d times", n)
	}
	if opened := p.counts[Unreadable]; opened > doubtfulRate+doubtfulBurst || p.counts[Unchecked] != 100_000-opened {
		t.Errorf("%d opened, %d not", opened, p.counts[Unchecked])
	}
	forged := b.says("x")
	forged[len(forged)-1] ^= 1
	if n := flood(forged, 100_000); n > 0 {
		t.Errorf("100,000 a second are too many %d times", n)
	}
	if h, _ := c.take(b.says("\x00\x00\x00\x01"), portB, now); h == nil {
		t.Error("after that the partner is not heard")
	}
	n := 0
	for range 1_000_000 {
		now = now.Add(time.Microsecond) // a million a second
		if _, e := c.take(forged, portB, now); e.flooded {
			n++
		}
	}
	if n < 700_000 {
		t.Errorf("of a million a second %d are too many", n)
	}
}
