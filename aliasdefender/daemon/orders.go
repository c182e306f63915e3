package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/store"
)

// longestOrder leaves the server time for its answer.
const longestOrder = control.OrderWithin - 2*time.Second

// order carries out an order that came over the socket.
func (m *monitor) order(ctx context.Context, o control.Order) ([]control.Outcome, error) {
	within := m.patience()
	if o.Within > 0 {
		within = min(o.Within, longestOrder)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	out, err := m.defender.Order(ctx, o, m.remember)
	switch {
	case errors.Is(err, defender.ErrNoAlias):
		s, err := m.defender.Snapshot(ctx, false)
		if err != nil {
			return nil, err
		}
		var known []string
		for _, al := range s.Aliases {
			known = append(known, al.Alias)
		}
		text := NoSuchAlias(o.Alias, "the running Monitor's "+m.aliases, known).Error()
		return nil, &control.Refusal{Kind: control.KindAlias, Text: text + "; a row that is new there needs a Reload"}
	case errors.Is(err, context.DeadlineExceeded), err == nil:
		return out, err
	}
	return nil, &control.Refusal{Kind: control.KindBusy, Text: err.Error()}
}

// remember writes what is parked. Its error goes to the user who gave the order.
func (m *monitor) remember(kept defender.Kept) error {
	err := m.keeper.Remember(store.Kept(kept))
	if err != nil {
		m.event("not_remembered").WithError(err).Error("what is parked is not remembered over a restart")
	}
	return err
}

// patience is how long an order may wait for the network: as long as an alias
// may take to be found silent, doubted twice.
func (m *monitor) patience() time.Duration {
	return min(time.Duration(m.slowest.Load())+2*time.Second, longestOrder)
}

// slowest is the longest time that finding any one of the aliases silent may take.
func slowest(aliases []config.Alias) (d time.Duration) {
	for _, al := range aliases {
		d = max(d, al.Detect()+time.Duration(al.Misses)*al.Timeout)
	}
	return d
}

// sayKept tells the log what was read of the state file.
func (m *monitor) sayKept(cfg *config.Config, kept store.Kept, damage error) {
	if damage != nil {
		for line := range strings.Lines(damage.Error()) {
			m.event("parked").Error("the file of parked aliases: " + strings.TrimSpace(line))
		}
	}
	if err := m.state.Ready(); err != nil {
		m.event("not_remembered").WithError(err).Warn("what RemoveAlias parks will not be remembered over a restart")
	}
	if kept.Maintenance {
		m.event("maintenance").Warn("this host is in maintenance: it stays out of all aliases until 'aliasdefender Maintenance off'")
	}
	for _, addr := range kept.Parked {
		text := "parked by an operator: it stays off this host until AddAlias"
		if !slices.ContainsFunc(cfg.Aliases, func(al config.Alias) bool { return al.Addr == addr }) {
			text = "parked by an operator, but not in the file now"
		}
		m.event("parked").WithField("alias", addr.String()).Warn(text)
	}
}

// NoSuchAlias is the error of an address that is no alias of a file. It names those
// that are, or the first of them.
func NoSuchAlias(addr netip.Addr, file string, aliases []string) error {
	const most = 8
	list := strings.Join(aliases, ", ")
	if len(aliases) > most {
		list = fmt.Sprintf("%s and %d more", strings.Join(aliases[:most], ", "), len(aliases)-most)
	}
	return fmt.Errorf("%s is no alias of %s, which has %s", addr, file, list)
}
