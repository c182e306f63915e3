package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Partner is the host at the other end. Its Addr serves as its name.
type Partner struct {
	Addr netip.Addr // of either family; a link-local one of IPv6 has its NIC as zone

	// Paths are its further addresses, of either family, whatever the family of Addr. The
	// Channel sends to all of them, and counts what it hears from any of them.
	Paths []netip.Addr
}

// Options are what a Channel is made of. The Channel calls the callbacks one at a time;
// while a callback waits, it hears nothing.
type Options struct {
	// Listen are own addresses, at most one of each family, without a zone. If there is
	// any, the Channel does not use a family without one. If there is none, any address of
	// the host will do.
	Listen []netip.Addr

	Port     uint16        // the same on both hosts; it has to be set
	Host     [HostLen]byte // the number of this machine, sent with all words; zero: none
	Keys     *Keys
	Partners []Partner

	Heard func(Heard)
	// Readable is told when the partner's packets cannot be read, probably because the
	// hosts have no common key, and when they can be read again. It is called when that
	// changes; the first call always says false.
	Readable func(partner netip.Addr, readable bool)
}

// Channel talks to all partners over a socket for each family.
type Channel struct {
	o    Options
	poke chan struct{} // one place: the sender has something to do

	mu       sync.Mutex // held for moments, never while anything waits
	keys     *Keys
	partners []*partner
	sources  map[netip.Addr]source
	from     map[netip.Addr][]netip.Addr // our addresses to write from, by the partner's address
	counts   Counts
	doubtful bucket
	useless  bucket
	four     socket
	six      socket
	begin    func(*net.UDPConn) // starts a reader; nil: Run was not called yet

	opening   sync.Mutex // held while a socket is opened
	admitting sync.Mutex // held while a socket's filter is made anew

	hearing sync.Mutex // held while a packet is judged and told: one after the other

	out  []byte   // memory of the sender
	send [][]byte // of the sender too: what goes out next
}

// source is who sends from an address.
type source struct {
	*partner
	path int
}

// partner is the state of one partner. It is under the Channel's mu except where a field
// says otherwise.
type partner struct {
	addr    netip.Addr
	paths   []path
	session *Session
	counts  Counts
	version string        // as last heard
	host    [HostLen]byte // as last heard

	message Message // the one that was said last
	repeat  time.Duration
	said    uint64 // counts the messages
	saidAt  time.Time
	begun   uint64  // the value of said whose Message is encoded
	enc     encoder // of the sender

	urgent   bool // the last Say has to be acknowledged
	left     int  // repeats that remain
	repeatAt time.Time
	again    bool // the whole last Say is to be sent once more
	newBoot  bool // the next Heard has to say so
	answers  bucket
	now      time.Time // of the datagram that is being opened

	unreading
}

// unreading is what is known of packets that could not be read.
type unreading struct {
	unread      int // how many since the last readable one
	unreadSince time.Time
	unreadable  bool // that was reported
}

// path is one way to a partner.
type path struct {
	addr        netip.Addr
	heard, sent time.Time
	err         error
	fresh       bucket // of answers to processes of the partner's that are new,
	again       bucket // and of answers to those that asked before
	local       bool   // err comes from this system, and is about the last datagram

	// own is this host's address that the partner last wrote to, and so knows; of IPv6 only,
	// and without a zone. The zero Addr: it has not been heard.
	own netip.Addr
}

// What bounds the work.
const (
	// So many repeats of one Say do not make a loop that hangs look alive for long.
	maxRepeats = 8
	minRepeat  = 2 * time.Millisecond

	// A Say as old as this is not repeated to a partner that has come up: the loop soon
	// says the next one, or hangs.
	freshSay = time.Second

	// Heartbeats come at least once a second. A partner that sends packets for three
	// seconds, none of which can be read, has another key.
	unreadableAfter = 3 * time.Second
	unreadableCount = 3

	// Packets a second. Of packets that do not name our boot, enough are opened to tell
	// what they are. All useless packets together bound our share of a processor: when
	// that is used up the reader rests, and the kernel drops what it has no room for.
	doubtfulRate, doubtfulBurst = 100, 50
	uselessRate, uselessBurst   = 250_000, 5_000
	answerRate, answerBurst     = 1000, 100
)

// New makes a Channel. It opens and starts nothing.
func New(o Options) (*Channel, error) {
	if o.Keys == nil {
		return nil, errors.New("a channel needs a key")
	}
	if o.Port == 0 {
		return nil, errors.New("a channel needs a port")
	}
	c := &Channel{o: o, keys: o.Keys, poke: make(chan struct{}, 1),
		doubtful: bucket{rate: doubtfulRate, burst: doubtfulBurst},
		useless:  bucket{rate: uselessRate, burst: uselessBurst}}
	for i, a := range o.Listen {
		if !speakable(a) || a.Zone() != "" || slices.ContainsFunc(o.Listen[:i], func(b netip.Addr) bool { return a.BitLen() == b.BitLen() }) {
			return nil, fmt.Errorf("a channel cannot listen on %v: one address of each family, without a zone", a)
		}
	}
	return c, c.SetPartners(o.Partners)
}

