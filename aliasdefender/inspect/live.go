package inspect

import (
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
)

// Live is what the network answered when it was asked.
type Live struct {
	CannotAsk string // why nobody could be asked; empty: they were

	// Monitor is what the running Monitor says; nil: it was not asked, or NoMonitor says why
	// it could not be.
	Monitor   *control.Snapshot
	NoMonitor string

	Programs []Program       // that run on this host and may touch its addresses
	Links    map[string]Link // by NIC
	Sources  []SourceRule

	Answers map[Target]Answers
	LeftOut int // aliases that nobody was asked about, because there are too many
}

// Target is an address of another host, and the NIC on whose segment it is. Without a NIC
// it is behind a router, and only ICMP reaches it.
type Target struct {
	NIC  string
	Addr netip.Addr // with the NIC as zone where it is link-local
	From netip.Addr // the alias that it is asked from; zero: it is asked from our own address
}

// Question is a Target with what it takes to ask it.
type Question struct {
	Target
	Source netip.Addr // our own address to ask from; zero: the kernel chooses
	ICMP   bool       // not about an alias that this host has: our own kernel would answer
	ARP    bool       // on a segment, but not from an alias
}

// Answers are what a Target said to each way of asking.
type Answers struct {
	ICMP Answer
	ARP  Answer    // or neighbour discovery
	HW   []host.HW // who answered there, at most a few
}

// Answer is what came of asking one way.
type Answer struct {
	State State
	Took  time.Duration // of an answer
	Why   string        // of CouldNot
}

// State is what came of it, in a word.
type State int

// The states.
const (
	NotAsked State = iota
	CouldNot       // be asked: nothing is known
	Silent         // asked some times in vain
	Answered
)

// pathSilent is for how long nothing may come by one path of a channel.
const pathSilent = 30 * time.Second

// mostAsked is how many aliases are asked about: each takes a few frames to all of its
// segment.
const mostAsked = 256

// Questions are those that Live needs answered, each once, and how many aliases are left
// out.
func (s *Subject) Questions() (all []Question, leftOut int) {
	if s.Host == nil {
		return nil, 0
	}
	seen := map[Target]bool{}
	add := func(t Target, alias bool) {
		if seen[t] || !t.Addr.IsValid() {
			return
		}
		seen[t] = true
		_, _, here := s.Host.Find(t.Addr)
		q := Question{Target: t, ICMP: !alias || !here, ARP: t.NIC != "" && !t.From.IsValid()}
		if t.From.IsValid() {
			q.Source = t.From
		} else if t.NIC != "" {
			q.Source = s.source(t)
		}
		all = append(all, q)
	}
	for i, a := range s.Config.Pairs() {
		if nic, ok := s.Host.NIC(a.NIC); !ok || !nic.Up || !nic.Carrier {
			continue // that is what is missing
		}
		if i < mostAsked {
			add(Target{NIC: a.NIC, Addr: a.Addr}, true)
		} else {
			leftOut++
		}
		add(s.target(a, s.partner(a)), false)
		for _, r := range s.thirdParties(a) {
			t := s.target(a, r)
			add(t, false)
			if i < mostAsked && s.Host.On(a.NIC, a.Addr) {
				add(t.from(a), false)
			}
		}
	}
	for _, r := range s.Config.Routes {
		for _, hop := range r.Via {
			if t, ok := s.hop(hop); ok {
				add(t, false)
			}
		}
	}
	for _, a := range s.Config.Aliases {
		if nic, ok := s.segmentOf(a.Addr); ok && a.Loopback() {
			add(Target{NIC: nic, Addr: a.Addr}, true)
		}
	}
	return all, leftOut
}

// target is where an address of another host is asked for an alias.
func (s *Subject) target(a config.Alias, addr netip.Addr) Target {
	addr = host.Zoned(addr, a.NIC)
	if nic, ok := s.Host.NIC(a.NIC); ok && slices.ContainsFunc(s.own(nic, host.FamilyOf(addr)), func(p netip.Prefix) bool { return host.Has(p, addr) }) {
		return Target{NIC: a.NIC, Addr: addr}
	}
	return Target{Addr: addr}
}

// from is the target as it is asked from an alias.
func (t Target) from(a config.Alias) Target {
	t.From = host.Zoned(a.Addr, a.NIC)
	return t
}

// source is our own address to ask from, as the Monitor chooses it: one in the target's
// subnet if there is one, otherwise one that is not link-local.
func (s *Subject) source(t Target) (source netip.Addr) {
	nic, _ := s.Host.NIC(t.NIC)
	for _, p := range s.own(nic, host.FamilyOf(t.Addr)) {
		switch addr := host.Zoned(p.Addr(), t.NIC); {
		case host.Has(p, t.Addr):
			return addr
		case !source.IsValid() || source.IsLinkLocalUnicast():
			source = addr
		}
	}
	return source
}

// partner is the address by which a row's partner is asked; zero: none is known.
func (s *Subject) partner(a config.Alias) netip.Addr {
	if a.Partner.Addr.IsValid() {
		return host.Zoned(a.Partner.Addr, a.NIC)
	}
	for _, addr := range s.Names[a.Partner.Name] {
		if s.canBePartner(a, addr) {
			return addr
		}
	}
	return netip.Addr{}
}

// mostRouters is how many default routers of IPv6 an alias asks.
const mostRouters = 4

// thirdParties are the routers and witnesses whose answers prove that this host's own
// network works.
func (s *Subject) thirdParties(a config.Alias) (all []netip.Addr) {
	add := func(addr netip.Addr) {
		if addr = host.Zoned(addr, a.NIC); !slices.Contains(all, addr) && !s.isAlias(addr) && !slices.Contains(s.partners(a), addr) {
			all = append(all, addr)
		}
	}
	if a.Router.IsValid() {
		add(a.Router)
	} else {
		for _, r := range s.Host.Routes {
			if r.NIC == a.NIC && host.FamilyOf(r.Gateway) == host.FamilyOf(a.Addr) && len(all) < mostRouters && (len(all) == 0 || a.Addr.Is6()) {
				add(r.Gateway)
			}
		}
	}
	for _, w := range a.Witnesses {
		add(w)
	}
	return all
}
