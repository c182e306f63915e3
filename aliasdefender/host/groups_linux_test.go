package host_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/nstest"
)

// picky is a host whose eth0 passes only the groups that somebody on it has joined, as a
// real NIC does and a virtual cable does not; and another on the segment.
func picky(t *testing.T) (a, b *nstest.Space) {
	a, b = nstest.New(t), nstest.New(t)
	quiet6(t, a)
	quiet6(t, b)
	nstest.Cable(t, a, "lower0", b, "eth0")
	a.Do(func() {
		l, err := netlink.LinkByName("lower0")
		if err != nil {
			t.Fatal(err)
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.ParentIndex = "eth0", l.Attrs().Index
		if err := netlink.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_BRIDGE}); err != nil {
			t.Fatal(err)
		}
	})
	a.Up(t, "eth0")
	a.Ready(t, "eth0")
	address6(t, b, addrB6)
	return a, b
}

// inGroup tells whether the NIC passes the group of that hardware address, and how many
// have asked it to pass all of them.
func inGroup(t *testing.T, space *nstest.Space, hw string) (one bool, all uint32) {
	t.Helper()
	space.Do(func() {
		list, err := os.ReadFile("/proc/thread-self/net/dev_mcast")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(list)) {
			if f := strings.Fields(line); len(f) == 5 && f[1] == "eth0" && f[4] == hw {
				one = true
			}
		}
		all = allMulti(t)
	})
	return one, all
}

// allMulti reads IFLA_ALLMULTI of eth0, which Linux tells since 6.0 and the library does
// not read.
func allMulti(t *testing.T) uint32 {
	t.Helper()
	l, err := netlink.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	ask := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(l.Attrs().Index)
	ask.AddData(msg)
	answers, err := ask.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil || len(answers) != 1 {
		t.Fatal(len(answers), err)
	}
	attrs, err := nl.ParseRouteAttr(answers[0][unix.SizeofIfInfomsg:])
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attrs {
		if a.Attr.Type == unix.IFLA_ALLMULTI {
			return binary.NativeEndian.Uint32(a.Value)
		}
	}
	t.Fatal("NOT TESTED: Linux before 6.0 does not tell whether a NIC passes all groups")
	return 0
}

// TestQuestionsAboutWantedAddressesPassTheNIC: those of hosts that take an alias go to its
// group only, which the kernel has not joined.
func TestQuestionsAboutWantedAddressesPassTheNIC(t *testing.T) {
	a, b := picky(t)
	w, seen := listener6(t, a)
	asks, _ := listener6(t, b)
	thousand := many6(1000)
	for _, c := range []struct {
		name string
		want []netip.Addr
		one  bool
		all  uint32
	}{
		{"one", []netip.Addr{alias6}, true, 0},
		{"a thousand", append(thousand, alias6), false, 1},
		{"and again", append(thousand, alias6), false, 1},
		{"a thousand in one group", sameGroup(1000), true, 0},
		{"two", []netip.Addr{netip.MustParseAddr("fe80::8%eth0"), alias6}, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := w.Want(c.want); err != nil {
				t.Fatal(err)
			}
			if one, all := inGroup(t, a, "3333ff000009"); one != c.one || all != c.all {
				t.Errorf("in its group: %v, in all: %v", one, all)
			}
			if c.all > 0 { // a NIC's filter lets some strangers through, but not all of them
				for _, ip := range thousand[:100] {
					if err := asks.Probe(ip); err != nil {
						t.Fatal(err)
					}
					if s := wait(t, "a question of a hundred", seen); s.Target != ip {
						t.Fatalf("%+v, want a question about %v", s, ip)
					}
				}
			}
			if err := asks.Probe(alias6); err != nil {
				t.Fatal(err)
			}
			if s := wait(t, "the question", seen); s.Target != alias6 {
				t.Errorf("%+v", s)
			}
		})
	}
	if err := w.Want(nil); err != nil {
		t.Fatal(err)
	}
	if one, all := inGroup(t, a, "3333ff000009"); one || all > 0 {
		t.Errorf("nothing is wanted, and yet in its group: %v, in all: %v", one, all)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Want([]netip.Addr{alias6}); err == nil {
		t.Error("a Wire that is closed wants")
	}
}

// sameGroup are addresses with the last bytes of the alias, which is the first.
func sameGroup(n int) []netip.Addr {
	all := []netip.Addr{alias6}
	for i := range n {
		all = append(all, netip.MustParseAddr(fmt.Sprintf("2001:db8::%x:0:9", i+1)))
	}
	return all
}

// TestAnnouncementsPassANICWithoutIPv6: the kernel has not even joined the group of all
// nodes there.
func TestAnnouncementsPassANICWithoutIPv6(t *testing.T) {
	a, b := picky(t)
	set6(t, a, "eth0/disable_ipv6", "1")
	if one, _ := inGroup(t, a, "333300000001"); one {
		t.Error("the kernel has joined all nodes: this test shows nothing")
	}
	_, seen := listener6(t, a)
	if one, _ := inGroup(t, a, "333300000001"); !one {
		t.Error("we have not joined it either")
	}
	says, _ := listener6(t, b)
	if err := says.Announce(alias6, host.HW{}); err != nil {
		t.Fatal(err)
	}
	if s := wait(t, "the announcement", seen); s.Sender != alias6 {
		t.Errorf("%+v", s)
	}
}
