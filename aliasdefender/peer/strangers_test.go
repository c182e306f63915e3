package peer

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// formerHellos are so many hellos of each of so many former processes of the
// partner's, as somebody has kept them.
func formerHellos(t *testing.T, processes, each int) (all [][]byte) {
	for range processes {
		e := newEnd(t, 1)
		for range each {
			all = append(all, slices.Clone(e.says("x")))
		}
	}
	return all
}

// TestReplayedHellosCostNextToNothing: thousands are replayed, and few are answered;
// one of a process that nobody has seen is answered in their midst, and that process is
// heard, though the replaying goes on.
func TestReplayedHellosCostNextToNothing(t *testing.T) {
	for name, x := range map[string]struct{ processes, each int }{
		"one hello":                       {1, 1},
		"many of one process":             {1, 3000},
		"those of 30 former processes":    {30, 100},
		"one each of 200 former ones":     {200, 1},
		"3000 of as many processes (new)": {250, 12},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			c, p, _ := proven(t, now)
			hellos := formerHellos(t, x.processes, x.each)
			sealed := 0
			// flood has replayed hellos come in one millisecond, and the answers that are
			// owed then be sealed.
			n := 0
			flood := func() {
				for range 100 {
					c.take(hellos[n%len(hellos)], portB, now)
					n++
					c.due(p, now)
					sealed += len(c.send)
				}
				now = now.Add(time.Millisecond)
			}
			for range 1000 { // a second, 100,000 of them
				flood()
			}
			if most := x.processes*newAnswers + newRate + newBurst + againRate + againBurst; sealed > min(most, newRate+newBurst+againRate+againBurst) {
				t.Errorf("%d answers to %d replayed hellos of %d processes in a second", sealed, n, x.processes)
			}
			next := newEnd(t, 1)
			datagram := next.says("x")
			for round := 0; ; round++ {
				c.take(datagram, portB, now)
				for range 50 { // before an answer goes out
					c.take(hellos[n%len(hellos)], portB, now)
					n++
				}
				c.due(p, now)
				var answer []byte
				for _, d := range c.send {
					if _, _, a := next.hears(d); a != nil {
						answer = slices.Clone(a)
					}
				}
				flood() // while it is on its way
				if p.session.current.boot == next.boot {
					break
				}
				if answer == nil || round > 3 {
					t.Fatalf("round %d: the new process is not answered", round)
				}
				datagram = answer
			}
		})
	}
}

// TestEachPathHasAnswersOfItsOwn: hellos replayed with the address of one path take
// nothing from another.
func TestEachPathHasAnswersOfItsOwn(t *testing.T) {
	now := time.Now()
	c, p, _ := proven(t, now)
	if len(p.paths) < 2 {
		t.Fatal("it takes two paths")
	}
	second := netip.AddrPortFrom(p.paths[1].addr, testPort)
	hellos := formerHellos(t, 1, 100)
	answers := func(from netip.AddrPort, all [][]byte) (n int) {
		for _, d := range all {
			c.take(d, from, now)
			c.due(p, now)
			n += len(c.send)
		}
		return n
	}
	if n := answers(portB, hellos[:50]); n != newAnswers+againBurst {
		t.Errorf("%d answers over the first path", n)
	}
	if n := answers(portB, hellos[:50]); n != 0 {
		t.Errorf("%d answers to what was opened before", n)
	}
	if n := answers(second, hellos[50:]); n != againBurst {
		t.Errorf("%d answers over the second path", n)
	}
}
