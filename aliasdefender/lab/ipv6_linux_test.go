package lab

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// TestALabHasIPv6 has a client that asks over IPv6 an address that moves, and link-local
// ones; what hosts ask and tell meanwhile is recorded.
func TestALabHasIPv6(t *testing.T) {
	l := ForTest(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	lan, err := l.Switch("lan")
	must(err)
	moving, near := netip.MustParseAddr("2001:db8::100"), netip.MustParseAddr("fe80::1%eth0")
	for name, own := range map[string]string{"a": "2001:db8::1/64", "client": "2001:db8::50/64", "router": "2001:db8::fe/64"} {
		_, err := l.Host(HostSpec{Name: name, Forward: name == "router", NICs: []NICSpec{{Name: "eth0", Switch: lan, Addrs: []netip.Prefix{netip.MustParsePrefix(own)}}}})
		must(err)
	}
	a, user := l.Lookup("a"), l.Lookup("client")
	must(user.SetDefaultRoute(l.Lookup("router").NIC("eth0").LinkLocal()))
	sniff, err := user.Port().Sniff()
	must(err)
	c, err := user.Client(ClientSpec{Target: moving, Every: 5 * time.Millisecond})
	must(err)
	d, err := user.Client(ClientSpec{Target: near, Every: 5 * time.Millisecond})
	must(err)
	ctx := t.Context()
	must(a.NIC("eth0").AddAddr(netip.PrefixFrom(moving, 64)))
	must(a.NIC("eth0").AddAddr(netip.PrefixFrom(near.WithZone(""), 64)))
	must(l.WaitHolder(ctx, moving, "a"))
	must(c.WaitAnswer(ctx, "a"))
	must(d.WaitAnswer(ctx, "a"))
	if f, err := sniff.Wait(ctx, func(f Frame) bool { return f.Claim(moving) }); err != nil || !slices.Equal(f.SenderHW, a.NIC("eth0").MAC) {
		t.Errorf("the client was told %v, %v", f, err)
	}
	have, err := a.Addrs()
	must(err)
	want := []Addr{
		{"eth0", netip.MustParsePrefix("2001:db8::1/64")}, {"eth0", netip.PrefixFrom(moving, 64)},
		{"eth0", netip.MustParsePrefix("fe80::1/64")},
		{"lo", netip.MustParsePrefix("127.0.0.1/8")}, {"lo", netip.MustParsePrefix("::1/128")},
	}
	if !slices.Equal(have, want) {
		t.Errorf("a has %v, want %v", have, want)
	}

	// An announcement moves what the client knows.
	router := l.Lookup("router").NIC("eth0")
	must(a.NIC("eth0").DelAddr(moving))
	must(router.AddAddr(netip.PrefixFrom(moving, 64)))
	must(router.Send(Gratuitous(moving, router.MAC)))
	must(c.WaitAnswer(ctx, "router"))

	must(a.NIC("eth0").SetUp(false))
	must(a.NIC("eth0").SetUp(true))
	must(a.NIC("eth0").WaitCarrier(ctx, true))
	back, err := user.Client(ClientSpec{Target: netip.MustParseAddr("2001:db8::1"), Every: 5 * time.Millisecond})
	must(err)
	must(back.WaitAnswer(ctx, "a"))
	must(a.Crash())
	must(c.WaitAnswer(ctx, "router"))
	must(a.Boot())
	must(back.WaitAnswer(ctx, "a"))
}
