package config

import (
	"fmt"
	"net/netip"
	"slices"
)

// Join adds to each alias the settings that apply to it, and checks the two files against
// each other. The error is of type Mistakes and names lines of the settings file. The
// given aliases are not changed.
func Join(aliases []Alias, settings *SettingsFile) (*Config, error) {
	return join(table{rows: aliases}, settings)
}

// join reports what it finds, together with the mistakes of each file.
func join(t table, f *SettingsFile) (*Config, error) {
	if t.empty && len(f.routes.routes) > 0 {
		t.partial, t.mistakes = false, nil // a host that only keeps routes
	}
	j := joint{table: t, settings: f, seen: map[Mistake]bool{}, lines: map[netip.Addr]int{}}
	for _, a := range t.rows {
		j.lines[a.Addr] = a.Line
	}
	byAddr := map[netip.Addr]scope{}
	for _, s := range f.aliases {
		byAddr[s.addr] = *s
		if _, known := j.lines[s.addr]; !known && s.addr.IsValid() && !t.partial {
			j.mistake(s.place, "is not an alias of hostname.alias")
		}
	}
	j.checkPeer()
	rows := slices.Clone(t.rows)
	for i, a := range rows {
		if !a.Addr.IsValid() {
			continue
		}
		// A scope that is not there counts as an empty one.
		own := byAddr[a.Addr]
		if a.Loopback() {
			j.fitLoopback(a, own).apply(&rows[i])
			continue
		}
		s := j.fit(a, own)
		j.checkThirdParties(a, s)
		if own.failback.value && !a.Primary && !t.hasMistake(a.Line, "primary") {
			j.mistake(own.failback.place(), fmt.Sprintf("failback is for the primary, and hostname.alias, line %d, says Primary false", a.Line))
		}
		s.apply(&rows[i])
	}
	j.checkUsed()
	j.checkChecks()
	j.checkRecoveries()
	j.checkGroups()
	j.checkRoutes()
	if err := slices.Concat(t.mistakes, f.mistakes, j.found).err(); err != nil {
		return nil, err
	}
	cfg := &Config{Settings: f.Settings, Aliases: rows, Groups: f.grouped(), Routes: f.routed()}
	for _, c := range f.checks {
		k := c.check()
		k.HTTP.CA = c.ca
		cfg.Checks = append(cfg.Checks, k)
	}
	return cfg, nil
}

// hasMistake says whether a field of a row could not be read.
func (t table) hasMistake(line int, field string) bool {
	return slices.ContainsFunc(t.mistakes, func(m Mistake) bool { return m.Line == line && m.Field == field })
}

// joint is the state of one join.
type joint struct {
	table
	settings *SettingsFile
	lines    map[netip.Addr]int // of every alias, in hostname.alias
	found    Mistakes
	seen     map[Mistake]bool // kinds of mistakes that were reported: see thirdParty
}

func (j *joint) mistake(p place, text string) {
	j.found = append(j.found, Mistake{File: j.settings.file, Line: p.line, Field: p.field, Text: text})
}

// fit joins the scope of an alias with that of all. Of the third parties for all, those
// that are of the alias's family and may be on its NIC are meant for it; its own must be.
// Link-local ones get its NIC.
func (j *joint) fit(a Alias, own scope) scope {
	s := own.within(j.settings.all)
	if r := s.router; r.value.IsValid() {
		if addr, ok := j.judges(a, r.value, r.place(), own.router.isSet()); ok {
			s.router.value = addr
		} else {
			s.router = given[netip.Addr]{}
		}
	}
	s.witnesses.value = nil
	for _, w := range own.within(j.settings.all).witnesses.value {
		p := place{w.line, s.witnesses.field}
		addr, ok := j.judges(a, w.addr, p, own.witnesses.isSet())
		switch {
		case !ok:
		case slices.ContainsFunc(s.witnesses.value, func(x witness) bool { return x.addr == addr }):
			j.once(p, "twice", addr, fmt.Sprintf("%s is listed twice", addr))
		default:
			s.witnesses.value = append(s.witnesses.value, witness{addr, w.line})
		}
	}
	return s
}

// judges is a third party as the alias knows it, if it is meant for the alias.
func (j *joint) judges(a Alias, addr netip.Addr, p place, own bool) (netip.Addr, bool) {
	if problem := a.strange(addr); problem != "" {
		if own {
			j.mistake(p, problem)
		}
		return netip.Addr{}, false
	}
	addr, _ = onNIC(addr, a.NIC)
	return addr, true
}

// checkUsed finds third parties for all aliases that fit none of them.
func (j *joint) checkUsed() {
	unused := func(addr netip.Addr, p place) {
		fits := func(a Alias) bool { return a.Addr.IsValid() && !a.Loopback() && a.strange(addr) == "" }
		switch {
		case !addr.IsValid() || j.partial || slices.ContainsFunc(j.rows, fits):
		case slices.ContainsFunc(j.rows, func(a Alias) bool { return a.Loopback() && a.strange(addr) == "" }):
			j.mistake(p, fmt.Sprintf("%s is used by no alias: those of hostname.alias on a loopback interface ask no router or witness", addr))
		case addr.Zone() != "":
			j.mistake(p, fmt.Sprintf("%s is used by no alias: none of IPv6 is on %s", addr, addr.Zone()))
		default:
			j.mistake(p, fmt.Sprintf("%s is %s, and hostname.alias has no alias of that family", addr, familyOf(addr)))
		}
	}
	all := j.settings.all
	unused(all.router.value, all.router.place())
	for _, w := range all.witnesses.value {
		unused(w.addr, place{w.line, all.witnesses.field})
	}
}

// checkThirdParties refuses a router or witness that proves nothing about our own network
// because it is one of the two hosts.
func (j *joint) checkThirdParties(a Alias, s scope) {
	if router := s.router; router.value.IsValid() {
		j.thirdParty(a, router.value, router.place())
	}
	for _, w := range s.witnesses.value {
		p := place{w.line, s.witnesses.field}
		j.thirdParty(a, w.addr, p)
		if w.addr == s.router.value {
			j.once(p, "router", w.addr, fmt.Sprintf("%s is the router already (line %d): asking it twice proves no more", w.addr, s.router.line))
		}
	}
}

func (j *joint) thirdParty(a Alias, addr netip.Addr, p place) {
	if line, moves := j.lines[addr]; moves {
		j.once(p, "alias", addr, fmt.Sprintf("%s is the alias of hostname.alias, line %d, which moves: its holder would ask itself", addr, line))
	}
	if addr == a.Partner.Addr {
		j.once(p, "partner", addr, fmt.Sprintf("%s is the partner (hostname.alias, line %d): a third party is needed to tell who has failed", addr, a.Line))
	} else if problem := edge(addr, a.Prefix); problem != "" {
		j.once(p, "edge", addr, problem)
	}
}

// once reports one kind of mistake about one address and place. Otherwise a setting for
// all aliases would be reported for each of them.
func (j *joint) once(p place, kind string, addr netip.Addr, text string) {
	mark := Mistake{Line: p.line, Field: p.field, Text: kind + addr.String()}
	if !j.seen[mark] {
		j.seen[mark] = true
		j.mistake(p, text)
	}
}
