package defender

import (
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// lane is what the partner says of an alias, as it was recorded last: so the log of one
// host tells what both did.
type lane struct {
	standing rules.Standing // NotSaid: nothing yet, or not any more
	why      rules.Reason   // why it cannot serve the alias
}

// texts are what the log says of a standing.
var texts = map[rules.Standing]string{
	rules.NotSaid:      "the partner's daemon says nothing of the alias any more",
	rules.SaysUnsure:   "the partner does not say any more that it holds the alias",
	rules.SaysHolding:  "the partner says that it holds the alias",
	rules.SaysAble:     "the partner says that it could take the alias",
	rules.SaysCannot:   "the partner says that it cannot serve the alias",
	rules.SaysParked:   "the partner says that the alias is parked there",
	rules.SaysReleased: "the partner says that it has let the alias go",
}

// noteLane records what the partner says of the alias if that has changed. A partner that
// is not sure is left out, as in each doubt it is for a moment, unless it had the alias.
func (l *loop) noteLane(a *alias) {
	now := lane{}
	if a.peer.Counts(a.policy, l.now) {
		now.standing = a.peer.Word.Standing
	} else if a.talk != nil && a.talk.mood == speaking && a.peer.Said.IsZero() && !a.missing() {
		return // after a pause of our own nothing is known yet
	}
	if now.standing == rules.SaysUnsure && a.lane.standing != rules.SaysHolding {
		return
	}
	if now.standing == rules.SaysCannot {
		now.why = a.peer.Word.Why
	}
	if now == a.lane {
		return
	}
	a.lane = now
	e := record.Event{Kind: record.PartnerSays, Partner: a.cfg.Partner.Name, Says: now.standing.String(), Text: texts[now.standing]}
	if why := a.peer.Word.Why; why != rules.NoRow && (now.standing == rules.SaysCannot || now.standing == rules.SaysReleased) {
		e.Decision = record.Decision{Reason: why.String(), Why: inFull(a.says.Text, why)}
		e.Text += ": " + e.Decision.Why
	}
	if a.talk != nil {
		e.Partner = a.talk.addr.String()
	}
	l.record(a, e)
}
