package host_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
)

// TestAnAliasOfIPv6IsServedWhenItIsSaidToBeHere: the kernel makes an address its own only
// after it has answered the order to add it, and an announcement in between would send the
// clients to a host that does not serve them.
func TestAnAliasOfIPv6IsServedWhenItIsSaidToBeHere(t *testing.T) {
	k, _ := kernels6(t)
	k.space.Await(t, "a carrier", func() bool { // without one the kernel does not begin
		n, _ := state(t, k).NIC("eth0")
		return n.Carrier
	})
	const (
		runs     = 300
		most     = 3 * runs               // a busy machine needs more, until enough are judged
		patience = 200 * time.Millisecond // of Add, as its comment says
	)
	early, judged, tried := 0, 0, 0
	for i := 0; i < runs || i < most && judged < tried/5; i++ {
		for _, text := range []string{fmt.Sprintf("2001:db8::7:%x/64", i), fmt.Sprintf("fe80::7:%x/64", i)} {
			tried++
			o := order(text, "")
			began := time.Now()
			if err := k.add(o); err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			served, why := k.serves(o)
			switch n, _ := state(t, k).NIC(o.NIC); {
			case served:
				judged++
			case took >= patience, !n.Carrier:
				t.Logf("%s: the kernel has not got to it within %v", text, took)
			default:
				early++
				judged++
				t.Logf("%s: not after %v: %v", text, took, why)
			}
		}
	}
	if early > 0 {
		t.Errorf("the kernel did not take packets for %d of %d addresses when Add had returned", early, judged)
	}
	if judged < tried/5 {
		t.Errorf("of %d addresses the kernel got to %d only within %v: too little is shown", tried, judged, patience)
	}
}

// serves tells whether the kernel has the address for its own.
func (k kernel) serves(o host.Placement) (serves bool, err error) {
	k.space.Do(func() {
		var link netlink.Link
		if link, err = netlink.LinkByName(o.NIC); err != nil {
			return
		}
		options := &netlink.RouteGetOptions{}
		if o.Prefix.Addr().IsLinkLocalUnicast() {
			options.OifIndex = link.Attrs().Index
		}
		var routes []netlink.Route
		routes, err = netlink.RouteGetWithOptions(net.IP(o.Prefix.Addr().AsSlice()), options)
		serves = err == nil && len(routes) == 1 && routes[0].Type == unix.RTN_LOCAL
	})
	return serves, err
}

// TestAnAliasThatIsRemovedAtOnceIsNotWaitedFor: another program removes each alias as soon as
// it is there, before the kernel serves it. Add does not wait for what will never come.
func TestAnAliasThatIsRemovedAtOnceIsNotWaitedFor(t *testing.T) {
	k, _ := kernels6(t)
	k.space.Await(t, "a carrier", func() bool {
		n, _ := state(t, k).NIC("eth0")
		return n.Carrier
	})
	const runs, patience = 20, time.Second // of Add
	waited, removed := 0, 0
	for i := range runs {
		o := order(fmt.Sprintf("2001:db8::8:%x/64", i), "")
		stop, ended := make(chan struct{}), make(chan int)
		go k.space.Do(func() {
			n, addr := 0, &netlink.Addr{IPNet: &net.IPNet{IP: o.Prefix.Addr().AsSlice(), Mask: net.CIDRMask(64, 128)}}
			link, err := netlink.LinkByName(o.NIC)
			for err == nil {
				select {
				case <-stop:
					ended <- n
					return
				default:
				}
				if netlink.AddrDel(link, addr) == nil {
					n++
				}
			}
			ended <- n
		})
		began := time.Now()
		if err := k.add(o); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) >= patience {
			waited++
		}
		close(stop)
		removed += <-ended
	}
	if removed == 0 {
		t.Error("nothing was ever removed: too little is shown")
	}
	if waited > runs/4 {
		t.Errorf("Add waited its whole time in %d of %d runs", waited, runs)
	}
}
