package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/hearing"
)

// mostAsked bounds how many questions are under way.
const mostAsked = 8192

var errTooMany = errors.New("too many questions are under way")

// Pinger asks as Ping does, with sockets that all questions of a family share: cheap
// enough for a thousand targets or a hundred questions a second. Its methods may be called
// from anywhere.
type Pinger struct {
	id     uint16 // of all questions (RFC 792, RFC 4443)
	reader sync.WaitGroup

	mu     sync.Mutex
	closed bool
	four   half
	six    half
}

// half is one family's part of a Pinger, under the Pinger's mu.
//
// It has a sender that asks and a listener that hears all answers. For a target that does
// not answer, the kernel keeps the question for seconds while it looks for the hardware
// address. When such questions fill the sender's buffer, another sender takes over, so
// that live targets are still asked.
type half struct {
	six      bool            // IPv6
	listener *os.File        // nil: the next question opens one
	raw      syscall.RawConn // the listener's
	meter    *hearing.Meter  // of the listener's socket
	sender   *sender         // nil: the next question opens one
	room     int             // for answers that wait to be read
	seq      uint16          // of the next question
	asked    []asked         // by sequence number; a place is free again after its question's timeout; nil before the first question
}

// half is the family's part that asks this target.
func (p *Pinger) half(target netip.Addr) *half {
	if target.Is6() {
		return &p.six
	}
	return &p.four
}

// asked is one question that is under way.
type asked struct {
	seq     uint16
	token   uint64
	target  netip.Addr // without a zone
	nic     uint32     // the index of the zone of a link-local target, otherwise 0
	at      time.Time
	timeout time.Duration
	heard   func(at time.Time, err error) // nil: free
}

func (a *asked) open(now time.Time) bool {
	return a.heard != nil && now.Sub(a.at) < a.timeout
}

// NewPinger opens the sockets on the caller's thread, which needs CAP_NET_RAW; so does a
// later question that finds a socket lost. Where a process cannot have them, it can use
// the function Ping. If those for IPv6 cannot be opened, as on a system without it, IPv4
// goes on: each IPv6 question tries again, and is an error if that fails.
func NewPinger() (*Pinger, error) {
	p := &Pinger{id: uint16(rand.Uint32()), six: half{six: true}}
	for _, h := range []*half{&p.four, &p.six} {
		if err := p.open(h); err != nil && !h.six {
			return nil, errors.Join(fmt.Errorf("one socket for all pings: %w", err), p.Close())
		}
	}
	return p, nil
}

// open opens what is not open. mu is held, or p is new.
func (p *Pinger) open(h *half) (err error) {
	if h.sender == nil {
		if h.sender, err = openSender(h.six); err != nil {
			return err
		}
	}
	if h.listener == nil {
		return p.listen(h)
	}
	return nil
}

// listen opens the listener and starts its reader.
func (p *Pinger) listen(h *half) error {
	listener, room, err := openListener(h.six, p.id)
	if err != nil {
		return err
	}
	raw, err := listener.SyscallConn()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	meter, err := hearing.NewMeter(raw)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	h.listener, h.raw, h.meter = listener, raw, meter
	// An answer for which the buffer has no room would look like silence.
	h.room = min(mostAsked, room)
	p.reader.Go(func() { p.read(h, listener, raw, meter) })
	return nil
}

// Ask sends a question and returns at once. heard is called at most once, from another
// goroutine: with the time of the sending as soon as the target itself has answered, if
// that is within the timeout; with an error too if this process can no longer hear
// whether it answers. Silence is not reported: the caller looks at the clock. heard must
// not call Close, and while it waits no other answer is heard.
//
// An error means, as with Ping, that the target was not asked; also that too many
// questions are under way, or that the socket's buffer is full. Ask never blocks, and
// reopens a socket that was lost. It does not notice what a NIC drops that has no carrier
// or a full queue.
func (p *Pinger) Ask(q Question, heard func(at time.Time, err error)) error {
	if err := p.put(q, heard); err != nil {
		return fmt.Errorf("ping %s: %w", q.Target, err)
	}
	return nil
}

func (p *Pinger) put(q Question, heard func(time.Time, error)) error {
	if err := check(q); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return net.ErrClosed
	}
	h := p.half(q.Target)
	if err := p.open(h); err != nil {
		return err
	}
	if h.asked == nil {
		h.asked = make([]asked, h.room)
	}
	nic, err := h.zone(q)
	if err != nil {
		return err
	}
	now := time.Now()
	a := &h.asked[int(h.seq)%len(h.asked)]
	if a.open(now) {
		return errTooMany
	}
	*a = asked{seq: h.seq, token: rand.Uint64(), target: q.Target.WithZone(""), at: now, timeout: q.Timeout, heard: heard}
	if q.Target.Zone() != "" {
		a.nic = nic
	}
	h.seq++
	if err := p.say(h, q, nic, mark{p.id, a.seq, a.token}); err != nil {
		*a = asked{}
		return err
	}
	return nil
}

