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

// Pinger asks as Ping does, with sockets that all questions share: cheap enough for a
// thousand targets or a hundred questions a second. Its methods may be called from
// anywhere.
//
// It has a sender that asks and a listener that hears all answers. For a target that does
// not answer, the kernel keeps the question for seconds while it looks for the hardware
// address. When such questions fill the sender's buffer, another sender takes over, so
// that live targets are still asked.
type Pinger struct {
	id     uint16 // of all questions (RFC 792)
	reader sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	listener *os.File       // nil: the next question opens one
	meter    *hearing.Meter // of the listener's socket
	sender   *sender        // nil: the next question opens one
	seq      uint16         // of the next question
	asked    []asked        // by sequence number; a place is free again after its question's timeout
}

// asked is one question that is under way.
type asked struct {
	seq     uint16
	token   uint64
	target  netip.Addr
	at      time.Time
	timeout time.Duration
	heard   func(at time.Time, err error) // nil: free
}

func (a *asked) open(now time.Time) bool {
	return a.heard != nil && now.Sub(a.at) < a.timeout
}

// NewPinger opens the sockets on the caller's thread, which needs CAP_NET_RAW; so does a
// later question that finds a socket lost. Where a process cannot have them, it can use
// the function Ping.
func NewPinger() (*Pinger, error) {
	p := &Pinger{id: uint16(rand.Uint32())}
	sender, err := openSender()
	if err != nil {
		return nil, fmt.Errorf("one socket for all pings: %w", err)
	}
	p.sender = sender
	if err := p.listen(); err != nil {
		return nil, errors.Join(fmt.Errorf("one socket for all pings: %w", err), sender.close())
	}
	return p, nil
}

// listen opens the listener and starts its reader. mu is held, or p is new.
func (p *Pinger) listen() error {
	listener, room, err := openListener(p.id)
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
	p.listener, p.meter = listener, meter
	// An answer for which the buffer has no room would look like silence.
	p.asked = make([]asked, min(mostAsked, room))
	p.reader.Go(func() { p.read(listener, raw, meter) })
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
	if p.listener == nil {
		if err := p.listen(); err != nil {
			return err
		}
	}
	now := time.Now()
	a := &p.asked[int(p.seq)%len(p.asked)]
	if a.open(now) {
		return errTooMany
	}
	*a = asked{p.seq, rand.Uint64(), q.Target, now, q.Timeout, heard}
	p.seq++
	if err := p.say(q, a); err != nil {
		*a = asked{}
		return err
	}
	return nil
}

// say sends the question, by another sender if this one's buffer is full.
func (p *Pinger) say(q Question, a *asked) error {
	if q.Send != nil {
		b := mark{p.id, a.seq, a.token}.request()
		return q.Send(b[:])
	}
	for range 2 {
		if p.sender == nil {
			v, err := openSender()
			if err != nil {
				return err
			}
			p.sender = v
		}
		err := p.sender.send(q, mark{p.id, a.seq, a.token})
		if !errors.Is(err, errFull) {
			return err
		}
		// After Close it goes away once the kernel has let go of what it keeps.
		_ = p.sender.close()
		p.sender = nil
	}
	return errFull
}

// read hears answers until the listener no longer works.
func (p *Pinger) read(listener *os.File, raw syscall.RawConn, meter *hearing.Meter) {
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
			p.deaf(listener, fmt.Errorf("hear answers: %w", errors.Join(e, err)))
			return
		}
		if err == nil {
			if from, m, ok := parseAnswer(buf[:n]); ok {
				p.answer(from, m, at)
			}
		}
		meter.Done()
	}
}

// Hearing tells how well answers are heard: how many the kernel had no room for, and how
// long the oldest one has waited that is not reported yet. It does not wait.
func (p *Pinger) Hearing() hearing.Report {
	p.mu.Lock()
	meter := p.meter
	p.mu.Unlock()
	if meter == nil {
		return hearing.Report{}
	}
	return meter.Report()
}

// answer finds the question for an answer that arrived then, if there is one.
func (p *Pinger) answer(from netip.Addr, m mark, now time.Time) {
	p.mu.Lock()
	if p.listener == nil {
		p.mu.Unlock()
		return
	}
	a := &p.asked[int(m.seq)%len(p.asked)]
	if !a.open(now) || from != a.target || m != (mark{p.id, a.seq, a.token}) {
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
func (p *Pinger) deaf(listener *os.File, why error) {
	now := time.Now()
	p.mu.Lock()
	if p.listener != listener {
		p.mu.Unlock()
		return // Close came first
	}
	open := p.asked
	p.listener, p.meter, p.asked = nil, nil, nil
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
	p.mu.Lock()
	p.closed = true
	listener, sender := p.listener, p.sender
	p.sender = nil
	p.mu.Unlock()
	var err error
	if sender != nil {
		err = sender.close()
	}
	if listener != nil {
		p.deaf(listener, net.ErrClosed)
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
