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
	Process   *control.Process // that listens on its socket; nil: the kernel did not tell

	Users []int // besides root and the user of Process: those that a Monitor may run as

	Programs []Program       // that run on this host and may touch its addresses
	Links    map[string]Link // by NIC
	Sources  []SourceRule

	Answers map[Target]Answers
	LeftOut []Omitted // what nobody was asked about
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

// mostAsked is how many addresses are asked about, of whatever kind: most take a few frames
// to all of their segment.
const mostAsked = 256

// mostFrom is from how many aliases one router is asked. Many routers answer only so many
// pings a second.
const mostFrom = 8

// Omitted is how many of a kind nobody was asked about, because there are too many.
type Omitted struct {
	Kind  string // in the plural
	Count int
}

// Questions are those that Live needs answered, each once, and what is left out. Where there
// are too many, each kind gets its turn.
func (s *Subject) Questions() (all []Question, leftOut []Omitted) {
	if s.Host == nil {
		return nil, nil
	}
	seen := map[Target]bool{}
	once := func(targets []Target) []Target {
		return slices.DeleteFunc(targets, func(t Target) bool {
			again := seen[t] || !t.Addr.IsValid()
			seen[t] = true
			return again
		})
	}
	aliases, partners, thirds, from := s.targetsOfPairs()
	kinds := []struct {
		name    string // empty: unreached says what was left out
		targets []Target
		alias   bool
	}{
		{"aliases", once(aliases), true},
		{"partners", once(partners), false},
		{"routers and witnesses", once(thirds), false},
		{"next hops", once(s.hops()), false},
		{"shared aliases", once(s.sharedTargets()), true},
		{"", once(from), false},
	}
	asked := make([]int, len(kinds))
	for before := -1; len(all) < mostAsked && before < len(all); {
		before = len(all)
		for i, k := range kinds {
			if asked[i] < len(k.targets) && len(all) < mostAsked {
				all = append(all, s.question(k.targets[asked[i]], k.alias))
				asked[i]++
			}
		}
	}
	for i, k := range kinds {
		if left := len(k.targets) - asked[i]; left > 0 && k.name != "" {
			leftOut = append(leftOut, Omitted{k.name, left})
		}
	}
	return all, leftOut
}

// targetsOfPairs are those of the rows whose NIC can carry questions: aliases, partners,
// routers and witnesses, and these once more, from aliases that this host has.
func (s *Subject) targetsOfPairs() (aliases, partners, thirds, from []Target) {
	times := map[Target]int{}
	for _, a := range s.Config.Pairs() {
		if nic, ok := s.Host.NIC(a.NIC); !ok || !nic.Up || !nic.Carrier {
			continue // that is what is missing
		}
		aliases = append(aliases, Target{NIC: a.NIC, Addr: a.Addr})
		partners = append(partners, s.target(a, s.partner(a)))
		here := s.Host.On(a.NIC, a.Addr)
		for _, t := range s.thirdTargets(a) {
			thirds = append(thirds, t)
			if here && times[t] < mostFrom {
				times[t]++
				from = append(from, t.from(a))
			}
		}
	}
	return aliases, partners, thirds, from
}

// hops are the next hops of all routes.
func (s *Subject) hops() (all []Target) {
	for _, r := range s.Config.Routes {
		for _, hop := range r.Via {
			if t, ok := s.hop(hop); ok {
				all = append(all, t)
			}
		}
	}
	return all
}

// sharedTargets are the aliases of a loopback interface that neighbours may ask for.
func (s *Subject) sharedTargets() (all []Target) {
	for _, a := range s.Config.Aliases {
		if nic, ok := s.segmentOf(a.Addr); ok && a.Loopback() {
			all = append(all, Target{NIC: nic, Addr: a.Addr})
		}
	}
	return all
}

// question is how a target is asked.
func (s *Subject) question(t Target, alias bool) Question {
	_, _, here := s.Host.Find(t.Addr)
	q := Question{Target: t, ICMP: !alias || !here, ARP: t.NIC != "" && !t.From.IsValid()}
	if t.From.IsValid() {
		q.Source = t.From
	} else if t.NIC != "" {
		q.Source = s.source(t)
	}
	return q
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
	if addr := a.Partner.Addr; addr.IsValid() {
		if !s.canBePartner(a, addr) {
			return netip.Addr{}
		}
		return host.Zoned(addr, a.NIC)
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
