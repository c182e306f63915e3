package daemon

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/hearing"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/probe"
)

// fakeHost is a host with one NIC on a segment with a router, and with a
// partner that has every alias for as long as it lives.
type fakeHost struct {
	mu     sync.Mutex
	dead   bool // the partner
	has    map[netip.Prefix]bool
	see    func([]host.Sighting)
	closed chan struct{}
	plain  bool          // its kernel keeps no mark of ours on an address
	kernel chan struct{} // readings wait until it is closed; nil: they do not
}

var (
	fakeOwn     = netip.MustParsePrefix("10.0.0.1/16")
	fakePartner = netip.MustParseAddr("10.0.0.2")
	fakeRouter  = netip.MustParseAddr("10.0.0.254")
)

func newFakeHost() *fakeHost {
	return &fakeHost{has: map[netip.Prefix]bool{}, closed: make(chan struct{})}
}

func (f *fakeHost) Read() (host.State, error) {
	if f.kernel != nil {
		<-f.kernel
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	nic := host.NIC{Name: "eth0", Index: 2, HW: host.HW{2, 0, 0, 0, 0, 1}, Up: true, Carrier: true, Addrs: []host.Address{{Prefix: fakeOwn}}}
	for p := range f.has {
		nic.Addrs = append(nic.Addrs, host.Address{Prefix: p, Ours: !f.plain})
	}
	return host.State{NICs: []host.NIC{nic}, Routes: []host.Route{{NIC: "eth0", Gateway: fakeRouter}}}, nil
}

func (f *fakeHost) Add(orders []host.Placement) []error     { return f.put(orders, true) }
func (f *fakeHost) Remove(orders []host.Placement) []error  { return f.put(orders, false) }
func (f *fakeHost) Refresh(orders []host.Placement) []error { return make([]error, len(orders)) }

func (f *fakeHost) Reorder(orders []host.Placement) []error { return make([]error, len(orders)) }

func (f *fakeHost) put(orders []host.Placement, on bool) []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range orders {
		if delete(f.has, o.Prefix); on {
			f.has[o.Prefix] = true
		}
	}
	return make([]error, len(orders))
}

// answers tells whether somebody else answers for an address.
func (f *fakeHost) answers(a netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return a == fakeRouter || !f.dead && a != fakeOwn.Addr() && !f.has[netip.PrefixFrom(a, fakeOwn.Bits())]
}

func (f *fakeHost) ping(ctx context.Context, q probe.Question) (bool, error) {
	if f.answers(q.Target) {
		return true, nil
	}
	select {
	case <-ctx.Done():
	case <-time.After(q.Timeout):
	}
	return false, ctx.Err()
}

// fakeWire is its voice; what it does not have is not needed here.
type fakeWire struct {
	defender.Wire
	*fakeHost
}

func (w fakeWire) Ask(target, from netip.Addr, _ host.HW) error {
	if w.answers(target) {
		hw := host.HW{2, 0, 0, 0, 0, 2}
		if target == fakeRouter {
			hw[5] = 254
		}
		go w.see([]host.Sighting{{NIC: "eth0", Sender: target, HW: hw, Target: from, Reply: true, At: time.Now()}})
	}
	return nil
}

func (w fakeWire) Probe(target netip.Addr) error {
	return w.Ask(target, netip.IPv4Unspecified(), host.HW{})
}
func (w fakeWire) Announce(netip.Addr, host.HW) error { return nil }
func (w fakeWire) HW() host.HW                        { return host.HW{2, 0, 0, 0, 0, 1} }
func (w fakeWire) Done() <-chan struct{}              { return w.closed }
func (w fakeWire) Close() error                       { return nil }
func (w fakeWire) Want([]netip.Addr) error            { return nil }
func (w fakeWire) Hearing() hearing.Report            { return hearing.Report{} }
