package daemon

import (
	"errors"
	"slices"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
)

// A Monitor that observes decides as any other, and does nothing: it changes nothing on
// this host, announces nothing, and runs no hooks. It says nothing on the channel either.
// The partner would count on a daemon that speaks, to take what it cannot serve; so to the
// partner this is a host without a daemon.

// errObserving is the answer to whoever wants something done.
var errObserving = errors.New("this Monitor only observes (Monitor --observe)")

// observe makes a Defender's options those of a Monitor that observes.
func observe(o *defender.Options) {
	o.Deeds, o.Channel, o.Gates = defender.NoDeeds, nil, nil
	o.Network = readOnly{o.Network}
}

// readOnly is a network that nothing can be done on. The loop does not try.
type readOnly struct{ defender.Network }

func refuseAll(o []host.Placement) []error { return slices.Repeat([]error{errObserving}, len(o)) }

func (readOnly) Add(o []host.Placement) []error     { return refuseAll(o) }
func (readOnly) Remove(o []host.Placement) []error  { return refuseAll(o) }
func (readOnly) Refresh(o []host.Placement) []error { return refuseAll(o) }
func (readOnly) Reorder(o []host.Placement) []error { return refuseAll(o) }

// refusal is the answer to an order.
func refusal() error {
	return &control.Refusal{Kind: control.KindObserving, Text: errObserving.Error() + ", and takes no orders"}
}
