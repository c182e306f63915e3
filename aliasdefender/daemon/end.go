package daemon

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"alias-defender/aliasdefender/defender"
)

// How long the hooks that are under way, or wait, have at the end of a Monitor. Where
// another one is to follow nobody defends the aliases meanwhile.
const (
	hooksWithin     = 10 * time.Second
	hooksWithinNext = 2 * time.Second
)

// ErrActed is how a Monitor ends that was told to end after a take (exit_after).
var ErrActed = errors.New("an alias was taken, and exit_after = \"take\" ends the Monitor: the aliases stay on this host")

// end is how the Monitor ends: as whoever asked first has said.
type end struct {
	mu    sync.Mutex // held until the loop has been told
	begun bool
	how   defender.Exit
}

// stop orders the loop to end, and tells the manager. It returns false if somebody else
// has done so before: then that decides how, and the end comes at once.
func (m *monitor) stop(how defender.Exit) (first bool) {
	if m.observes {
		how = defender.ExitKeep // there is nothing to give up
	}
	e := &m.end
	e.mu.Lock()
	defer e.mu.Unlock()
	if first = !e.begun; first {
		e.begun, e.how = true, how
	} else if how == defender.ExitTaken {
		return false // it hurries nobody
	}
	if how != defender.ExitTaken {
		m.manager.Stopping() // before that the loop may go on for long, and is watched
	}
	m.defender.Stop(how)
	return first
}

// acted ends the Monitor after a take, if nobody has told it to end before.
func (m *monitor) acted(alias netip.Addr) {
	if m.stop(defender.ExitTaken) {
		m.event("acted").WithField("alias", alias.String()).Info("exit_after: the alias was taken, and its hook has run: the Monitor ends, once no other alias is being taken")
	}
}

// hooksWithin is how long the hooks have after the loop's end.
func (e *end) hooksWithin() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.begun && e.how == defender.ExitNext {
		return hooksWithinNext
	}
	return hooksWithin
}

// outcome is the error of a Monitor whose loop has ended with err.
func (e *end) outcome(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil && e.begun && e.how == defender.ExitTaken {
		return ErrActed
	}
	return err
}
