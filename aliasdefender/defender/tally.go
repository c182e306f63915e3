package defender

import "context"

// Tally is the sum of a Snapshot, for who wants no more: it costs the loop
// next to nothing.
type Tally struct {
	Read     bool // a first reading of the host has come back, good or bad
	Aliases  int
	Held     int // of them, by this host
	Problems int // what Status marks: aliases and the host itself
}

// Tally counts. Like a Snapshot it is told by the loop itself.
func (d *Defender) Tally(ctx context.Context) (Tally, error) {
	answer := make(chan Tally, 1)
	d.post(func(l *loop) { answer <- l.tally() })
	select {
	case t := <-answer:
		return t, nil
	case <-d.over:
		return Tally{}, errEnded
	case <-ctx.Done():
		return Tally{}, ctx.Err()
	}
}

func (l *loop) tally() Tally {
	t := Tally{Read: !l.net.readAt.IsZero() || l.net.readErr != "", Aliases: len(l.list)}
	if l.net.readErr != "" {
		t.Problems++
	}
	for _, a := range l.list {
		if a.state.Holding {
			t.Held++
		}
		if a.level() != "" || a.standby.is.Problem() {
			t.Problems++
		}
	}
	return t
}
