package record

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAFloodIsToldAtOnceAndThenCountedEachMinute(t *testing.T) {
	var f Flood
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	one := Sort{Alias: netip.MustParseAddr("10.0.0.1"), Kind: Moved, Reason: "restored"}
	var told []time.Duration
	var counts []uint64
	for ms := 0; ms < 5*60_000; ms += 10 { // a hundred a second for three minutes, then two in peace
		now := begin.Add(time.Duration(ms) * time.Millisecond)
		if next := f.Next(); !next.IsZero() && !now.Before(next) {
			for _, m := range f.Due(now) {
				if m.Sort != one {
					t.Errorf("a count of %v", m.Sort)
				}
				counts = append(counts, m.N)
			}
		}
		if ms < 3*60_000 && f.May(one, now) {
			told = append(told, now.Sub(begin).Truncate(time.Minute))
		}
	}
	m := time.Minute
	if d := cmp.Diff([]time.Duration{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, m, 2 * m}, told); d != "" {
		t.Errorf("told (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]uint64{5990, 5999, 5999}, counts); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
	if len(f.sorts) != 0 || !f.Next().IsZero() {
		t.Errorf("after the peace %d sorts are left, next %v", len(f.sorts), f.Next())
	}
}

func TestOneSortsFloodHidesNoOther(t *testing.T) {
	var f Flood
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	for range 100 {
		f.May(Sort{a, Moved, "restored"}, now)
	}
	if f.May(Sort{a, Moved, "restored"}, now) {
		t.Error("the flood itself goes on")
	}
	for _, s := range []Sort{{b, Moved, "restored"}, {a, Failed, "restored"}, {a, Moved, "primary"}, {Kind: Moved, Reason: "restored"}} {
		if !f.May(s, now) {
			t.Errorf("%v is not told", s)
		}
	}
}
