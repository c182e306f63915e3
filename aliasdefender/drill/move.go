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
// be done then.
func (d *Desk) move(ctx context.Context, moves []Subject) (failure, next string) {
	alias := moves[0].Addr
	if why := d.order(ctx, control.Order{Alias: alias, Give: true, Within: awayWithin}); why != "" {
		failure = fmt.Sprintf("the way to the partner failed: %s", why)
		d.settled(ctx, moves)
	} else {
		wait(ctx, away)
	}
	if ctx.Err() != nil {
		return "broken off, because this Monitor ends; " + d.whoHas(moves), "see Status on both hosts"
	}
	if gone := d.gone(ctx, moves); failure != "" && gone == "" {
		return failure + "; " + d.whoHas(moves), "see Why, and try again in half a minute"
	}
	if why := d.order(ctx, control.Order{Alias: alias, Within: min(max(d.o.Patience(), awayWithin), backMost)}); why != "" {
		failure = strings.TrimPrefix(failure+"; the way back failed: "+why, "; ")
	}
	if gone := d.gone(ctx, moves); gone != "" || failure != "" {
		if failure == "" {
			failure = "it came back, and has left again"
		}
		next = "see Why, and try again in half a minute"
		if gone != "" {
			next = fmt.Sprintf("see Status and Why on both hosts; 'aliasdefender AddAlias %s' on this host brings it back", alias)
		}
		return failure + "; " + d.whoHas(moves), next
	}
	return "", ""
}

// order gives an order, and says why it was not carried out.
func (d *Desk) order(ctx context.Context, o control.Order) string {
	outcomes, err := d.o.Order(ctx, o)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return "the loop does not answer"
		}
		return err.Error()
	}
	for _, out := range outcomes {
		if !out.Done {
			return out.Alias + ": " + out.Text
		}
	}
	return ""
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