// SetKeys replaces the keys. It ends no session.
func (c *Channel) SetKeys(k *Keys) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = k
	for _, p := range c.partners {
		p.session.key = 0
	}
}

// SetPartners replaces the partners. The session with a partner that stays goes on, even
// if its paths change. If an address belongs to two partners, cannot be sent to, or is of
// a family that the Channel does not listen in, SetPartners returns an error and changes
// nothing.
func (c *Channel) SetPartners(partners []Partner) error {
	sources := map[netip.Addr]int{}
	for i, p := range partners {
		for _, a := range append([]netip.Addr{p.Addr}, p.Paths...) {
			if !speakable(a) || a.Is6() && a.IsLinkLocalUnicast() != (a.Zone() != "") {
				return fmt.Errorf("%v of partner %v is neither an IPv4 nor an IPv6 address, or its zone is missing or too much", a, p.Addr)
			}
			if _, ok := c.listensOn(a.Is6()); !ok {
				return fmt.Errorf("%v of partner %v cannot be spoken to: the channel listens on %v only", a, p.Addr, c.o.Listen)
			}
			if _, twice := sources[a]; twice {
				return fmt.Errorf("%v of partner %v is listed twice", a, p.Addr)
			}
			sources[a] = i
		}
	}
	c.mu.Lock()
	was := c.partners
	c.partners, c.sources = nil, map[netip.Addr]source{}
	for _, p := range partners {
		i := slices.IndexFunc(was, func(q *partner) bool { return q.addr == p.Addr })
		var q *partner
		if i >= 0 {
			q = was[i]
		} else {
			q = &partner{addr: p.Addr, session: NewSession(0), enc: encoder{host: c.o.Host}, answers: bucket{rate: answerRate, burst: answerBurst}}
			q.session.admit = q.admit
		}
		q.setPaths(append([]netip.Addr{p.Addr}, p.Paths...))
		for i := range q.paths {
			c.sources[q.paths[i].addr] = source{q, i}
		}
		c.partners = append(c.partners, q)
	}
	open := []*net.UDPConn{c.four.conn, c.six.conn}
	c.mu.Unlock()
	for i, conn := range open {
		if conn != nil {
			if err := c.admit(conn, i == 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// speakable tells whether datagrams can go to an address as it is written.
func speakable(a netip.Addr) bool { return a.IsValid() && !a.Is4In6() }

// setPaths keeps what is known of the paths that stay.
func (p *partner) setPaths(addrs []netip.Addr) {
	if slices.EqualFunc(p.paths, addrs, func(x path, a netip.Addr) bool { return x.addr == a }) {
		return
	}
	paths := make([]path, len(addrs))
	for i, a := range addrs {
		paths[i] = path{addr: a, fresh: bucket{rate: newRate, burst: newBurst}, again: bucket{rate: againRate, burst: againBurst}}
		if was := slices.IndexFunc(p.paths, func(x path) bool { return x.addr == a }); was >= 0 {
			paths[i] = p.paths[was]
		}
	}
	p.paths = paths
	p.session.setPaths(len(paths))
}

// admit tells whether a process of the partner's that has not proven itself may be
// answered.
func (p *partner) admit(over int, isNew bool) bool {
	at := &p.paths[over]
	return isNew && at.fresh.take(p.now) || at.again.take(p.now)
}

// admit has the kernel drop packets that come from no partner, where it can. Of two calls
// at a time the later one has the newer partners.
func (c *Channel) admit(conn *net.UDPConn, six bool) error {
	c.admitting.Lock()
	defer c.admitting.Unlock()
	c.mu.Lock()
	addrs := make([]netip.Addr, 0, len(c.sources))
	for a := range c.sources {
		if a.Is6() == six {
			addrs = append(addrs, a.WithZone(""))
		}
	}
	c.mu.Unlock()
	slices.SortFunc(addrs, netip.Addr.Compare)
	return setFilter(conn, six, c.o.Port, slices.Compact(addrs))
}

// Say sends m to a partner at once. m replaces what was said before. Say does not wait.
// It sends nothing to a host that is not a partner.
//
// If repeat is zero, m is a heartbeat. Otherwise it is a change: the partner must
// acknowledge it at once, and the Channel sends what was not acknowledged again after
// each repeat (at least 2 ms), at most eight times. A heartbeat that follows a change
// takes over the rest of its repeats.
func (c *Channel) Say(to netip.Addr, m Message, repeat time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.partners, func(p *partner) bool { return p.addr == to })
	if i < 0 {
		return
	}
	p := c.partners[i]
	p.message, p.saidAt = m, time.Now()
	p.said++
	if repeat > 0 {
		p.repeat, p.urgent, p.left = max(repeat, minRepeat), true, maxRepeats
	}
	c.wake()
}

func (c *Channel) wake() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// bucket holds the packets that are still allowed; it fills at a rate.
type bucket struct {
	rate, burst float64
	have        float64
	at          time.Time
}

// take takes one, if there is one.
func (b *bucket) take(now time.Time) bool {
	if b.at.IsZero() {
		b.have = b.burst
	} else {
		b.have = min(b.burst, b.have+b.rate*now.Sub(b.at).Seconds())
	}
	b.at = now
	if b.have < 1 {
		return false
	}
	b.have--
	return true
}
