package check

import (
	"time"

	"alias-defender/aliasdefender/config"
)

// track is what is known of one check: it counts answers.
type track struct {
	Report
	good, failing, unknown int  // answers in a row
	failedHere             bool // it was failing when the alias left
}

// notAsked is the reason before the first question.
const notAsked = "not asked yet"

func newTrack(c config.Check, now time.Time) track {
	return track{Report: Report{Check: c, Since: now, Reason: notAsked, Idle: true, Lives: lives(c)}}
}

// answered counts an answer to a question that was put at asked. One that is unknown
// moves nothing and does not end a row of others, until so many have come that would make
// the check failing.
func (t *track) answered(a Answer, asked, now time.Time) {
	t.Last, t.Reason, t.Output, t.Idle, t.Lives = a.State, a.Reason, a.Output, false, lives(t.Check)
	rests := a.State == Unknown && t.rests(now)
	switch a.State {
	case Good:
		t.good, t.failing, t.unknown = t.good+1, 0, 0
		t.Asked = asked
		t.turn(Good, t.good >= t.Check.Rise, now)
	case Failing:
		t.good, t.failing, t.unknown = 0, t.failing+1, 0
		t.Asked = asked
		t.turn(Failing, t.failing >= t.Check.Fall, now)
	default:
		t.unknown++
		t.turn(Unknown, t.unknown >= t.Check.Fall && !rests || t.old(now), now)
	}
	if a.State == t.State {
		t.Cause = a.Reason
	}
}

// aged makes the state unknown if its last answer is too old.
func (t *track) aged(now time.Time) {
	t.turn(Unknown, t.old(now), now)
}

// old tells whether the last answer counts no more.
func (t *track) old(now time.Time) bool { return !now.Before(t.Asked.Add(t.Lives)) }

// stop forgets everything: the check is not asked any more, for that reason.
func (t *track) stop(reason string, now time.Time) {
	t.good, t.failing, t.unknown = 0, 0, 0
	t.Last, t.Reason, t.Cause, t.Output, t.Idle, t.Lives = Unknown, reason, reason, "", true, lives(t.Check)
	t.turn(Unknown, true, now)
}

// failedRests is for how long a service that failed here counts as failing after the alias
// has gone because of that, although it is asked no more, or cannot be. Otherwise it would
// be unknown, and the alias could come back before the partner has taken it.
const failedRests = 5 * time.Minute

// rests keeps what is known of a service that was failing when the alias left, for a while.
// It returns false if there is nothing to keep.
func (t *track) rests(now time.Time) bool {
	if !t.failedHere || t.State != Failing || !now.Before(t.Asked.Add(failedRests)) {
		return false
	}
	t.Lives = failedRests
	return true
}

// here notes that the alias has come, or has left.
func (t *track) here(yes bool) { t.failedHere = !yes && t.State == Failing }

// turn puts the check into a state, if that is due.
func (t *track) turn(to State, due bool, now time.Time) {
	t.Turned = due && t.State != to
	if t.Turned {
		t.State, t.Since, t.failedHere = to, now, false
	}
}
