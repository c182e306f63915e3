package inspect

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
)

var (
	partnerHW = host.HW{2, 0, 0, 0, 0, 5}
	routerHW  = host.HW{2, 0, 0, 0, 0, 1}
	otherHW   = host.HW{2, 0, 0, 0, 0, 9}
	liarHW    = host.HW{2, 0, 0, 0, 0, 66}
)

// both is what a host that answers ICMP and ARP says.
func both(hw ...host.HW) Answers {
	yes := Answer{State: Answered, Took: 300 * time.Microsecond}
	return Answers{ICMP: yes, ARP: yes, HW: hw}
}

// mute is what comes of asking a host that is not there.
func mute() Answers { return Answers{ICMP: Answer{State: Silent}, ARP: Answer{State: Silent}} }

func at(addr string) Target { return Target{NIC: "eth0", Addr: netip.MustParseAddr(addr)} }

// standing is the good host, whose partner has the alias, as its network and its Monitor
// answer.
func standing() *Subject {
	s := good()
	s.Config.Settings.Peer.Keys = []config.Key{{1}}
	s.Live = &Live{
		Answers: map[Target]Answers{at("172.16.1.2"): both(partnerHW), at("172.16.1.5"): both(partnerHW), at("172.16.1.1"): both(routerHW)},
		Monitor: &control.Snapshot{Version: "1", PID: 7, Now: time.Unix(1000, 0),
			Channel: &control.Channel{Partners: []control.ChannelPartner{{Partner: "172.16.1.5", Paths: []control.ChannelPath{{Addr: "172.16.1.5", Heard: time.Unix(999, 0)}}}}},
			Aliases: []control.Alias{{Alias: "172.16.1.2", Prefix: 24, NIC: "eth0:1", Role: "secondary",
				Partner: control.Peer{Name: "172.16.1.5", Addr: "172.16.1.5", HW: partnerHW.String()}, Holder: "partner",
				Says: &control.Says{Daemon: "heard", Version: "1", HW: partnerHW.String()}, Standby: &control.Standby{Host: "us", Ready: "yes", HandOver: "yes"}}}},
	}
	return s
}

