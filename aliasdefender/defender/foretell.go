package defender

import (
	"fmt"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

// foretell says what an order would do.
func (l *loop) foretell(a *alias, o control.Order) control.Outcome {
	out := control.Outcome{Alias: a.id().String(), Done: true}
	switch {
	case o.Maintenance == control.Off:
		out.Text = l.foretellUnpark(a)
	case a.cfg.Loopback():
		out.Done, out.Text = l.foretellLoopback(a, o)
	case o.Give && !a.state.Holding:
		out.Text = "it is not on this host"
	case o.Give && !a.able():
		out.Done, out.Text = false, "would stay here: "+a.partnerSays()
	case o.Give:
		out.Text = "would be offered to the partner, who says that it would take it"
	case o.Remove || o.Maintenance == control.On:
		out.Done, out.Text = a.foretellRemoval(o)
	default:
		out.Done, out.Text = l.foretellTake(a, o)
	}
	if l.o.Deeds == OrderedDeeds {
		out.Next = l.nextForetold(a, o, out.Done)
	}
	return out
}

// foretellUnpark says what 'Maintenance off' would do.
func (l *loop) foretellUnpark(a *alias) string {
	switch {
	case !l.maintenance:
		return notInMaintenance
	case l.parked[a.id()]:
		return staysParked
	case l.o.Deeds == OrderedDeeds:
		return l.server() + " serves it again if its rules say so"
	}
	return "this host would serve it again if its rules say so"
}

// onHost tells whether this host has the alias: because our record says so, or because
// somebody put it here by hand and an order would make it ours.
func (a *alias) onHost() bool { return a.state.Holding || a.kernel.Value == rules.Yes }

// foretellRemoval says what RemoveAlias and Maintenance would do.
func (a *alias) foretellRemoval(o control.Order) (done bool, text string) {
	parked := "parked"
	if o.Maintenance == control.On {
		parked = "kept off until 'Maintenance off'"
	}
	switch {
	case a.lastAddress() && !o.Force:
		return false, "would be refused: " + a.lastText() + "; RemoveAlias --force takes it off nevertheless"
	case a.spared() != nil && !o.Force && o.Maintenance != control.On:
		b := a.spared()
		return false, fmt.Sprintf("would be refused: of its group, %s: %s; RemoveAlias --force takes all off nevertheless", b.id(), b.lastText())
	case a.onHost() && a.able():
		text = "would be handed over to the partner, and " + parked
	case a.onHost():
		text = "would be released and " + parked
	case a.elsewhere != "":
		return false, a.elsewhere + ": take it off there by hand; it would be " + parked
	default:
		text = "this host does not have it; it would be " + parked
	}
	if a.elsewhere != "" {
		return false, text + "; but " + a.elsewhere + ": take it off there by hand"
	}
	return true, text
}

// foretellTake says what AddAlias would do.
func (l *loop) foretellTake(a *alias, o control.Order) (done bool, text string) {
	f := l.facts(a)
	answers := f.Alias.Value
	switch {
	case l.maintenance:
		return false, "would be refused: this host is in maintenance"
	case a.onHost():
		return true, hasAlready
	case !l.net.readAt.IsZero() && a.iface.ready() != nil:
		return false, "would be refused: " + a.unlinked()
	case a.elsewhere != "":
		return false, "would be refused: " + a.unlinked()
	case !o.Force && l.unseated(a) != nil:
		b := l.unseated(a)
		return false, fmt.Sprintf("would be refused: %s of its group cannot be here: %s", b.id(), b.unlinked())
	case o.Force && answers == rules.Answered:
		return true, fmt.Sprintf("would be taken from %s", l.rival(a))
	case o.Force && answers == rules.Unknown:
		return true, "would be taken, whoever has it"
	case answers == rules.Answered && a.peer.Word.Standing == rules.SaysHolding:
		return true, "the partner has it, and would be asked to hand it over"
	case answers == rules.Answered:
		return false, fmt.Sprintf("would be refused: %s answers for it", l.rival(a))
	case answers == rules.Unknown:
		return false, "it is not known whether another host answers for it"
	}
	return true, "would be taken: nobody answers for it"
}
