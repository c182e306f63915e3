package peer

import (
	"fmt"
	"testing"
	"time"
)

// A heartbeat in each direction, as each interval has one.
func heartbeat(t testing.TB, words int) func() {
	now := time.Now()
	c, p, b := proven(t, now)
	m := Message{Version: "1.2.3", Words: wordsOf(words)}
	var e encoder
	e.encode(&m, room)
	var out []byte
	return func() {
		now = now.Add(10 * time.Millisecond)
		c.Say(addrB, m, 0)
		c.due(p, now)
		if len(c.send) != e.parts() {
			t.Fatalf("%d datagrams", len(c.send))
		}
		b.Begin(e.parts())
		for i := range e.parts() {
			out = b.Seal(b.keys, out[:0], e.content(i), i, false)
			if h, _ := c.take(out, portB, now); h == nil {
				t.Fatal("not heard")
			}
		}
	}
}

func BenchmarkHeartbeat(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("%d aliases", n), func(b *testing.B) {
			beat := heartbeat(b, n)
			b.ReportAllocs()
			for b.Loop() {
				beat()
			}
		})
	}
}

func BenchmarkGarbage(b *testing.B) {
	now := time.Now()
	c, _, other := proven(b, now)
	forged := other.says("x")
	forged[len(forged)-1] ^= 1
	stranger := append([]byte(nil), forged...)
	stranger[toAt] ^= 1
	long := append(append([]byte(nil), forged[:sealedAt]...), make([]byte, maxDatagram-sealedAt)...)
	for name, d := range map[string][]byte{"not ours": make([]byte, 64), "unknown boot": stranger, "forged": forged, "forged and long": long} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(10 * time.Microsecond)
				c.take(d, portB, now)
			}
		})
	}
}
