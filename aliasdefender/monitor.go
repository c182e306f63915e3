package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/defender"
)

func (a *app) monitorCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "Monitor",
		Short: "Keep the aliases alive: the daemon, in the foreground",
		Long: `Keep the aliases alive: the daemon, in the foreground. An init script or a unit
starts it.

  TERM, INT  end; what becomes of the aliases is on_exit's to say
  HUP        read the files again; where they have mistakes nothing changes
  USR2       end and keep the aliases, for the next Monitor to go on with`,
		Example: `  aliasdefender Monitor
  aliasdefender Monitor --aliases ./hostname.alias --settings ./aliasdefender.toml`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.monitor(c.Context()) },
	}
}

// monitor is one run of the daemon. All that can fail without an alias being
// touched is done before the loop starts.
func (a *app) monitor(ctx context.Context) error {
	cfg, err := a.loadWithKeys()
	if err != nil {
		return err
	}
	frugal(len(cfg.Aliases))
	// A reader of our standard error that dies must not take the aliases
	// with it, and neither must a signal that comes before we are ready.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Stop(signals)

	// Before the lock, whose directory an ordinary user cannot make either:
	// what he lacks is said by its name.
	network, err := thisHost()
	if err != nil {
		return err
	}
	lock, err := control.Acquire(cfg.Settings.Socket)
	if err != nil {
		return err
	}
	defer lock.Release()

	log, endLog := openLog(cfg.Settings, a.stderr)
	defer endLog()
	manager, err := environmentNotifier()
	if err != nil {
		log.Error(err)
	}
	m := newMonitor(a, cfg, log, manager)
	kept, damage := m.state.read()
	options := network.options(cfg, a.version, log)
	options.Kept = kept
	options.Beat, options.BeatEvery = manager.beat, manager.beatEvery()
	m.defender = defender.New(options)
	server := control.NewServer(lock, a.version, control.Handlers{Status: m.status, Reload: m.reload, Order: m.order})
	if err := server.Listen(); err != nil {
		return err
	}
	log.WithFields(logrus.Fields{"version": a.version, "pid": os.Getpid(), "aliases": len(cfg.Aliases), "socket": cfg.Settings.Socket}).
		Info("Alias Defender starts")
	m.sayKept(cfg, kept, damage)
	err = m.run(ctx, server, signals)
	log.Info("Alias Defender has ended")
	return err
}

// monitor is a running daemon's link between the loop and who gives it orders.
type monitor struct {
	app      *app
	load     func() (*config.Config, error) // reads the files, and waits for their disk
	log      *logrus.Logger
	defender *defender.Defender
	state    *stateFile
	keeper   *keeper      // of state
	manager  *notifier    // nil: none asks
	slowest  atomic.Int64 // time.Duration: see patience

	reportEvery time.Duration // the constant, shorter in tests

	reloading chan struct{}          // full while a reload is under way: one at a time
	settings  config.Settings        // in force; of the reload
	failed    atomic.Pointer[string] // why the last reload changed nothing; nil: it did not fail
}

// newMonitor makes a Monitor that has no loop yet.
func newMonitor(a *app, cfg *config.Config, log *logrus.Logger, manager *notifier) *monitor {
	state := &stateFile{dir: cfg.Settings.StateDir}
	m := &monitor{
		app: a, load: a.loadWithKeys, log: log, manager: manager, state: state, keeper: newKeeper(state),
		settings: cfg.Settings, reloading: make(chan struct{}, 1), reportEvery: reportEvery,
	}
	m.slowest.Store(int64(slowest(cfg.Aliases)))
	return m
}

// run runs the loop, and beside it the door and the ear for signals. All of
// them have ended when it returns.
func (m *monitor) run(ctx context.Context, server *control.Server, signals <-chan os.Signal) error {
	beside, end := context.WithCancel(context.WithoutCancel(ctx))
	var both sync.WaitGroup
	both.Go(func() {
		// Without its door the daemon goes on: what it keeps alive matters
		// more than who can look at it.
		if err := server.Serve(beside); err != nil {
			m.log.WithError(err).Error("orders and questions reach this Monitor no more; restart it with USR2 to keep the aliases")
		}
	})
	both.Go(func() { m.obey(beside, ctx.Done(), signals) })
	both.Go(func() { m.report(beside) })

	// The end of ctx is an order like TERM, given to the loop by obey; the
	// loop's own context would end it without a release.
	err := m.defender.Run(context.WithoutCancel(ctx))
	if err != nil {
		m.log.WithError(err).Error("the loop ended")
	}
	end()
	both.Wait()
	return err
}

