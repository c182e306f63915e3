package defender

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/record"
)

// segment is one fake Ethernet: a switch with a port per station. It lives in
// a synctest bubble, so that its time is the test's.
type segment struct {
	mu        sync.Mutex
	stations  []*station
	split     map[*station]bool // those on the far side of a partition; nil: none
	loss      map[*station]float64
	rng       *rand.Rand
	frames    []frame                // the claims that were sent, oldest first
	questions []question             // all frames, likewise
	echoes    []framed               // the echoes to a hardware address, likewise
	fabric    map[netip.Addr]host.HW // it answers ARP for what it has learned, EVPN-like; nil: it does not
	changed   func()                 // called with mu held after any change of holders or paths
}

// frame is a claim on the wire: who said that which address is where.
type frame struct {
	at   time.Time
	from *station
	host.Sighting
}

// framed is an ICMP echo in a frame to a hardware address.
type framed struct {
	at   time.Time
	from *station
	to   host.HW
}

// question is a frame as it was sent.
type question struct {
	at     time.Time
	from   *station
	to     host.HW // zero: to all
	target netip.Addr
	claims bool // an announcement
	probe  bool // RFC 5227's: it names no sender
	holds  bool // the station has what it asks for
}

// wireDelay is how long a frame takes.
const wireDelay = 200 * time.Microsecond

// station is one host on the segment: a kernel with one NIC.
type station struct {
	seg     *segment
	name    string
	hw      host.HW
	own     netip.Prefix // its first address
	kernel  kernel
	router  netip.Addr          // its default route; zero: none
	on      bool                // powered
	muted   bool                // its port passes nothing, with carrier kept
	filters bool                // drops ICMP
	foreign map[netip.Addr]bool // addresses that nobody here decides about
	proxies map[netip.Addr]bool // addresses that it answers ARP for, and has not
	sun     *sun                // of a Solaris: no ARP for its daemon

	wires      []*fakeWire
	wake       func()
	hang       chan struct{} // readings wait until it is closed
	late       chan struct{} // readings are of the moment they began, and come back when it is closed
	daemon     *Defender
	stop       func()
	drilled    func(record.Alias, string, peer.Drill)
	cache      map[netip.Addr]host.HW // of a client: where it believes an address to be
	arpErr     error
	readErr    error
	pingErr    error
	addErr     error
	removeErr  error
	parked     []netip.Addr                // before the daemon starts
	memory     Memory                      // what that is worth
	slept      time.Duration               // beyond the bubble's time, as CLOCK_BOOTTIME counts it
	tries      int                         // of adding and removing
	line       *line                       // its end of the channel; nil: none is open
	boots      uint64                      // of its channel
	dumb       bool                        // nothing of the channel leaves or reaches it
	mumbles    bool                        // nothing of the channel leaves it
	says       peer.Message                // what it said last
	early      int                         // so many pings from its alias are too early after the take to be answered
	readTakes  time.Duration               // a reading of its kernel
	readings   int                         // how many there were
	shunned    bool                        // the router does not answer its alias, neither pings nor frames
	slowly     time.Duration               // how long its kernel takes for a change
	lag        time.Duration               // how long the router takes to answer a ping from the alias
	refreshErr error                       // what refreshing a lease brings
	refreshes  int                         // tries of that
	reorderErr error                       // what putting an alias behind the own address brings
	reorders   int                         // tries of that
	beat       func()                      // called at the end of each turn of its daemon
	opened     []peer.Partner              // that its channel was told
	from       map[netip.Addr][]netip.Addr // and from which address to write to whom
	sending    time.Duration               // how long a frame needs to leave
	adding     time.Duration               // and addresses to be added
	deafened   error                       // each ear ends at once with it
	added      func()                      // called once, when addresses were added
	ears       int                         // that were opened
	openErr    error                       // of its channel
	earLoses   float64                     // the part of the frames, and answers to pings, that its ears have no room for
	pingsLost  uint64                      // of these answers
	earLate    time.Duration               // how late its ear is
	pingless   bool                        // its kernel has no room for answers to pings
	filterErr  error                       // of what its ear is to hear
	unreached  bool                        // what is sent to it is lost, and what it sends arrives
	gates      []Gate
	sources    []Source
	deeds      Deeds
	echoed     host.HW      // to whom the last echo in a frame of its own went
	refuses    host.Family  // a listener of it
	heedless   bool         // it ignores advertisements that it did not ask for (drop_unsolicited_na)
	gateways   []netip.Addr // further default routers
	second     host.HW      // of a second NIC on the segment, which has the alias; zero: there is none
}