// TestEachFindingOfTheNetwork: one thing about the network of the good pair is changed, and
// exactly its findings come.
func TestEachFindingOfTheNetwork(t *testing.T) {
	alias := func(change func(*control.Alias)) func(*Subject) {
		return func(s *Subject) { change(&s.Live.Monitor.Aliases[0]) }
	}
	here := func(s *Subject) {
		s.Host.NICs[0].Addrs = append(s.Host.NICs[0].Addrs, host.Address{Prefix: netip.MustParsePrefix("172.16.1.2/24"), Ours: true})
		s.Live.Answers[at("172.16.1.2")] = Answers{ARP: Answer{State: Silent}}
		s.Live.Answers[at("172.16.1.1").from(s.Config.Aliases[0])] = Answers{ICMP: Answer{State: Answered}}
	}
	mum := func(s *Subject) { s.Config.Settings.Peer.Keys, s.Live.Monitor.Aliases[0].Says = nil, nil } // no channel
	deaf := func(a Answers) Answers {
		a.ARP, a.HW = Answer{}, nil
		return a
	}
	const on = "alias 172.16.1.2 on eth0 "
	const liar = "02:00:00:00:00:42"
	twice := func(name string) string {
		return on + name + ": more than one host answers ARP for it: "
	}
	third := "fault " + on + liar + " has it: neither this host nor partner"
	pinged := Answers{ICMP: Answer{State: Silent}, ARP: Answer{State: Answered}, HW: []host.HW{routerHW}}
	for name, c := range map[string]struct {
		change []func(*Subject)
		want   []string
	}{
		"a good pair":             {nil, nil},
		"a good pair, and here":   {[]func(*Subject){here}, nil},
		"nobody may be asked":     {[]func(*Subject){func(s *Subject) { s.Live.CannotAsk = "no rights" }}, []string{"unknown network nobody was asked: no rights"}},
		"too many aliases":        {[]func(*Subject){func(s *Subject) { s.Live.LeftOut = []Omitted{{"aliases", 3}, {"partners", 2}, {"next hops", 1}} }}, []string{"unknown network left out, because Check asks about 256 addresses at most: 3 of the aliases, 2 of the partners, 1 of the next hops"}},
		"a partner that is dead":  {[]func(*Subject){answer("172.16.1.5", mute())}, []string{"fault " + on + "partner 172.16.1.5 answers neither ICMP nor ARP"}},
		"a partner without pings": {[]func(*Subject){answer("172.16.1.5", Answers{ICMP: Answer{State: Silent}, ARP: both().ARP, HW: []host.HW{partnerHW}})}, []string{"note " + on + "partner 172.16.1.5 answers ARP but no pings"}},
		"a partner elsewhere":     {[]func(*Subject){answer("172.16.1.5", Answers{ICMP: both().ICMP, ARP: Answer{State: Silent}})}, []string{"warning " + on + "partner 172.16.1.5 answers pings but not ARP"}},
		"a partner nobody could ask": {[]func(*Subject){answer("172.16.1.5", Answers{ICMP: Answer{State: CouldNot, Why: "no route"}})},
			[]string{"unknown " + on + "partner 172.16.1.5 could not be asked: no route"}},
		"a router that is dead":      {[]func(*Subject){answer("172.16.1.1", mute())}, []string{"fault " + on + "router 172.16.1.1 answers neither"}},
		"a router that filters":      {[]func(*Subject){answer("172.16.1.1", pinged)}, []string{"note " + on + "router 172.16.1.1 answers ARP but no pings"}},
		"a third host has the alias": {[]func(*Subject){answer("172.16.1.2", both(otherHW))}, []string{"fault " + on + "02:00:00:00:00:09 has it: neither this host nor partner"}},
		"two others have the alias":  {[]func(*Subject){answer("172.16.1.2", both(partnerHW, otherHW))}, []string{"fault " + on + "02:00:00:00:00:09 has it"}},
		"the router answers for it":  {[]func(*Subject){answer("172.16.1.2", both(routerHW))}, []string{"warning " + on + "router 172.16.1.1 (02:00:00:00:00:01) answers for it"}},
		"both hosts have it":         {[]func(*Subject){here, answer("172.16.1.2", both(partnerHW))}, []string{"fault " + on + "this host and partner 172.16.1.5 (02:00:00:00:00:05) both have it"}},
		"a liar answers for alias and partner": {[]func(*Subject){answer("172.16.1.2", both(liarHW)), answer("172.16.1.5", both(partnerHW, liarHW))},
			[]string{third, "fault " + twice("partner 172.16.1.5") + "02:00:00:00:00:05, " + liar}},
		"likewise, first": {[]func(*Subject){answer("172.16.1.2", both(liarHW, partnerHW)), answer("172.16.1.5", both(liarHW, partnerHW))},
			[]string{third, "fault " + twice("partner 172.16.1.5") + liar + ", 02:00:00:00:00:05"}},
		"likewise, alone": {[]func(*Subject){answer("172.16.1.2", both(liarHW)), answer("172.16.1.5", both(liarHW)), alias(func(a *control.Alias) { a.Partner.HW = liar })},
			[]string{third, "warning " + on + "partner 172.16.1.5: " + liar + " answers ARP for it, and its Monitor's alias is on 02:00:00:00:00:05"}},
		"likewise, without a channel": {[]func(*Subject){mum, answer("172.16.1.2", both(liarHW)), answer("172.16.1.5", both(partnerHW, liarHW))},
			[]string{"fault " + on + liar + " has it, but it is not known whether that is the partner: more than one host has answered for partner 172.16.1.5", "fault " + twice("partner 172.16.1.5")}},
		"likewise, and the Monitor knew the partner": {[]func(*Subject){mum, answer("172.16.1.2", both(liarHW)), answer("172.16.1.5", both(liarHW))},
			[]string{"fault " + on + liar + " has it, but it is not known whether that is the partner"}},
		"likewise, while this host has it": {[]func(*Subject){here, answer("172.16.1.2", both(liarHW)), answer("172.16.1.5", both(partnerHW, liarHW))},
			[]string{third, "fault " + twice("partner 172.16.1.5")}},
		"a liar is the router too": {[]func(*Subject){answer("172.16.1.2", both(liarHW)), answer("172.16.1.1", both(routerHW, liarHW))},
			[]string{third, "warning " + twice("router 172.16.1.1") + "02:00:00:00:00:01, " + liar}},
		"likewise, alone for the router": {[]func(*Subject){answer("172.16.1.2", both(liarHW)), answer("172.16.1.1", both(liarHW)), alias(func(a *control.Alias) { a.Router.Addr, a.Router.HW = "172.16.1.1", routerHW.String() })},
			[]string{third}},
		"likewise, and the kernel knew the router": {[]func(*Subject){answer("172.16.1.2", both(liarHW)), answer("172.16.1.1", both(liarHW)), func(s *Subject) {
			s.Host.Neighbours = map[netip.Addr]host.HW{netip.MustParseAddr("172.16.1.1"): routerHW}
		}}, []string{third}},
		"the router answers for the partner too": {[]func(*Subject){mum, answer("172.16.1.2", both(routerHW)), answer("172.16.1.5", both(partnerHW, routerHW))},
			[]string{"warning " + on + "router 172.16.1.1 (02:00:00:00:00:01) answers for it", "warning " + twice("partner 172.16.1.5")}},
		"ARP cannot be heard, and here": {[]func(*Subject){here, answer("172.16.1.2", Answers{}), answer("172.16.1.1", deaf(both())), answer("172.16.1.5", deaf(both()))},
			[]string{"unknown " + on + "this host has it, but Check could not find out whether another host answers for it"}},
		"ARP cannot be heard, and it answers": {[]func(*Subject){answer("172.16.1.2", deaf(both())), answer("172.16.1.1", deaf(both())), answer("172.16.1.5", deaf(both()))},
			[]string{"unknown " + on + "it answers pings, and Check could not find out who has it"}},
		"ARP cannot be heard, and it is silent": {[]func(*Subject){answer("172.16.1.2", deaf(mute())), answer("172.16.1.1", deaf(both())), answer("172.16.1.5", deaf(both()))},
			[]string{"unknown " + on + "it answers no pings, and Check could not find out who has it"}},
		"nobody has it": {[]func(*Subject){answer("172.16.1.2", mute())}, []string{"fault " + on + "nobody has it"}},
		"nobody has it, without a Monitor": {[]func(*Subject){answer("172.16.1.2", mute()), func(s *Subject) { s.Live.Monitor, s.Live.NoMonitor = nil, "none runs" }},
			[]string{"note " + on + "nobody has it", "unknown Monitor it could not be asked: none runs"}},
		"somebody has it, and the partner is not known": {[]func(*Subject){answer("172.16.1.5", Answers{ICMP: both().ICMP}), func(s *Subject) { s.Live.Monitor = nil }},
			[]string{"unknown " + on + "02:00:00:00:00:05 has it, but the partner's hardware address is not known"}},
		"the router does not answer the alias": {[]func(*Subject){here, func(s *Subject) {
			s.Live.Answers[at("172.16.1.1").from(s.Config.Aliases[0])] = Answers{ICMP: Answer{State: Silent}}
		}}, []string{"fault " + on + "the router answers this host's pings, but not those from the alias"}},
		"the router is too busy to tell": {[]func(*Subject){here, func(s *Subject) {
			s.Live.Answers[at("172.16.1.1").from(s.Config.Aliases[0])] = Answers{ICMP: Answer{State: CouldNot, Why: "busy"}}
		}}, []string{"unknown " + on + "Check could not find out whether the router answers pings from it: busy"}},
		"the router does not answer the alias, and a witness does": {[]func(*Subject){here, answer("172.16.1.9", both(otherHW)), func(s *Subject) {
			s.Config.Aliases[0].Witnesses = []netip.Addr{netip.MustParseAddr("172.16.1.9")}
			s.Live.Answers[at("172.16.1.1").from(s.Config.Aliases[0])] = Answers{ICMP: Answer{State: Silent}}
			s.Live.Answers[at("172.16.1.9").from(s.Config.Aliases[0])] = both()
		}}, []string{"fault " + on + "the router answers this host's pings, but not those from the alias"}},
		"a witness answers pings, and was not asked from the alias": {[]func(*Subject){here, answer("172.16.1.1", pinged), answer("172.16.1.9", both(otherHW)), func(s *Subject) {
			s.Config.Aliases[0].Witnesses = []netip.Addr{netip.MustParseAddr("172.16.1.9")}
			s.Live.Answers[at("172.16.1.1").from(s.Config.Aliases[0])] = mute()
		}}, []string{"note " + on + "router 172.16.1.1 answers ARP but no pings", "unknown network it is not known whether a router answers pings from 1 of the 1 aliases that are here"}},
		"the Monitor asked the router from it": {[]func(*Subject){here, alias(func(a *control.Alias) { a.Verified = "yes" }), func(s *Subject) {
			delete(s.Live.Answers, at("172.16.1.1").from(s.Config.Aliases[0]))
		}}, nil},
		"nor after the last take":   {[]func(*Subject){alias(func(a *control.Alias) { a.Verified = "no" })}, []string{"warning " + on + "after the last take here the router did not answer"}},
		"a problem of the Monitor":  {[]func(*Subject){func(s *Subject) { s.Live.Monitor.Problems = []string{"a disk"} }}, []string{"warning Monitor a disk"}},
		"a partner that is silent":  {[]func(*Subject){alias(func(a *control.Alias) { a.Says.Daemon = "fallen silent" })}, []string{"fault channel to 172.16.1.5 the partner's Monitor is not heard: fallen silent"}},
		"another version":           {[]func(*Subject){alias(func(a *control.Alias) { a.Says.Version = "2" })}, []string{"note channel to 172.16.1.5 the partner's Monitor has version 2"}},
		"a Monitor without channel": {[]func(*Subject){func(s *Subject) { s.Live.Monitor.Channel = nil }}, []string{"warning aliasdefender.toml: peer the settings have a key, but the running Monitor has no channel"}},
		"a second path that is silent": {[]func(*Subject){func(s *Subject) {
			p := &s.Live.Monitor.Channel.Partners[0]
			p.Paths = append(p.Paths, control.ChannelPath{Addr: "10.0.0.5"})
		}}, []string{"warning channel to 172.16.1.5 nothing has come by the path to 10.0.0.5"}},
		"files that do not fit": {[]func(*Subject){alias(func(a *control.Alias) { a.Pair, a.Level = []string{"two primaries"}, "alarm" })}, []string{"fault " + on + "the two hosts do not fit: two primaries"}},
		"a standby that is not": {[]func(*Subject){alias(func(a *control.Alias) {
			a.Standby = &control.Standby{Host: "us", Ready: "no", Level: "warning", Why: "w"}
		})}, []string{"fault " + on + "this host is not ready to take it: w"}},
		"a standby that is parked": {[]func(*Subject){alias(func(a *control.Alias) { a.Standby = &control.Standby{Host: "us", Ready: "no"} })}, []string{"note " + on + "this host does not stand by for it: it is parked"}},
		"no hand-over":             {[]func(*Subject){alias(func(a *control.Alias) { a.Standby.HandOver = "no" })}, []string{"fault " + on + "it could not be handed over now"}},
		"an alarm":                 {[]func(*Subject){alias(func(a *control.Alias) { a.Level, a.Row, a.Why = "alarm", "W9", "flapping" })}, []string{"fault " + on + "the Monitor says (W9): flapping"}},
		"another table":            {[]func(*Subject){alias(func(a *control.Alias) { a.Role = "primary" })}, []string{"warning hostname.alias the running Monitor's table is not that of the file: 172.16.1.2 is another row there"}},
		"a next hop that is dead":  {[]func(*Subject){hops, answer("172.16.1.8", mute())}, []string{"warning aliasdefender.toml:9 next hop 172.16.1.8 of 10.9.0.0/16 answers neither"}},
		"one is dead, one could not be asked": {[]func(*Subject){hops, answer("172.16.1.8", mute()), answer("172.16.1.7", Answers{ICMP: Answer{State: CouldNot, Why: "busy"}, ARP: Answer{State: CouldNot, Why: "busy"}})},
			[]string{"warning aliasdefender.toml:9 next hop 172.16.1.8", "unknown aliasdefender.toml:9 next hop 172.16.1.7 could not be asked"}},
		"one more was left out": {[]func(*Subject){hops, answer("172.16.1.8", mute()), func(s *Subject) { delete(s.Live.Answers, at("172.16.1.7")) }},
			[]string{"warning aliasdefender.toml:9 next hop 172.16.1.8"}},
		"all of them": {[]func(*Subject){hops, answer("172.16.1.7", mute()), answer("172.16.1.8", mute())}, []string{"fault aliasdefender.toml:9 next hop 172.16.1.7", "fault aliasdefender.toml:9 next hop 172.16.1.8"}},
		"a shared alias that others answer for": {[]func(*Subject){func(s *Subject) {
			s.Config.Aliases = append(s.Config.Aliases, config.Alias{Line: 4, NIC: "lo", Label: "lo:1", Addr: netip.MustParseAddr("172.16.1.33"), Prefix: netip.MustParsePrefix("172.16.1.33/32")})
			s.Live.Monitor.Aliases = append(s.Live.Monitor.Aliases, control.Alias{Alias: "172.16.1.33", Prefix: 32, NIC: "lo:1"})
			s.Host.NICs = append(s.Host.NICs, host.NIC{Name: "lo", Up: true})
			s.Live.Answers[at("172.16.1.33")] = both(otherHW)
		}}, []string{"warning hostname.alias:4 02:00:00:00:00:09 answers its neighbours on eth0 for 172.16.1.33"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := standing()
			for _, change := range c.change {
				change(s)
			}
			bad := slices.DeleteFunc(Network(s), func(f Finding) bool { return f.Severity == Good })
			expect(t, bad, c.want...)
		})
	}
}

