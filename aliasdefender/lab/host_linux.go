package lab

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// HostSpec says what a host is. A router is a host that forwards, a client one
// that asks.
type HostSpec struct {
	Name    string
	NICs    []NICSpec
	Gateway netip.Addr // of the default route; the zero Addr: none
	Forward bool       // it is a router

	// Gateway6 is that of a second default route, of IPv6; a link-local one has the NIC as
	// its zone.
	Gateway6 netip.Addr

	// IPv6 switches it on, as an address or a gateway of IPv6 does. Even then the host
	// sends no router solicitations and believes no router advertisement, unless Sysctls
	// say so.
	IPv6 bool

	// Sysctls are settings of the host, by key with slashes ("net/ipv4/..."). They
	// override those that every host has: the kernel's defaults, with IPv6 off where it is
	// not asked for.
	Sysctls map[string]string

	// NoResponder leaves out the UDP responder (EchoPort), which otherwise
	// answers at every address of the host, with the host's name.
	NoResponder bool
}

// NICSpec says what a NIC is and where it is plugged in.
type NICSpec struct {
	Name   string // "": eth0, eth1, ...
	Switch *Switch
	MAC    net.HardwareAddr // nil: 02:ad:00:HH:HH:NN, hosts counted from 1, their NICs from 0
	Addrs  []netip.Prefix   // what it has after each Boot; the first is its own
}

// Host is a machine: while it is up it has a namespace, its NICs, its
// responder and the programs started on it.
type Host struct {
	Name string

	spec      HostSpec
	lab       *Lab
	nics      []*NIC
	space     *space // nil while it is down
	responder *responder
	procs     []*Process // started since the last Boot
}

// Host adds a host, boots it, and returns once its NICs that are plugged into
// living ports have a carrier.
func (l *Lab) Host(spec HostSpec) (*Host, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.ContainsFunc(l.hosts, func(h *Host) bool { return h.Name == spec.Name }) {
		return nil, fmt.Errorf("there is a host %s already", spec.Name)
	}
	h := &Host{Name: spec.Name, spec: spec, lab: l}
	number := len(l.hosts) + 1
	for i, n := range spec.NICs {
		if n.Switch == nil {
			return nil, fmt.Errorf("host %s: NIC %d is plugged into no switch", spec.Name, i)
		}
		if n.Name == "" {
			n.Name = fmt.Sprintf("eth%d", i)
		}
		if n.MAC == nil {
			n.MAC = net.HardwareAddr{0x02, 0xad, 0, byte(number >> 8), byte(number), byte(i)}
		}
		h.nics = append(h.nics, &NIC{NICSpec: n, Host: h, Port: n.Switch.newPort()})
	}
	l.hosts = append(l.hosts, h)
	return h, h.boot()
}

// NIC returns the NIC of that name, or nil.
func (h *Host) NIC(name string) *NIC {
	for _, n := range h.nics {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// NICs returns all its NICs in the order of the spec.
func (h *Host) NICs() []*NIC { return slices.Clone(h.nics) }

// Port returns the switch port of the first NIC.
func (h *Host) Port() *Port { return h.nics[0].Port }

// Boot starts a crashed host again: with the same NICs, hardware addresses and addresses,
// but nothing else is remembered. Programs have to be started anew.
func (h *Host) Boot() error {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	if h.space != nil {
		return fmt.Errorf("host %s is up", h.Name)
	}
	return h.boot()
}

func (h *Host) boot() (err error) {
	space, err := newSpace(h.Name, h.lab.ward)
	if err != nil {
		return err
	}
	h.space = space
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("host %s: %w", h.Name, err), h.crash())
		}
	}()
	if err := space.do(h.settings); err != nil {
		return err
	}
	if err := linkUp(space, "lo"); err != nil {
		return err
	}
	for _, n := range h.nics {
		if err := n.attach(); err != nil {
			return err
		}
	}
	for _, gateway := range []netip.Addr{h.spec.Gateway, h.spec.Gateway6} {
		if err := h.addDefaultRoute(gateway); err != nil {
			return err
		}
	}
	for _, w := range h.lab.watches {
		if err := w.attach(h); err != nil {
			return err
		}
	}
	if !h.spec.NoResponder {
		if h.responder, err = newResponder(space, h.Name, h.spec.hasIPv6()); err != nil {
			return err
		}
	}
	return h.awaitCarriers()
}

// Crash is a power cut: at one moment the host falls silent and its programs are killed.
// Then its namespace goes, and the ports lose their carrier.
func (h *Host) Crash() error {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	if h.space == nil {
		return fmt.Errorf("host %s is down", h.Name)
	}
	return h.crash()
}

func (h *Host) crash() error {
	var errs []error
	for _, n := range h.nics {
		errs = append(errs, n.Port.setState(brDisabled))
	}
	for _, p := range h.procs {
		p.Kill()
	}
	for _, w := range h.lab.watches {
		w.detach(h.Name)
	}
	for _, n := range h.nics {
		errs = append(errs, n.Port.unplug())
	}
	return errors.Join(append(errs, h.end())...)
}

// end ends what runs on the host and drops its namespace. The cables go with it once the
// kernel gets to that.
func (h *Host) end() error {
	for _, p := range h.procs {
		p.Kill()
	}
	if h.responder != nil {
		h.responder.close()
		h.responder = nil
	}
	err := emptyNamespace(h.space.fd)
	for _, p := range h.procs {
		<-p.ended
	}
	h.procs = nil
	h.space.close()
	h.space = nil
	return err
}