func newSegment(seed uint64) *segment {
	return &segment{loss: map[*station]float64{}, rng: rand.New(rand.NewPCG(seed, 1)), changed: func() {}}
}

func (s *segment) add(name string, n byte) *station {
	st := &station{
		seg: s, name: name, hw: host.HW{2, 0, 0, 0, 0, n}, on: true,
		own:     with(ip(n)),
		foreign: map[netip.Addr]bool{}, cache: map[netip.Addr]host.HW{},
	}
	st.kernel.nics = []host.NIC{{Name: "eth0", Index: 2, HW: st.hw, Up: true, Carrier: true}}
	st.gainOwn()
	s.mu.Lock() // daemons may run already
	defer s.mu.Unlock()
	s.stations = append(s.stations, st)
	return st
}

// up tells whether frames leave and reach the station.
func (st *station) up() bool { return st.on && st.nic().Carrier && !st.muted && !st.without() }

// without tells whether the station has no half of the NIC to speak with.
func (st *station) without() bool {
	four := func(a host.Address) bool { return a.Prefix.Addr().Is4() }
	return st.nic().NoIPv6 && !slices.ContainsFunc(st.nic().Addrs, four)
}

// nic is the one that is plugged in, whatever its name.
func (st *station) nic() *host.NIC { return &st.kernel.nics[0] }

func (st *station) has(ip netip.Addr) bool { return st.foreign[ip] || st.kernel.has(ip) }

// path tells whether frames pass from a to b, loss apart. mu is held.
func (s *segment) path(a, b *station) bool {
	return a.up() && b.up() && s.split[a] == s.split[b]
}

// lost throws the dice for one frame between a and b. mu is held.
func (s *segment) lost(a, b *station) bool {
	p := max(s.loss[a], s.loss[b])
	return p > 0 && s.rng.Float64() < p
}

// send delivers a frame from a to all, or to one. mu is held.
func (s *segment) send(from, to *station, f host.Sighting) {
	if f.Sender == f.Target {
		s.frames = append(s.frames, frame{time.Now(), from, f})
	}
	if hw := s.fabric[f.Target]; !f.Reply && f.Sender != f.Target && !hw.IsZero() {
		answer := answerTo(f, hw)
		time.AfterFunc(wireDelay, func() { from.receive(from, answer, true) })
	} else if s.fabric != nil && !f.Sender.IsUnspecified() {
		s.fabric[f.Sender] = f.HW
	}
	s.carry(from, to, f)
}

// carry delivers it. mu is held.
func (s *segment) carry(from, to *station, f host.Sighting) {
	for _, st := range s.stations {
		if st == from || to != nil && st != to || !s.path(from, st) || s.lost(from, st) || st.unreached {
			continue
		}
		time.AfterFunc(wireDelay, func() { st.receive(from, f, to != nil) })
	}
}

// hwOf is the hardware address that the station has an address at.
func (st *station) hwOf(ip netip.Addr) host.HW {
	if ip == aliasIP && !st.second.IsZero() {
		return st.second
	}
	return st.hw
}

// answerTo is what a host with that hardware address answers. In IPv6 the answer to a
// probe goes to all, and looks like an announcement (RFC 4861, 7.2.4).
func answerTo(f host.Sighting, hw host.HW) host.Sighting {
	if f.Sender.Is6() && f.Sender.IsUnspecified() {
		return host.Sighting{Sender: f.Target, HW: hw, Target: f.Target}
	}
	return host.Sighting{Sender: f.Target, HW: hw, Target: f.Sender, Reply: true}
}