// zone is the index of the NIC by which a link-local address is asked, or from which it is
// asked; 0: the route decides.
func (h *half) zone(q Question) (uint32, error) {
	nic := q.Target.Zone()
	if nic == "" {
		nic = q.Source.Zone()
	}
	if nic == "" {
		return 0, nil
	}
	return nicIndex(h.raw, nic)
}

// say sends the question, by another sender if this one's buffer is full.
func (p *Pinger) say(h *half, q Question, nic uint32, m mark) error {
	if q.Send != nil {
		b := m.request(h.six)
		return q.Send(b[:])
	}
	for range 2 {
		if h.sender == nil {
			v, err := openSender(h.six)
			if err != nil {
				return err
			}
			h.sender = v
		}
		err := h.sender.send(q, nic, m)
		if !errors.Is(err, errFull) {
			return err
		}
		// After Close it goes away once the kernel has let go of what it keeps.
		_ = h.sender.close()
		h.sender = nil
	}
	return errFull
}

// read hears answers until the listener no longer works.
func (p *Pinger) read(h *half, listener *os.File, raw syscall.RawConn, meter *hearing.Meter) {
	buf := make([]byte, answerSize)
	var n int
	var at time.Time
	var err error
	receive := func(fd uintptr) bool {
		meter.Begin()
		if n, at, err = meter.Receive(fd, buf); err == unix.EAGAIN {
			meter.Done()
			return false
		}
		return true
	}
	for {
		if e := raw.Read(receive); e != nil || err != nil && err != unix.EINTR {
			p.deaf(h, listener, fmt.Errorf("hear answers: %w", errors.Join(e, err)))
			return
		}
		if err == nil {
			if h.six {
				if m, ok := parseAnswer6(buf[:n]); ok {
					from, nic := meter.Sender()
					p.answer(h, from, nic, m, at)
				}
			} else if from, m, ok := parseAnswer4(buf[:n]); ok {
				p.answer(h, from, 0, m, at)
			}
		}
		meter.Done()
	}
}

// Hearing tells how well answers of both families are heard: how many the kernel had no
// room for, and how long the oldest one has waited that is not reported yet. It does not
// wait.
func (p *Pinger) Hearing() (r hearing.Report) {
	p.mu.Lock()
	meters := [...]*hearing.Meter{p.four.meter, p.six.meter}
	p.mu.Unlock()
	for _, m := range meters {
		if m != nil {
			one := m.Report()
			r.Lost, r.Late = r.Lost+one.Lost, max(r.Late, one.Late)
		}
	}
	return r
}

// answer finds the question for an answer that arrived then, if there is one. Of a
// link-local sender nic is where it is.
func (p *Pinger) answer(h *half, from netip.Addr, nic uint32, m mark, now time.Time) {
	p.mu.Lock()
	if h.listener == nil || h.asked == nil {
		p.mu.Unlock()
		return
	}
	a := &h.asked[int(m.seq)%len(h.asked)]
	if !a.open(now) || from != a.target || nic != a.nic || m != (mark{p.id, a.seq, a.token}) {
		p.mu.Unlock()
		return
	}
	heard, at := a.heard, a.at
	*a = asked{}
	p.mu.Unlock()
	heard(at, nil)
}

// deaf ends the listener: of no question under way can it be known any longer whether it
// is answered.
func (p *Pinger) deaf(h *half, listener *os.File, why error) {
	now := time.Now()
	p.mu.Lock()
	if h.listener != listener {
		p.mu.Unlock()
		return // Close came first
	}
	open := h.asked
	h.listener, h.raw, h.meter, h.asked = nil, nil, nil, nil
	p.mu.Unlock()
	_ = listener.Close()
	for i := range open {
		if a := &open[i]; a.open(now) {
			a.heard(a.at, why)
		}
	}
}

// Close ends all questions with an error, and returns once heard is no longer called.
func (p *Pinger) Close() error {
	var err error
	for _, h := range []*half{&p.four, &p.six} {
		p.mu.Lock()
		p.closed = true
		listener, sender := h.listener, h.sender
		h.sender = nil
		p.mu.Unlock()
		if sender != nil {
			err = errors.Join(err, sender.close())
		}
		if listener != nil {
			p.deaf(h, listener, net.ErrClosed)
		}
	}
	p.reader.Wait()
	return err
}

// Ping asks one question and waits, as the function of that name does.
func (p *Pinger) Ping(ctx context.Context, q Question) (bool, error) {
	answered, err := p.wait(ctx, q)
	if err != nil {
		return false, fmt.Errorf("ping %s: %w", q.Target, err)
	}
	return answered, nil
}

func (p *Pinger) wait(ctx context.Context, q Question) (bool, error) {
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	heard := make(chan error, 1)
	if err := p.put(q, func(_ time.Time, err error) { heard <- err }); err != nil {
		return false, err
	}
	late := time.NewTimer(q.Timeout)
	defer late.Stop()
	select {
	case err := <-heard:
		return err == nil, err
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-late.C:
	}
	select {
	case err := <-heard: // both came at the same moment
		return err == nil, err
	default:
		return false, nil
	}
}
