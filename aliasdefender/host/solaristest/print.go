package solaristest

import (
	"fmt"
	"net/netip"
	"strings"
)

// flag is a bit of an interface's flags (net/if.h), with its word.
type flag struct {
	bit  uint64
	word string
}

// The flags in the order of their bits, which is that of their words.
var (
	up          = flag{0x1, "UP"}
	broadcasts  = flag{0x2, "BROADCAST"}
	loopback    = flag{0x8, "LOOPBACK"}
	running     = flag{0x40, "RUNNING"}
	multicast   = flag{0x800, "MULTICAST"}
	ipv4        = flag{0x1000000, "IPv4"}
	virtual     = flag{0x2000000000, "VIRTUAL"}
	duplicate   = flag{0x4000000000, "DUPLICATE"}
	physrunning = flag{0x100000000000, "PHYSRUNNING"}
)

// compat tells whether the list is as before Solaris 8: without index and IPv4.
func (m *Machine) compat() bool { return m.Compat || m.minor() < 8 }

// list is "ifconfig -a" as root: NIC by NIC, each with its units.
func (m *Machine) list() string {
	var b strings.Builder
	lo := []flag{up, loopback, running, multicast, ipv4}
	if m.minor() >= 10 {
		lo = append(lo, virtual)
	}
	m.head(&b, "lo0", lo, 8232, 1)
	b.WriteString("\tinet 127.0.0.1 netmask ff000000 \n")
	for i, n := range m.NICs {
		for _, u := range m.Units {
			if nic, _, _ := strings.Cut(u.Name, ":"); nic == n.Name {
				m.printUnit(&b, n, u, i+2)
			}
		}
	}
	return b.String()
}

func (m *Machine) printUnit(b *strings.Builder, n NIC, u Unit, index int) {
	var flags []flag
	if u.Up {
		flags = append(flags, up)
	}
	flags = append(flags, broadcasts)
	if n.Link {
		flags = append(flags, running)
	}
	flags = append(flags, multicast, ipv4)
	if u.Duplicate {
		flags = append(flags, duplicate)
	}
	if m.Physical && n.Link {
		flags = append(flags, physrunning)
	}
	m.head(b, u.Name, flags, 1500, index)
	if u.Zone != "" && !m.compat() {
		fmt.Fprintf(b, "\tzone %s\n", u.Zone)
	}
	addr := u.Addr
	if !addr.IsValid() {
		addr = netip.IPv4Unspecified()
	}
	fmt.Fprintf(b, "\tinet %s netmask %x ", addr, u.Mask)
	if u.Broadcast.IsValid() {
		fmt.Fprintf(b, "broadcast %s", u.Broadcast)
	}
	b.WriteString("\n")
	if u.Name == n.Name {
		fmt.Fprintf(b, "\tether %s \n", n.HW)
	}
}

func (m *Machine) head(b *strings.Builder, name string, flags []flag, mtu, index int) {
	var bits uint64
	var words []string
	for _, f := range flags {
		if f == ipv4 && m.compat() {
			continue
		}
		bits |= f.bit
		words = append(words, f.word)
	}
	fmt.Fprintf(b, "%s: flags=%x<%s> mtu %d", name, bits, strings.Join(words, ","), mtu)
	if !m.compat() {
		fmt.Fprintf(b, " index %d", index)
	}
	b.WriteString("\n")
}

// netstat is "netstat -rn". The NIC of a default route is blank where nobody
// has named it.
func (m *Machine) netstat() string {
	var b strings.Builder
	title, dashes := "Routing Table: IPv4", "-------------------- -------------------- ----- ----- ---------- ---------"
	if m.minor() < 8 {
		title, dashes = "Routing Table:", "-------------------- -------------------- ----- ----- ------ ---------"
	}
	fmt.Fprintf(&b, "\n%s\n  Destination           Gateway           Flags  Ref     Use     Interface \n%s \n", title, dashes)
	row := func(to, by, flags, nic string) {
		fmt.Fprintf(&b, "%-20s %-20s %-5s %5d %10d %-9s \n", to, by, flags, 1, 12, nic)
	}
	if m.Gateway.IsValid() {
		row("default", m.Gateway.String(), "UG", "")
	}
	for _, u := range m.Units {
		if u.Up {
			row(address(number(u.Addr)&u.Mask).String(), u.Addr.String(), "U", u.Name)
		}
	}
	row("127.0.0.1", "127.0.0.1", "UH", "lo0")
	return b.String()
}

// route is "route -n get default".
func (m *Machine) route() (string, error) {
	nic := m.via(m.Gateway)
	if nic == "" {
		return "", fmt.Errorf("default: not in table")
	}
	return fmt.Sprintf("   route to: default\ndestination: default\n       mask: default\n    gateway: %s\n  interface: %s\n"+
		"      flags: <UP,GATEWAY,DONE,STATIC>\n recvpipe  sendpipe  ssthresh    rtt,ms rttvar,ms  hopcount      mtu     expire\n"+
		"       0         0         0         0         0         0      1500         0 \n", m.Gateway, nic), nil
}

// via is the NIC with the address in a subnet of its own.
func (m *Machine) via(a netip.Addr) string {
	for _, u := range m.Units {
		if a.IsValid() && u.Up && (number(u.Addr)^number(a))&u.Mask == 0 {
			nic, _, _ := strings.Cut(u.Name, ":")
			return nic
		}
	}
	return ""
}

// arp is "arp -an".
func (m *Machine) arp() string {
	var b strings.Builder
	b.WriteString("\nNet to Media Table: IPv4\nDevice   IP Address               Mask      Flags      Phys Addr\n" +
		"------ -------------------- --------------- -------- ---------------\n")
	row := func(nic, addr, flags, hw string) {
		var padded []string
		for p := range strings.SplitSeq(hw, ":") {
			padded = append(padded, fmt.Sprintf("%02s", p))
		}
		fmt.Fprintf(&b, "%-6s %-20s 255.255.255.255 %-8s %s\n", nic, addr, flags, strings.Join(padded, ":"))
	}
	for _, k := range m.Known {
		row(m.via(k.Addr), k.Addr.String(), "", k.HW)
	}
	for _, n := range m.NICs {
		for _, u := range m.Units {
			if nic, _, _ := strings.Cut(u.Name, ":"); nic == n.Name && u.Up {
				row(n.Name, u.Addr.String(), "SPLA", n.HW)
			}
		}
	}
	return b.String()
}