// answer has an address answer so.
func answer(addr string, a Answers) func(*Subject) {
	return func(s *Subject) { s.Live.Answers[at(addr)] = a }
}

// hops gives the host a route with two next hops that live.
func hops(s *Subject) {
	s.Config.Routes = []config.Route{{Line: 9, Prefix: netip.MustParsePrefix("10.9.0.0/16"), Via: []netip.Addr{netip.MustParseAddr("172.16.1.7"), netip.MustParseAddr("172.16.1.8")}}}
	s.Live.Answers[at("172.16.1.7")], s.Live.Answers[at("172.16.1.8")] = both(otherHW), both(otherHW)
}

func TestWhatIsHeardUnaskedHasNoTime(t *testing.T) {
	s := standing()
	for addr, icmp := range map[string]State{"172.16.1.1": Silent, "172.16.1.5": Answered} {
		a := s.Live.Answers[at(addr)]
		a.ICMP.State, a.ARP.Took = icmp, 0
		s.Live.Answers[at(addr)] = a
	}
	for _, want := range []string{"router 172.16.1.1 is heard by ARP", "partner 172.16.1.5 answers ICMP in 0.3 ms and is heard by ARP"} {
		if !slices.Contains(Network(s), Finding{Severity: Good, About: "alias 172.16.1.2 on eth0", What: want}) {
			t.Errorf("%q is not said: %v", want, Network(s))
		}
	}
}

