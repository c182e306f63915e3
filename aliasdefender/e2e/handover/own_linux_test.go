package handover

import (
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// first is the address that the host speaks with on its NIC.
func first(t *testing.T, h *lab.Host) (addr netip.Addr) {
	t.Helper()
	stage.Must(t, h.Do(func() error {
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		all, err := netlink.AddrList(eth0, netlink.FAMILY_V4)
		if err == nil && len(all) > 0 {
			addr, _ = netip.AddrFromSlice(all[0].IP.To4())
		}
		return err
	}))
	return addr
}

// blink takes the host's own address off and puts it on again, as "ip address" does,
// with promote_secondaries on, as under systemd.
func blink(t *testing.T, h *lab.Host, own netip.Prefix) {
	t.Helper()
	stage.Must(t, h.Do(func() error {
		if err := os.WriteFile("/proc/sys/net/ipv4/conf/eth0/promote_secondaries", []byte("1"), 0o644); err != nil {
			return err
		}
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(own.String())
		if err != nil {
			return err
		}
		if err := netlink.AddrDel(eth0, a); err != nil {
			return err
		}
		return netlink.AddrAdd(eth0, a)
	}))
}

// TestOwnAddressThatGoesAndComesBackStopsNothing: the host speaks with its own
// address again, the channel goes on, and a later hand-over loses nothing.
func TestOwnAddressThatGoesAndComesBackStopsNothing(t *testing.T) {
	t.Parallel()
	p := stage.Talking(t, time.Second)
	for range 2 {
		blink(t, p.A, p.OwnA)
		ctx := stage.Patiently(t)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for first(t, p.A) != p.OwnA.Addr() {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("a speaks with %v", first(t, p.A))
			}
		}
	}
	stage.Said(t, p.Monitor(p.A), "action=reorder row=H10")
	stage.Held(t, p, "a")
	said := time.Now()
	stage.Until(t, p, p.B, "A is heard afterwards", func(_ control.Snapshot, a control.Alias) bool {
		return a.Says != nil && a.Says.Daemon == "heard" && a.Says.At.After(said)
	})
	stage.Saying(t, p, p.A, 0, []string{"handed over: the partner has it"}, "Handover")
	stage.Held(t, p, "b")
	stage.Served(t, p, "b")
}

// TestANICThatIsRenamedKeepsNoAlias: promise 4, for a NIC that stays up and an alias
// without a lease.
func TestANICThatIsRenamedKeepsNoAlias(t *testing.T) {
	t.Parallel()
	p := stage.Begun(t)
	stage.Must(t, p.A.Do(func() error {
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.LinkSetName(eth0, "lan0")
	}))
	stage.Said(t, p.Monitor(p.A), "action=release row=H3")
	stage.Held(t, p)
	addrs, err := p.A.Addrs()
	stage.Must(t, err)
	if slices.ContainsFunc(addrs, func(a lab.Addr) bool { return a.Prefix.Addr() == p.Alias }) {
		t.Errorf("a has %v", addrs)
	}
}
