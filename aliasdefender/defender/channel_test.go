package defender

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
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

// A word that is repeated until it is acknowledged is as old as when it was first heard, and
// one that comes after a newer one is not heard at all.
func TestARepeatedWordIsNoNewerSignOfLife(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.expect("a", "the primary serves")
		said := func(say uint64, standing peer.Standing) *control.Says {
			w.seg.mu.Lock()
			h := peer.Heard{Partner: w.b.own.Addr(), Path: w.b.own.Addr(), At: time.Now(), Message: w.b.says, Parts: 1, Say: say}
			h.Words = slices.Clone(h.Words)
			w.seg.mu.Unlock()
			h.Words[0].Standing = standing
			w.a.daemon.Heard(h)
			w.wait(10 * time.Millisecond)
			return w.shown(w.a).Says
		}
		first := said(1<<40, peer.Able)
		w.wait(time.Second)
		if again := said(1<<40, peer.Able); !again.At.Equal(first.At) {
			w.fail("repeated a second later it is %s newer", again.At.Sub(first.At))
		}
		if late := said(1<<39, peer.Parked); late.State != first.State || !late.At.Equal(first.At) {
			w.fail("an older word counts: %+v", late)
		}
		if next := said(1<<41, peer.Parked); next.State == first.State || !next.At.After(first.At) {
			w.fail("a newer word does not count: %+v", next)
		}
	})
}