// obey carries out signals until ctx ends.
func (m *monitor) obey(ctx context.Context, over <-chan struct{}, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-over:
			over = nil
			m.stop(defender.ExitAsSet)
		case s := <-signals:
			m.log.WithField("signal", s.String()).Info("signal received")
			switch s {
			case syscall.SIGHUP:
				// Beside: a file on a disk that hangs must not keep a
				// TERM from being heard. The error is in the log.
				go func() { _ = m.reload(ctx) }()
			case syscall.SIGUSR2:
				m.stop(defender.ExitKeep)
			default:
				m.stop(defender.ExitAsSet) // a second one changes nothing
			}
		}
	}
}

// stop gives the order to end, and tells the manager of it.
func (m *monitor) stop(e defender.Exit) {
	m.manager.stopping()
	m.defender.Stop(e)
}

// status answers for the loop.
func (m *monitor) status(ctx context.Context, journal bool) (control.Snapshot, error) {
	s, err := m.defender.Snapshot(ctx, journal)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return s, &control.Refusal{Kind: control.KindBusy, Text: err.Error()}
	}
	if broken := m.keeper.trouble(); broken != nil {
		s.Problems = append(s.Problems, strings.Split(broken.Error(), "\n")...)
	}
	return s, err
}

// reload reads both files whole and puts them in force, or, where they have
// mistakes, says all of them and changes nothing. It is never called by the
// loop, which waits for no disk, and does not wait for one itself any longer
// than ctx: then nothing is changed either.
func (m *monitor) reload(ctx context.Context) error {
	select {
	case m.reloading <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	m.manager.reloading()
	done := make(chan error, 1)
	go func() {
		cfg, err := m.load()
		switch {
		case ctx.Err() != nil:
			err = ctx.Err()
			m.log.Error("reload: nothing is changed: it was given up before the files were read")
		case err != nil:
			err = m.refused(err)
		default:
			m.inForce(cfg)
		}
		m.reported(context.WithoutCancel(ctx))
		<-m.reloading
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// inForce puts new files in force.
func (m *monitor) inForce(cfg *config.Config) {
	m.warnOfFixed(cfg.Settings)
	setLevel(m.log, cfg.Settings)
	if len(m.settings.Peer.Keys) == 0 || len(cfg.Settings.Peer.Keys) == 0 {
		m.settings.Peer = cfg.Settings.Peer // the channel is opened with these, or closed
	}
	m.slowest.Store(int64(slowest(cfg.Aliases)))
	frugal(len(cfg.Aliases))
	m.defender.Reload(cfg)
	m.failed.Store(nil)
	m.log.WithField("aliases", len(cfg.Aliases)).Info("reloaded")
}

// refused says what is wrong with the files.
func (m *monitor) refused(err error) error {
	var mistakes config.Mistakes
	why := err.Error()
	if errors.As(err, &mistakes) {
		for _, mistake := range mistakes {
			m.log.Error("reload: " + mistake.Error())
		}
		why = count(len(mistakes), "mistake", "mistakes") + " in the files"
		err = &control.Refusal{Kind: control.KindConfig, Text: mistakes.Error()}
	}
	m.failed.Store(&why)
	m.log.Error("reload: nothing is changed: " + why)
	return err
}

// warnOfFixed says what a reload cannot change, for its mistake would otherwise
// be found at the next restart.
func (m *monitor) warnOfFixed(now config.Settings) {
	type setting struct{ name, was, is string }
	fixed := []setting{
		{"control.socket", m.settings.Socket, now.Socket},
		{"state.dir", m.settings.StateDir, now.StateDir},
		{"log.to", string(m.settings.LogTo), string(now.LogTo)},
	}
	if was := m.settings.Peer; len(was.Keys) > 0 && len(now.Peer.Keys) > 0 { // there is a channel, and it stays
		fixed = append(fixed, setting{"peer.port", fmt.Sprint(was.Port), fmt.Sprint(now.Peer.Port)},
			setting{"peer.listen", listenOf(was), listenOf(now.Peer)})
	}
	for _, s := range fixed {
		if s.was != s.is {
			m.log.Warn(fmt.Sprintf("reload: %s stays %s until a restart (USR2 keeps the aliases meanwhile)", s.name, s.was))
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
