package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if role := os.Getenv("LAB_TEST_ROLE"); role == "forbid" {
		os.Exit(forbid("uid"))
	} else if role != "" {
		Main(func() int { return play(role) })
	}
	Main(m.Run)
}

// rig is the usual lab: two hosts, a router and a client on one switch. No host has
// the alias.
type rig struct {
	*testing.T
	ctx        context.Context
	lab        *Lab
	sw         *Switch
	a, b, r, c *Host
}

var (
	alias  = netip.MustParseAddr("10.0.0.100")
	router = netip.MustParseAddr("10.0.0.254")
)

func newRig(t *testing.T) *rig {
	t.Helper()
	l := ForTest(t)
	// Far longer than anything here takes: a test that waits longer hangs.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	sw, err := l.Switch("sw")
	if err != nil {
		t.Fatal(err)
	}
	x := &rig{T: t, ctx: ctx, lab: l, sw: sw}
	x.a = x.host("a", "10.0.0.1/24")
	x.b = x.host("b", "10.0.0.2/24")
	x.r = x.host("r", "10.0.0.254/24")
	x.c = x.host("c", "10.0.0.9/24")
	return x
}

func (x *rig) host(name, addr string) *Host {
	x.Helper()
	h, err := x.lab.Host(HostSpec{
		Name:    name,
		NICs:    []NICSpec{{Switch: x.sw, Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}}},
		Gateway: router,
		Forward: name == "r",
	})
	x.must(err)
	return h
}

func (x *rig) must(err error) {
	x.Helper()
	if err != nil {
		x.Fatal(err)
	}
}

func (x *rig) client(target netip.Addr) *Client {
	x.Helper()
	c, err := x.c.Client(ClientSpec{Target: target})
	x.must(err)
	return c
}

// takes puts the alias on a host and announces it, as a defender would.
func (x *rig) takes(h *Host) {
	x.Helper()
	nic := h.NIC("eth0")
	x.must(nic.AddAddr(netip.PrefixFrom(alias, 24)))
	x.must(nic.Send(Gratuitous(alias, nic.MAC)))
}

func TestBuildingALabIsQuick(t *testing.T) {
	best := time.Hour // of a few: the machine may be busy with others
	for range 5 {
		began := time.Now()
		x := newRig(t)
		best = min(best, time.Since(began))
		x.must(x.lab.Close())
	}
	t.Logf("two hosts, router, client and switch in %v", best)
	if best > 5*time.Second { // a tenth of a second where nothing else runs
		t.Errorf("took %v at best, want less than 5 s", best)
	}
}

func TestEveryHostAnswersWithItsNameAtEveryAddress(t *testing.T) {
	x := newRig(t)
	x.takes(x.b)
	for target, want := range map[string]string{"10.0.0.1": "a", "10.0.0.2": "b", "10.0.0.254": "r", "10.0.0.100": "b"} {
		c := x.client(netip.MustParseAddr(target))
		x.must(c.WaitAnswer(x.ctx, ""))
		x.must(c.Close())
		if by := c.Report(time.Time{}, time.Time{}).By; len(by) != 1 || by[want] == 0 {
			t.Errorf("%s is answered by %v, want %s", target, by, want)
		}
	}
}

func TestARouterForwardsBetweenSwitchesAndAHostDoesNot(t *testing.T) {
	l := ForTest(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	x := &rig{T: t, ctx: ctx, lab: l}
	var err error
	var sw [2]*Switch
	for i := range sw {
		sw[i], err = l.Switch(fmt.Sprintf("sw%d", i))
		x.must(err)
	}
	net := func(s *Switch, addr string) NICSpec {
		return NICSpec{Switch: s, Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}}
	}
	_, err = l.Host(HostSpec{Name: "server", NICs: []NICSpec{net(sw[0], "10.0.0.1/24")}, Gateway: netip.MustParseAddr("10.0.0.254")})
	x.must(err)
	between, err := l.Host(HostSpec{Name: "between", NICs: []NICSpec{net(sw[0], "10.0.0.254/24"), net(sw[1], "10.0.1.254/24")}, Forward: true})
	x.must(err)
	client, err := l.Host(HostSpec{Name: "client", NICs: []NICSpec{net(sw[1], "10.0.1.9/24")}, Gateway: netip.MustParseAddr("10.0.1.254")})
	x.must(err)

	asks, err := client.Client(ClientSpec{Target: netip.MustParseAddr("10.0.0.1")})
	x.must(err)
	x.must(asks.WaitAnswer(ctx, "server"))
	x.must(between.Do(func() error { return sysctl("net/ipv4/ip_forward", "0") }))
	x.must(asks.WaitSilent(ctx, 100*time.Millisecond))
	x.must(between.Do(func() error { return sysctl("net/ipv4/ip_forward", "1") }))
	x.must(asks.WaitAnswer(ctx, "server"))

	x.must(client.DelDefaultRoute())
	x.must(asks.WaitSilent(ctx, 100*time.Millisecond))
	x.must(client.SetDefaultRoute(netip.MustParseAddr("10.0.1.254")))
	x.must(asks.WaitAnswer(ctx, "server"))
}
