package defender

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
)

// asked is what a host says of now about the alias.
func (w *world) asked(st *station) control.Now {
	w.t.Helper()
	all, err := st.daemon.Now(w.t.Context(), aliasIP)
	if err != nil || len(all) != 1 {
		w.fail("%+v, %v", all, err)
	}
	return all[0]
}

// lack is what a row lacks, with that deed and reason.
func lack(n control.Now, row, reason string) control.Lack {
	for _, l := range n.Above {
		if l.Row == row && l.Reason == reason {
			return l
		}
	}
	return control.Lack{}
}

// What a standby says that a row lacks is what it needs: given to it, that row decides.
func TestNowSaysWhatWouldDecideInstead(t *testing.T) {
	talking(t, true, false, func(w *world) {
		w.settle()
		n := w.asked(w.b)
		holder, row, reason := w.status(w.b)
		if n.Row != row || n.Reason != reason || holder != "partner" || n.Row != "W6" || len(n.Facts) == 0 || n.Why != "another host serves the alias" {
			w.fail("Status says %s, %s, %s; now: %+v", holder, row, reason, n)
		}
		if l := lack(n, "W2", "no link"); !slices.Contains(l.Needs, "the NIC has no carrier") {
			w.fail("%+v", n.Above)
		}
		if l := lack(n, "W1", "parked"); !slices.Contains(l.Needs, "an operator parks it") {
			w.fail("%+v", n.Above)
		}
		w.b.set(func() { w.b.nic().Carrier = false })
		w.wait(time.Second)
		if n := w.asked(w.b); n.Row != "W2" || n.Reason != "no link" {
			w.fail("without carrier: %+v", n)
		}
		w.order(w.b, control.Order{Remove: true})
		w.wait(time.Second)
		if n := w.asked(w.b); n.Row != "W1" || n.Reason != "parked" || len(n.Above) != 0 || len(n.Far) != 0 {
			w.fail("parked: %+v", n)
		}
		if n := w.asked(w.a); n.Row != "H9" || lack(n, "H5", "restored").Needs[0] != "the kernel has lost the alias" {
			w.fail("the holder: %+v", n)
		}
	})
}

func TestNowIsAskedOfAnAliasThatIsThere(t *testing.T) {
	talking(t, true, false, func(w *world) {
		ctx, cancel := context.WithCancel(w.t.Context())
		if _, err := w.a.daemon.Now(ctx, netip.MustParseAddr("10.9.9.9")); err == nil || !strings.Contains(err.Error(), "10.9.9.9 is no alias of the running Monitor's file") {
			w.fail("%v", err)
		}
		if all, err := w.a.daemon.Now(ctx, netip.Addr{}); err != nil || len(all) != 1 || all[0].Alias != aliasIP.String() {
			w.fail("%+v, %v", all, err)
		}
		cancel()
		if _, err := w.a.daemon.Now(ctx, netip.Addr{}); err == nil {
			w.fail("it does not heed that nobody waits")
		}
	})
}