// Up reports whether the host is up, that is, booted and not crashed.
func (h *Host) Up() bool {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	return h.space != nil
}

// Do runs f on a thread in the host's namespace: sockets opened there are the
// host's, wherever they are used. A socket left open keeps the namespace after
// a crash.
func (h *Host) Do(f func() error) error {
	s, err := h.live()
	if err != nil {
		return err
	}
	return s.visit(f)
}

// Addr is an address that a host's kernel has.
type Addr struct {
	Label  string // of the interface, or of the address: "eth0:1"; one of IPv6 has none
	Prefix netip.Prefix
}

// Addrs returns what the host's kernel has now, in order of the labels, without the
// link-local addresses that the kernel made of hardware addresses.
func (h *Host) Addrs() ([]Addr, error) {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	if h.space == nil {
		return nil, fmt.Errorf("host %s is down", h.Name)
	}
	list, err := whole(func() ([]netlink.Addr, error) { return h.space.nl.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("addresses of %s: %w", h.Name, err)
	}
	names := map[int]string{loIndex: "lo"}
	made := map[netip.Addr]bool{}
	for _, n := range h.nics {
		names[n.index] = n.Name
		made[linkLocal(n.MAC)] = true
	}
	var all []Addr
	for _, a := range list {
		ip, ok := netip.AddrFromSlice(a.IP)
		if ip = ip.Unmap(); !ok || made[ip] {
			continue
		}
		bits, _ := a.Mask.Size()
		all = append(all, Addr{cmp.Or(a.Label, names[a.LinkIndex]), netip.PrefixFrom(ip, bits)})
	}
	slices.SortFunc(all, func(a, b Addr) int {
		return cmp.Or(strings.Compare(a.Label, b.Label), a.Prefix.Compare(b.Prefix))
	})
	return all, nil
}

// loIndex is the index of lo in every namespace.
const loIndex = 1

// linkLocal is the address that the kernel gives a NIC (RFC 4291, appendix A).
func linkLocal(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}

// LinkLocal is the NIC's link-local address of IPv6, with the NIC as its zone.
func (n *NIC) LinkLocal() netip.Addr { return linkLocal(n.MAC).WithZone(n.Name) }

// live returns the host's namespace.
func (h *Host) live() (*space, error) {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	if h.space == nil {
		return nil, fmt.Errorf("host %s is down", h.Name)
	}
	return h.space, nil
}

// settings runs on the host's thread. A new namespace inherits some settings from the
// real host. Those that matter here are written, so that a lab is the same everywhere.
func (h *Host) settings() error {
	if err := switchIPv6(h.spec.hasIPv6()); err != nil {
		return err
	}
	all := map[string]string{
		"net/ipv4/ip_forward":                       "0",
		"net/ipv4/conf/all/rp_filter":               "0",
		"net/ipv4/conf/default/rp_filter":           "0",
		"net/ipv4/conf/all/arp_ignore":              "0",
		"net/ipv4/conf/default/arp_ignore":          "0",
		"net/ipv4/conf/all/arp_announce":            "0",
		"net/ipv4/conf/default/arp_announce":        "0",
		"net/ipv4/conf/all/promote_secondaries":     "0",
		"net/ipv4/conf/default/promote_secondaries": "0",
		"net/ipv4/ping_group_range":                 "0 0", // root's group, the only one mapped in a user namespace
	}
	if h.spec.hasIPv6() {
		for _, which := range []string{"all", "default"} {
			for key, value := range map[string]string{
				"accept_ra": "0", "router_solicitations": "0", "forwarding": "0", "accept_dad": "1", "keep_addr_on_down": "0", "use_tempaddr": "0",
			} {
				all["net/ipv6/conf/"+which+"/"+key] = value
			}
		}
	}
	if h.spec.Forward {
		all["net/ipv4/ip_forward"] = "1"
		if h.spec.hasIPv6() {
			all["net/ipv6/conf/all/forwarding"] = "1"
			all["net/ipv6/conf/default/forwarding"] = "1"
		}
	}
	maps.Copy(all, h.spec.Sysctls)
	// In order of name: all/ before default/, and the same at every run.
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if err := sysctl(key, all[key]); err != nil {
			return err
		}
	}
	return nil
}

// hasIPv6 tells whether the host has IPv6 at all.
func (s HostSpec) hasIPv6() bool {
	return s.IPv6 || s.Gateway.Is6() || s.Gateway6.IsValid() || slices.ContainsFunc(s.NICs, func(n NICSpec) bool {
		return slices.ContainsFunc(n.Addrs, func(a netip.Prefix) bool { return a.Addr().Is6() })
	})
}

// switchIPv6 switches it on, or off, which keeps router solicitations and the like out of
// the lab.
func switchIPv6(on bool) error {
	value := "1"
	if on {
		value = "0"
	}
	for _, which := range []string{"all", "default"} {
		err := sysctl("net/ipv6/conf/"+which+"/disable_ipv6", value)
		if err != nil && (on || !errors.Is(err, unix.ENOENT)) { // a kernel without IPv6 will do as well
			return err
		}
	}
	return nil
}
