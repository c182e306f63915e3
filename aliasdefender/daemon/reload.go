package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/logs"
	"alias-defender/aliasdefender/record"
)

// reload reads both files whole and puts them in force. If they have mistakes it reports
// all of them and changes nothing. The loop, which waits for no disk, never calls it. It
// does not wait for a disk longer than ctx either: then nothing is changed.
//
// A token settles once which came first, the end of ctx or the reading of the files. So
// once it has been answered that the reload was given up, new files never come into force
// after all.
//
// With drop, files that no longer have a row for an alias that this host holds are put in
// force too, and the alias is released; otherwise they are refused.
func (m *monitor) reload(ctx context.Context, drop bool) error {
	select {
	case m.reloading <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	m.manager.Reloading()
	var settled atomic.Bool // whoever sets it settles it
	done := make(chan error, 1)
	go func() {
		cfg, err := m.load()
		switch {
		case !settled.CompareAndSwap(false, true):
			m.event(string(record.Reloaded)).Error("reload: nothing is changed: it was cancelled before the files were read")
		case err != nil:
			done <- m.refused(err)
		default:
			done <- m.inForce(ctx, cfg, drop)
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
	return <-done // just now the files are being put in force, or refused
}

// inForce puts new files in force, or says which rows they lack.
func (m *monitor) inForce(ctx context.Context, cfg *config.Config, drop bool) error {
	// The hooks first: a new row's alias may be here already, and is adopted at once.
	m.setHooks(cfg)
	if drop {
		m.defender.Reload(cfg)
	} else if err := m.reloadUnless(ctx, cfg); err != nil {
		m.unsetHooks()
		return m.refused(err)
	}
	m.keepHooks(cfg)
	m.checks.use(cfg)
	if m.routes != nil {
		m.routes.use(cfg)
		m.routes.Reload(cfg)
	}
	if m.recovery != nil {
		m.recovery.Use(cfg.Aliases)
	}
	m.warnOfFixed(cfg.Settings)
	m.useStatus(cfg.Settings.Status)
	logs.SetLevel(m.log, cfg.Settings.LogLevel)
	if len(m.settings.Peer.Keys) == 0 || len(cfg.Settings.Peer.Keys) == 0 {
		m.settings.Peer = cfg.Settings.Peer // with these the channel is opened, or closed
	}
	m.slowest.Store(int64(slowest(cfg.Aliases)))
	frugal(len(cfg.Aliases))
	m.failed.Store(nil)
	m.daemonEvent(record.Reloaded, record.Info, "")
	m.event(string(record.Reloaded)).WithField("aliases", len(cfg.Aliases)).WithFields(routeCount(cfg)).Info("reloaded")
	return nil
}

// mostNamed is how many of a long list are named; the others are counted.
const mostNamed = 5

// lack is what files have lost that this host holds or keeps.
type lack struct {
	file   string // of the aliases
	rows   []config.Alias
	routes []string
}

// reloadUnless puts new files in force for the aliases, unless they have lost something: the
// error is a lack then.
func (m *monitor) reloadUnless(ctx context.Context, cfg *config.Config) error {
	routes, err := m.droppedRoutes(ctx, cfg)
	if err != nil {
		return err
	}
	of := m.defender.ReloadUnless
	if len(routes) > 0 {
		of = m.defender.Drops // it is refused already
	}
	rows, err := of(ctx, cfg)
	if err != nil || len(rows) == 0 && len(routes) == 0 {
		return err
	}
	return &lack{m.aliases, rows, routes}
}

// Error says which rows and routes are gone, in a line each, and what to do.
func (l *lack) Error() string { return l.lines() + notDropped }

func (l *lack) lines() string {
	var text strings.Builder
	for i, row := range l.rows {
		if i == mostNamed {
			fmt.Fprintf(&text, "%s: and %d more rows are gone whose aliases this host holds\n", l.file, len(l.rows)-mostNamed)
			break
		}
		fmt.Fprintf(&text, "%s: the row of alias %s on %s is gone, and this host holds that alias\n", l.file, row.Addr, row.Label)
	}
	for i, name := range l.routes {
		if i == mostNamed {
			fmt.Fprintf(&text, "and %d more routes are gone that this host keeps\n", len(l.routes)-mostNamed)
			break
		}
		fmt.Fprintf(&text, "the [[route]] of %s is gone, and this host keeps that route\n", name)
	}
	return text.String()
}

// kinds names what is gone.
func (l *lack) kinds() string {
	var all []string
	if len(l.rows) > 0 {
		all = append(all, "rows of aliases that this host holds")
	}
	if len(l.routes) > 0 {
		all = append(all, "routes that this host keeps")
	}
	return strings.Join(all, " and ")
}

// notDropped is what to do about files that lack something.
const notDropped = "nothing is changed: " + toDrop

const toDrop = "if the file was not cut short, 'aliasdefender Reload --drop' releases what has no row"

// mostLogged is how many mistakes are logged; Check shows more.
const mostLogged = 20

// refused says what is wrong with the files.
func (m *monitor) refused(err error) error {
	var mistakes config.Mistakes
	var lacks *lack
	why := err.Error()
	switch {
	case errors.As(err, &lacks):
		for line := range strings.Lines(lacks.lines()) {
			m.event("reload_dropped").Error("reload: " + strings.TrimSuffix(line, "\n"))
		}
		why = "the files lack " + lacks.kinds() + "; " + toDrop
		err = &control.Refusal{Kind: control.KindDrop, Text: lacks.Error()}
	case errors.As(err, &mistakes):
		for i, mistake := range mistakes {
			if i == mostLogged {
				m.event("reload_mistake").Errorf("reload: and %d more; 'aliasdefender Check' shows them", len(mistakes)-mostLogged)
				break
			}
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

// warnOfFixed says what a reload cannot change: otherwise the mistake would be found only
// at the next restart.
func (m *monitor) warnOfFixed(now config.Settings) {
	type setting struct{ name, was, is string }
	fixed := []setting{
		{"control.socket", m.settings.Socket, now.Socket},
		{"control.readers", m.settings.Readers.Group, now.Readers.Group},
		{"state.dir", m.settings.StateDir, now.StateDir},
		{"log.to", string(m.settings.LogTo), string(now.LogTo)},
		{"status.listen", listensAt(m.settings.Status), listensAt(now.Status)},
		{"events.size", config.Bytes(m.settings.Events.Size), config.Bytes(now.Events.Size)},
	}
	if was := m.settings.Peer; len(was.Keys) > 0 && len(now.Peer.Keys) > 0 { // there is a channel before and after
		fixed = append(fixed, setting{"peer.port", fmt.Sprint(was.Port), fmt.Sprint(now.Peer.Port)},
			setting{"peer.listen", listenOf(was), listenOf(now.Peer)})
	}
	for _, s := range fixed {
		if s.was != s.is {
			m.event("reload_fixed").Warn(fmt.Sprintf("reload: %s stays %s until a restart (USR2 keeps the aliases meanwhile)", s.name, s.was))
		}
	}
}

// listensAt is the setting as it is written.
func listensAt(s config.Status) string {
	if !s.Listen.IsValid() {
		return `""`
	}
	return s.Listen.String()
}

// listenOf is the setting as it is written.
func listenOf(p config.Peer) string {
	if len(p.Listen) == 0 {
		return "any"
	}
	return strings.Trim(fmt.Sprint(p.Listen), "[]")
}