func TestGoodThingsAreShortLines(t *testing.T) {
	var lines []string
	for _, f := range Network(standing()) {
		if f.Severity == Good {
			lines = append(lines, f.About+": "+f.What)
		}
	}
	want := []string{
		"alias 172.16.1.2 on eth0: partner 172.16.1.5 has it (02:00:00:00:00:05)",
		"alias 172.16.1.2 on eth0: partner 172.16.1.5 answers ICMP in 0.3 ms and ARP in 0.3 ms",
		"alias 172.16.1.2 on eth0: router 172.16.1.1 answers ICMP in 0.3 ms and ARP in 0.3 ms",
		"Monitor: version 1 runs here as PID 7",
		"channel to 172.16.1.5: the partner's Monitor is heard, version 1",
		"alias 172.16.1.2 on eth0: this host stands by for it, and is ready",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
}

// A partner that many aliases share is spoken of once.
func TestAPartnerOfManyAliasesIsSpokenOfOnce(t *testing.T) {
	for daemon, want := range map[string]Severity{"heard": Good, "fallen silent": Fault} {
		s := standing()
		s.Config.Aliases = append(s.Config.Aliases, s.Config.Aliases[0])
		s.Config.Aliases[1].Addr = netip.MustParseAddr("172.16.1.3")
		second := s.Live.Monitor.Aliases[0]
		second.Alias = "172.16.1.3"
		s.Live.Monitor.Aliases = append(s.Live.Monitor.Aliases, second)
		for i := range s.Live.Monitor.Aliases {
			s.Live.Monitor.Aliases[i].Says = &control.Says{Daemon: daemon, Version: "1"}
		}
		if found := channelHeard(s); len(found) != 1 || found[0].Severity != want {
			t.Errorf("%s: %v", daemon, found)
		}
	}
}

// The questions are about everybody that the files rely on, each once.
func TestEveryoneThatMattersIsAskedOnce(t *testing.T) {
	s := standing()
	hops(s)
	s.Config.Aliases = append(s.Config.Aliases, s.Config.Aliases[0])
	s.Config.Aliases[1].Addr, s.Config.Aliases[1].Line = netip.MustParseAddr("172.16.1.3"), 4
	s.Config.Aliases[1].Partner.Addr = netip.MustParseAddr("10.0.0.5") // behind the router
	asked, leftOut := s.Questions()
	var got []string
	for _, q := range asked {
		if got = append(got, q.NIC+" "+q.Addr.String()); q.NIC != "" && q.Source != netip.MustParseAddr("172.16.1.4") {
			t.Errorf("%+v is not asked from this host's own address", q)
		}
	}
	want := []string{"eth0 172.16.1.2", "eth0 172.16.1.5", "eth0 172.16.1.1", "eth0 172.16.1.7", "eth0 172.16.1.3", " 10.0.0.5", "eth0 172.16.1.8"}
	if !slices.Equal(got, want) || len(leftOut) != 0 {
		t.Errorf("asked %q, %v left out; want %q", got, leftOut, want)
	}
}

func TestOnlyFaultsAndMistakesAreRed(t *testing.T) {
	for s, red := range map[Severity]bool{Good: false, Unknown: false, Note: false, Warning: false, Fault: true, Mistake: true} {
		if s.Red() != red {
			t.Errorf("%s", s)
		}
	}
}

func TestANameThatResolvesIsSaid(t *testing.T) {
	s := standing()
	s.Config.Aliases[0].Partner = config.Partner{Name: "db2"}
	s.Live.Monitor.Aliases[0].Partner.Name = "db2"
	s.Names = map[string][]netip.Addr{"db2": {netip.MustParseAddr("127.0.1.1"), netip.MustParseAddr("172.16.1.5")}}
	want := Finding{Severity: Good, About: "alias 172.16.1.2 on eth0", What: "the partner's name db2 resolves to 172.16.1.5"}
	if found := Network(s); !slices.Contains(found, want) {
		t.Errorf("%v", found)
	}
}

// What is good about many aliases alike is one line.
func TestWhatIsGoodAboutManyIsOneLine(t *testing.T) {
	s := standing()
	for i := range 3 {
		a := s.Config.Aliases[0]
		a.Line, a.Addr = 10+i, netip.AddrFrom4([4]byte{172, 16, 1, byte(20 + i)})
		s.Config.Aliases = append(s.Config.Aliases, a)
		s.Live.Answers[at(a.Addr.String())] = both(partnerHW)
	}
	s.Live.Monitor = nil
	lines := 0
	for _, f := range Network(s) {
		if strings.HasSuffix(f.What, "has it (02:00:00:00:00:05)") {
			if lines++; f.About != "alias 172.16.1.2 on eth0 and 3 more" {
				t.Error(f.About)
			}
		}
	}
	if lines != 1 {
		t.Errorf("%d lines", lines)
	}
}

// What could not be asked is not said to be there instead of what is silent.
func TestWhoIsSilentIsNotReplacedByWhoWasNotAsked(t *testing.T) {
	could := Answers{ICMP: Answer{State: CouldNot, Why: "busy"}, ARP: Answer{State: CouldNot, Why: "busy"}}
	for name, c := range map[string]struct {
		change []func(*Subject)
		want   string
	}{
		"a next hop": {[]func(*Subject){hops, answer("172.16.1.8", mute()), answer("172.16.1.7", could)}, "it is not known whether the others live"},
		"a router": {[]func(*Subject){answer("172.16.1.1", mute()), answer("172.16.1.9", could), func(s *Subject) {
			s.Config.Aliases[0].Witnesses = []netip.Addr{netip.MustParseAddr("172.16.1.9")}
		}}, "it is not known whether the others answer"},
	} {
		s := standing()
		for _, change := range c.change {
			change(s)
		}
		if all := Network(s); !slices.ContainsFunc(all, func(f Finding) bool { return strings.Contains(f.Why, c.want) }) {
			t.Errorf("%s: %+v", name, all)
		}
	}
}
