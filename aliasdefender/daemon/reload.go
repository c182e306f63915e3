package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/logs"
	"alias-defender/aliasdefender/record"
)

// reload reads both files whole and puts them in force, or, where they have
// mistakes, says all of them and changes nothing. It is never called by the
// loop, which waits for no disk, and does not wait for one itself any longer
// than ctx: then nothing is changed either.
//
// Whether ctx ended first or the files were read first is settled once, by a
// token. So an answer that says that it was given up is never followed by new
// files in force.
func (m *monitor) reload(ctx context.Context) error {
	select {
	case m.reloading <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	m.manager.Reloading()
	var settled atomic.Bool // by who sets it
	done := make(chan error, 1)
	go func() {
		cfg, err := m.load()
		switch {
		case !settled.CompareAndSwap(false, true):
			m.event(string(record.Reloaded)).Error("reload: nothing is changed: it was cancelled before the files were read")
		case err != nil:
			done <- m.refused(err)
		default:
			m.inForce(cfg)
			done <- nil
		}
		m.reported(context.WithoutCancel(ctx))
		<-m.reloading
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if settled.CompareAndSwap(false, true) {
		return ctx.Err()
	}
	return <-done // the files are being put in force, or refused, just now
}

// inForce puts new files in force.
func (m *monitor) inForce(cfg *config.Config) {
	m.warnOfFixed(cfg.Settings)
	logs.SetLevel(m.log, cfg.Settings.LogLevel)
	if len(m.settings.Peer.Keys) == 0 || len(cfg.Settings.Peer.Keys) == 0 {
		m.settings.Peer = cfg.Settings.Peer // the channel is opened with these, or closed
	}
	m.slowest.Store(int64(slowest(cfg.Aliases)))
	frugal(len(cfg.Aliases))
	m.defender.Reload(cfg)
	m.failed.Store(nil)
	m.daemonEvent(record.Reloaded, record.Info, "")
	m.event(string(record.Reloaded)).WithField("aliases", len(cfg.Aliases)).Info("reloaded")
}

// refused says what is wrong with the files.
func (m *monitor) refused(err error) error {
	var mistakes config.Mistakes
	why := err.Error()
	if errors.As(err, &mistakes) {
		for _, mistake := range mistakes {
			m.event("reload_mistake").Error("reload: " + mistake.Error())
		}
		why = logs.Count(len(mistakes), "mistake", "mistakes") + " in the files"
		err = &control.Refusal{Kind: control.KindConfig, Text: mistakes.Error()}
	}
	m.failed.Store(&why)
	m.daemonEvent(record.Reloaded, record.Trouble, "nothing is changed: "+logs.OneLine(why))
	m.event(string(record.Reloaded)).Error("reload: nothing is changed: " + why)
	return err
}

// warnOfFixed says what a reload cannot change, for its mistake would otherwise
// be found at the next restart.
func (m *monitor) warnOfFixed(now config.Settings) {
	type setting struct{ name, was, is string }
	fixed := []setting{
		{"control.socket", m.settings.Socket, now.Socket},
		{"control.readers", m.settings.Readers.Group, now.Readers.Group},
		{"state.dir", m.settings.StateDir, now.StateDir},
		{"log.to", string(m.settings.LogTo), string(now.LogTo)},
		{"events.size", config.Bytes(m.settings.Events.Size), config.Bytes(now.Events.Size)},
	}
	if was := m.settings.Peer; len(was.Keys) > 0 && len(now.Peer.Keys) > 0 { // there is a channel, and it stays
		fixed = append(fixed, setting{"peer.port", fmt.Sprint(was.Port), fmt.Sprint(now.Peer.Port)},
			setting{"peer.listen", listenOf(was), listenOf(now.Peer)})
	}
	for _, s := range fixed {
		if s.was != s.is {
			m.event("reload_fixed").Warn(fmt.Sprintf("reload: %s stays %s until a restart (USR2 keeps the aliases meanwhile)", s.name, s.was))
		}
	}
}

// listenOf is the setting as it is written.
func listenOf(p config.Peer) string {
	if p.Listen.IsValid() {
		return p.Listen.String()
	}
	return "any"
}
