package host_test

import (
	"errors"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
)

func TestALeaseRunsOutByItself(t *testing.T) {
	k, _ := pair(t)
	o, stays := order("10.0.0.9/24", "eth0:1"), order("10.0.0.10/24", "eth0:2")
	o.Lease, stays.Lease = time.Second, time.Hour
	begin := time.Now()
	if err := k.add(o, stays); err != nil {
		t.Fatal(err)
	}
	k.space.Await(t, "the alias gone", func() bool { return len(k.nic("eth0").Addrs) == 2 })
	if d := time.Since(begin); d < time.Second {
		t.Errorf("gone after %v", d)
	}
	if n := k.nic("eth0"); n.Addrs[1].Prefix != stays.Prefix {
		t.Errorf("what is left: %+v", n.Addrs)
	}
	if errs := k.Refresh([]host.Placement{o}); !errors.Is(errs[0], host.ErrNotThere) {
		t.Errorf("refreshed: %v", errs)
	}
}

func TestARefreshIsNotHeard(t *testing.T) {
	k, b := pair(t)
	o := order("10.0.0.9/24", "eth0:1")
	if err := k.add(o); err != nil {
		t.Fatal(err)
	}
	_, seen := listener(t, b)
	for i := range 100 {
		o.Lease = time.Duration(i) * time.Hour
		if errs := k.Refresh([]host.Placement{o}); errs[0] != nil {
			t.Fatal(errs)
		}
	}
	marker(t, k.space, seen)
}

// What the kernel replaces with the lifetimes is written back as it was.
func TestARefreshKeepsTheMetric(t *testing.T) {
	k, _ := pair(t)
	metric := func() (m int) {
		on(t, k.space, "eth0", func(l netlink.Link) error {
			routes, err := netlink.RouteList(l, netlink.FAMILY_V4)
			for _, r := range routes {
				if r.Dst.String() == "10.9.0.0/24" {
					m = r.Priority
				}
			}
			return err
		})
		return m
	}
	o := order("10.9.0.1/24", "eth0")
	o.Lease = time.Hour
	on(t, k.space, "eth0", func(l netlink.Link) error { // the library cannot say it
		req := nl.NewNetlinkRequest(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_ACK)
		msg := nl.NewIfAddrmsg(unix.AF_INET)
		msg.Index, msg.Prefixlen = uint32(l.Attrs().Index), 24
		req.AddData(msg)
		req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, []byte{10, 9, 0, 1}))
		req.AddData(nl.NewRtAttr(unix.IFA_RT_PRIORITY, nl.Uint32Attr(77)))
		_, err := req.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
	if m := metric(); m != 77 {
		t.Fatalf("metric %d", m)
	}
	if errs := k.Refresh([]host.Placement{o}); errs[0] != nil {
		t.Fatal(errs)
	}
	if m := metric(); m != 77 {
		t.Errorf("metric %d", m)
	}
}
