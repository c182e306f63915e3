package daemon

import (
	"context"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/record"
)

// events is where everything that happens is kept: in memory for Why, in the log,
// and on disk so that Why can answer after a restart and a reboot.
type events struct {
	*record.Recorder
	ring *record.Ring
	disk *record.Log // nil: [events] size is 0
	dir  string
}

// newEvents makes them. Nothing is read or written before the task runs.
func newEvents(m *monitor, cfg *config.Config) events {
	e := events{ring: record.NewRing(), dir: cfg.Settings.StateDir}
	sinks := []record.Sink{e.ring, defender.LogSink(m.log)}
	if size := cfg.Settings.Events.Size; size > 0 {
		e.disk = record.NewLog(e.dir, size, func(text string, err error) {
			line := m.event("event_log").WithField("dir", e.dir)
			if err != nil {
				line.WithError(err).Warn(text)
				return
			}
			line.Info(text)
		})
		sinks = append(sinks, e.disk)
	}
	e.Recorder = record.New(sinks...)
	return e
}

// daemonEvent records something that happened to the daemon as a whole. The log has
// a line of its own for it.
func (m *monitor) daemonEvent(kind record.Kind, level record.Level, text string) {
	m.events.Record(record.Event{Time: time.Now(), Kind: kind, Level: level, Text: text})
}

// tasks are what events have to run.
func (m *monitor) eventTasks() []Task {
	if m.events.disk == nil {
		return nil
	}
	return []Task{
		m.events.disk,
		task{"the reading of the event log", m.loadEvents, atOnce()},
	}
}

// lookAgain is when a last line without an end is looked at again.
const lookAgain = 100 * time.Millisecond

// unreadable counts the lines that were passed over.
func unreadable(s record.Skipped) int {
	n := s.Lines + s.Long
	if s.Torn {
		n++
	}
	return n
}

// loadEvents gives Why what earlier runs wrote. A disk that hangs delays neither the
// start nor the end.
func (m *monitor) loadEvents(ctx context.Context) error {
	select {
	case <-m.read: // the loop has told the ring which aliases there are
	case <-ctx.Done():
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		skipped, err := record.Load(m.events.dir, m.events.ring)
		if skipped.Torn {
			// By a crash, or it is being written: the second look tells.
			select {
			case <-ctx.Done():
				return
			case <-time.After(lookAgain):
			}
			skipped, err = record.Load(m.events.dir, m.events.ring)
		}
		if err != nil {
			m.event("event_log").WithError(err).Warn("Why does not know what was before this start")
		}
		if n := unreadable(skipped); n > 0 {
			m.event("event_log").WithField("lines", n).Warn("some lines of the event log cannot be read, and were passed over")
		}
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	return nil
}
