// Package daemon is one running Monitor. It connects the loop that keeps aliases
// alive (package defender) with this host's network, with the sources of orders
// (package control, and signals), the service manager, the log and the state file.
//
// Run reads the files, takes the lock and opens what it needs. Everything that can
// fail without touching an alias comes first. Then Run starts a few Tasks, which
// monitor.tasks lists. The loop is the first of them, and decides when the daemon
// ends; the others end after it.
//
// The package decides nothing about aliases. The loop never waits for it: the
// package reads files and writes the disk beside the loop.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/drill"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/logs"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/recovery"
	"alias-defender/aliasdefender/sdnotify"
)

// Options are what a daemon needs to know. All but Open must be set.
type Options struct {
	Load    func() (*config.Config, error) // reads the files with their keys, at the start and at each reload
	Aliases string                         // the path of the table of aliases, for messages
	Version string
	Stderr  io.Writer
	Open    func() (System, error) // opens the network to work on; nil: OpenHost
	Observe bool                   // decide, and do nothing
}

// Run is a Monitor from its start to its end. When ctx ends, it ends as on TERM. The
// error is that of a start that touched no alias, such as config.Mistakes and
// *control.HeldError, or of the loop; or ErrActed.
func Run(ctx context.Context, o Options) error {
	cfg, err := o.Load()
	if err != nil {
		return err
	}
	frugal(len(cfg.Aliases))
	// If a reader of our standard error dies, that must not take the aliases with it, and
	// neither must a signal that comes before we are ready.
	// SIGPIPE is caught and not ignored: a program that a hook or a check runs would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Stop(signals)
	defer watchAbort(o.Stderr)()

	// This comes before the lock, whose directory an ordinary user cannot make either: an
	// ordinary user is told by name which privileges are missing.
	network, err := o.open()
	if err != nil {
		return err
	}
	lock, err := control.Acquire(cfg.Settings.Socket)
	if err != nil {
		return err
	}
	defer lock.Release()

	log, endLog := logs.Open(logOptions(cfg.Settings, o.Stderr))
	defer endLog()
	manager, err := sdnotify.FromEnvironment()
	if err != nil {
		log.WithField("event", "service_manager").Error(err)
	}
	m := newMonitor(o, cfg, log, manager)
	state, identity := m.memory.open(startWithin)
	m.marks = newMarks(network.Host, cfg.Settings.StateDir)
	within := startWithin
	if m.memory.late {
		within = 0 // the same disk
	}
	unmarked := m.marks.open(within)
	network.Host = m.marks
	options := network.options(cfg, o.Version, log)
	options.Kept, options.Memory, options.Host = defender.Kept(state.kept), m.memory.state(state), identity.id
	options.Recorder, options.Ring = m.events.Recorder, m.events.ring
	if m.hooks != nil {
		m.sayTold(m.hooks.told.open(within))
		options.Gates = []defender.Gate{m.hooks}
	}
	options.Sources = []defender.Source{m.checks}
	if o.Observe {
		observe(&options)
	} else {
		m.recovery = m.newRecovery(cfg)
		m.checks.also = m.recovery.Heard
		options.Sources = append(options.Sources, m.recovery)
	}
	if network.Routes != nil {
		m.routes = newRoutes(m, network, cfg)
	}
	if !o.Observe {
		m.drills = m.newDrills(network)
		options.Drilled = func(alias record.Alias, label string, says peer.Drill) {
			m.drills.Heard(drill.Subject{Alias: alias, Label: label}, says)
		}
	}
	options.Beat, options.BeatEvery = manager.Beat, manager.BeatEvery()
	m.defender = defender.New(options)
	server := control.NewServer(lock, o.Version, control.Handlers{Status: m.status, Now: m.now, Reload: m.reload, Order: m.order, Drill: m.drill, Metrics: m.pages.get, Page: m.webPage()})
	server.AtMost(clients(descriptors(), len(cfg.Aliases)))
	if err := server.Listen(); err != nil {
		return err
	}
	m.openReaders(server)
	m.openStatus(server)
	m.daemonEvent(record.Started, record.Info, "version "+o.Version)
	log.WithFields(logrus.Fields{"event": record.Started, "version": o.Version, "pid": os.Getpid(), "aliases": len(cfg.Aliases), "socket": cfg.Settings.Socket}).WithFields(routeCount(cfg)).
		Info("Alias Defender starts")
	m.sayIdentity(identity)
	m.sayMarks(unmarked)
	m.sayKept(state, cfg)
	err = m.run(ctx, server, signals)
	m.event(string(record.Ended)).Info("Alias Defender has ended")
	return m.end.outcome(err)
}

