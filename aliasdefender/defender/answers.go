package defender

import (
	"fmt"
	"strings"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

// why is what keeps the alias as it is.
func (a *alias) why() string {
	if a.errand.failure.is() {
		return a.errand.failure.text
	}
	return a.groupWhy(a.decision.Reason)
}

// answer ends the order under way.
func (l *loop) answer(a *alias, done bool, text string) {
	if a.order == nil {
		return
	}
	o := a.order
	a.order = nil
	next := ""
	switch {
	case l.o.Deeds == OrderedDeeds:
		next = l.nextUnwatched(a, o.command)
	case o.from != "" && done:
		next = whatNextOfForced(a.cfg.Primary)
	default:
		next = l.whatNext(a, o.handed)
	}
	o.answer(control.Outcome{Alias: a.id().String(), Done: done, Text: text, Next: next})
}

// report answers the order under way for an alias once it is known how it has ended.
func (l *loop) report(a *alias) {
	o := a.order
	switch {
	case o == nil, a.errand.stage != idle, l.reportLoopback(a):
		return
	case o.command == rules.HandoverAlias && !o.had:
		l.answerGiven(a)
		return
	case o.command == rules.HandoverAlias && a.state.Holding && a.talk == nil:
		a.state.Obey(rules.WithdrawCommand, rules.Facts{})
		l.answer(a, false, "refused: there is no channel to the partner ([peer] key_file in the settings of both hosts); RemoveAlias here and AddAlias there move it, with a gap")
		return
	case !a.state.Holding && a.alias != nil && a.alias.Fact().Asked.Before(o.asked):
		return // the question that the order put is not answered yet
	case l.o.Deeds == OrderedDeeds && l.reportUnwatched(a):
		return
	}
	failure := a.state.Handover.Failure
	switch a.state.Report(o.command, a.decision) {
	case rules.IsOff:
		if o.command == rules.HandoverAlias {
			l.answerGiven(a)
		} else {
			l.answerRemoved(a)
		}
	case rules.StaysHere:
		why := a.partnerSays()
		if failure != rules.NoRow {
			why = failure.Text()
		}
		l.answer(a, false, "it stays here: "+why)
	case rules.IsHere:
		l.answerHere(a)
	case rules.IsServed:
		why := fmt.Sprintf("%s answers for it", l.rival(a))
		if a.talk != nil && failure != rules.NoRow {
			why = fmt.Sprintf("%s has it and did not hand it over: %s", l.rival(a), failure.Text())
		}
		l.answer(a, false, "refused: "+why+"; --force takes it nevertheless")
	case rules.IsUnlinked:
		l.answer(a, false, "refused: "+a.unlinked())
	case rules.IsApart:
		l.answer(a, false, fmt.Sprintf("refused: of its group %s: %s", a.group.cfg.Name, a.why()))
	}
}

// answerGiven answers Handover for an alias that is not here.
func (l *loop) answerGiven(a *alias) {
	switch o := a.order; {
	case !o.had:
		l.answer(a, true, "it is not on this host")
	case !o.handed:
		l.answer(a, false, "it left this host meanwhile, but not by a hand-over: "+a.why())
	case a.elsewhere != "":
		l.answer(a, false, "handed over: the partner has it; but "+a.elsewhere+": take it off there by hand")
	default:
		l.answer(a, true, "handed over: the partner has it")
	}
}

// answerRemoved answers RemoveAlias and Maintenance for an alias that is not here.
func (l *loop) answerRemoved(a *alias) {
	switch o := a.order; {
	case a.elsewhere != "" && o.had && !o.handed:
		l.answer(a, false, fmt.Sprintf("released: it is off %s, and %s; but it is on %s of this host too: take it off there by hand",
			a.cfg.NIC, strings.TrimPrefix(o.stay, "is "), a.other))
	case a.elsewhere != "":
		l.answer(a, false, a.elsewhere+": take it off there by hand; it "+o.stay)
	case !o.had:
		l.answer(a, true, "it was not on this host, and "+o.stay)
	case o.handed:
		l.answer(a, true, "handed over: the partner has it; here it "+o.stay)
	default:
		l.answer(a, true, "released: it is off this host, and "+strings.TrimPrefix(o.stay, "is "))
	}
}

// answerHere answers AddAlias for an alias that is here.
func (l *loop) answerHere(a *alias) {
	a.wanted = true
	switch o, but := a.order, l.unannounced(a); {
	case o.from != "":
		l.answer(a, true, fmt.Sprintf("taken from %s which answered for it", o.from)+but)
	case !o.had:
		l.answer(a, true, "taken: this host has it"+but)
	default:
		l.answer(a, true, hasAlready)
	}
}

// unlinked is why the NIC cannot carry the alias.
func (a *alias) unlinked() string {
	if err := a.iface.ready(); err != nil {
		return err.Error()
	}
	if a.place.covers.IsValid() {
		return a.elsewhere
	}
	if a.elsewhere != "" {
		return a.elsewhere + ": take it off there by hand"
	}
	return a.why()
}

// rival names the host that answers for the alias.
func (l *loop) rival(a *alias) string {
	switch f := l.facts(a); {
	case a.alias.HW().IsZero():
		return "another host"
	case f.ByPartner == rules.Yes:
		return fmt.Sprintf("%s, the partner,", a.alias.HW())
	case f.ByPartner == rules.No:
		return fmt.Sprintf("%s, not the partner,", a.alias.HW())
	default:
		return a.alias.HW().String()
	}
}

// What is said of an alias that an order took off this host.
const (
	parkedHere       = "is parked"
	staysOff         = "stays off until 'Maintenance off'"
	staysParked      = "it stays parked: an operator also parked it with RemoveAlias"
	notInMaintenance = "this host was not in maintenance"
	hasAlready       = "this host has it already"
	notPrimary       = "the partner is not primary and takes nothing while this host answers its pings (W12); "
)

// until is what will end the time in which the alias is kept off this host. here is the
// same, worded as something to do on this host.
func (l *loop) until(a *alias, maintenance bool) (end, here string) {
	switch {
	case !maintenance:
		return "AddAlias", "run AddAlias here or there"
	case l.parked[a.id()]:
		return "'Maintenance off' and AddAlias", "run AddAlias there, or 'Maintenance off' and AddAlias here"
	}
	return "'Maintenance off'", "run AddAlias there, or 'Maintenance off' here"
}

// whatNext says what will become of the alias if nothing else happens; handed
// tells that the partner has just taken it.
func (l *loop) whatNext(a *alias, handed bool) string {
	f := l.facts(a)
	end, here := l.until(a, l.maintenance)
	stays := "; this host stays out until " + end
	if a.cfg.Loopback() {
		return l.nextOnLoopback(a)
	}
	switch heard := a.talk != nil && a.talk.mood == speaking; {
	case a.state.Holding:
		return "this host keeps it until a rule or an operator says otherwise"
	case a.state.Parked && handed:
		return "the partner keeps it" + stays
	case handed:
		return "the partner keeps it, and this host stands by"
	case a.state.Parked && f.Alias.Value == rules.Answered:
		return fmt.Sprintf("%s serves it", l.rival(a)) + stays
	case a.state.Parked && heard && (a.peer.Word.Standing == rules.SaysParked || a.peer.Word.Standing == rules.SaysCannot):
		return "nobody serves it for now: " + a.partnerSays() + "; " + here
	case a.state.Parked && heard:
		return "the partner, if it is well, takes it within its detection time" + stays
	case a.state.Parked && a.cfg.Primary:
		return "nobody will serve it: " + notPrimary + here
	case a.state.Parked:
		return "the partner, if it is primary and well, takes it within its detection time" + stays
	case a.decision.Reason == rules.ServiceFailing:
		return "this host takes nothing while its service fails: mend that, or take the check out of the settings and Reload"
	case f.Alias.Value == rules.Answered:
		return "this host stands by"
	default:
		return "this host follows its rules"
	}
}

// whatNextOfForced says what becomes of an alias that was taken from a host
// which may not have noticed.
func whatNextOfForced(primary bool) string {
	if primary {
		return "this host keeps it: the partner yields as soon as it hears us (H6); against any other host it is announced again (H7); see Status"
	}
	return "if the partner still claims it, this host yields, not being primary (H6): run RemoveAlias there; against any other host it is announced again (H7); see Status"
}

// able tells whether the partner would take the alias, as far as it has said.
func (a *alias) able() bool {
	return a.talk != nil && a.talk.mood == speaking && a.peer.Word.Standing == rules.SaysAble
}
