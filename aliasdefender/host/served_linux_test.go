package host_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
)

// TestAnAliasOfIPv6IsServedWhenItIsSaidToBeHere: the kernel makes an address its own only
// after it has answered the order to add it, and an announcement in between would send the
// clients to a host that does not serve them.
func TestAnAliasOfIPv6IsServedWhenItIsSaidToBeHere(t *testing.T) {
	k, _ := kernels6(t)
	early := 0
	const runs = 300
	for i := range runs {
		for _, text := range []string{fmt.Sprintf("2001:db8::7:%x/64", i), fmt.Sprintf("fe80::7:%x/64", i)} {
			o := order(text, "")
			if err := k.add(o); err != nil {
				t.Fatal(err)
			}
			if !k.serves(o) {
				early++
			}
		}
	}
	if early > 0 {
		t.Errorf("the kernel did not take packets for %d of %d addresses when Add had returned", early, 2*runs)
	}
}

// serves tells whether the kernel has the address for its own.
func (k kernel) serves(o host.Placement) (serves bool) {
	k.space.Do(func() {
		link, err := netlink.LinkByName(o.NIC)
		if err != nil {
			k.t.Fatal(err)
		}
		options := &netlink.RouteGetOptions{}
		if o.Prefix.Addr().IsLinkLocalUnicast() {
			options.OifIndex = link.Attrs().Index
		}
		routes, err := netlink.RouteGetWithOptions(net.IP(o.Prefix.Addr().AsSlice()), options)
		serves = err == nil && len(routes) == 1 && routes[0].Type == unix.RTN_LOCAL
	})
	return serves
}
