package host

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// unit is one address slot of a NIC as "ifconfig -a" of Solaris lists it:
// iprb1 itself is number 0, and iprb1:1 is number 1.
type unit struct {
	name   string // as listed
	nic    string
	number int
	flags  []string
	index  int          // 0: not listed, as before Solaris 8
	prefix netip.Prefix // host bits included; invalid: no address
	zone   string       // the other zone that it belongs to; empty: our own zone
	hw     HW
}

func (u unit) is(flag string) bool { return slices.Contains(u.flags, flag) }

// up tells whether the unit serves its address. RUNNING says nothing about that.
func (u unit) up() bool { return u.is("UP") }

// duplicate tells that the kernel has taken the address down, because it found
// another host with it.
func (u unit) duplicate() bool { return u.is("DUPLICATE") && !u.up() }

// heading is how the lines of a unit begin. The other lines are indented, except where a
// terminal has wrapped them.
var heading = regexp.MustCompile(`^([A-Za-z][^\s:]*)(?::([0-9]+))?:\s+flags=`)

// parseUnits reads "ifconfig -a". It ignores what a later release adds, and units of
// IPv6. An error means that the text is cut off, or is not what ifconfig prints: then
// nothing is known.
func parseUnits(text string) ([]unit, error) {
	var blocks []string
	for line := range strings.Lines(text) {
		switch {
		case heading.MatchString(line):
			blocks = append(blocks, line)
		case len(blocks) > 0:
			blocks[len(blocks)-1] += line
		case strings.TrimSpace(line) != "":
			return nil, fmt.Errorf("ifconfig -a: a list of interfaces does not begin with %q", strings.TrimSpace(line))
		}
	}
	if len(blocks) == 0 {
		return nil, errors.New("ifconfig -a: no interface is listed, not even the loopback")
	}
	var units []unit
	for _, b := range blocks {
		u, err := parseUnit(b)
		if err != nil {
			return nil, fmt.Errorf("ifconfig -a: %s: %w", nameIn(b), err)
		}
		if !u.is("IPv6") {
			units = append(units, u)
		}
	}
	return units, nil
}

// nameIn is the name of the unit that the lines are about.
func nameIn(block string) string {
	m := heading.FindStringSubmatch(block)
	return strings.TrimSuffix(m[1]+":"+m[2], ":")
}

var errCut = errors.New("its lines are cut off")

// parseUnit reads the lines of one unit.
func parseUnit(block string) (u unit, err error) {
	u.name = nameIn(block)
	u.nic = nicOf(u.name)
	if u.nic != u.name {
		if u.number, err = strconv.Atoi(u.name[len(u.nic)+1:]); err != nil {
			return unit{}, err
		}
	}
	_, rest, opened := strings.Cut(block, "<")
	flags, rest, closed := strings.Cut(rest, ">")
	if !opened || !closed {
		return unit{}, errCut
	}
	u.flags = strings.Split(strings.Join(strings.Fields(flags), ""), ",")

	var addr netip.Addr
	length := 32
	words := strings.Fields(rest)
	for i, word := range words {
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		switch word {
		case "inet":
			if value != "" && (value[0] < '0' || value[0] > '9') {
				continue // "inet tunnel src ...", or "inet subnet ..." of a unit without address
			}
			if addr, err = netip.ParseAddr(value); err != nil || !addr.Is4() {
				return unit{}, fmt.Errorf("inet %q is no address; %w", value, errCut)
			}
		case "netmask":
			if length, err = maskLength(value); err != nil {
				return unit{}, err
			}
		case "index":
			u.index, _ = strconv.Atoi(value)
		case "ether":
			u.hw, _ = parseHW(value)
		case "zone":
			u.zone = value
		}
	}
	if addr.IsValid() && !addr.IsUnspecified() { // 0.0.0.0: plumbed, and nothing more
		u.prefix = netip.PrefixFrom(addr, length)
	}
	return u, nil
}

// maskLength reads a netmask: hexadecimal without leading zeros, or dotted.
func maskLength(s string) (int, error) {
	var mask uint32
	if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
		b := a.As4()
		mask = uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	} else {
		n, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 32)
		if err != nil {
			return 0, fmt.Errorf("netmask %q is none; %w", s, errCut)
		}
		mask = uint32(n)
	}
	return bits.LeadingZeros32(^mask), nil // a mask with gaps is another program's mistake
}

// parseHW reads a hardware address, whose bytes Solaris prints without leading
// zeros: 8:0:20:a:b:c.
func parseHW(s string) (hw HW, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) != len(hw) {
		return HW{}, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 16, 8)
		if err != nil {
			return HW{}, false
		}
		hw[i] = byte(n)
	}
	return hw, true
}

// state makes a State of the units. The link of a NIC is good if it is RUNNING and not
// FAILED, as Solaris's own link-based failure detection has it: a driver that cannot tell
// leaves RUNNING on. A NIC is up if its unit 0 is, which has the NIC's own address.
//
// The units of other zones are left out: we cannot speak from their addresses, and they
// are not ours to take away.
func state(units []unit, ours map[netip.Addr]string) (s State) {
	for _, u := range units {
		i := slices.IndexFunc(s.NICs, func(n NIC) bool { return n.Name == u.nic })
		if i < 0 {
			i = len(s.NICs)
			s.NICs = append(s.NICs, NIC{Name: u.nic, Index: i + 1})
		}
		n := &s.NICs[i]
		if u.number == 0 {
			n.Up, n.Carrier, n.HW = u.up(), u.is("RUNNING") && !u.is("FAILED"), u.hw
			if u.index > 0 {
				n.Index = u.index
			}
		}
		switch {
		case !u.prefix.IsValid() || u.zone != "":
		case u.up():
			n.Addrs = append(n.Addrs, Address{Prefix: u.prefix, Label: u.name, Ours: ours[u.prefix.Addr()] == u.name})
		case u.duplicate():
			s.Duplicates = append(s.Duplicates, u.prefix.Addr())
		}
	}
	return s
}