// open opens the network, or says what this process lacks to use it.
func (o Options) open() (System, error) {
	if err := host.Capable(); err != nil {
		return System{}, err
	}
	if o.Open != nil {
		return o.Open()
	}
	return OpenHost()
}

// logOptions are the settings of the log in the words of its package.
func logOptions(s config.Settings, stderr io.Writer) logs.Options {
	to := map[config.LogTo]logs.To{config.LogAuto: logs.Auto, config.LogStderr: logs.Stderr, config.LogSyslog: logs.Syslog}
	return logs.Options{To: to[s.LogTo], Level: s.LogLevel, Stderr: stderr}
}

// monitor connects the loop with everything that asks it and gives it orders.
//
// fields: each is one part of the daemon, wired together here and nowhere else.
type monitor struct {
	load     func() (*config.Config, error) // reads the files; it waits for their disk
	aliases  string                         // the path of the table of aliases
	log      *logrus.Logger
	defender *defender.Defender
	memory   *memory
	marks    *marks
	hooks    *hooks // nil: this Monitor observes
	observes bool
	events   events
	checks   *checks
	recovery *recovery.Worker   // nil: this Monitor observes
	drills   *drill.Desk        // nil: this Monitor observes
	routes   *routes            // nil in tests that open no network
	manager  *sdnotify.Notifier // nil: there is none
	slowest  atomic.Int64       // time.Duration: see patience

	end    end
	unread string // why readers cannot ask although they should; empty: they can

	server     *control.Server // nil in tests that open none
	pages      pages
	unlistened string // why the metrics cannot be read over TCP although they should; empty: they can

	reportEvery time.Duration // the constant reportEvery; shorter in tests
	read        chan struct{} // closed once the loop has read this host

	reloading chan struct{}          // full while a reload is under way, so that there is only one at a time
	settings  config.Settings        // those in force; the reload owns them
	failed    atomic.Pointer[string] // why the last reload changed nothing; nil: it succeeded
}

// newMonitor makes a Monitor that has no loop yet.
func newMonitor(o Options, cfg *config.Config, log *logrus.Logger, manager *sdnotify.Notifier) *monitor {
	m := &monitor{
		load: o.Load, aliases: o.Aliases, log: log, manager: manager, memory: newMemory(cfg.Settings.StateDir),
		settings: cfg.Settings, reportEvery: reportEvery, read: make(chan struct{}), reloading: make(chan struct{}, 1),
	}
	m.slowest.Store(int64(slowest(cfg.Aliases)))
	m.observes, m.memory.writes = o.Observe, !o.Observe
	if !m.observes {
		m.hooks = newHooks(m, cfg)
	}
	m.events = newEvents(m, cfg)
	m.pages.make = m.page
	m.checks = newChecks(cfg, check.NewQuestions().Ask, m.events.Record)
	return m
}

// event is a log line with a name that stays; filters can rely on it.
func (m *monitor) event(name string) logrus.FieldLogger { return m.log.WithField("event", name) }

// run runs the tasks until the loop has ended, and then all others.
func (m *monitor) run(ctx context.Context, server *control.Server, signals <-chan os.Signal) error {
	loop, others := m.tasks(ctx, server, signals)
	return runAll(ctx, m.log, loop, others)
}

// tasks is everything that a Monitor runs. The report is the last of them, and waits for
// the others to be ready.
func (m *monitor) tasks(ctx context.Context, server *control.Server, signals <-chan os.Signal) (loop Task, others []Task) {
	loop = task{"the loop", m.loop, m.read}
	others = []Task{
		task{"the control socket", func(ctx context.Context) error {
			if err := server.Serve(ctx); err != nil {
				return fmt.Errorf("%w; Status and orders no longer work: restart this Monitor with USR2, which keeps the aliases", err)
			}
			return nil
		}, atOnce()}, // it listens already
		task{"the signal handler", func(beside context.Context) error { return m.obey(beside, ctx.Done(), signals) }, atOnce()},
	}
	others = append(others, m.eventTasks()...)
	if m.routes != nil {
		others = append(others, task{"the routes", m.routes.Run, atOnce()})
	}
	if m.hooks != nil {
		others = append(others, task{"the file of what hooks were told", m.keepTold, atOnce()})
	}
	if m.drills != nil {
		others = append(others, task{"the drills", m.drills.Run, atOnce()})
	}
	if m.marks != nil && !m.observes { // nil in tests that open no network
		others = append(others, task{"the file of placed aliases", m.keepMarks, atOnce()})
	}
	if m.memory.late {
		// No other task waits for this one: the disk may never answer.
		others = append(others, task{"the reading of the state directory", m.tellLate, atOnce()})
	}
	if m.manager != nil {
		awaited := append([]Task{loop}, others...)
		others = append(others, task{"the report to the service manager", func(ctx context.Context) error { return m.report(ctx, awaited) }, atOnce()})
	}
	return loop, others
}

