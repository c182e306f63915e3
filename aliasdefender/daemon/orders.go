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
	if m.observes {
		return nil, refusal()
	}
	within := m.patience()
	if o.Within > 0 {
		within = min(o.Within, longestOrder)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	table := "the running Monitor's " + m.aliases
	if bare(o.Alias) {
		known, err := m.known(ctx)
		if err != nil {
			return nil, err
		}
		if o.Alias, err = Which(o.Alias, table, known); err != nil {
			return nil, &control.Refusal{Kind: control.KindAlias, Text: err.Error()}
		}
	}
	out, err := m.defender.Order(ctx, o, m.remember)
	switch {
	case errors.Is(err, defender.ErrNoAlias):
		known, err := m.known(ctx)
		if err != nil {
			return nil, err
		}
		text := noSuchAlias(o.Alias, table, known).Error()
		return nil, &control.Refusal{Kind: control.KindAlias, Text: text + "; a row that is new there needs a Reload"}
	case errors.Is(err, context.DeadlineExceeded), err == nil:
		return out, err
	}
	return nil, &control.Refusal{Kind: control.KindBusy, Text: err.Error()}
}

// known are the aliases that the loop has.
func (m *monitor) known(ctx context.Context) (all []string, err error) {
	s, err := m.defender.Snapshot(ctx, false)
	for _, al := range s.Aliases {
		all = append(all, al.Alias)
	}
	return all, err
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

// bare tells whether an address may be meant for an alias of more than one NIC.
func bare(addr netip.Addr) bool {
	return addr.Is6() && addr.IsLinkLocalUnicast() && addr.Zone() == ""
}

// Which is the alias of a file that an operator has named, as Snapshot names it. A
// link-local one may be named without its NIC where only one NIC has it. The zero Addr
// means every alias, and stays what it is. The error says which aliases there are.
func Which(addr netip.Addr, file string, aliases []string) (netip.Addr, error) {
	var found []netip.Addr
	for _, s := range aliases {
		al, err := netip.ParseAddr(s)
		if err == nil && (al == addr || bare(addr) && al.WithZone("") == addr) {
			found = append(found, al)
		}
	}
	switch {
	case !addr.IsValid():
		return addr, nil
	case len(found) == 0:
		return netip.Addr{}, noSuchAlias(addr, file, aliases)
	case len(found) > 1:
		return netip.Addr{}, fmt.Errorf("%s is an alias on several NICs in %s: write one of %s", addr, file, listed(found))
	}
	return found[0], nil
}

// noSuchAlias is the error for an address that is no alias of a file. It names the
// aliases of the file, or the first of them.
func noSuchAlias(addr netip.Addr, file string, aliases []string) error {
	return fmt.Errorf("%s is no alias of %s, which has %s", addr, file, listed(aliases))
}

// Listed is a list of names, or the first of them and how many more there are; none stands
// for an empty one.
func Listed(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return listed(names)
}

// listed is a list of aliases, or the first of them and how many more there are.
func listed[T any](aliases []T) string {
	const most = 8
	names := make([]string, 0, most)
	for _, al := range aliases[:min(len(aliases), most)] {
		names = append(names, fmt.Sprint(al))
	}
	list := strings.Join(names, ", ")
	if len(aliases) > most {
		list = fmt.Sprintf("%s and %d more", list, len(aliases)-most)
	}
	return list
}
