package daemon

import (
	"net/netip"
	"testing"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
)

// twoRouters is a network with a default router on each of two NICs.
type twoRouters struct{ defender.Network }

func (twoRouters) Read() (host.State, error) {
	return host.State{Routes: []host.Route{
		{NIC: "eth0", Gateway: netip.MustParseAddr("172.16.1.1")}, {NIC: "eth1", Gateway: netip.MustParseAddr("198.51.100.62")},
	}}, nil
}

// An order without a Monitor asks no router, but has to know which one a row of a loopback
// interface would take from this host.
func TestAnOrderWithoutAMonitorKnowsTheRouterThatItWouldTake(t *testing.T) {
	pair := config.Alias{NIC: "eth0", Addr: netip.MustParseAddr("172.16.1.2"), Prefix: netip.MustParsePrefix("172.16.1.2/24")}
	shared := config.Alias{NIC: "lo", Addr: netip.MustParseAddr("198.51.100.32"), Prefix: netip.MustParsePrefix("198.51.100.32/27")}
	s, err := narrow{twoRouters{}, []config.Alias{pair, shared}}.Read()
	if err != nil || len(s.Routes) != 1 || s.Routes[0].NIC != "eth1" {
		t.Errorf("%+v, %v", s.Routes, err)
	}
	if s, _ := (narrow{twoRouters{}, []config.Alias{pair}}).Read(); len(s.Routes) != 0 {
		t.Errorf("%+v", s.Routes)
	}
}
