package daemon

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/hook"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/store"
)

// hooks are the administrator's programs, and what they were told.
type hooks struct {
	*hook.Runner
	told *told
	cfg  *config.Config // the one in force; the reload owns it
}

// newHooks makes the hooks of a Monitor. It starts nothing.
func newHooks(m *monitor, cfg *config.Config) *hooks {
	h := &hooks{told: newTold(cfg.Settings.StateDir), cfg: cfg}
	h.Runner = hook.New(hook.Options{
		Record: func(e record.Event) { m.events.Record(e) },
		Repeat: func(e record.Event) { m.events.Repeat(e) },
		Output: func(at hook.Subject, name config.HookName, line string) {
			fields := logrus.Fields{"alias": at.Alias.String(), "nic": at.Label, "hook": string(name), "output": line}
			if at.Route != "" {
				fields = logrus.Fields{"route": at.Route, "hook": string(name), "output": line}
			}
			m.event("hook_output").WithFields(fields).Info("a hook says")
		},
		Acted: m.acted,
		Told:  h.told,
	}, cfg.Aliases, cfg.Routes...)
	return h
}

// setHooks puts the hooks of new files in force, until unsetHooks, or keepHooks.
func (m *monitor) setHooks(cfg *config.Config) {
	if m.hooks != nil {
		m.hooks.Set(cfg.Aliases, cfg.Routes...)
	}
}

// unsetHooks goes back to those of the files that stay in force.
func (m *monitor) unsetHooks() {
	if m.hooks != nil {
		m.hooks.Set(m.hooks.cfg.Aliases, m.hooks.cfg.Routes...)
	}
}

// keepHooks notes which files are in force.
func (m *monitor) keepHooks(cfg *config.Config) {
	if m.hooks != nil {
		m.hooks.cfg = cfg
	}
}

// keepTold writes which take hooks have run whenever that has changed, until ctx ends;
// then once more. A disk that hangs holds only the writing, and the end for store.Within.
func (m *monitor) keepTold(ctx context.Context) error {
	k := m.hooks.told
	written := make(chan error, 1)
	writing := false
	changed := k.changed
	for {
		select {
		case <-ctx.Done():
			if writing { // exit_after ends the Monitor just when there is something to write
				select {
				case err := <-written:
					m.sayTold(err)
				case <-time.After(store.Within):
					return nil // the disk hangs
				}
			}
			select {
			case <-k.changed:
				waited(store.Within, func() { m.sayTold(k.write()) })
			default:
			}
			return nil
		case <-changed:
			writing, changed = true, nil
			go func() { written <- k.write() }()
		case err := <-written:
			writing, changed = false, k.changed
			m.sayTold(err)
		}
	}
}

// sayTold logs what is wrong with the file of what hooks were told.
func (m *monitor) sayTold(err error) {
	if err != nil {
		m.event("told").WithError(err).Warn("which take hooks have run is not known after a restart: they run once more")
	}
}

// showHooks adds to a snapshot what became of each alias's and each route's hooks.
func (m *monitor) showHooks(s *control.Snapshot) {
	if m.hooks == nil {
		return
	}
	for i := range s.Aliases {
		al := &s.Aliases[i]
		addr, err := netip.ParseAddr(al.Alias)
		if err != nil {
			continue
		}
		al.Hooks = showRuns(m.hooks.Last(addr))
	}
	for i := range s.Routes {
		s.Routes[i].Hooks = showRuns(m.hooks.LastOfRoute(s.Routes[i].Route))
	}
}

func showRuns(runs []hook.Run) (all []control.Hook) {
	for _, run := range runs {
		all = append(all, control.Hook{
			Hook: string(run.Hook), At: run.At.Round(0), TookMS: run.Took.Milliseconds(), Result: string(run.Result), Error: run.Error,
		})
	}
	return all
}

// told is a hook.Told on disk.
type told struct {
	dir  string
	boot string // of this host; empty: it is not known, and nothing is kept

	mu      sync.Mutex
	aliases map[netip.Addr]bool
	changed chan struct{} // one place: what is told is not on the disk yet
}

func newTold(dir string) *told {
	text, _ := os.ReadFile(bootFile) // without it each adoption is told
	return &told{dir: dir, boot: strings.TrimSpace(string(text)), aliases: map[netip.Addr]bool{}, changed: make(chan struct{}, 1)}
}

// open reads what earlier Monitors have told. It waits for the disk no longer than
// within; what comes later does not count.
func (k *told) open(within time.Duration) error {
	if k.boot == "" {
		return nil
	}
	var all []netip.Addr
	var err error
	if !waited(within, func() { all, err = store.ReadTold(k.dir, k.boot) }) {
		return fmt.Errorf("%s: %w", k.dir, errNoAnswer)
	}
	for _, a := range all {
		k.aliases[a] = true
	}
	return err
}

// Is tells whether the take hook of an alias has run.
func (k *told) Is(alias netip.Addr) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.aliases[alias]
}

// Set notes whether it has.
func (k *told) Set(alias netip.Addr, is bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.aliases[alias] == is {
		return
	}
	if is {
		k.aliases[alias] = true
	} else {
		delete(k.aliases, alias)
	}
	if k.boot == "" {
		return
	}
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// write writes the file.
func (k *told) write() error {
	k.mu.Lock()
	all := slices.SortedFunc(maps.Keys(k.aliases), netip.Addr.Compare)
	k.mu.Unlock()
	return store.WriteTold(k.dir, k.boot, all)
}