// loop runs the loop, and watches for its first reading of this host.
func (m *monitor) loop(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		m.watchRead(watching)
	}()
	err := m.defender.Run(ctx)
	m.endRoutes()
	m.manager.Stopping() // who waited for other takes has not said so
	if m.drills != nil {
		m.drills.End() // while the event log still takes what they record
	}
	if m.hooks != nil {
		m.hooks.End(m.end.hooksWithin())
	}
	m.daemonEvent(record.Ended, record.Info, "")
	stop()
	<-seen
	return err
}

// How long to wait before the loop is asked again whether it has read this host: a moment
// at first, because a reading takes no time, and then twice as long each time. Each
// question wakes the loop, so there must be few of them while the kernel hangs.
const (
	askReadFirst = 10 * time.Millisecond
	askReadMost  = 250 * time.Millisecond
)

// watchRead closes m.read after the loop's first reading of this host.
func (m *monitor) watchRead(ctx context.Context) {
	for pause := askReadFirst; ; pause = min(2*pause, askReadMost) {
		if _, read := m.inOneLine(ctx); read {
			close(m.read)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// obey carries out signals until ctx ends. The close of over counts as TERM.
func (m *monitor) obey(ctx context.Context, over <-chan struct{}, signals <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-over:
			over = nil
			m.stop(defender.ExitAsSet)
		case s := <-signals:
			m.event("signal").WithField("signal", s.String()).Info("signal received")
			switch s {
			case syscall.SIGHUP:
				// Beside, so that files on a disk that hangs do not keep a TERM from
				// being heard. The log has the error.
				go func() { _ = m.reload(ctx, false) }()
			case syscall.SIGUSR2:
				m.stop(defender.ExitNext)
			default:
				m.stop(defender.ExitAsSet) // a second order changes nothing
			}
		}
	}
}

// status answers for the loop.
func (m *monitor) status(ctx context.Context, journal bool) (control.Snapshot, error) {
	s, err := m.defender.Snapshot(ctx, journal)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return s, &control.Refusal{Kind: control.KindBusy, Text: err.Error()}
	}
	recoveries := m.recoveries()
	s.Problems = append(s.Problems, m.problems(recoveries)...)
	s.Observing = m.observes
	if noRoutes := m.showRoutes(ctx, &s, journal); err == nil && noRoutes != nil {
		return s, &control.Refusal{Kind: control.KindBusy, Text: noRoutes.Error()}
	}
	m.showHooks(&s)
	s.Checks = m.checks.shown()
	if m.drills != nil {
		s.Drill, s.Counts.Drills = m.drills.Shown()
	}
	showRecoveries(&s, recoveries)
	return s, err
}

// now answers for the loop too.
func (m *monitor) now(ctx context.Context, alias string) ([]control.Now, error) {
	var of netip.Addr
	if alias != "" {
		var err error
		if of, err = netip.ParseAddr(alias); err != nil {
			return nil, &control.Refusal{Kind: control.KindNoAlias, Text: fmt.Sprintf("%q is no address", alias)}
		}
	}
	all, err := m.defender.Now(ctx, of)
	if refusal := (*control.Refusal)(nil); err != nil && !errors.As(err, &refusal) && !errors.Is(err, context.DeadlineExceeded) {
		return nil, &control.Refusal{Kind: control.KindBusy, Text: err.Error()}
	}
	return all, err
}

// problems are those that the loop does not know of.
func (m *monitor) problems(recoveries map[netip.Addr]recovery.Shown) (all []string) {
	if broken := m.memory.trouble(); broken != nil {
		all = strings.Split(broken.Error(), "\n")
	}
	for _, text := range []string{m.unread, m.unlistened} {
		if text != "" {
			all = append(all, text)
		}
	}
	all = append(all, m.checks.problems()...)
	return append(all, recoveryProblems(recoveries)...)
}

// openReaders opens the readers' socket. If their group is gone, the Monitor keeps the
// aliases alive all the same.
func (m *monitor) openReaders(server *control.Server) {
	group := m.settings.Readers.Group
	if group == "" {
		return
	}
	if err := server.ListenReaders(group); err != nil {
		m.unread = "[control] readers has no effect: " + err.Error()
		m.event("no_readers").Error(m.unread)
	}
}
