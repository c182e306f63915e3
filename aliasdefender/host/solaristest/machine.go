// Package solaristest fakes a Solaris or illumos host: ifconfig, uname, netstat,
// route and arp as they behave and print, for tests of the code that drives and
// reads them. It follows their manual pages, illumos's published source and
// listings by administrators; no real machine was at hand.
//
// It does only what such tests need, and refuses anything else as the real programs
// refuse a mistyped line.
package solaristest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Machine is the host. Its fields are set up by a test, and changed by Run.
type Machine struct {
	Release  string // of uname -r: "5.6" to "5.11"
	Physical bool   // prints PHYSRUNNING, as Oracle's Solaris 11
	NICs     []NIC  // that are in the machine, the loopback left out
	Units    []Unit // that are plumbed, in the order of their plumbing
	Gateway  netip.Addr
	Known    []Neighbour

	Elsewhere []netip.Addr // what other hosts have: found by the kernel from 5.10 on
	Compat    bool         // DEFAULT_IP=IP_VERSION4: prints as before Solaris 8
}

// NIC is one Ethernet interface in the machine.
type NIC struct {
	Name string
	HW   string // as Solaris prints it: 8:0:20:a:b:c
	Link bool   // its cable
}

// Unit is a NIC's address, or room for one.
type Unit struct {
	Name      string // iprb1, iprb1:1
	Addr      netip.Addr
	Mask      uint32
	Broadcast netip.Addr
	Up        bool
	Duplicate bool
	Zone      string
}

// Neighbour is a line of the ARP cache.
type Neighbour struct {
	Addr netip.Addr
	HW   string
}

// New is a machine with one NIC that has its own address and a default router.
func New(release, nic string, own netip.Prefix, gateway netip.Addr) *Machine {
	m := &Machine{Release: release, NICs: []NIC{{Name: nic, HW: "8:0:20:a:b:c", Link: true}}, Gateway: gateway}
	m.Own(nic, own)
	return m
}

// Own gives a NIC its own address, as at boot, or one of its units another.
func (m *Machine) Own(unit string, p netip.Prefix) {
	u := m.unit(unit)
	if u == nil {
		m.Units = append(m.Units, Unit{Name: unit})
		u = m.unit(unit)
	}
	u.Addr, u.Mask, u.Up = p.Addr(), maskOf(p.Bits()), true
	u.Broadcast = broadcastOf(u.Addr, u.Mask)
}

// Conflict has another host claim an address. A kernel that looks for that
// takes its own down.
func (m *Machine) Conflict(addr netip.Addr) {
	m.Elsewhere = append(m.Elsewhere, addr)
	for i := range m.Units {
		if u := &m.Units[i]; u.Addr == addr && u.Up && m.minor() >= 10 {
			u.Up, u.Duplicate = false, true
		}
	}
}

func (m *Machine) unit(name string) *Unit {
	i := slices.IndexFunc(m.Units, func(u Unit) bool { return u.Name == name })
	if i < 0 {
		return nil
	}
	return &m.Units[i]
}

