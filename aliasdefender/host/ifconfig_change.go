package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Add puts each address on the unit that its order's label names, which must be one such
// as iprb1:1, and brings it up. For each order the result has an error, or nil if it is
// done. Add leaves an address as it is that is already there, on any unit; that order
// counts as done. The kernel announces an address, and also checks whether another host
// has it; if one does, the error wraps ErrDuplicate.
//
// It is an error if the address has another prefix there, or is on another NIC or in
// another zone; if the unit has another address; or if the NIC has no address of its own,
// or is not plumbed, which is the administrator's job. Add undoes what a failed order has
// begun.
//
// The system knows no lease. An order's lease is ignored, and the address stays until it
// is removed; a reading says so too.
func (h *Ifconfig) Add(orders []Placement) []error {
	h.change.Lock()
	defer h.change.Unlock()
	s, units, err := h.read()
	if err != nil {
		return slices.Repeat([]error{err}, len(orders))
	}
	todo, errs := s.Judge(orders)
	todo = slices.DeleteFunc(todo, func(i int) bool { return ofIPv6(orders[i]) })
	for i, o := range orders {
		if _, plumbed := s.NIC(o.NIC); !plumbed {
			errs[i] = about("add", o, fmt.Errorf("NIC %s is not plumbed: give it an address of its own first", o.NIC))
		}
		if ofIPv6(o) {
			errs[i] = about("add", o, errNoIPv6)
		}
	}
	var begun []int
	at := map[int]string{}     // the unit of each order
	given := map[string]bool{} // units
	for _, i := range todo {
		o := orders[i]
		at[i] = unitFor(units, o)
		err := free(units, o, at[i])
		if given[at[i]] {
			err = errors.New("the unit was given to another address just now")
		}
		if err == nil {
			given[at[i]] = true
			begun = append(begun, i)
			err = h.bring(units, o, at[i])
		}
		errs[i] = about("add", o, err)
	}
	if len(begun) == 0 {
		return errs
	}
	// The address may not serve although the commands have succeeded.
	_, units, err = h.read()
	for _, i := range begun {
		o := orders[i]
		switch {
		case errs[i] == nil && err != nil:
			errs[i] = about("add", o, err)
		case errs[i] == nil:
			errs[i] = about("add", o, serves(units, o, at[i]))
		}
		if errs[i] == nil {
			h.remember(o.Prefix.Addr(), at[i])
		} else if undo := h.undo(units, at[i]); undo != nil {
			errs[i] = fmt.Errorf("%w; and it could not be undone: %w", errs[i], undo)
		}
		for k := range orders[i+1:] {
			if later := i + 1 + k; orders[later] == o && errs[later] == nil {
				errs[later] = errs[i] // Judge took it for done because of this order
			}
		}
	}
	return errs
}

// errNoIPv6 is the error of each order about an address of IPv6, except to remove it: it
// is not there.
var errNoIPv6 = errors.New("addresses of IPv6 are not supported on this system")

func ofIPv6(o Placement) bool { return FamilyOf(o.Prefix.Addr()) == IPv6 }

func about(what string, o Placement, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("host: %s %s on %s: %w", what, o.Prefix, o.Label, err)
}

// unitFor is the unit for the order: the one in its label, unless the NIC has the
// address, not in use, on another unit.
func unitFor(units []unit, o Placement) string {
	for _, u := range units {
		if u.nic == o.NIC && u.number > 0 && u.zone == "" && u.prefix.IsValid() && u.prefix.Addr() == o.Prefix.Addr() {
			return u.name
		}
	}
	return o.Label
}

// free tells why the unit cannot have the order's address. A second "plumb" of a unit
// succeeds without a word, and then its address would be overwritten.
func free(units []unit, o Placement, name string) error {
	nic, number, _ := strings.Cut(name, ":")
	if n, err := strconv.Atoi(number); nic != o.NIC || err != nil || n < 1 {
		return fmt.Errorf("%q is not a unit of %s; write one such as %s:1", name, o.NIC, o.NIC)
	}
	for _, u := range units {
		switch {
		case u.zone != "" && u.prefix.IsValid() && u.prefix.Addr() == o.Prefix.Addr():
			return fmt.Errorf("it is on %s already, for zone %s", u.name, u.zone)
		case u.name != name:
		case u.zone != "":
			return fmt.Errorf("the unit is that of zone %s; give the alias another one", u.zone)
		case u.prefix.IsValid() && u.prefix.Addr() != o.Prefix.Addr():
			return fmt.Errorf("the unit has %s; give the alias another one", u.prefix)
		}
	}
	return nil
}

