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
		s := own.within(f.all)
		j.checkThirdParties(a, s)
		if own.failback.value && !a.Primary && !t.hasMistake(a.Line, "primary") {
			j.mistake(own.failback.place(), fmt.Sprintf("failback is for the primary, and hostname.alias, line %d, says Primary false", a.Line))
		}
		s.apply(&rows[i])
	}
	if err := slices.Concat(t.mistakes, f.mistakes, j.found).err(); err != nil {
		return nil, err
	}
	return &Config{Settings: f.Settings, Aliases: rows}, nil
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
