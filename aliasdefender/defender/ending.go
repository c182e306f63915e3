package defender

import (
	"slices"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/rules"
)

const (
	// releaseWithin bounds how long an exit waits for the kernel to remove the aliases.
	releaseWithin = 2 * time.Second
	// lastWords bounds how long an exit waits until the kernel knows that the aliases
	// stay.
	lastWords = 500 * time.Millisecond
	// NextWithin is how long an alias that has a lease waits for the next Monitor. The
	// next Monitor may never come, because its files have a mistake; then the alias must
	// not stay on a host that nobody watches.
	NextWithin = 5 * time.Minute
)

// ending is how far the end has come.
type ending struct {
	stage    endStage
	deadline time.Time // of the stage
	next     bool      // another Monitor is to follow
	takes    time.Time // ExitTaken: until then it waits for takes before it begins; zero: it does not
}

// endStage is what the end is doing at the moment.
type endStage uint8

// The stages. Each of the middle three leads to lasting, and that to the end.
const (
	running   endStage = iota
	keeping            // every alias stays
	giving             // every alias is handed over, if the partner takes it
	releasing          // every alias goes
	lasting            // the kernel is told how long to keep what stays
	over
)

// begun tells whether we are ending: then nothing is taken any more.
func (e *ending) begun() bool { return e.stage != running }

// stop begins the end.
func (l *loop) stop(e Exit) {
	switch {
	case l.ending.begun():
		return
	case !l.ending.takes.IsZero():
		e = ExitKeep // that came first
	case e == ExitTaken:
		l.ending.takes = l.now.Add(l.takesWithin())
		return // settle goes on
	}
	within := releaseWithin
	for _, a := range l.list {
		within = max(within, releaseWithin+a.cfg.Hooks.Before(config.BeforeRelease))
	}
	l.ending = ending{stage: keeping, deadline: l.now.Add(within), next: e == ExitNext}
	text := "ending; the aliases stay on this host"
	switch {
	case e == ExitNext:
		text += " for the next Monitor; those with a lease for " + config.Tidy(NextWithin)
	case e == ExitKeep || l.cfg.Settings.OnExit == config.ExitKeep:
	case l.cfg.Settings.OnExit == config.ExitHandover:
		l.ending.stage, text = giving, "ending; handing the aliases over"
	default:
		l.ending.stage, text = releasing, "ending; releasing the aliases"
	}
	l.event("ending").Info(text)
	l.obeyAll(exits[l.ending.stage])
}

// takesWithin is how long ExitTaken waits: a partner that has died takes all of its aliases
// with it, and they fall silent one after the other, each in its own rhythm.
func (l *loop) takesWithin() time.Duration {
	within := time.Duration(0)
	for _, a := range l.list {
		c := a.cfg
		within = max(within, c.Detect()+time.Duration(c.Misses)*c.Timeout+c.Hooks.Before(config.BeforeTake))
	}
	return within + releaseWithin
}

// comes tells whether the alias is being taken, or may have to be soon: it is not here, and
// nobody else surely has it, or a part of its group is here. Then it follows, or that part
// goes: without us neither would happen.
func (a *alias) comes() bool {
	if a.state.Holding || a.state.Parked || a.state.Leaving || a.untied() {
		return false
	}
	f := a.alias.Fact()
	if a.cfg.Loopback() {
		return a.errand.stage != idle // other hosts that have it do not matter
	}
	return a.errand.stage != idle || f.Value != rules.Answered || !f.Miss.IsZero() || a.partHere()
}

// exits are what the stages mean for each alias.
var exits = map[endStage]rules.Command{
	keeping: rules.StopAndKeep, giving: rules.StopAndGive, releasing: rules.StopAndRelease,
}

// obeyAll gives a command to the record of every alias.
func (l *loop) obeyAll(c rules.Command) {
	for _, a := range l.list {
		l.then(a, a.state.Obey(c, rules.Facts{}))
	}
}

// settle ends the loop once there is nothing left to hand over or to release. What stays
// is told to stay: like an alias of the original it outlives its daemon, or it lasts
// until the next Monitor must have come.
func (l *loop) settle() {
	e := &l.ending
	if !e.begun() && !e.takes.IsZero() && (!l.now.Before(e.takes) || !slices.ContainsFunc(l.list, (*alias).comes)) {
		l.stop(ExitKeep)
	}
	if !e.begun() || e.stage == over {
		return
	}
	if late := !l.now.Before(e.deadline); !late && l.stillEnding() {
		return
	}
	if e.stage == lasting {
		e.stage = over
		return
	}
	if e.stage == giving {
		l.obeyAll(rules.StopAndKeep)
	}
	e.stage, e.deadline = lasting, l.now.Add(lastWords)
	for _, a := range l.list {
		if a.errand.stage == gated {
			l.leaveGate(a) // it stays, as it does if the gate has just said no
		}
		if a.state.Holding && (!a.state.Lease.IsZero() || l.stays(a) > 0) && a.errand.stage == idle && l.outlives(a) && !a.doubtful(l.now) {
			l.last(a)
		}
	}
	l.flush()
	if !l.worker.busy {
		e.stage = over
	}
}

// stays is for how long the kernel is told to keep the alias without us; 0: for ever.
func (l *loop) stays(a *alias) time.Duration {
	if lifetime := a.policy.Lifetime(); l.ending.next && lifetime > 0 {
		return max(NextWithin, lifetime)
	}
	return 0
}

// stillEnding tells whether the stage has something left to do.
func (l *loop) stillEnding() bool {
	switch e := l.ending.stage; {
	case e == releasing && l.net.readAt.IsZero() && l.net.readErr == "":
		return true // what an earlier Monitor left here is released too
	case !l.worker.idle():
		return true
	case e == giving && slices.ContainsFunc(l.list, (*alias).leaves):
		return true
	case slices.ContainsFunc(l.list, func(a *alias) bool { return a.state.Between() }):
		return true // it is not yet known which of the two will have it in the end
	}
	return slices.ContainsFunc(l.list, func(a *alias) bool { return a.state.Holding && a.state.Leaving })
}

// doubtful tells whether the partner may have the alias too when we end. It may not yet
// have heard that it can let go, or may have begun to take what we offer, or may be about
// to: it lives, and has not answered yet. If the alias stayed here without us, both hosts
// might have it for good. So it goes with its lease, and a partner that has not taken it
// takes it then.
func (a *alias) doubtful(now time.Time) bool {
	h, w := a.state.Handover, a.peer.Word
	switch {
	case h.Side == rules.Getting:
		return h.Verified != rules.Yes
	case h.Side == rules.Giving, h.Failure == rules.NoAnswer && now.Sub(h.Ended) <= a.policy.ChannelSilent():
		takes := w.Number == h.Number && w.Step == rules.Takes
		return takes || a.talk != nil && now.Sub(a.talk.heard) <= a.talk.heartbeat()+a.cfg.Timeout
	}
	return false
}

// leaves tells whether the alias may still be handed over at the end.
func (a *alias) leaves() bool {
	return a.state.MayLeave(a.decision) && (a.state.Handover.Side != rules.NoSide || a.talk != nil)
}
