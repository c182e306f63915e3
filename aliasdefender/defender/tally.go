package defender

import (
	"context"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

// Tally is the sum of a Snapshot, for callers that need no more. It costs the loop next
// to nothing.
type Tally struct {
	Read bool // a first reading of the host has come back, good or bad
	control.Tally
}

// Tally counts. As with a Snapshot, the loop itself answers.
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
	t := Tally{Read: !l.net.readAt.IsZero() || l.net.readErr != ""}
	t.Maintenance, t.Problems = l.maintenance, len(l.problems())
	for _, a := range l.list {
		is := a.standby.is
		t.Add(control.Part{
			Held: a.state.Holding, Parked: a.state.Parked, Level: a.level(),
			Unready: is.Problem(), Meant: is.Level() == rules.Info,
		})
	}
	return t
}
