package daemon

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/recovery"
	"alias-defender/aliasdefender/rules"
	"alias-defender/aliasdefender/store"
)

// newRecovery makes the recovery of the partners' services, with what an earlier Monitor
// has left of it. It waits for the disk no longer than within.
func (m *monitor) newRecovery(cfg *config.Config, within time.Duration) *recovery.Worker {
	dir := cfg.Settings.StateDir
	left, err := readRecoveries(dir, within)
	return recovery.New(recovery.Options{
		Record: m.events.Record,
		Output: func(j recovery.Job, line string) {
			m.event("recovery_output").WithFields(logrus.Fields{"alias": j.Alias.String(), "nic": j.Label, "step": string(j.Step), "output": line}).Info("a program of a recovery says")
		},
		Keep: keepRecoveries(dir), Kept: keptOf(left), Unknown: err,
	}, cfg.Aliases)
}

// readRecoveries reads what an earlier Monitor has left. An answer that comes after within
// is nobody's any more.
func readRecoveries(dir string, within time.Duration) ([]store.Recovery, error) {
	type answer struct {
		left []store.Recovery
		err  error
	}
	read := make(chan answer, 1)
	go func() {
		left, err := store.ReadRecoveries(dir)
		read <- answer{left, err}
	}()
	select {
	case is := <-read:
		return is.left, is.err
	case <-time.After(within):
		return nil, fmt.Errorf("%s: %w", dir, errNoAnswer)
	}
}

// keptOf is what the file says, as the recovery knows it.
func keptOf(all []store.Recovery) map[netip.Addr]recovery.Kept {
	kept := map[netip.Addr]recovery.Kept{}
	for _, r := range all {
		kept[r.Alias] = recovery.Kept{Step: recovery.Step(r.Step), Since: r.Since, Begun: r.Begun, Fenced: r.Fenced}
	}
	return kept
}

// keepRecoveries writes how far recoveries have come. A disk that hangs holds it for
// store.Within, and until it has answered nothing more is written: a write that was begun
// could come after a later one.
func keepRecoveries(dir string) func(map[netip.Addr]recovery.Kept) error {
	writing := make(chan struct{}, 1)
	return func(all map[netip.Addr]recovery.Kept) error {
		select {
		case writing <- struct{}{}:
		default:
			return fmt.Errorf("%s: %w", dir, errNoAnswer)
		}
		rows := make([]store.Recovery, 0, len(all))
		for alias, k := range all {
			rows = append(rows, store.Recovery{Alias: alias, Step: string(k.Step), Since: k.Since, Fenced: k.Fenced, Begun: k.Begun})
		}
		slices.SortFunc(rows, func(a, b store.Recovery) int { return a.Alias.Compare(b.Alias) })
		done := make(chan error, 1)
		go func() {
			err := store.WriteRecoveries(dir, rows)
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

// showRecoveries adds to a snapshot how far the recovery of each alias has come, and says
// what somebody must look at.
func (m *monitor) showRecoveries(s *control.Snapshot) {
	if m.recovery == nil {
		return
	}
	all := m.recovery.Shows()
	for i := range s.Aliases {
		al := &s.Aliases[i]
		addr, err := netip.ParseAddr(al.Alias)
		r, ok := all[addr]
		if err != nil || !ok {
			continue
		}
		al.Recovery = &control.Recovery{
			Check: r.Check, Step: string(r.Step), Since: r.Since.Round(0), Begun: r.Begun, Budget: r.Budget,
			Fenced: r.Fenced.Round(0), Held: r.Held, Last: r.Last, LastAt: r.LastAt.Round(0),
		}
		if r.Level > rules.Info {
			al.Recovery.Level = [...]string{rules.Warning: "warning", rules.Error: "error", rules.Alarm: "alarm"}[r.Level]
		}
	}
}

// recoveryProblems are the recoveries that have not helped.
func (m *monitor) recoveryProblems() (all []string) {
	if m.recovery == nil {
		return nil
	}
	for alias, r := range m.recovery.Shows() {
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
