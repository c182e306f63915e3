package defender

import (
	"slices"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/rules"
)

const (
	// releaseWithin bounds how long an exit waits for the kernel to take the aliases
	// off.
	releaseWithin = 2 * time.Second
	// lastWords bounds how long an exit waits for the kernel to be told that the
	// aliases stay.
	lastWords = 500 * time.Millisecond
	// NextWithin is how long an alias that has a lease waits for the next Monitor. One
	// that never comes, for its files have a mistake, must not leave the alias on a
	// host that nobody watches.
	NextWithin = 5 * time.Minute
)

// ending is how far the end has come.
type ending struct {
	stage    endStage
	deadline time.Time // of the stage
	next     bool      // another Monitor is to follow
}

// endStage is what the end is about at the moment.
type endStage uint8

// The stages. From one of the middle three it goes on to lasting, and then it is
// over.
const (
	running   endStage = iota
	keeping            // every alias stays
	giving             // every alias is handed over, if the partner takes it
	releasing          // every alias goes
	lasting            // what stays is told to stay without us
	over
)

// begun tells whether we are ending: nothing is taken any more.
func (e *ending) begun() bool { return e.stage != running }

// stop begins the end.
func (l *loop) stop(e Exit) {
	if l.ending.begun() {
		return
	}
	l.ending = ending{keeping, l.now.Add(releaseWithin), e == ExitNext}
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

// settle ends the loop once there is nothing left to hand over or to release.
// What stays is told to stay: it outlives its daemon, as the original's did, or lasts
// until the next Monitor must have come.
func (l *loop) settle() {
	e := &l.ending
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
		return true // what a Monitor before us left here is released too
	case !l.worker.idle():
		return true
	case e == giving && slices.ContainsFunc(l.list, (*alias).leaves):
		return true
	case slices.ContainsFunc(l.list, func(a *alias) bool { return a.state.Between() }):
		return true // who of the two has it in the end is not told yet
	}
	return slices.ContainsFunc(l.list, func(a *alias) bool { return a.state.Holding && a.state.Leaving })
}

// doubtful tells whether the partner may have it as well when we end: it has not
// heard from us that it can let go, or has begun to take what we offer, or may be
// about to: it lives, and has not answered yet. Were it to stay without us, both
// hosts would have it for good; so it goes with its lease, and a partner that has
// not taken it takes it then.
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
