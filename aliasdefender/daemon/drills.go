package daemon

import (
	"context"
	"net/netip"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/drill"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/probe"
)

// newDrills makes the place where drills are done. They give their orders through the same
// door as operators.
func (m *monitor) newDrills(network System) *drill.Desk {
	return drill.NewDesk(drill.Options{
		Status:   func(ctx context.Context) (control.Snapshot, error) { return m.status(ctx, false) },
		Order:    m.order,
		Patience: m.patience,
		Say:      func(alias netip.Addr, says peer.Drill) { m.defender.SayDrill(alias, says) },
		Exits:    m.hooks.Exits,
		Ask:      network.ask(),
		Record:   m.events.Record,
	})
}

// ask is the cheapest way to put a question without waiting for its answer.
func (s System) ask() drill.Ask {
	if s.Ping != nil {
		return s.Ping.Ask
	}
	return func(q probe.Question, heard func(time.Time, error)) error {
		go func() {
			at := time.Now()
			if yes, err := probe.Ping(context.Background(), q); yes || err != nil {
				heard(at, err)
			}
		}()
		return nil
	}
}

// drill does a drill that was ordered over the socket.
func (m *monitor) drill(ctx context.Context, alias string) (control.Drill, error) {
	if m.observes {
		return control.Drill{}, refusal()
	}
	known, err := m.known(ctx)
	if err != nil {
		return control.Drill{}, err
	}
	addr, err := netip.ParseAddr(alias)
	if err == nil {
		addr, err = Which(addr, "the running Monitor's "+m.aliases, known)
	}
	if err != nil {
		return control.Drill{}, &control.Refusal{Kind: control.KindAlias, Text: err.Error()}
	}
	return m.drills.Drill(ctx, addr.String())
}
