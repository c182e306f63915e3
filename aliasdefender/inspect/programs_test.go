package inspect

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
)

// TestEachFindingOfOtherPrograms: one thing about what else runs on the good host is
// changed, and exactly its findings come.
func TestEachFindingOfOtherPrograms(t *testing.T) {
	run := func(p Program) func(*Subject) {
		return func(s *Subject) { s.Live.Programs = append(s.Live.Programs, p) }
	}
	process := func(p control.Process) func(*Subject) { return func(s *Subject) { s.Live.Process = &p } }
	link := func(l Link) func(*Subject) { return func(s *Subject) { s.Live.Links = map[string]Link{"eth0": l} } }
	set := func(nic, setting, value string) func(*Subject) {
		return func(s *Subject) { s.Sysctls[SysctlName(host.IPv4, nic, setting)] = value }
	}
	leased := func(s *Subject) { s.Host.NICs[0].Addrs[0].Lease = time.Hour }
	two := func(ignore, announce string) func(*Subject) {
		return func(s *Subject) {
			s.Host.NICs = append(s.Host.NICs, host.NIC{Name: "eth1", Index: 3, Up: true, Carrier: true, HW: host.HW{2, 3}, Addrs: []host.Address{{Prefix: netip.MustParsePrefix("172.16.1.40/24")}}})
			for setting, value := range map[string]string{"arp_ignore": ignore, "arp_announce": announce} {
				set("eth1", setting, value)(s)
				set("all", setting, "0")(s)
			}
		}
	}
	alias := []netip.Addr{netip.MustParseAddr("172.16.1.2")}
	networkd, other := run(Program{PID: 10, Name: Networkd}), Link{NetworkFile: "/etc/systemd/network/eth0.network"}
	kept := other
	kept.Keep = "static"
	dhcp := kept
	dhcp.DHCP = "ipv4"
	for name, c := range map[string]struct {
		change []func(*Subject)
		want   []string
	}{
		"another Monitor":            {[]func(*Subject){run(Program{PID: 8, Name: MonitorName, File: "/x", Addrs: alias})}, []string{"fault hostname.alias:3 another Monitor runs on this host with the same alias: PID 8, with /x"}},
		"the running Monitor":        {[]func(*Subject){run(Program{PID: 7, Name: MonitorName, File: "/x", Addrs: alias})}, nil},
		"another Monitor, of a user": {[]func(*Subject){run(Program{PID: 8, UID: 1000, Name: MonitorName, File: "/x", Addrs: alias})}, nil},
		"another Monitor, of the Monitor's user": {[]func(*Subject){process(control.Process{PID: 7, UID: 1000}), run(Program{PID: 8, UID: 1000, Name: MonitorName, File: "/x", Addrs: alias})},
			[]string{"fault hostname.alias:3 another Monitor runs on this host with the same alias: PID 8, with /x"}},
		"another Monitor, of a user that is not known": {[]func(*Subject){run(Program{PID: 8, UID: -1, Name: MonitorName, File: "/x", Addrs: alias})}, nil},
		"keepalived of a user":                         {[]func(*Subject){run(Program{PID: 9, UID: 1000, Name: Keepalived, File: "/k", Addrs: alias})}, nil},
		"keepalived of a user hides":                   {[]func(*Subject){run(Program{PID: 9, UID: 1000, Name: Keepalived, Hidden: true})}, nil},
		"the running Monitor in a container":           {[]func(*Subject){process(control.Process{PID: 4711}), run(Program{PID: 4711, Name: MonitorName, File: "/x", Addrs: alias})}, nil},
		"another one that has its number there": {[]func(*Subject){process(control.Process{PID: 4711}), run(Program{PID: 7, Name: MonitorName, File: "/x", Addrs: alias})},
			[]string{"fault hostname.alias:3 another Monitor runs on this host with the same alias: PID 7, with /x"}},
		"a Monitor that does not answer": {[]func(*Subject){process(control.Process{PID: 4711}), func(s *Subject) { s.Live.Monitor, s.Live.NoMonitor = nil, "it hangs" }, run(Program{PID: 4711, Name: MonitorName, File: "/x", Addrs: alias})},
			[]string{"unknown Monitor it could not be asked: it hangs"}},
		"another Monitor, other aliases":        {[]func(*Subject){run(Program{PID: 8, Name: MonitorName, File: "/x"})}, nil},
		"keepalived has it":                     {[]func(*Subject){run(Program{PID: 9, Name: Keepalived, File: "/k", Addrs: alias}), run(Program{PID: 10, Name: Keepalived, File: "/k", Addrs: alias})}, []string{"fault hostname.alias:3 keepalived (PID 9) has 172.16.1.2 too, in /k"}},
		"another Monitor's file cannot be read": {[]func(*Subject){run(Program{PID: 9, Name: MonitorName, File: "/m", Unread: "no"})}, []string{"unknown /m another Monitor runs on this host, PID 9, and its file could not be read whole: no"}},
		"keepalived cannot be read":             {[]func(*Subject){run(Program{PID: 9, Name: Keepalived, File: "/k", Unread: "no"})}, []string{"unknown /k keepalived runs here, and its file could not be read"}},
		"somebody hides":                        {[]func(*Subject){run(Program{PID: 9, Name: Keepalived, Hidden: true})}, []string{"unknown programs keepalived run on this machine"}},
		"root lacks what a Monitor needs":       {[]func(*Subject){func(s *Subject) { s.Lacks = "host: missing CAP_NET_RAW" }}, []string{"fault capabilities host: missing CAP_NET_RAW"}},
		"networkd":                              {[]func(*Subject){networkd, link(other)}, []string{"note eth0 systemd-networkd manages it by /etc/systemd/network/eth0.network, without KeepConfiguration=static"}},
		"networkd keeps":                        {[]func(*Subject){networkd, link(kept)}, nil},
		"networkd does not run":                 {[]func(*Subject){link(other)}, nil},
		"networkd, DHCP":                        {[]func(*Subject){networkd, link(dhcp)}, []string{"note eth0 systemd-networkd (DHCP=ipv4) gives it its own address"}},
		"NetworkManager":                        {[]func(*Subject){run(Program{PID: 10, Name: NetworkManager}), link(Link{NetworkManager: true})}, []string{"note eth0 NetworkManager manages it"}},
		"NetworkManager leaves it alone":        {[]func(*Subject){run(Program{PID: 10, Name: NetworkManager})}, nil},
		"dhclient":                              {[]func(*Subject){run(Program{PID: 11, Name: "dhclient", Args: []string{"dhclient", "eth0"}})}, []string{"note eth0 dhclient (PID 11) gives it its own address"}},
		"dhclient elsewhere":                    {[]func(*Subject){two("1", "2"), run(Program{PID: 11, Name: "dhclient", Args: []string{"dhclient", "eth1"}})}, nil},
		"a leased address":                      {[]func(*Subject){leased}, []string{"note eth0 a DHCP client (172.16.1.4 is leased)"}},
		"no promote_secondaries":                {[]func(*Subject){set("eth0", "promote_secondaries", "0")}, []string{"note eth0 promote_secondaries is not set"}},
		"nor with DHCP":                         {[]func(*Subject){leased, set("eth0", "promote_secondaries", "0")}, []string{"warning eth0 promote_secondaries is not set", "note eth0 a DHCP client"}},
		"two NICs that both answer":             {[]func(*Subject){two("0", "0")}, []string{"warning hostname.alias:3 eth1 is on the segment of 172.16.1.2 too, and has arp_ignore=0", "warning hostname.alias:3 eth1 is on the segment of 172.16.1.2 too, and has arp_announce=0"}},
		"two NICs that do not":                  {[]func(*Subject){two("1", "2")}, nil},
		"a VRF":                                 {[]func(*Subject){link(Link{VRF: "red"})}, []string{"warning eth0 it is in the VRF red"}},
		"a rule for the own address": {[]func(*Subject){func(s *Subject) {
			s.Live.Sources = []SourceRule{{netip.MustParsePrefix("172.16.1.4/32"), "100"}}
		}}, []string{"warning hostname.alias:3 a rule sends what comes from 172.16.1.4 to table 100, and no rule does so for 172.16.1.2"}},
		"a rule for both": {[]func(*Subject){func(s *Subject) {
			s.Live.Sources = []SourceRule{{netip.MustParsePrefix("172.16.1.0/24"), "100"}}
		}}, nil},
		"a small table of neighbours": {[]func(*Subject){func(s *Subject) { s.Sysctls[TableLimit(host.IPv4)] = "1" }}, []string{"warning hostname.alias it has 1 aliases of IPv4, and the kernel keeps 1 neighbours"}},
		"a unit without capabilities": {[]func(*Subject){func(s *Subject) {
			s.Aliases, s.Settings, s.Unit = DefaultAliases, DefaultSettings, ParseUnit("[Service]\nCapabilityBoundingSet=CAP_NET_ADMIN\n")
		}}, []string{"mistake aliasdefender.service aliasdefender.service of this host does not give the Monitor CAP_NET_RAW"}},
		"a unit of another user": {[]func(*Subject){func(s *Subject) {
			s.Aliases, s.Settings, s.Unit = DefaultAliases, DefaultSettings, ParseUnit("[Service]\nUser=ad\nAmbientCapabilities=CAP_NET_ADMIN\nAmbientCapabilities=CAP_NET_RAW\n")
		}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := standing()
			s.Sysctls = map[string]string{}
			set("all", "promote_secondaries", "0")(s)
			set("eth0", "promote_secondaries", "1")(s)
			for _, change := range c.change {
				change(s)
			}
			expect(t, slices.DeleteFunc(everything(s), func(f Finding) bool { return f.Severity == Good }), c.want...)
		})
	}
}
