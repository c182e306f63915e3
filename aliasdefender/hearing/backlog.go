package hearing

import "time"

// Backlog is the other place where an answer may wait: in the queue of events of the loop
// that is to take it in. Late counts what the socket has not delivered, and this counts what
// was delivered.
type Backlog struct {
	since time.Time // zero: the loop has taken in all that there was
}

// Behind is how long events have waited for the loop.
func (b *Backlog) Behind(now time.Time) time.Duration {
	if b.since.IsZero() {
		return 0
	}
	return now.Sub(b.since)
}

// TookIn notes whether the loop has taken in all events that there were. It returns true
// when a backlog ends: whoever waited for an answer meanwhile has to learn how late it was.
func (b *Backlog) TookIn(all bool, now time.Time) (over bool) {
	switch {
	case all && !b.since.IsZero():
		b.since = time.Time{}
		return true
	case !all && b.since.IsZero():
		b.since = now
	}
	return false
}

// Stops are the times when one listener has stopped by itself. A listener that stops as soon
// as it is opened would fill the log.
type Stops struct {
	why  string // as it was said last,
	said time.Time
}

// Say tells whether it is to be said that the listener has stopped: the cause is another one,
// or a minute has passed.
func (s *Stops) Say(why error, now time.Time) bool {
	if s.why == why.Error() && now.Sub(s.said) < time.Minute {
		return false
	}
	s.why, s.said = why.Error(), now
	return true
}
