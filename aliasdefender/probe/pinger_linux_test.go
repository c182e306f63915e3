package probe

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/hearing"

	"alias-defender/aliasdefender/host/nstest"
)

func TestPingerKeepsTheContract(t *testing.T) { contract(t, openPinger) }

func openPing(testing.TB) pinger { return Ping }

func openPinger(t testing.TB) pinger { return newPinger(t).Ping }

// newPinger opens one in the present namespace.
func newPinger(t testing.TB) *Pinger {
	t.Helper()
	p, err := NewPinger()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// alone is a pinger in a namespace of its own, whose loopback answers for all of
// 127.0.0.0/8, and an eth0 with 10.0.0.1/24 where nobody answers.
func alone(t testing.TB) (*Pinger, *nstest.Space) {
	t.Helper()
	s, far := nstest.New(t), nstest.New(t)
	nstest.Cable(t, s, "eth0", far, "eth0")
	s.Address(t, "eth0", here.String()+"/24")
	var p *Pinger
	s.Do(func() { p = newPinger(t) })
	return p, s
}

// ears collects what is heard.
type ears chan error

func (e ears) hear(_ time.Time, err error) { e <- err }

// next is what is heard next.
func (e ears) next(t *testing.T) error {
	t.Helper()
	select {
	case err := <-e:
		return err
	case <-time.After(nstest.Patience):
		t.Fatal("nothing heard")
		return nil
	}
}

func (e ears) ask(t *testing.T, p *Pinger, q Question) {
	t.Helper()
	if err := p.Ask(q, e.hear); err != nil {
		t.Fatal(err)
	}
}

func TestAnswerComesWithTheTimeOfTheQuestion(t *testing.T) {
	p, _ := alone(t)
	var at time.Time
	e := make(ears, 1)
	before := time.Now()
	if err := p.Ask(Question{Target: loopback, Timeout: ages}, func(when time.Time, err error) {
		at = when
		e <- err
	}); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	if err := e.next(t); err != nil {
		t.Fatal(err)
	}
	if at.Before(before) || at.After(after) {
		t.Errorf("asked %v after the call began, which took %v", at.Sub(before), after.Sub(before))
	}
}

func TestManyAnswersAtOnceAreAllHeard(t *testing.T) {
	p, _ := alone(t)
	n := min(1000, p.four.room)
	if n < 200 {
		t.Fatalf("room for %d; Linux grants more to anybody", n)
	}
	e := make(ears, n)
	var gate sync.Mutex
	gate.Lock() // nothing is read on before all have been asked
	for i := range n {
		q := Question{Target: netip.AddrFrom4([4]byte{127, 0, byte(i >> 8), byte(i)}), Timeout: ages}
		if i == 0 {
			q.Target = loopback
		}
		if err := p.Ask(q, func(at time.Time, err error) {
			gate.Lock()
			defer gate.Unlock()
			e.hear(at, err)
		}); err != nil {
			t.Fatalf("question %d: %v", i, err)
		}
	}
	gate.Unlock()
	for range n {
		if err := e.next(t); err != nil {
			t.Fatal(err)
		}
	}
}

// The kernel keeps what it cannot send yet, at the expense of the socket.
func TestTheDeadDoNotKeepTheLivingFromBeingAsked(t *testing.T) {
	p, s := alone(t)
	s.Do(func() { // where another sender belongs
		for first := p.four.sender; p.four.sender == first; {
			for i := range 20 { // as many neighbours, for the kernel keeps a few hundred for each
				dead := netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i)})
				make(ears, 1).ask(t, p, Question{Target: dead, Timeout: 1})
			}
		}
		e := make(ears, 1)
		e.ask(t, p, Question{Target: loopback, Timeout: ages})
		if err := e.next(t); err != nil {
			t.Error(err)
		}
	})
}

func TestTooManyQuestionsAreAnError(t *testing.T) {
	p, _ := alone(t)
	dead := Question{Target: netip.MustParseAddr("10.0.0.99"), Timeout: ages}
	for range p.four.room {
		make(ears, 1).ask(t, p, dead)
	}
	if err := p.Ask(dead, nil); !errors.Is(err, errTooMany) {
		t.Errorf("%v", err)
	}
	for i := range p.four.asked {
		p.four.asked[i].timeout = 1 // they have had their time
	}
	e := make(ears, 1)
	e.ask(t, p, Question{Target: loopback, Timeout: ages})
	if err := e.next(t); err != nil {
		t.Error(err)
	}
}

