package daemon

import (
	"context"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/metrics"
	"alias-defender/aliasdefender/page"
	"alias-defender/aliasdefender/record"
)

// events is where everything that happens is kept: in memory for Why, in the log, and on
// disk, so that Why can answer after a restart and a reboot.
type events struct {
	*record.Recorder
	ring *record.Ring
	disk *record.Log // nil: [events] size is 0, or this Monitor observes

	counted *metrics.Events
	page    *page.Page // nil: [status] listen is not set

	read bool // what earlier runs wrote is read
	dir  string
}

// newEvents makes events. Nothing is read or written before its tasks run.
func newEvents(m *monitor, cfg *config.Config) events {
	e := events{ring: record.NewRing(), counted: metrics.NewEvents(), dir: cfg.Settings.StateDir}
	sinks := []record.Sink{e.ring, e.counted, defender.LogSink(m.log)}
	if m.hooks != nil {
		sinks = append(sinks, m.hooks.Runner)
	}
	if cfg.Settings.Status.Listen.IsValid() {
		e.page = m.newPage(cfg)
		sinks = append(sinks, e.page)
	}
	size := cfg.Settings.Events.Size
	if e.read = size > 0; e.read && !m.observes {
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

// daemonEvent records something that happened to the daemon as a whole. The log has its
// own line about it.
func (m *monitor) daemonEvent(kind record.Kind, level record.Level, text string) {
	m.events.Record(record.Event{Time: time.Now(), Kind: kind, Level: level, Text: text})
}

// eventTasks are the tasks that events need.
func (m *monitor) eventTasks() []Task {
	var all []Task
	if m.events.disk != nil {
		all = append(all, m.events.disk)
	}
	if m.events.page != nil {
		all = append(all, task{"the page", m.events.page.Run, atOnce()})
	}
	if m.events.read {
		all = append(all, task{"the reading of the event log", m.loadEvents, atOnce()})
	}
	return all
}

// lookAgain is after how long a last line without an end is looked at once more.
const lookAgain = 100 * time.Millisecond

// unreadable counts the lines that were skipped.
func unreadable(s record.Skipped) int {
	n := s.Lines + s.Long
	if s.Torn {
		n++
	}
	return n
}

// loadEvents gives Why what earlier runs wrote. It delays neither the start nor the end
// if the disk hangs.
func (m *monitor) loadEvents(ctx context.Context) error {
	select {
	case <-m.read: // by now the loop has told the ring which aliases there are
	case <-ctx.Done():
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		skipped, err := record.Load(m.events.dir, m.events.ring)
		if skipped.Torn {
			// A crash cut it off, or it is being written: a second look tells.
			select {
			case <-ctx.Done():
				return
			case <-time.After(lookAgain):
			}
			skipped, err = record.Load(m.events.dir, m.events.ring)
		}
		if err != nil {
			m.event("event_log").WithError(err).Warn("Why cannot show what happened before this start")
		}
		if n := unreadable(skipped); n > 0 {
			m.event("event_log").WithField("lines", n).Warn("skipped lines of the event log that cannot be read")
		}
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	return nil
}