func (m *Machine) nic(name string) *NIC {
	i := slices.IndexFunc(m.NICs, func(n NIC) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &m.NICs[i]
}

// minor is the number behind "5.".
func (m *Machine) minor() int {
	n, _ := strconv.Atoi(strings.TrimPrefix(m.Release, "5."))
	return n
}

// Run runs one command line and returns what it prints and its exit code.
func (m *Machine) Run(name string, args ...string) (stdout, stderr string, code int) {
	var err error
	switch line := strings.Join(args, " "); {
	case name == "uname" && line == "-r":
		stdout = m.Release + "\n"
	case name == "netstat" && line == "-rn":
		stdout = m.netstat()
	case name == "route" && line == "-n get default":
		stdout, err = m.route()
	case name == "arp" && line == "-an":
		stdout = m.arp()
	case name == "ifconfig" && line == "-a":
		stdout = m.list()
	case name == "ifconfig" && len(args) > 1:
		stdout, err = m.ifconfig(args[0], args[1:])
	default:
		err = fmt.Errorf("usage: %s", name)
	}
	if err != nil {
		return stdout, fmt.Sprintf("%s: %v\n", name, err), 1
	}
	return stdout, "", 0
}

// ifconfig obeys the words behind a unit's name, one after the other.
func (m *Machine) ifconfig(name string, words []string) (stdout string, err error) {
	for len(words) > 0 {
		word, value := words[0], ""
		words = words[1:]
		switch word {
		case "addif", "netmask", "broadcast":
			if len(words) == 0 {
				return stdout, fmt.Errorf("%s: no argument", word)
			}
			value, words = words[0], words[1:]
		}
		switch word {
		case "plumb":
			err = m.plumb(name)
		case "unplumb":
			err = m.unplumb(name)
		case "addif":
			name, err = m.addif(name, value)
			stdout += fmt.Sprintf("Created new logical interface %s\n", name)
		default:
			err = m.set(name, word, value)
		}
		if err != nil {
			return stdout, err
		}
	}
	return stdout, nil
}

// plumb makes a unit. One that is there stays as it is, and nothing is said.
func (m *Machine) plumb(name string) error {
	nic, _, logical := strings.Cut(name, ":")
	switch {
	case logical && m.minor() < 8:
		return fmt.Errorf("SIOCSIFNAME for ip: %s: Invalid argument", name)
	case logical && m.unit(nic) == nil:
		return fmt.Errorf("plumb: SIOCLIFADDIF: %s: no such interface", name)
	case m.nic(nic) == nil:
		return fmt.Errorf("plumb: %s: no such interface", name)
	case m.unit(name) == nil:
		m.Units = append(m.Units, Unit{Name: name})
	}
	return nil
}

// unplumb removes a unit. Of a NIC's own unit it removes all the others too,
// which is what nobody wants.
func (m *Machine) unplumb(name string) error {
	switch {
	case strings.HasSuffix(name, ":0"):
		return fmt.Errorf("unplumb: Cannot unplumb %s: Invalid interface", name)
	case m.unit(name) == nil:
		return fmt.Errorf("unplumb: SIOCLIFREMOVEIF: %s: no such interface", name)
	}
	m.Units = slices.DeleteFunc(m.Units, func(u Unit) bool {
		return u.Name == name || strings.HasPrefix(u.Name, name+":")
	})
	return nil
}

// addif puts an address on the first free unit, though it be on another already.
func (m *Machine) addif(name, addr string) (string, error) {
	unit := m.unused(name)
	m.Units = append(m.Units, Unit{Name: unit})
	return unit, m.set(unit, addr, "")
}

// unused is the NIC's first unit that is not plumbed.
func (m *Machine) unused(nic string) string {
	for n := 1; ; n++ {
		if unit := fmt.Sprintf("%s:%d", nic, n); m.unit(unit) == nil {
			return unit
		}
	}
}

// set obeys one word that changes a unit.
func (m *Machine) set(name, word, value string) error {
	u := m.unit(name)
	if nic, _, logical := strings.Cut(name, ":"); u == nil && logical && m.minor() < 8 && m.unit(nic) != nil {
		m.Units = append(m.Units, Unit{Name: name}) // made by being named
		u = m.unit(name)
	}
	if u == nil {
		return fmt.Errorf("setifflags: SIOCGLIFFLAGS: %s: no such interface", name)
	}
	switch word {
	case "up":
		if !u.Addr.IsValid() {
			return fmt.Errorf("setifflags: SIOCSLIFFLAGS: %s: Cannot assign requested address", name)
		}
		u.Duplicate = m.minor() >= 10 && slices.Contains(m.Elsewhere, u.Addr)
		u.Up = !u.Duplicate
	case "down":
		u.Up, u.Duplicate = false, false
	case "netmask":
		mask, err := netip.ParseAddr(value)
		if err != nil {
			return fmt.Errorf("%s: bad address", value)
		}
		u.Mask = number(mask)
	case "broadcast":
		if value != "+" {
			return fmt.Errorf("%s: bad address", value)
		}
		u.Broadcast = broadcastOf(u.Addr, u.Mask) // of the mask that it has by now
	case "0":
		*u = Unit{Name: u.Name, Up: u.Up}
	default:
		addr, err := netip.ParseAddr(word)
		if err != nil {
			return fmt.Errorf("%s: bad address", word)
		}
		u.Addr, u.Mask, u.Duplicate = addr, classMask(addr), false
		u.Broadcast = broadcastOf(u.Addr, u.Mask)
	}
	return nil
}

func number(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func address(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func maskOf(bits int) uint32 { return ^uint32(0) << (32 - bits) }

// classMask is what an address without a netmask gets (RFC 791, 3.2).
func classMask(a netip.Addr) uint32 {
	switch first := a.As4()[0]; {
	case first < 128:
		return maskOf(8)
	case first < 192:
		return maskOf(16)
	}
	return maskOf(24)
}

func broadcastOf(a netip.Addr, mask uint32) netip.Addr {
	if !a.IsValid() {
		return netip.Addr{}
	}
	return address(number(a) | ^mask)
}
