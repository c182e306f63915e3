package defender

import (
	"net/netip"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// TestALinkLocalAliasIsOneOnEachNIC: routers in pairs give fe80::1 on each of their NICs.
func TestALinkLocalAliasIsOneOnEachNIC(t *testing.T) {
	fe80 := netip.MustParseAddr("fe80::1:1")
	inIPv6(t, func(w *world) {
		for _, c := range []*config.Config{w.cfgA, w.cfgB} {
			there := c.Aliases[0]
			there.Addr, there.Prefix = fe80.WithZone("eth0"), with(fe80)
			there.Partner.Addr = netip.MustParseAddr("fe80::2").WithZone("eth0")
			if c == w.cfgB {
				there.Partner.Addr = netip.MustParseAddr("fe80::1").WithZone("eth0")
			}
			there.Partner.Name = there.Partner.Addr.String()
			off := there
			off.NIC, off.Label, off.Addr = "eth1", "eth1:1", fe80.WithZone("eth1")
			off.Partner.Addr = there.Partner.Addr.WithZone("eth1")
			off.Partner.Name = off.Partner.Addr.String()
			c.Aliases = []config.Alias{there, off}
		}
		for _, st := range []*station{w.a, w.b} {
			st.kernel.nics = append(st.kernel.nics, host.NIC{Name: "eth1", Index: 3, HW: st.hw, Up: true})
		}
	}, func(w *world) {
		w.wait(20 * time.Second)
		has := func(st *station, nic string) bool { return st.kernel.state().On(nic, fe80) }
		if !has(w.a, "eth0") || has(w.a, "eth1") || has(w.b, "eth0") {
			w.fail("A should have it on eth0, and nobody elsewhere")
		}
		s, err := w.b.daemon.Snapshot(w.t.Context(), false)
		if err != nil || len(s.Aliases) != 2 || s.Aliases[0].Alias != "fe80::1:1%eth0" || s.Aliases[1].Alias != "fe80::1:1%eth1" {
			w.fail("%v: %+v", err, s.Aliases)
		}
		if s.Aliases[0].Holder != "partner" || s.Aliases[1].Row != "W2" {
			w.fail("eth0: %s, eth1: %s", s.Aliases[0].Holder, s.Aliases[1].Row)
		}
		before := len(w.told(w.a, fe80))
		w.seg.mu.Lock()
		w.seg.send(w.client, nil, host.Sighting{Sender: netip.IPv6Unspecified(), HW: w.client.hw, Target: fe80.WithZone("eth0")})
		w.seg.mu.Unlock()
		w.wait(50 * time.Millisecond)
		if len(w.told(w.a, fe80)) != before+1 {
			w.fail("somebody looks whether it is free, and A has not told all that it is not")
		}
		w.a.set(func() { w.a.on = false })
		w.a.kill()
		w.wait(5 * time.Second)
		if !has(w.b, "eth0") || has(w.b, "eth1") {
			w.fail("B should have taken it on eth0 alone")
		}
		for _, q := range w.b.asked(time.Minute) {
			if q.target.IsLinkLocalUnicast() && q.target.Zone() != "eth0" {
				w.fail("asked for %v on eth0", q.target)
			}
		}
	})
}

// TestAWordAboutALinkLocalAliasFindsItsNIC by the network that both hosts have there,
// whatever the NICs are called.
func TestAWordAboutALinkLocalAliasFindsItsNIC(t *testing.T) {
	if family != host.IPv6 {
		return
	}
	fe80 := netip.MustParseAddr("fe80::1:1")
	keyed(t, func(w *world) {
		for i, c := range []*config.Config{w.cfgA, w.cfgB} {
			there := c.Aliases[0]
			there.Addr, there.Prefix = fe80.WithZone("eth0"), with(fe80)
			off := there
			off.NIC = []string{"eth1", "lan"}[i]
			off.Label, off.Addr = off.NIC, fe80.WithZone(off.NIC)
			c.Aliases = []config.Alias{off, there}
			st := []*station{w.a, w.b}[i]
			st.kernel.nics = append(st.kernel.nics, host.NIC{Name: off.NIC, Index: 3, HW: st.hw, Up: true})
			_ = st.kernel.Own(off.NIC, netip.PrefixFrom(netip.MustParseAddr([]string{"192.0.2.1", "192.0.2.2"}[i]), 24)) // of either family
		}
	}, func(w *world) {
		w.wait(10 * time.Second)
		s, err := w.b.daemon.Snapshot(w.t.Context(), false)
		if err != nil || s.Aliases[0].Says.State != "cannot serve" || s.Aliases[1].Says.State != "holding" {
			w.fail("%v: A says of lan %+v, of eth0 %+v", err, s.Aliases[0].Says, s.Aliases[1].Says)
		}
		if w.logged("this host's file does not") > 0 {
			w.fail("a word was not understood")
		}
	})
}
