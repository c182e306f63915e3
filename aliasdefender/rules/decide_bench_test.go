package rules

import (
	"testing"
	"time"
)

// BenchmarkDecide is the cost of one decision in the two states in which a pair
// spends its life.
func BenchmarkDecide(b *testing.B) {
	now := time.Now()
	is := func(v Value) Fact { return Fact{Value: v, Since: now.Add(-time.Hour), Asked: now} }
	p := Policy{Interval: time.Second, Timeout: 250 * time.Millisecond, Misses: 3, MaxTakes: 10}
	f := Facts{Now: now, NIC: is(Yes), Carrier: is(Yes), Own: is(Yes), Kernel: is(No), Alias: is(Answered),
		Partner: is(Answered), Router: is(Answered), RouterKnown: true, ByPartner: Yes}
	b.Run("served", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Decide(p, State{}, f)
		}
	})
	f.Kernel, f.Alias = is(Yes), is(Silent)
	b.Run("held", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Decide(p, State{Holding: true, Next: now.Add(time.Minute)}, f)
		}
	})
}
