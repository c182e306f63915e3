package config

import (
	"fmt"
	"net/netip"
	"time"
)

// NoPartner is the field Partner of a row without a partner. Only a row of a loopback
// interface may have it.
const NoPartner = "-"

// Loopback tells whether the alias is on a loopback interface, and so on many hosts at
// once, by design. Only the names lo and lo0 mean one, whatever the interface is.
func (a Alias) Loopback() bool { return IsLoopback(a.NIC) }

// IsLoopback tells whether that is the name of a loopback interface, without a label.
func IsLoopback(nic string) bool { return nic == "lo" || nic == "lo0" }

// Pairs returns the aliases that two hosts share, so that one of the two has each: all
// but those on a loopback interface.
func (c *Config) Pairs() (pairs []Alias) {
	for _, a := range c.Aliases {
		if !a.Loopback() {
			pairs = append(pairs, a)
		}
	}
	return pairs
}

// readPartner reads the field Partner of a row whose other fields have been read. What a
// row of a loopback interface names there is asked nothing, so it may be of either family.
func (a Alias) readPartner(s string) (Partner, string) {
	switch {
	case s == NoPartner && a.Loopback():
		return Partner{Name: NoPartner}, ""
	case s == NoPartner && a.NIC == "":
		return Partner{}, "" // whether it may be - depends on the Nic, which has a mistake of its own
	case s == NoPartner:
		return Partner{}, "- means that there is none, which only a row of a loopback interface (lo) may say; write the address of the other host"
	}
	p, problem := parsePartner(s)
	switch {
	case problem == "" && !a.Loopback():
		return a.partnerOn(p)
	case s == "" && a.Loopback():
		problem += "; write - if there is none"
	}
	return p, problem
}

// checkLoopback finds what is wrong between the fields of a row of a loopback interface.
// Its subnet is the alias: no address of it is a network or broadcast address of a segment.
func (t *table) checkLoopback(a Alias) {
	switch {
	case !a.Addr.IsValid() || !a.Prefix.IsValid():
	case linkLocal(a.Addr):
		t.mistake(a.Line, "alias", fmt.Sprintf("%s is link-local: no router passes it on to a loopback interface", a.Prefix.Addr()))
	case a.Addr.Is6() && !a.Prefix.IsSingleIP():
		t.mistake(a.Line, "netmask", fmt.Sprintf("/%d: of IPv6 the kernel answers on a loopback interface for the address alone, not for its subnet; write /128, and a row for each address", a.Prefix.Bits()))
	case a.Addr == a.Partner.Addr:
		t.mistake(a.Line, "partner", fmt.Sprintf("%s is the alias itself; write the address that the partner always has, or - if there is none", a.Partner.Addr))
	}
}

// checkCovered finds rows of a loopback interface whose subnet has an alias or a partner of
// another row: this host would take all of the subnet for its own.
func (t *table) checkCovered() {
	for _, a := range t.rows {
		if !a.Loopback() || !a.Prefix.IsValid() || a.Prefix.IsSingleIP() {
			continue
		}
		for _, other := range t.rows {
			what, addr := "alias", other.Addr
			if !holds(a.Prefix, addr) {
				what, addr = "partner", other.Partner.Addr
			}
			if !other.Loopback() && addr.IsValid() && holds(a.Prefix, addr) {
				t.mistake(a.Line, "netmask", fmt.Sprintf("the subnet of %s has %s, the %s of line %d: this host would take all of the subnet for its own; write a longer mask, such as /32", a.Prefix, addr, what, other.Line))
				break
			}
		}
	}
}

// fitLoopback is the scope of a row on a loopback interface. Nothing judges such an alias
// but its checks: what its own table says of anything else is a mistake, and what is set
// for all is not meant for it.
func (j *joint) fitLoopback(a Alias, own scope) scope {
	for _, g := range []struct {
		set  bool
		at   place
		what string
	}{
		{own.router.isSet(), own.router.place(), "no router is asked about it"},
		{own.witnesses.isSet(), own.witnesses.place(), "no witness is asked about it"},
		{own.onIsolation.isSet(), own.onIsolation.place(), "nobody is asked whether this host is isolated"},
		{own.isolatedAfter.isSet(), own.isolatedAfter.place(), "nobody is asked whether this host is isolated"},
		{own.maxTakes.isSet(), own.maxTakes.place(), "its takes are not counted"},
		{own.failback.isSet(), own.failback.place(), "nobody gives it back"},
		{own.failbackAfter.isSet(), own.failbackAfter.place(), "nobody gives it back"},
		{own.lease.isSet(), own.lease.place(), "it has no lease"},
		{own.recover.line > 0, own.recover.place, "there is no partner to recover"},
	} {
		if g.set {
			j.mistake(g.at, fmt.Sprintf("%s is on a loopback interface (hostname.alias, line %d) and on many hosts by design: %s; remove this line", a.Addr, a.Line, g.what))
		}
	}
	if own.onServiceFailure.value == ServiceKeep && own.onServiceFailure.isSet() && a.Partner.Name == NoPartner {
		j.mistake(own.onServiceFailure.place(), fmt.Sprintf("hostname.alias, line %d, has - for the partner: such an alias always leaves a host whose service fails; write a partner there, or remove this line", a.Line))
	}
	s := own.within(j.settings.all)
	j.alwaysAsked(a, s)
	s.router, s.witnesses = given[netip.Addr]{}, given[[]witness]{}
	s.failback = given[bool]{}
	s.lease = given[time.Duration]{line: 1} // none
	if a.Partner.Name == NoPartner || !s.onServiceFailure.isSet() {
		s.onServiceFailure = given[OnServiceFailure]{value: ServiceRelease, line: 1}
	}
	return s
}

// alwaysAsked refuses a check that is asked only where the alias is: this one comes only
// where its checks are good.
func (j *joint) alwaysAsked(a Alias, s scope) {
	for _, n := range s.checks.value {
		for _, c := range j.settings.checks {
			if c.name == n.name && c.holding.value {
				p := place{n.line, s.checks.field}
				j.once(p, "holding "+n.name, a.Addr, fmt.Sprintf(`the check %s has when = "holding", and %s (hostname.alias, line %d) is on a loopback interface and comes only when its checks are good: neither would ever begin`, n.name, a.Addr, a.Line))
			}
		}
	}
}
