package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ClientSpec says which address a client asks and how often.
type ClientSpec struct {
	Target netip.Addr
	Every  time.Duration // 0: 1 ms
	Within time.Duration // an answer that comes later does not count; 0: 1 s
	Keep   time.Duration // how far back reports reach; 0: 5 min. A question takes 24 bytes
}

// Client asks one address for its host's name, at a fixed rhythm that does not drift, and
// remembers each answer. A second client that asks an address that never moves (the
// router's) is the control: what it misses too is the machine's noise and nobody's fault.
type Client struct {
	Target netip.Addr

	every, within time.Duration
	conn          *net.UDPConn
	start         time.Time
	done          sync.WaitGroup
	stopped       atomic.Bool

	// The ring: one thread writes, reports read, and neither waits. Times are nanoseconds
	// since start.
	ring []question
	sent atomic.Int64 // questions so far, which is the next one's number

	mu      sync.Mutex // guards what follows
	names   []string   // all who ever answered, by the number kept in the ring
	byName  map[string]int32
	waiters []*waiter
	waiting atomic.Int32 // len(waiters), so that an answer finds out without locking that there are none
}

// question is a place in the ring.
type question struct {
	sent atomic.Int64
	got  atomic.Int64 // 0: no answer
	by   atomic.Int32
}

// waiter waits for an answer to a question of a number from first on.
type waiter struct {
	first int64
	by    string // "": any host's
	found chan struct{}
}

// Client starts to ask from the host. It ends by Close, or with the lab.
func (h *Host) Client(spec ClientSpec) (*Client, error) {
	if spec.Every == 0 {
		spec.Every = time.Millisecond
	}
	if spec.Within == 0 {
		spec.Within = time.Second
	}
	if spec.Keep == 0 {
		spec.Keep = 5 * time.Minute
	}
	if !spec.Target.IsValid() || spec.Every < 0 || spec.Keep < spec.Every {
		return nil, fmt.Errorf("client on %s: cannot ask %v each %v and keep %v", h.Name, spec.Target, spec.Every, spec.Keep)
	}
	s, err := h.live()
	if err != nil {
		return nil, err
	}
	all := netip.IPv4Unspecified()
	if spec.Target.Is6() {
		all = netip.IPv6Unspecified()
	}
	conn, err := s.listenUDP(netip.AddrPortFrom(all, 0), func(int) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("client on %s: %w", h.Name, err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	c := &Client{
		Target: spec.Target,
		every:  spec.Every,
		within: spec.Within,
		conn:   conn,
		start:  time.Now(),
		ring:   make([]question, int(spec.Keep/spec.Every)+1),
		names:  []string{""},
		byName: map[string]int32{},
	}
	to, err := h.echo(spec.Target)
	if err != nil {
		conn.Close()
		return nil, err
	}
	c.done.Go(func() { c.run(raw, to) })
	h.lab.retain(c)
	return c, nil
}

// echo is where the responder at an address is for this host.
func (h *Host) echo(target netip.Addr) (unix.Sockaddr, error) {
	if target.Is4() {
		return &unix.SockaddrInet4{Port: EchoPort, Addr: target.As4()}, nil
	}
	to := &unix.SockaddrInet6{Port: EchoPort, Addr: target.As16()}
	if zone := target.Zone(); zone != "" {
		n := h.NIC(zone)
		if n == nil {
			return nil, fmt.Errorf("client on %s: there is no NIC %s", h.Name, zone)
		}
		to.ZoneId = uint32(n.Index())
	}
	return to, nil
}

// Close stops asking. Reports can still be read.
func (c *Client) Close() error {
	c.stopped.Store(true)
	err := c.conn.Close()
	c.done.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil // closed before
	}
	return err
}

// run asks at start, start+every, start+2*every, ..., and takes in the answers in
// between. It leaves out a moment that it has missed: to ask twice at one moment tells
// nothing. One thread does both, by plain system calls: a Go timer comes up to a
// millisecond late, and a second goroutine doubles the cost.
func (c *Client) run(raw syscall.RawConn, to unix.Sockaddr) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	var packet [8]byte
	var buf [256]byte
	ask := func(fd uintptr) {
		n := c.sent.Load()
		q := &c.ring[n%int64(len(c.ring))]
		q.got.Store(0)
		q.sent.Store(int64(time.Since(c.start)))
		c.sent.Store(n + 1)
		binary.BigEndian.PutUint64(packet[:], uint64(n))
		// Never wait: if the queue is full, the question is lost.
		unix.Sendto(int(fd), packet[:], unix.MSG_DONTWAIT, to)
	}
	listen := func(fd uintptr) {
		for {
			n, err := unix.Read(int(fd), buf[:]) // it does not block: Go opened it so
			if err != nil {
				return
			}
			c.answered(buf[:n])
		}
	}
	var clock unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock)
	zero := clock.Nano() - int64(time.Since(c.start))
	for moment := int64(0); !c.stopped.Load() && raw.Control(ask) == nil; {
		moment = max(moment, int64(time.Since(c.start))/int64(c.every)) + 1
		next := moment * int64(c.every)
		for now := int64(time.Since(c.start)); now < next && !c.stopped.Load(); now = int64(time.Since(c.start)) {
			wake := unix.NsecToTimespec(zero + min(next, now+int64(listenEvery)))
			unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &wake, nil)
			raw.Control(listen)
		}
	}
}

// listenEvery is how long an answer to a slow client may wait to be read.
const listenEvery = 5 * time.Millisecond

// answered files an answer.
func (c *Client) answered(b []byte) {
	if len(b) < 8 {
		return
	}
	now := int64(time.Since(c.start))
	number := int64(binary.BigEndian.Uint64(b))
	if sent := c.sent.Load(); number >= sent || number < sent-int64(len(c.ring)) {
		return
	}
	q := &c.ring[number%int64(len(c.ring))]
	if now-q.sent.Load() > int64(c.within) {
		return
	}
	by := c.number(b[8:])
	q.by.Store(by)
	q.got.Store(now)
	if c.waiting.Load() > 0 {
		c.wake(number, by)
	}
}

// number returns the number of a name, a new one for a new name.
func (c *Client) number(name []byte) int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.byName[string(name)]
	if !ok {
		n = int32(len(c.names))
		c.names = append(c.names, string(name))
		c.byName[string(name)] = n
	}
	return n
}
