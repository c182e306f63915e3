package lab

import (
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// subscription is the notices of one host's kernel.
type subscription struct {
	conn  *netlink.Conn
	space *space
	ended chan struct{} // closed when nothing is read any more

	mu    sync.Mutex
	asked uint32                   // the number of the last question
	open  map[uint32]chan struct{} // questions without an answer yet
}

// catchUp waits until the notices that the kernel has sent by now are filed: it asks the
// kernel something, whose answer stands behind them in the same queue.
func (s *subscription) catchUp() {
	answered := make(chan struct{})
	s.mu.Lock()
	s.asked++
	n := s.asked
	s.open[n] = answered
	s.mu.Unlock()
	lo := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(lo[4:], 1)
	if _, err := s.conn.Send(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request, Sequence: n}, Data: lo,
	}); err != nil {
		s.answered(n) // it is being closed
	}
	select {
	case <-answered:
	case <-s.ended:
	}
}

// answered ends one question.
func (s *subscription) answered(n uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.open[n]; c != nil {
		close(c)
		delete(s.open, n)
	}
}

// unanswered are the questions that were asked by now.
func (s *subscription) unanswered() []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.open))
}

// catchUp does so for each kernel.
func (w *Watch) catchUp() {
	w.mu.Lock()
	subs := slices.Collect(maps.Values(w.subs))
	w.mu.Unlock()
	for _, s := range subs {
		s.catchUp()
	}
}
