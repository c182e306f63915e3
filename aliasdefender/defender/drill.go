package defender

import (
	"fmt"
	"net/netip"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/peer"
)

// SayDrill tells the partner how far a drill of the alias has come: at once, and in each
// heartbeat until SayDrill is called again. It decides nothing.
func (d *Defender) SayDrill(alias netip.Addr, says peer.Drill) {
	d.post(func(l *loop) {
		a := l.aliases[alias]
		if a == nil || a.drill == says || a.yields(says) {
			return
		}
		a.sayDrill(says)
	})
}

// yields tells whether we have said of this drill that an operator's order stands, which the
// begin of the measuring must not hide.
func (a *alias) yields(says peer.Drill) bool {
	return a.drill.Stage == peer.DrillOrdered && says.Stage == peer.DrillMeasures && says.Number == a.drill.Number
}

func (a *alias) sayDrill(says peer.Drill) {
	if a.drill = says; a.talk != nil {
		a.talk.urgent = true
	}
}

// hearDrill takes in what the partner says of a drill.
func (a *alias) hearDrill(l *loop, says peer.Drill) {
	if l.o.Drilled == nil || says == a.says.Drill {
		return
	}
	if says.Number == 0 && (a.drill.Stage == peer.DrillOrdered || a.drill.Stage == peer.DrillExits) {
		a.sayDrill(peer.Drill{})
	}
	l.o.Drilled(a.recorded(), a.cfg.Label, says)
}

// heedOrder notes what an order that is about to be obeyed means to drills, and says who
// gives it. A drill may bring back what it had handed over until anybody else orders
// something; a partner's drill is told of that.
func (l *loop) heedOrder(a *alias, o control.Order) string {
	if a.lent = o.Drill && o.Give; o.Drill {
		return "a drill"
	}
	if asks := a.says.Drill; asks.Stage == peer.DrillMeasure {
		a.sayDrill(peer.Drill{Number: asks.Number, Stage: peer.DrillOrdered})
	}
	return "an operator"
}

// standsAgainst is which order of an operator's stands against a drill's; empty: none does.
// The aliases of a group move together or not at all.
func (l *loop) standsAgainst(o control.Order, chosen []*alias) string {
	if !o.Drill {
		return ""
	}
	if l.maintenance {
		return "this host is in maintenance"
	}
	for _, a := range chosen {
		switch asks := a.says.Drill; {
		case l.parked[a.id()]:
			return fmt.Sprintf("%s was parked on this host by an operator", a.id())
		case o.Give && a.order != nil:
			return fmt.Sprintf("an operator's order for %s is under way on this host", a.id())
		case !o.Give && !a.lent:
			return fmt.Sprintf("%s was ordered something else on this host", a.id())
		case asks.Stage == peer.DrillOrdered && asks.Number == a.drill.Number:
			return fmt.Sprintf("an operator has ordered something for %s on the partner", a.id())
		}
	}
	return ""
}

// features are what we understand beyond the words.
func (l *loop) features() uint32 {
	if l.o.Drilled == nil {
		return peer.FeatureGroups
	}
	return peer.FeatureGroups | peer.FeatureDrill
}
