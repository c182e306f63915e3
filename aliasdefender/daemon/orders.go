package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/defender"
)

// longestOrder leaves the server time to answer.
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

// patience is how long an order may wait for the network: as long as it may take to find
// an alias silent, with two doubts.
func (m *monitor) patience() time.Duration {
	return min(time.Duration(m.slowest.Load())+2*time.Second, longestOrder)
}

// slowest is the longest time that it may take to find any one of the aliases silent.
func slowest(aliases []config.Alias) (d time.Duration) {
	for _, al := range aliases {
		d = max(d, al.Detect()+time.Duration(al.Misses)*al.Timeout)
	}
	return d
}

// NoSuchAlias is the error for an address that is no alias of a file. It names the
// aliases of the file, or the first of them.
func NoSuchAlias(addr netip.Addr, file string, aliases []string) error {
	const most = 8
	list := strings.Join(aliases, ", ")
	if len(aliases) > most {
		list = fmt.Sprintf("%s and %d more", strings.Join(aliases[:most], ", "), len(aliases)-most)
	}
	return fmt.Errorf("%s is no alias of %s, which has %s", addr, file, list)
}
