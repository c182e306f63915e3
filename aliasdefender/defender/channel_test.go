package defender

import (
	"errors"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/peer"
)

// problems are those of the host as a whole, as Status has them.
func (w *world) problems(st *station) string {
	w.t.Helper()
	s, err := st.daemon.Snapshot(w.t.Context(), false)
	if err != nil {
		w.fail("%v", err)
	}
	return strings.Join(s.Problems, "\n")
}

func TestChannelThatCannotBeOpenedIsSaidAndTriedAgain(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) {
		w.withKey()
		w.a.openErr = errors.New("address already in use")
	}, func(w *world) {
		w.wait(time.Minute)
		if n := w.logged("event=no_channel"); n != 1 {
			w.fail("said %d times, want once", n)
		}
		if p := w.problems(w.a); !strings.Contains(p, "no channel to the partner: address already in use") {
			w.fail("Status has %q", p)
		}
		w.a.set(func() { w.a.openErr = nil })
		w.wait(15 * time.Second)
		if p := w.problems(w.a) + w.problems(w.b); p != "" {
			w.fail("the channel can be opened, and Status has %q", p)
		}
	})
}

func TestClonedHostIsAnAlarm(t *testing.T) {
	talking(t, true, false, func(w *world) {
		clone := func(yes bool) peer.Heard {
			w.seg.mu.Lock()
			defer w.seg.mu.Unlock()
			return peer.Heard{
				Partner: w.b.own.Addr(), Path: w.b.own.Addr(), At: time.Now(), Message: w.b.says, Parts: 1, Say: 1 << 40,
				Host: [peer.HostLen]byte{7}, Cloned: yes,
			}
		}
		w.a.daemon.Heard(clone(true))
		w.wait(10 * time.Millisecond)
		if p := w.problems(w.a); !strings.Contains(p, "host's own number") || w.logged("event=cloned_host") != 1 {
			w.fail("Status has %q", p)
		}
		w.a.daemon.Heard(clone(false))
		w.wait(10 * time.Millisecond)
		if p := w.problems(w.a); p != "" {
			w.fail("the number is its own again, and Status has %q", p)
		}
	})
}
