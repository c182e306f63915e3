package host_test

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/nstest"
)

// entry makes a neighbour entry of the kernel for the alias, with an old address in it.
func entry(t *testing.T, space *nstest.Space, state int) {
	t.Helper()
	space.Do(func() {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: state, IP: alias6.AsSlice(),
			HardwareAddr: []byte{2, 0, 0, 0, 0, 0x55}}); err != nil {
			t.Fatal(err)
		}
	})
}

// moved waits until the kernel's entry for the alias has that address, and is a router's
// or is not.
func moved(t *testing.T, space *nstest.Space, hw host.HW, router bool) {
	t.Helper()
	space.Await(t, "the entry", func() bool {
		list, err := netlink.NeighList(0, netlink.FAMILY_V6)
		for _, n := range list {
			if n.IP.Equal(alias6.AsSlice()) && len(n.HardwareAddr) == 6 && host.HW(n.HardwareAddr) == hw {
				return router == (n.Flags&netlink.NTF_ROUTER != 0)
			}
		}
		return err != nil
	})
}

var states = map[string]int{"reachable": unix.NUD_REACHABLE, "stale": unix.NUD_STALE, "in doubt": unix.NUD_DELAY}

func TestAnnouncementOfIPv6MovesTheEntriesOfOthers(t *testing.T) {
	a, b := pair6(t)
	w, _ := listener6(t, a)
	_, seen := listener6(t, b)
	for name, state := range states {
		for _, hw := range []host.HW{{}, nobody} {
			t.Run(name, func(t *testing.T) {
				entry(t, b, state)
				if err := w.Announce(alias6, hw); err != nil {
					t.Fatal(err)
				}
				if hw.IsZero() {
					hw = w.HW()
				}
				same(t, wait(t, "it", seen), host.Sighting{Sender: alias6, HW: hw, Target: alias6})
				moved(t, b, hw, false)
			})
		}
	}
}

// A host that hears a question answers it, and so learns who asks: the alias's new holder.
func TestQuestionFromTheAliasMovesTheEntryOfWhoIsAsked(t *testing.T) {
	a, b := pair6(t)
	w, seen := listener6(t, a)
	for name, state := range states {
		t.Run(name, func(t *testing.T) {
			entry(t, b, state)
			if err := w.Ask(addrB6, alias6, host.HW{}); err != nil {
				t.Fatal(err)
			}
			moved(t, b, w.HW(), false)
			same(t, wait(t, "the answer", seen), host.Sighting{Sender: addrB6, HW: host.HW(b.HW(t, "eth0")), Target: alias6, Reply: true})
		})
	}
}

// TestAnnouncementSaysWhetherThisHostIsARouter follows the kernel's setting, which may
// change while the Wire is open and is read from its own namespace.
func TestAnnouncementSaysWhetherThisHostIsARouter(t *testing.T) {
	a, b := pair6(t)
	w, _ := listener6(t, a)
	entry(t, b, unix.NUD_REACHABLE)
	for _, c := range []struct {
		forwarding string
		router     bool
	}{{"1", true}, {"0", false}, {"1", true}} {
		set6(t, a, "eth0/forwarding", c.forwarding)
		if err := w.Announce(alias6, host.HW{}); err != nil {
			t.Fatal(err)
		}
		moved(t, b, w.HW(), c.router)
	}
}

// A NIC on which the kernel has no IPv6, or no address, hears and speaks as well.
func TestListenToIPv6NeedsNoAddress(t *testing.T) {
	a, _ := pair6(t)
	set6(t, a, "eth0/disable_ipv6", "1")
	w, seen := listener6(t, a)
	if err := w.Probe(addrB6); err != nil {
		t.Fatal(err)
	}
	if s := wait(t, "the answer", seen); s.Sender != addrB6 || s.Target != addrB6 || s.Reply {
		t.Errorf("%+v", s)
	}
	if err := w.Announce(netip.MustParseAddr("fe80::9%eth0"), host.HW{}); err != nil {
		t.Error(err)
	}
}
