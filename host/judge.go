package host

import (
	"errors"
	"fmt"
)

// maxLabel is the longest label that Linux takes (IFNAMSIZ less the final zero).
const maxLabel = 15

func check(o Order) error {
	ip := o.Prefix.Addr()
	switch {
	case !o.Prefix.IsValid() || !ip.Is4():
		return errors.New("not an IPv4 address with a prefix")
	case ip.IsUnspecified(), ip.IsLoopback(), ip.As4()[0] >= 224: // the kernel would take them
		return errors.New("not an address that a host can have")
	case len(o.Label) > maxLabel:
		return fmt.Errorf("label %q is longer than %d bytes", o.Label, maxLabel)
	}
	return nil
}

// Judge says whether the order to add an address is carried out already, or why
// it cannot be. A system asks it before it asks its kernel, which is laxer.
func (s State) Judge(o Order) (done bool, err error) {
	if err := check(o); err != nil {
		return false, fmt.Errorf("host: add %s to %s: %w", o.Prefix, o.NIC, err)
	}
	n, ok := s.NIC(o.NIC)
	if !ok {
		return false, fmt.Errorf("host: add %s: no NIC %s", o.Prefix, o.NIC)
	}
	here := false
	for _, other := range s.NICs {
		for _, a := range other.Addrs {
			switch {
			case a.Prefix.Addr() != o.Prefix.Addr():
			case other.Name == o.NIC && a.Prefix == o.Prefix:
				here = true
			default:
				return false, fmt.Errorf("host: add %s to %s: it is on %s already, as %s", o.Prefix, o.NIC, other.Name, a.Prefix)
			}
		}
	}
	if here {
		return true, nil
	}
	for _, a := range n.Addrs {
		if !a.Ours {
			return false, nil
		}
	}
	return false, fmt.Errorf("host: add %s to %s: the NIC has no address of its own, and an alias must not be its first", o.Prefix, o.NIC)
}
