package ipv6

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

const noIPv6 = "net/ipv6/conf/eth0/disable_ipv6"

// disabled sets disable_ipv6 on a host's NIC, which takes all its addresses and routes of
// IPv6 away; enabled clears it, and gives back what an operator had configured.
func disabled(t *testing.T, h *lab.Host) {
	t.Helper()
	set(t, h, noIPv6, "1")
}

func enabled(t *testing.T, p *pair.Pair, h *lab.Host) {
	t.Helper()
	set(t, h, noIPv6, "0")
	for _, a := range h.NIC("eth0").Addrs {
		stage.Must(t, h.NIC("eth0").AddAddr(a))
	}
	stage.Must(t, h.SetDefaultRoute(p.RouterAt.Addr()))
}

var withAndWithoutAKey = map[string][]string{"without a key": nil, "with a key": {stage.NewKey()}}

// served plays a story that begins with a primary that serves and a standby that knows it,
// without a key and with one.
func served(t *testing.T, play func(t *testing.T, p *pair.Pair)) {
	for name, keys := range withAndWithoutAKey {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := six.Pair(t, pair.Spec{PrimaryA: true, Keys: keys})
			stage.Must(t, p.Begin(stage.Patience))
			stage.Held(t, p, "a")
			stage.Said(t, p.Monitor(p.B), "row=W6")
			play(t, p)
		})
	}
}

// alone fails if the alias was held by two since a moment at which one had it: what two
// kernels told before may have been read in another order.
func alone(t *testing.T, p *pair.Pair, since time.Time) {
	t.Helper()
	if both := p.Holders.Tenure(since, time.Time{}).LongestBoth; both > 0 {
		t.Errorf("held by two for %v", both)
	}
}

func TestIPv6IsDisabledOnTheHoldersNIC(t *testing.T) {
	t.Parallel()
	served(t, func(t *testing.T, p *pair.Pair) {
		disabled(t, p.A)
		stage.Held(t, p, "b")
		since := time.Now()
		stage.Served(t, p, "b")
		stage.Saying(t, p, p.A, 1, []string{"without an address of its own"}, "Status")
		enabled(t, p, p.A)
		stage.Until(t, p, p.A, "W6", func(_ control.Snapshot, a control.Alias) bool { return a.Row == "W6" })
		stage.Unchanged(t, p, 2*time.Second)
		stage.Held(t, p, "b")
		alone(t, p, since)
	})
}

func TestIPv6IsDisabledOnTheStandbysNIC(t *testing.T) {
	t.Parallel()
	served(t, func(t *testing.T, p *pair.Pair) {
		disabled(t, p.B)
		stage.Until(t, p, p.B, "not ready", func(_ control.Snapshot, a control.Alias) bool {
			return a.Standby != nil && a.Standby.Ready == "no" || a.Level != ""
		})
		stage.Saying(t, p, p.B, 1, []string{"without an address of its own"}, "Status")
		stage.Saying(t, p, p.B, stage.Failed, []string{"fault: IPv6 is switched off on eth0 (disable_ipv6)"}, "Check")
		stage.Must(t, p.A.Crash())
		stage.Unchanged(t, p, 3*time.Second) // nobody has it
		enabled(t, p, p.B)
		stage.Served(t, p, "b")
		stage.Held(t, p, "b")
	})
}

// TestTheHoldersNICIsSetDownAndUp by an operator: the kernel takes the alias away.
func TestTheHoldersNICIsSetDownAndUp(t *testing.T) {
	t.Parallel()
	served(t, func(t *testing.T, p *pair.Pair) {
		stage.Must(t, p.A.NIC("eth0").SetUp(false))
		stage.Held(t, p, "b")
		since := time.Now()
		stage.Served(t, p, "b")
		stage.Must(t, p.A.NIC("eth0").SetUp(true))
		stage.Until(t, p, p.A, "W6", func(_ control.Snapshot, a control.Alias) bool { return a.Row == "W6" })
		stage.Unchanged(t, p, 2*time.Second)
		stage.Held(t, p, "b")
		alone(t, p, since)

		// Only for a moment, once more: whoever has it at the end, it is one.
		blink := time.Now()
		stage.Must(t, p.B.NIC("eth0").SetUp(false))
		stage.Must(t, p.B.NIC("eth0").SetUp(true))
		stage.Until(t, p, p.B, "that it has noticed, and holds it or leaves it to A", func(_ control.Snapshot, a control.Alias) bool {
			return (a.Row == "H9" || a.Row == "W6") && a.Since.After(blink)
		})
		stage.Alone(t, p)
		stage.Served(t, p, "")
		stage.Unchanged(t, p, 2*time.Second)
		stage.Alone(t, p)
	})
}