// learns tells whether the kernel takes from a frame where its sender is. By ARP any frame
// moves an entry, and a question makes one on the asked host. In IPv6 an entry is moved by
// an advertisement with the Override flag, as all of these have it, and a solicitation
// makes or moves one on the host that is asked.
func (st *station) learns(f host.Sighting) bool {
	_, known := st.cache[f.Sender]
	switch {
	case f.Sender.IsUnspecified():
		return false
	case f.Sender.Is4():
		return known || f.Target == st.own.Addr()
	case f.Reply:
		return known
	case f.Sender == f.Target:
		return known && !st.heedless
	}
	return st.has(f.Target)
}

// receive is a frame's arrival: the kernel answers for what it has, and every
// ear hears it.
func (st *station) receive(from *station, f host.Sighting, alone bool) {
	s := st.seg
	s.mu.Lock()
	if !st.up() {
		s.mu.Unlock()
		return
	}
	if f.HW != st.hw {
		if st.learns(f) {
			st.cache[f.Sender] = f.HW
			s.changed()
		}
	}
	shunned := from.shunned && f.Sender == aliasIP
	if !f.Reply && f.Sender != f.Target && !shunned && (st.has(f.Target) || st.proxies[f.Target]) {
		answer, to := answerTo(f, st.hwOf(f.Target)), from
		if !answer.Reply {
			to = nil
		}
		if s.fabric != nil {
			s.fabric[answer.Sender] = answer.HW
		}
		s.carry(st, to, answer)
	}
	var hears []*fakeWire
	for _, w := range st.wires {
		switch {
		case !w.passes(f, alone):
		case st.earLoses > 0 && s.rng.Float64() < st.earLoses:
			w.lost++
		default:
			hears = append(hears, w)
		}
	}
	late := st.earLate
	s.mu.Unlock()
	if f.HW == st.hw {
		return // our own, told by another
	}
	f.NIC, f.At = "eth0", time.Now()
	for _, w := range hears {
		if late > 0 {
			time.AfterFunc(late, func() { w.see([]host.Sighting{f}) })
		} else {
			w.see([]host.Sighting{f})
		}
	}
}

// start boots a daemon on the station.
func (st *station) start(c *config.Config, log io.Writer) {
	logger := logrus.New()
	logger.SetOutput(log)
	logger.SetFormatter(&logrus.TextFormatter{DisableColors: true, TimestampFormat: "05.000"})
	ctx, cancel := context.WithCancel(context.Background())
	begin := time.Now()
	d := New(Options{
		Config: c, Kept: Kept{Parked: st.parked}, Memory: st.memory, Deeds: st.deeds, Network: st.network(), Listen: st.listen(), Ping: st.Ping, Ask: st.asking(), Hearing: st.pingsHeard, Gates: st.gates, Sources: st.sources, Drilled: st.drilled, Channel: st.open, Log: logger.WithField("on", st.name),
		Beat: func() {
			st.seg.mu.Lock()
			f := st.beat
			st.seg.mu.Unlock()
			if f != nil {
				f()
			}
		},
		Watch: func(ctx context.Context, wake func()) error {
			st.seg.mu.Lock()
			st.wake = wake
			st.seg.mu.Unlock()
			<-ctx.Done()
			return nil
		},
		Resolve: func(_ context.Context, name string, _ host.Family) ([]netip.Addr, error) {
			return nil, fmt.Errorf("no such host: %s", name)
		},
		Boottime: func() time.Duration {
			st.seg.mu.Lock()
			defer st.seg.mu.Unlock()
			return time.Since(begin) + st.slept
		},
	})
	over := make(chan struct{})
	go func() {
		d.Run(ctx)
		close(over)
	}()
	st.seg.mu.Lock()
	st.daemon = d
	st.stop = func() { cancel(); <-over }
	st.seg.changed()
	st.seg.mu.Unlock()
}

// kill ends the daemon at once; the kernel keeps what it has.
func (st *station) kill() {
	st.seg.mu.Lock()
	stop := st.stop
	st.daemon, st.stop = nil, nil
	st.seg.changed()
	st.seg.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// set changes the station and has its kernel tell of it.
func (st *station) set(f func()) {
	st.seg.mu.Lock()
	f()
	st.seg.changed()
	wake := st.wake
	alive := st.daemon != nil
	st.seg.mu.Unlock()
	if wake != nil && alive {
		wake()
	}
}
