package defender

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"alias-defender/aliasdefender/hearing"
	"alias-defender/aliasdefender/host"
)

// passes tells whether the ear's filter passes a frame, to all or to this station alone.
// In IPv6 a question to all goes to the group of its target (RFC 4861, 7.2.2), and reaches
// those who listen to that group.
func (w *fakeWire) passes(f host.Sighting, alone bool) bool {
	switch {
	case host.FamilyOf(f.Target) != w.family:
		return false
	case w.wanted == nil:
		return true
	case f.Sender.Is6() && !f.Reply && f.Sender != f.Target && !alone:
		return w.wanted[f.Target]
	}
	return w.wanted[f.Sender] || w.wanted[f.Target]
}

// fakeWire is a station's ear and voice.
type fakeWire struct {
	st     *station
	family host.Family
	hw     host.HW // of the NIC when it was opened
	see    func([]host.Sighting)
	done   chan struct{}
	once   sync.Once
	err    error // why it ended by itself

	wanted map[netip.Addr]bool // what its filter passes; nil: all
	lost   uint64              // frames that it had no room for
}

func (st *station) Listen(nic string, f host.Family, see func([]host.Sighting)) (Wire, error) {
	st.seg.mu.Lock()
	defer st.seg.mu.Unlock()
	if st.refuses == f {
		return nil, fmt.Errorf("no listener of %s", f)
	}
	w := &fakeWire{st: st, family: f, hw: st.nic().HW, see: see, done: make(chan struct{})}
	st.ears++
	if st.deafened != nil {
		w.err = st.deafened
		close(w.done)
		w.once.Do(func() {})
		return w, nil
	}
	st.wires = append(st.wires, w)
	return w, nil
}

func (w *fakeWire) say(f host.Sighting) error { return w.sayTo(host.HW{}, f) }

// sayTo sends a frame to all, or to the station with that hardware address.
func (w *fakeWire) sayTo(hw host.HW, f host.Sighting) error {
	s := w.st.seg
	time.Sleep(w.st.sending)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.questions = append(s.questions, question{time.Now(), w.st, hw, f.Target, f.Sender == f.Target, f.Sender.IsUnspecified(), w.st.kernel.has(f.Target)})
	if w.st.arpErr != nil {
		return w.st.arpErr
	}
	if !w.st.nic().Carrier {
		return errors.New("network is down")
	}
	if hw.IsZero() {
		s.send(w.st, nil, f)
	}
	for _, st := range s.stations {
		if st.hw == hw {
			s.send(w.st, st, f)
		}
	}
	return nil
}

func (w *fakeWire) Ask(target, from netip.Addr, to host.HW) error {
	return w.sayTo(to, host.Sighting{Sender: from, HW: w.st.hwOf(from), Target: target})
}

func (w *fakeWire) Probe(target netip.Addr) error {
	nobody := netip.IPv4Unspecified()
	if target.Is6() {
		nobody = netip.IPv6Unspecified()
	}
	return w.say(host.Sighting{Sender: nobody, HW: w.st.hw, Target: target})
}

func (w *fakeWire) Announce(alias netip.Addr, hw host.HW) error {
	if hw.IsZero() {
		hw = w.st.hwOf(alias)
	}
	return w.say(host.Sighting{Sender: alias, HW: hw, Target: alias})
}

// Echo notes to whom the question goes that the station's Ask is about to put.
func (w *fakeWire) Echo(target, from netip.Addr, to host.HW, icmp []byte) error {
	s := w.st.seg
	s.mu.Lock()
	defer s.mu.Unlock()
	w.st.echoed = to
	return nil
}

func (w *fakeWire) Want(addrs []netip.Addr) error {
	s := w.st.seg
	s.mu.Lock()
	defer s.mu.Unlock()
	w.wanted = map[netip.Addr]bool{}
	for _, a := range addrs {
		w.wanted[a] = true
	}
	return w.st.filterErr
}

func (w *fakeWire) Hearing() hearing.Report {
	s := w.st.seg
	s.mu.Lock()
	defer s.mu.Unlock()
	return hearing.Report{Lost: w.lost, Late: w.st.earLate}
}

func (w *fakeWire) HW() host.HW { return w.hw }

func (w *fakeWire) Done() <-chan struct{} { return w.done }

func (w *fakeWire) Err() error { return w.err }

func (w *fakeWire) Close() error {
	s := w.st.seg
	s.mu.Lock()
	defer s.mu.Unlock()
	w.st.wires = slices.DeleteFunc(w.st.wires, func(x *fakeWire) bool { return x == w })
	w.once.Do(func() { close(w.done) })
	return nil
}