func TestEarThatIsLostIsToldAndOpenedAgain(t *testing.T) {
	p, s := alone(t)
	e := make(ears, 2)
	e.ask(t, p, Question{Target: netip.MustParseAddr("10.0.0.99"), Timeout: ages})
	e.ask(t, p, Question{Target: netip.MustParseAddr("10.0.0.98"), Timeout: 1}) // has had its time
	if err := p.four.listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.next(t); err == nil {
		t.Error("a question that cannot be heard any more counts as answered")
	}
	s.Do(func() {
		e.ask(t, p, Question{Target: loopback, Timeout: ages})
	})
	if err := e.next(t); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsWhatIsAsked(t *testing.T) {
	before := files(t)
	p, s := alone(t)
	open := files(t)
	ended := make(chan error)
	go func() {
		s.Do(func() {
			_, err := p.Ping(t.Context(), Question{Target: netip.MustParseAddr("10.0.0.99"), Timeout: ages})
			ended <- err
		})
	}()
	for busy := false; !busy; { // until it is under way
		p.mu.Lock()
		busy = slices.ContainsFunc(p.four.asked, func(a asked) bool { return a.heard != nil })
		p.mu.Unlock()
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("under way: %v", err)
	}
	if err := p.Ask(Question{Target: loopback, Timeout: ages}, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
	nstest.Gone(t, "probe.(*Pinger)")
	if after := files(t); after >= open || before > after {
		t.Errorf("%d files before, %d while open, %d after", before, open, after)
	}
}

func TestOthersAnswersDoNotWakeTheReader(t *testing.T) {
	p, s := alone(t)
	s.Do(func() {
		listener, _, err := openListener(false, p.id+1)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		if answered, err := p.Ping(t.Context(), Question{Target: loopback, Timeout: ages}); !answered || err != nil {
			t.Fatalf("%v, %v", answered, err)
		}
		raw, err := listener.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) {
			if n, err := unix.Read(int(fd), make([]byte, answerSize)); err != unix.EAGAIN {
				t.Errorf("heard %d bytes, %v", n, err)
			}
		}); err != nil {
			t.Error(err)
		}
	})
}

func TestAskingAllocatesNothing(t *testing.T) {
	p, _ := alone(t)
	heard := make(chan error, 1)
	hear := func(_ time.Time, err error) { heard <- err }
	if n := testing.AllocsPerRun(1000, func() {
		if err := p.Ask(Question{Target: loopback, Source: loopback, Timeout: ages}, hear); err != nil {
			t.Fatal(err)
		}
		if err := <-heard; err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a question and its answer", n)
	}
}

// TestAnAnswerThatWaitsIsReported: while a caller does not take its answer, the next
// ones wait, and that is no silence.
func TestAnAnswerThatWaitsIsReported(t *testing.T) {
	p, _ := alone(t)
	for over := time.Now().Add(nstest.Patience); p.Hearing().Late != 0; runtime.Gosched() { // it looks once whether anything has come
		if time.Now().After(over) {
			t.Fatalf("before anything was asked: %+v", p.Hearing())
		}
	}
	if r := p.Hearing(); r.Lost != 0 {
		t.Errorf("before anything was asked: %+v", r)
	}
	entered, release, second := make(chan struct{}), make(chan struct{}), make(chan struct{})
	q := Question{Target: loopback, Source: loopback, Timeout: ages}
	begin := time.Now()
	if err := p.Ask(q, func(time.Time, error) { close(entered); <-release }); err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := p.Ask(q, func(time.Time, error) { close(second) }); err != nil {
		t.Fatal(err)
	}
	if r := p.Hearing(); r.Late <= 0 || r.Late > time.Since(begin) {
		t.Errorf("an answer waits since %v at most: %+v", time.Since(begin), r)
	}
	close(release)
	<-second
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if r := p.Hearing(); r != (hearing.Report{}) {
		t.Errorf("closed: %+v", r)
	}
}

// TestAnswersToOthersAreNotLost: what the filter drops was not for us, and must not
// make us deaf.
func TestAnswersToOthersAreNotLost(t *testing.T) {
	p, s := alone(t)
	var other *Pinger
	s.Do(func() { other = newPinger(t) })
	heard := make(chan error, 1)
	for range 100 {
		if err := other.Ask(Question{Target: loopback, Source: loopback, Timeout: ages}, func(_ time.Time, err error) { heard <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-heard; err != nil {
			t.Fatal(err)
		}
	}
	if r := p.Hearing(); r.Lost != 0 {
		t.Errorf("%+v", r)
	}
}

func TestSourceIsOneQuestionsOnly(t *testing.T) {
	p, s := alone(t)
	e := make(ears, 1)
	e.ask(t, p, Question{Target: here, Source: here, Timeout: ages})
	if err := e.next(t); err != nil {
		t.Fatal(err)
	}
	s.Delete(t, "eth0") // and its address with it
	e.ask(t, p, Question{Target: loopback, Timeout: ages})
	if err := e.next(t); err != nil {
		t.Error(err)
	}
}

// TestTheCallerMaySendTheQuestionItself: what it is given is the question, whose answer
// is heard; what it fails with is told.
func TestTheCallerMaySendTheQuestionItself(t *testing.T) {
	p, s := alone(t)
	e := make(ears, 1)
	q := Question{Target: loopback, Timeout: ages, Send: func(icmp []byte) (err error) {
		s.Do(func() {
			var c *net.IPConn
			if c, err = net.DialIP("ip4:icmp", nil, &net.IPAddr{IP: loopback.AsSlice()}); err == nil {
				_, err = c.Write(icmp)
				err = errors.Join(err, c.Close())
			}
		})
		return err
	}}
	e.ask(t, p, q)
	if err := e.next(t); err != nil {
		t.Error(err)
	}
	full := errors.New("the queue is full")
	q.Send = func([]byte) error { return full }
	if err := p.Ask(q, e.hear); !errors.Is(err, full) {
		t.Errorf("%v, want %v", err, full)
	}
	if _, err := Ping(t.Context(), q); err == nil {
		t.Error("a ping with sockets of its own has been sent in place of the caller")
	}
}
