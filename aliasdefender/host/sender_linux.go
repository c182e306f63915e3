package host

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// sender sends a Wire's frames, one at a time, from memory that it keeps.
type sender struct {
	mu    sync.Mutex
	room  [ndEnd]byte // for the longest frame of ARP or of neighbour discovery
	frame []byte      // what send sends
	nic   *unix.Ifreq // for the NIC's name in the question; it has the kernel's answer as well
	send  func(fd uintptr)
	err   error     // of send
	ran   time.Time // when the NIC was last seen running
}

// ranFor is how long that is believed.
const ranFor = time.Millisecond

func (v *sender) open(w *Wire) (err error) {
	if v.nic, err = unix.NewIfreq(w.nic); err != nil {
		return err
	}
	// The socket does not block and is bound to the NIC, so this is write(2)
	// rather than the connection's own, which waits.
	v.send = func(fd uintptr) {
		if v.err = v.running(int(fd), time.Now()); v.err == nil {
			_, v.err = unix.Write(int(fd), v.frame)
		}
	}
	return nil
}

// Ask asks who has target, in the name of from, an address of this host. It asks all
// hosts or, if to is known, only that hardware address (RFC 1122, 2.3.2.1). In IPv6 all
// hosts are the solicited-node group of target (RFC 4861, 7.2.2). The answer comes as a
// Sighting. If from is an alias that has moved here, and the host that is asked is an
// IPv6 host, the question moves that host's entry for from. An error means that the
// question was not asked: the NIC is down or without carrier, or its queue is full. Ask
// never blocks, and may be called from several goroutines.
func (w *Wire) Ask(target, from netip.Addr, to HW) error {
	if w.family == IPv6 {
		m, err := question(target, from, to, w.hw)
		return w.sayND("ask for", target, m, err)
	}
	m := message{source: w.hw, dest: to, sender: from, target: target, senderHW: w.hw, destHW: to}
	if to.IsZero() {
		m.dest = broadcast
	}
	return w.say("ask for", m)
}

// Probe asks who has target without saying who we are, so that no host learns us as its
// owner: RFC 5227, 2.1.1, and RFC 4862, 5.4.2. An IPv6 host answers to all; that is not a
// Reply but an announcement. Errors are as for Ask.
func (w *Wire) Probe(target netip.Addr) error {
	if w.family == IPv6 {
		return w.Ask(target, netip.IPv6Unspecified(), HW{})
	}
	return w.Ask(target, netip.IPv4Unspecified(), HW{})
}

// Announce tells everybody that hw, or this NIC if hw is zero, has the alias: by a
// request and by a reply of ARP, or by one unsolicited neighbour advertisement (RFC 4861,
// 7.2.6). The advertisement says "router" if this NIC forwards, as the kernel's own do,
// even if it is about another host. Errors are as for Ask; Announce tries all forms.
func (w *Wire) Announce(alias netip.Addr, hw HW) error {
	if hw.IsZero() {
		hw = w.hw
	}
	if w.family == IPv6 {
		m, err := claim(alias, hw, w.hw, w.isRouter())
		return w.sayND("announce", alias, m, err)
	}
	forms := announcement(alias, hw, w.hw)
	return errors.Join(w.say("announce", forms[0]), w.say("announce", forms[1]))
}

// say sends a frame of ARP or fails at once.
func (w *Wire) say(what string, m message) error {
	v := &w.sender
	v.mu.Lock()
	defer v.mu.Unlock()
	err := m.encode((*[shortest]byte)(v.room[:]))
	if err == nil {
		err = v.sendNow(w, v.room[:shortest])
	}
	return w.unsaid(what, m.target, err)
}

// sayND sends a frame of neighbour discovery or fails at once.
func (w *Wire) sayND(what string, target netip.Addr, m neighbour, err error) error {
	v := &w.sender
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil {
		err = v.sendNow(w, v.room[:m.encode((*[ndEnd]byte)(v.room[:]))])
	}
	return w.unsaid(what, target, err)
}

func (w *Wire) unsaid(what string, target netip.Addr, err error) error {
	if err != nil {
		return fmt.Errorf("host: %s %s on %s: %w", what, target, w.nic, err)
	}
	return nil
}

// sendNow sends a frame that is for the protocol of the socket. The caller has mu.
func (v *sender) sendNow(w *Wire, frame []byte) error {
	v.frame = frame
	if err := w.raw.Control(v.send); err != nil {
		return err
	}
	return v.err
}

// running returns an error unless the NIC could send. Without carrier, queue and driver
// decide whether a dropped frame is an error, and a question that never left must not
// pass for one that nobody answered. The kernel shows a lost carrier here up to a second
// late (Read has it at once). So what was true a millisecond ago is no worse, and no
// doubt is decided by the questions of one millisecond.
func (v *sender) running(fd int, now time.Time) error {
	if now.Sub(v.ran) < ranFor {
		return nil
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, v.nic); err != nil {
		return err
	}
	switch flags := v.nic.Uint16(); {
	case flags&unix.IFF_UP == 0:
		return unix.ENETDOWN
	case flags&unix.IFF_RUNNING == 0:
		return fmt.Errorf("no carrier: %w", unix.ENETDOWN)
	}
	v.ran = now
	return nil
}