// bring runs the commands that put the address on its unit. The netmask comes before
// "broadcast +", which is computed from it.
func (h *Ifconfig) bring(units []unit, o Placement, name string) error {
	ctx := context.Background() // each command has its own deadline
	if h.plumb && !listed(units, name) {
		if _, err := h.run(ctx, "ifconfig", name, "plumb"); err != nil {
			return err
		}
	}
	mask := net.IP(net.CIDRMask(o.Prefix.Bits(), 32)).String()
	_, err := h.run(ctx, "ifconfig", name, o.Prefix.Addr().String(), "netmask", mask, "broadcast", "+", "up")
	return err
}

func listed(units []unit, name string) bool {
	return slices.ContainsFunc(units, func(u unit) bool { return u.name == name })
}

// serves tells why the address, which was just brought up, does not serve.
func serves(units []unit, o Placement, name string) error {
	for _, u := range units {
		switch {
		case u.name != name || !u.prefix.IsValid() || u.prefix.Addr() != o.Prefix.Addr():
		case u.duplicate():
			return ErrDuplicate
		case !u.up():
			return errors.New("it did not come up")
		case u.prefix != o.Prefix:
			return fmt.Errorf("it came up as %s", u.prefix)
		default:
			return nil
		}
	}
	return errors.New("ifconfig reported no error, but the address is not there")
}

// undo removes a unit again that an order has begun. units is nil if they could not be
// read.
func (h *Ifconfig) undo(units []unit, name string) error {
	if units != nil && !listed(units, name) {
		return nil
	}
	return h.takeOff(name)
}

// Remove takes each address off the NIC, up or not, whatever its unit and prefix, and no
// matter who put it there. It is not an error if the address is not there. Remove never
// touches the NIC's own unit, the one without a number, because to unplumb it would take
// the NIC away. Nor does it touch a unit of another zone.
func (h *Ifconfig) Remove(orders []Placement) []error {
	h.change.Lock()
	defer h.change.Unlock()
	errs := make([]error, len(orders))
	_, units, err := h.read()
	if err != nil {
		return slices.Repeat([]error{err}, len(orders))
	}
	for i, o := range orders {
		for _, u := range units {
			if u.nic != o.NIC || !u.prefix.IsValid() || u.prefix.Addr() != o.Prefix.Addr() || u.zone != "" {
				continue
			}
			err := fmt.Errorf("it is the NIC's own address (%s without a number): never removed", u.name)
			if u.number > 0 {
				err = h.takeOff(u.name)
			}
			if err != nil {
				errs[i] = errors.Join(errs[i], fmt.Errorf("host: remove %s from %s: %w", u.prefix, u.name, err))
			}
		}
		if errs[i] == nil {
			h.remember(o.Prefix.Addr(), "")
		}
	}
	return errs
}

// Refresh has no lease to renew here. It only tells whether each address is there: the
// error is ErrNotThere if the NIC does not have the address up and with this prefix.
func (h *Ifconfig) Refresh(orders []Placement) []error {
	s, _, err := h.read()
	if err != nil {
		return slices.Repeat([]error{err}, len(orders))
	}
	errs := make([]error, len(orders))
	for i, o := range orders {
		if ofIPv6(o) {
			errs[i] = about("refresh", o, errNoIPv6)
		} else if nic, a, found := s.Find(o.Prefix.Addr()); !found || nic != o.NIC || a.Prefix != o.Prefix {
			errs[i] = about("refresh", o, ErrNotThere)
		}
	}
	return errs
}

// Reorder has nothing to do: the host always uses the address of the unit without a
// number as its source. A reading says so too (State.Ordered), so nobody calls this.
func (h *Ifconfig) Reorder(orders []Placement) []error {
	errs := make([]error, len(orders))
	for i, o := range orders {
		errs[i] = about("reorder", o, errors.New("this system's units have no order"))
		if ofIPv6(o) {
			errs[i] = about("reorder", o, errNoIPv6)
		}
	}
	return errs
}

// takeOff takes a unit away. It does so in one command, so that no unit is left without
// its address and still in use. Before Solaris 8 the unit stays, without an address.
func (h *Ifconfig) takeOff(name string) error {
	if nicOf(name) == name {
		return errors.New("not a unit with a number")
	}
	args := []string{name, "down", "unplumb"}
	if !h.plumb {
		args = []string{name, "0", "down"}
	}
	_, err := h.run(context.Background(), "ifconfig", args...)
	if err == nil {
		return nil
	}
	// Another program may have been quicker: a second look tells.
	if _, now, again := h.read(); again == nil {
		i := slices.IndexFunc(now, func(u unit) bool { return u.name == name })
		if i < 0 || !h.plumb && !now[i].prefix.IsValid() {
			return nil
		}
	}
	return err
}
