package lab

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Switch is an Ethernet switch: a bridge without spanning tree and without
// multicast snooping, so that a port forwards as soon as it has a carrier.
type Switch struct {
	Name string

	lab    *Lab
	space  *space
	bridge *netlink.Bridge
	filter *filter
	ports  []*Port
	groups map[*Port]int // partition, by port; ports in group 0 reach everybody
}

// Port is where one NIC is plugged in. The port, and the faults put on it, outlive its
// host's crashes.
type Port struct {
	sw    *Switch
	name  string
	index int // of its link; 0 while nothing is plugged in

	down, muted bool
	toHost      float64 // percent lost
	fromHost    float64
}

// Switch adds a switch.
func (l *Lab) Switch(name string) (*Switch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	space, err := newSpace(name, l.ward)
	if err != nil {
		return nil, err
	}
	s := &Switch{Name: name, lab: l, space: space, groups: map[*Port]int{}}
	if err := s.build(); err != nil {
		space.close()
		return nil, fmt.Errorf("switch %s: %w", name, err)
	}
	l.switches = append(l.switches, s)
	return s, nil
}

func (s *Switch) build() error {
	// The switch itself must send nothing.
	if err := s.space.do(func() error { return switchIPv6(false) }); err != nil {
		return err
	}
	snooping := false
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	s.bridge = &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	if err := s.space.nl.LinkAdd(s.bridge); err != nil {
		return fmt.Errorf("add bridge: %w", err)
	}
	if err := s.space.nl.LinkSetUp(s.bridge); err != nil {
		return fmt.Errorf("bridge up: %w", err)
	}
	var err error
	s.filter, err = newFilter(s.space)
	return err
}

func (s *Switch) close() {
	s.filter.close()
	s.space.close()
}

// firstPort keeps the indices of ports apart from those of NICs. If a veth's peer has the
// same index as the veth, the kernel takes it for a lone device, and reports a lost
// carrier up to a second late (measured: 0.5 to 0.85 s, otherwise 0.2 ms).
const firstPort = 1000

func (s *Switch) newPort() *Port {
	p := &Port{sw: s, name: fmt.Sprintf("p%d", len(s.ports)+1)}
	s.ports = append(s.ports, p)
	return p
}

// plug makes the cable between the port and a new NIC in host.
func (p *Port) plug(host *space, n *NIC) error {
	h := p.sw.space.nl
	attrs := netlink.NewLinkAttrs()
	attrs.Name = p.name
	p.sw.lab.links++
	attrs.Index = firstPort + p.sw.lab.links
	link := &netlink.Veth{
		LinkAttrs:        attrs,
		PeerName:         n.Name,
		PeerHardwareAddr: n.MAC,
		PeerNamespace:    netlink.NsFd(host.fd),
	}
	if err := h.LinkAdd(link); err != nil {
		return fmt.Errorf("add cable %s: %w", p.name, err)
	}
	p.index = attrs.Index
	if err := h.LinkSetMaster(link, p.sw.bridge); err != nil {
		return fmt.Errorf("port %s into bridge: %w", p.name, err)
	}
	if p.down {
		return nil
	}
	return h.LinkSetUp(link)
}

// unplug takes cable and NIC away.
func (p *Port) unplug() error {
	if p.index == 0 {
		return nil
	}
	err := p.sw.space.nl.LinkDel(p.link())
	p.index = 0
	if isDone(err) {
		return nil // it was deleted from the other end
	}
	return err
}

func (p *Port) link() netlink.Link {
	return &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Index: p.index, Name: p.name}}
}

// Down takes the port's carrier away: the host sees its link go down.
func (p *Port) Down() error { return p.setDown(true) }

// Up gives the carrier back.
func (p *Port) Up() error { return p.setDown(false) }

func (p *Port) setDown(down bool) error {
	p.sw.lab.mu.Lock()
	defer p.sw.lab.mu.Unlock()
	p.down = down
	if p.index == 0 {
		return nil // the next Boot does it
	}
	if down {
		return p.sw.space.nl.LinkSetDown(p.link())
	}
	return p.sw.space.nl.LinkSetUp(p.link())
}

// Mute stops every frame in both directions and keeps the carrier: the host merely
// notices silence.
func (p *Port) Mute() error {
	p.sw.lab.mu.Lock()
	defer p.sw.lab.mu.Unlock()
	p.muted = true
	// The port's state takes effect at once, but a new carrier resets it; the filter
	// lasts.
	return errors.Join(p.setState(brDisabled), p.sw.apply())
}

// Unmute lets frames pass again.
func (p *Port) Unmute() error {
	p.sw.lab.mu.Lock()
	defer p.sw.lab.mu.Unlock()
	p.muted = false
	if err := p.sw.apply(); err != nil {
		return err
	}
	if p.down {
		return nil // it forwards once it is up
	}
	return p.setState(brForwarding)
}

// Loss drops frames at random: percent of those to the host and of those from
// it, each 0 to 100. Loss(0, 0) ends it.
func (p *Port) Loss(toHost, fromHost float64) error {
	p.sw.lab.mu.Lock()
	defer p.sw.lab.mu.Unlock()
	p.toHost, p.fromHost = toHost, fromHost
	return p.sw.apply()
}

// Partition lets no frame pass between ports of different groups. Ports in no group still
// reach everybody. It replaces any earlier partition.
func (s *Switch) Partition(groups ...[]*Port) error {
	s.lab.mu.Lock()
	defer s.lab.mu.Unlock()
	clear(s.groups)
	for i, g := range groups {
		for _, p := range g {
			if p.sw != s {
				return fmt.Errorf("partition of %s: port %s is of switch %s", s.Name, p.name, p.sw.Name)
			}
			s.groups[p] = i + 1
		}
	}
	return s.apply()
}

// Heal ends a partition.
func (s *Switch) Heal() error { return s.Partition() }

// The states of a bridge's port, as in linux/if_bridge.h.
const (
	brDisabled   = 0
	brForwarding = 3
)

// setState sets the port's state in the bridge.
func (p *Port) setState(state uint8) error {
	if p.index == 0 {
		return nil
	}
	err := p.sw.space.do(func() error {
		req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
		msg := nl.NewIfInfomsg(unix.AF_BRIDGE)
		msg.Index = int32(p.index)
		req.AddData(msg)
		info := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
		info.AddRtAttr(nl.IFLA_BRPORT_STATE, []byte{state})
		req.AddData(info)
		_, err := req.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
	if err != nil && !isDone(err) && !errors.Is(err, unix.ENETDOWN) {
		return fmt.Errorf("state of port %s: %w", p.name, err)
	}
	return nil
}
