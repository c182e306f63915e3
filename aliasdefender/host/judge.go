package host

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxLabel is the longest label that Linux takes (IFNAMSIZ less the final zero).
const maxLabel = 15

func check(o Placement) error {
	ip := o.Prefix.Addr()
	switch {
	case !o.Prefix.IsValid() || ip.Is4In6():
		return errors.New("not an IPv4 or IPv6 address with a prefix")
	case ip.IsUnspecified(), ip.IsLoopback(), ip.IsMulticast(), ip.Is4() && ip.As4()[0] >= 224: // the kernel would accept some
		return errors.New("not an address that a host can have")
	case ip.Is4() && len(o.Label) > maxLabel && o.label() == "":
		return fmt.Errorf("label %q is longer than %d bytes", o.Label, maxLabel)
	case o.Lease < 0:
		return fmt.Errorf("a lease of %s", o.Lease)
	}
	return nil
}

// label is the order's label as Linux can have it. A label with a long interface name
// loses part of that name: what follows the colon tells the labels apart, and the kernel
// asks only that they are short enough. Empty: no label can be that short.
func (o Placement) label() string {
	nic, number, labelled := strings.Cut(o.Label, ":")
	switch {
	case len(o.Label) <= maxLabel:
		return o.Label
	case !labelled || nic != o.NIC || len(nic) > maxLabel || len(number) > maxLabel-2:
		return ""
	}
	return nic[:maxLabel-1-len(number)] + ":" + number
}

// Judge says for each order to add an address, in the sequence given, what to do.
// Nothing, because the address is already there; or the error says why it cannot be
// added; or todo has the order's index, and the address is to be added. Such an address
// may be there but not usable (see [Address.Usable]): then it has to be removed first.
// For each order Judge assumes that the orders before it succeed: if one of them then
// fails, a later order for the same address has failed too. Each system calls Judge
// before it asks its kernel, which checks less.
func (s State) Judge(orders []Placement) (todo []int, errs []error) {
	errs = make([]error, len(orders))
	nics, there := s.byNIC(), s.byAddress()
	for i, o := range orders {
		done, err := judge(o, nics, there)
		if errs[i] = err; done || err != nil {
			continue
		}
		todo = append(todo, i)
		there[o.addr()] = []place{{o.NIC, o.Prefix, true}}
	}
	return todo, errs
}

// JudgeRefresh says for each order whether its address can be refreshed: whether it is
// there, with this prefix on this NIC.
func (s State) JudgeRefresh(orders []Placement) []error {
	errs := make([]error, len(orders))
	there := s.byAddress()
	for i, o := range orders {
		err := check(o)
		if err == nil && !slices.ContainsFunc(there[o.addr()], func(p place) bool { return p.nic == o.NIC && p.prefix == o.Prefix }) {
			err = ErrNotThere
		}
		if err != nil {
			errs[i] = fmt.Errorf("host: refresh %s on %s: %w", o.Prefix, o.NIC, err)
		}
	}
	return errs
}

// JudgeReorder says for each order to put an address behind the others of its subnet what
// to do. Nothing, because the address is behind one that somebody else put there, or
// there is no such address, or it is an IPv6 address, whose place decides nothing; or the
// error says why it cannot be done; or todo has the order's index, and the address is to
// be removed and added again. todo is in the sequence of the addresses on the NIC.
func (s State) JudgeReorder(orders []Placement) (todo []int, errs []error) {
	errs = make([]error, len(orders))
	at := make([]int, len(orders))
	for i, o := range orders {
		err := check(o)
		if err == nil {
			n, _ := s.NIC(o.NIC)
			at[i] = slices.IndexFunc(n.Addrs, func(a Address) bool { return a.Prefix == o.Prefix })
			if err = ErrNotThere; at[i] >= 0 {
				err = nil
				if o.Prefix.Addr().Is4() && n.leads(at[i]) {
					todo = append(todo, i)
				}
			}
		}
		if err != nil {
			errs[i] = fmt.Errorf("host: reorder %s on %s: %w", o.Prefix, o.NIC, err)
		}
	}
	slices.SortStableFunc(todo, func(a, b int) int { return at[a] - at[b] })
	return slices.CompactFunc(todo, func(a, b int) bool { return orders[a] == orders[b] }), errs
}

// leads tells whether the address at that place stands before one of its subnet that
// somebody else put there, and behind none.
func (n NIC) leads(at int) bool {
	subnet := n.Addrs[at].Prefix.Masked()
	for i, a := range n.Addrs {
		if i != at && !a.Ours && a.Prefix.Masked() == subnet {
			return i > at
		}
	}
	return false
}

// place is where an address is.
type place struct {
	nic    string
	prefix netip.Prefix
	usable bool
}

// addr is the order's address as it is told apart on this host.
func (o Placement) addr() netip.Addr { return Zoned(o.Prefix.Addr(), o.NIC) }

func (s State) byAddress() map[netip.Addr][]place {
	there := map[netip.Addr][]place{}
	for _, n := range s.NICs {
		for _, a := range n.Addrs {
			ip := Zoned(a.Prefix.Addr(), n.Name)
			there[ip] = append(there[ip], place{n.Name, a.Prefix, a.Usable()})
		}
	}
	return there
}

// ready is what an interface has that an alias needs.
type ready struct {
	own    map[Family]bool // a usable address of the family that somebody else put there
	noIPv6 bool
}

func (s State) byNIC() map[string]ready {
	nics := map[string]ready{}
	for _, n := range s.NICs {
		r := ready{map[Family]bool{}, n.NoIPv6}
		for _, a := range n.Addrs {
			if !a.Ours && a.Usable() {
				r.own[FamilyOf(a.Prefix.Addr())] = true
			}
		}
		nics[n.Name] = r
	}
	return nics
}

func judge(o Placement, nics map[string]ready, there map[netip.Addr][]place) (done bool, err error) {
	refuse := func(err error) (bool, error) {
		return false, fmt.Errorf("host: add %s to %s: %w", o.Prefix, o.NIC, err)
	}
	if err := check(o); err != nil {
		return refuse(err)
	}
	nic, ok := nics[o.NIC]
	if !ok {
		return false, fmt.Errorf("host: add %s: no NIC %s", o.Prefix, o.NIC)
	}
	for _, p := range there[o.addr()] {
		if p.nic != o.NIC || p.prefix != o.Prefix {
			return refuse(fmt.Errorf("it is on %s already, as %s", p.nic, p.prefix))
		}
		done = p.usable
	}
	switch family := FamilyOf(o.Prefix.Addr()); {
	case done:
		return true, nil
	case family == IPv6 && nic.noIPv6:
		return refuse(errors.New("IPv6 is disabled on the NIC (disable_ipv6, or an MTU below 1280)"))
	case family == IPv6 && !nic.own[IPv6]:
		return refuse(errors.New("the NIC has no address of its own in IPv6 that is usable, and an alias must not be its first"))
	case !nic.own[family]:
		return refuse(errors.New("the NIC has no address of its own, and an alias must not be its first"))
	}
	return false, nil
}
