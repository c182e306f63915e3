package daemon

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/recovery"
	"alias-defender/aliasdefender/rules"
	"alias-defender/aliasdefender/store"
)

// newRecovery makes the recovery of the partners' services. It reads nothing yet.
func (m *monitor) newRecovery(cfg *config.Config) *recovery.Worker {
	dir := cfg.Settings.StateDir
	return recovery.New(recovery.Options{
		Record: m.events.Record,
		Output: func(j recovery.Job, line string) {
			m.event("recovery_output").WithFields(logrus.Fields{"alias": j.Alias.String(), "nic": j.Label, "step": j.Step, "output": line}).Info("a program of a recovery says")
		},
		Load: func() ([]store.Recovery, error) { return store.ReadRecoveries(dir) },
		Keep: keepRecoveries(dir),
	}, cfg.Aliases)
}

// keepRecoveries writes how far recoveries have come. A disk that hangs holds it for
// store.Within, and until it has answered nothing more is written: a write that was begun
// could come after a later one.
func keepRecoveries(dir string) func([]store.Recovery) error {
	writing := make(chan struct{}, 1)
	return func(all []store.Recovery) error {
		select {
		case writing <- struct{}{}:
		default:
			return fmt.Errorf("%s: %w", dir, errNoAnswer)
		}
		done := make(chan error, 1)
		go func() {
			err := store.WriteRecoveries(dir, all)
			<-writing
			done <- err
		}()
		select {
		case err := <-done:
			return err
		case <-time.After(store.Within):
			return fmt.Errorf("%s: %w", dir, errNoAnswer)
		}
	}
}

// recoveries are what is to be shown of each recovery; nil: there is none.
func (m *monitor) recoveries() map[netip.Addr]recovery.Shown {
	if m.recovery == nil {
		return nil
	}
	return m.recovery.Shows()
}

// showRecoveries adds to a snapshot how far the recovery of each alias has come.
func showRecoveries(s *control.Snapshot, all map[netip.Addr]recovery.Shown) {
	for i := range s.Aliases {
		al := &s.Aliases[i]
		addr, err := netip.ParseAddr(al.Alias)
		r, ok := all[addr]
		if err != nil || !ok {
			continue
		}
		al.Recovery = &control.Recovery{
			Check: r.Check, Step: r.Step, Since: r.Since.Round(0), Begun: r.Begun, Budget: r.Budget,
			Fenced: r.Fenced.Round(0), Held: r.Held, Last: r.Last, LastAt: r.LastAt.Round(0),
		}
		if r.Level > rules.Info {
			al.Recovery.Level = record.LevelName(r.Level)
		}
	}
}

// recoveryProblems are the recoveries that have not helped.
func recoveryProblems(shown map[netip.Addr]recovery.Shown) (all []string) {
	for alias, r := range shown {
		switch {
		case r.Level < rules.Error:
		case r.Held != "":
			all = append(all, fmt.Sprintf("the partner's service behind %s is failing, and nothing is done about it: %s", alias, r.Held))
		default:
			all = append(all, fmt.Sprintf("the recovery of the partner's service behind %s: %s", alias, r.Last))
		}
	}
	slices.Sort(all)
	if n := len(all); n > mostNamed {
		all = append(all[:mostNamed], fmt.Sprintf("and %d more recoveries that have not helped", n-mostNamed))
	}
	return all
}
