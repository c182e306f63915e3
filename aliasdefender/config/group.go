package config

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

// When one member changes, the loop decides about all others, so the size of a group has
// a bound.
const (
	maxGroups  = 256
	maxMembers = 64
)

// Group is a set of aliases that are together on one host whenever one host could have
// all of them, [group.NAME].
type Group struct {
	Name      string // letters, digits, - and _
	Line      int    // of its table in the file, from 1
	Aliases   []netip.Addr
	WhenSplit WhenSplit
}

// WhenSplit says what happens to a group if neither host could have all of it.
type WhenSplit string

// What the setting when_split accepts.
const (
	SplitServe   WhenSplit = "serve"   // each alias is where it can be
	SplitRelease WhenSplit = "release" // nobody has any of them
)

// groupTable is one [group.NAME] as it is read.
type groupTable struct {
	place
	name      string
	aliases   given[[]witness]
	whenSplit given[WhenSplit]
}

// groupKeys are the keys of [group.NAME].
func groupKeys() map[string]key {
	return map[string]key{
		"aliases": func(f *SettingsFile, _ *scope, v value) Mistakes {
			return fill(&f.groupTable(v).aliases, v, addrList("172.16.1.2"))
		},
		"when_split": func(f *SettingsFile, _ *scope, v value) Mistakes {
			return fill(&f.groupTable(v).whenSplit, v, oneOf(SplitServe, SplitRelease))
		},
	}
}

// groupTable finds the table of a key or header, or makes it when it is first mentioned.
func (f *SettingsFile) groupTable(v value) *groupTable {
	name := v.path[1]
	for _, g := range f.groups {
		if g.name == name {
			return g
		}
	}
	g := &groupTable{place: place{v.line, joinPath(v.path[:2])}, name: name}
	f.groups = append(f.groups, g)
	f.named(g.place, name, "firewall", len(f.groups), maxGroups)
	return g
}

// takeGroup notes that a table of [group] is there, even if it is empty.
func (f *SettingsFile) takeGroup(v value) {
	if v.kind != unstable.ArrayTable {
		f.groupTable(v)
	}
}

// checkGroups finds what in the groups does not fit the aliases, and what lacks.
func (j *joint) checkGroups() {
	f := j.settings
	in := map[netip.Addr]*groupTable{}
	for _, g := range f.groups {
		if f.refused[g.field] {
			continue
		}
		if !g.aliases.bad && len(g.aliases.value) < 2 {
			j.mistake(g.blame(), fmt.Sprintf("has %s, and a group is two or more; write aliases = [\"172.16.1.2\", \"172.16.1.3\"], the one first that leads", aliasesIn(len(g.aliases.value))))
		} else if len(g.aliases.value) > maxMembers {
			j.mistake(g.blame(), fmt.Sprintf("has %d aliases, more than the %d that there may be", len(g.aliases.value), maxMembers))
		}
		if len(f.keyFiles.value) == 0 && !f.keyFiles.bad && !f.refused["peer"] {
			j.mistake(g.place, "needs the channel: without it neither host knows what the other could have; write key_file under [peer]")
		}
		j.members(g, in)
	}
}

// blame is where a mistake about the list of aliases is.
func (g *groupTable) blame() place {
	if g.aliases.isSet() {
		return g.aliases.place()
	}
	return g.place
}

// members finds what is wrong with single members of a group.
func (j *joint) members(g *groupTable, in map[netip.Addr]*groupTable) {
	for _, m := range g.aliases.value {
		p := place{m.line, g.aliases.field}
		line, known := j.lines[m.addr]
		switch other := in[m.addr]; {
		case withNIC(m.addr) != "":
			j.mistake(p, withNIC(m.addr))
		case other != nil:
			j.mistake(p, fmt.Sprintf("%s is in %s already (line %d); an alias is in one group", m.addr, other.field, other.aliases.line))
		case !known && !j.partial:
			j.mistake(p, fmt.Sprintf("%s is not an alias of hostname.alias", m.addr))
		case known && j.row(m.addr).Loopback():
			j.mistake(p, fmt.Sprintf("%s is on %s (hostname.alias, line %d): such an alias does not move", m.addr, j.row(m.addr).NIC, line))
		}
		in[m.addr] = g
	}
	j.alike(g)
}

// row is the row of an alias; the zero Alias if there is none.
func (j *joint) row(addr netip.Addr) Alias {
	if i := slices.IndexFunc(j.rows, func(a Alias) bool { return a.Addr == addr }); i >= 0 {
		return j.rows[i]
	}
	return Alias{}
}

// alike finds settings that each member must have as the first one has them: two hosts of
// which each is the primary of one member would pull at the group without end.
func (j *joint) alike(g *groupTable) {
	if len(g.aliases.value) < 2 {
		return
	}
	first := j.row(g.aliases.value[0].addr)
	for _, m := range g.aliases.value[1:] {
		p, a := place{m.line, g.aliases.field}, j.row(m.addr)
		if !first.Addr.IsValid() || !a.Addr.IsValid() || j.hasMistake(a.Line, "primary") || j.hasMistake(first.Line, "primary") {
			continue
		}
		one, other := j.scopeOf(first), j.scopeOf(a)
		switch {
		case first.Primary != a.Primary:
			j.mistake(p, fmt.Sprintf("Primary is %t for %s and %t for %s (hostname.alias, lines %d and %d); members of a group have the same primary", first.Primary, first.Addr, a.Primary, a.Addr, first.Line, a.Line))
		case one.failback.value != other.failback.value:
			j.mistake(p, fmt.Sprintf("failback is %t for %s and %t for %s; a group goes back as a whole", one.failback.value, first.Addr, other.failback.value, a.Addr))
		}
	}
}

// scopeOf is what is set for an alias, and for all of them.
func (j *joint) scopeOf(a Alias) scope {
	for _, s := range j.settings.aliases {
		if s.addr == a.Addr {
			return s.within(j.settings.all)
		}
	}
	return j.settings.all
}

// grouped are the groups with the defaults filled in.
func (f *SettingsFile) grouped() (all []Group) {
	for _, g := range f.groups {
		one := Group{Name: g.name, Line: g.line, WhenSplit: g.whenSplit.orDefault(SplitServe)}
		for _, m := range g.aliases.value {
			one.Aliases = append(one.Aliases, m.addr)
		}
		all = append(all, one)
	}
	return all
}

// GroupOf returns the group that an alias is in; nil if it is in none.
func (c *Config) GroupOf(alias netip.Addr) *Group {
	for i := range c.Groups {
		if slices.Contains(c.Groups[i].Aliases, alias) {
			return &c.Groups[i]
		}
	}
	return nil
}

// aliasesIn counts aliases for a message.
func aliasesIn(n int) string {
	switch n {
	case 0:
		return "no alias"
	case 1:
		return "one alias"
	}
	return fmt.Sprintf("%d aliases", n)
}
