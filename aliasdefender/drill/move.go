package drill

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"alias-defender/aliasdefender/control"
)

// move has the alias go to the partner and come back. It says what failed, and what is to
// be done then. The loop refuses both orders where an operator's stands.
func (d *Desk) move(ctx context.Context, moves []Subject) (failure, next string) {
	alias := moves[0].Addr
	why, stands := d.order(ctx, control.Order{Alias: alias, Give: true, Within: awayWithin})
	switch {
	case stands:
		return d.brokenOff(why, moves), orderStands
	case why != "":
		failure = fmt.Sprintf("the hand-over to the partner failed: %s", why)
		d.settled(ctx, moves)
	default:
		wait(ctx, away)
	}
	if ctx.Err() != nil {
		return d.brokenOff("this Monitor ends", moves), "see Status on both hosts"
	}
	if gone := d.gone(ctx, moves); failure != "" && gone == "" {
		return failure + "; " + d.whoHas(moves), "see Why, and try again in half a minute"
	}
	why, stands = d.order(ctx, control.Order{Alias: alias, Within: min(max(d.o.Patience(), awayWithin), backMost)})
	switch {
	case stands:
		return strings.TrimPrefix(failure+"; "+d.brokenOff(why, moves), "; "), orderStands
	case why != "":
		failure = strings.TrimPrefix(failure+"; the hand-over back failed: "+why, "; ")
	}
	if gone := d.gone(ctx, moves); gone != "" || failure != "" {
		if failure == "" {
			failure = "it came back, and has left again"
		}
		next = "see Why, and try again in half a minute"
		if gone != "" {
			next = fmt.Sprintf("see Status and Why on both hosts; 'aliasdefender AddAlias %s' on this host brings it back; if the partner's daemon has died meanwhile, once its lease of the alias has ended", alias)
		}
		return failure + "; " + d.whoHas(moves), next
	}
	return "", ""
}

// orderStands is what is to be done where a drill gave way.
const orderStands = "that order stands; see Status on both hosts"

// brokenOff is a drill that goes no further.
func (d *Desk) brokenOff(why string, moves []Subject) string {
	return "broken off, because " + why + "; " + d.whoHas(moves)
}

// order gives an order, and says why it was not carried out; stands: because it gave way.
func (d *Desk) order(ctx context.Context, o control.Order) (why string, stands bool) {
	o.Drill = true
	ctx, cancel := context.WithTimeout(ctx, o.Within+openWithin)
	defer cancel()
	outcomes, err := d.o.Order(ctx, o)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return "the loop does not answer", false
		}
		return err.Error(), false
	}
	for _, out := range outcomes {
		if out.GaveWay {
			return out.Text, true
		}
		if !out.Done {
			return out.Alias + ": " + out.Text, false
		}
	}
	return "", false
}

// settled waits until no hand-over is open.
func (d *Desk) settled(ctx context.Context, moves []Subject) {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	for {
		open := false
		for _, a := range d.shown(ctx, moves) {
			open = open || a.Handover != ""
		}
		if !open || !wait(ctx, 100*time.Millisecond) {
			return
		}
	}
}

// gone names an alias that is not on this host, or is not known to be.
func (d *Desk) gone(ctx context.Context, moves []Subject) string {
	shown := d.shown(ctx, moves)
	for _, of := range moves {
		if shown[of.Addr].Holder != "us" {
			return of.Addr.String()
		}
	}
	return ""
}

// whoHas says who has each alias now.
func (d *Desk) whoHas(moves []Subject) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	shown := d.shown(ctx, moves)
	var all []string
	for _, of := range moves {
		holder := "is not known to be anywhere"
		switch a, known := shown[of.Addr]; {
		case !known:
		case a.Holder == "us":
			holder = "is on this host"
		case a.Holder == "partner":
			holder = "is on the partner"
		default:
			holder = "is held by " + a.Holder
		}
		all = append(all, of.Addr.String()+" "+holder)
	}
	return strings.Join(all, ", ")
}

// shown are the aliases as the loop has them; none if it does not answer.
func (d *Desk) shown(ctx context.Context, moves []Subject) map[netip.Addr]control.Alias {
	all := map[netip.Addr]control.Alias{}
	ctx, cancel := context.WithTimeout(ctx, statusWithin)
	defer cancel()
	s, err := d.o.Status(ctx)
	if err != nil {
		return all
	}
	for _, a := range s.Aliases {
		for _, of := range moves {
			if a.Alias == of.Addr.String() {
				all[of.Addr] = a
			}
		}
	}
	return all
}
