package convert

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
)

// check is one [check.NAME].
type check struct {
	name string
	of   string   // what it was made of
	text []string // its lines
	off  bool     // it cannot be asked on this host, and stands there as a comment
}

// set is one [group.NAME].
type set struct {
	name    string
	members []string
}

// The bounds of a check's settings, as package config has them.
const (
	leastInterval = 100 * time.Millisecond
	mostTimeout   = time.Minute
	mostInARow    = 100
	mostChecks    = 64
	mostMembers   = 64
	mostName      = 32
)

// makeChecks makes a check of each thing that is tracked, once.
func (c *converter) makeChecks() {
	used := map[string]bool{}
	for _, v := range c.instances {
		all := v.tracks
		if v.group != nil { // the group goes as a whole
			all = slices.Clone(v.group.tracks)
			for _, m := range v.group.members {
				all = append(all, m.tracks...)
			}
		}
		for _, t := range all {
			k := c.checkOf(v, t, used)
			if k != nil && !k.off && !slices.Contains(v.checks, k.name) {
				v.checks = append(v.checks, k.name)
			}
		}
	}
	for _, s := range c.scripts {
		c.untracked(s.at, "vrrp_script "+s.name)
	}
	for _, p := range c.processes {
		c.untracked(p.at, "vrrp_track_process "+p.name)
	}
}

// untracked says that nothing came of something that could be a check.
func (c *converter) untracked(at Place, key string) {
	if !c.made(key) {
		c.said = append(c.said, comment{at, show(key) + ": there is no check of it: no instance that has an alias tracks it, or as said of it elsewhere", false})
	}
}

// checkOf finds or makes the check of what is tracked; nil if there is none.
func (c *converter) checkOf(v *instance, t track, used map[string]bool) *check {
	key, text, off := "", []string(nil), ""
	switch t.kind {
	case trackLink:
		if i := slices.IndexFunc(c.rows, func(r *row) bool { return r.nic == t.name }); i >= 0 {
			if other := c.rows[i].of; other != v && (v.group == nil || other.group != v.group) {
				c.once(t.at, "track_interface %s: that NIC has aliases, which leave it when its link is gone (row H3), and the aliases of %s do not go with them; if they should, put them into one group (docs/groups.md)", show(t.name), show(v.name))
			}
			return nil
		}
		key = "track_interface " + t.name
		text = []string{"link = " + toml(t.name), `interval = "1s"`, "rise = 1", "fall = 2"}
	case trackScript:
		s := c.scripts[t.name]
		if s == nil {
			c.once(t.at, "track_script %s: there is no vrrp_script of that name", show(t.name))
			return nil
		}
		if key = "vrrp_script " + t.name; !t.weighed {
			t.weight, t.reverse = s.weight, s.reverse
		}
		if !c.made(key) {
			text, off = c.scriptCheck(s)
		}
	case trackProcess:
		p := c.processes[t.name]
		if p == nil {
			c.once(t.at, "track_process %s: there is no vrrp_track_process of that name", show(t.name))
			return nil
		}
		if key = "vrrp_track_process " + t.name; !t.weighed {
			t.weight, t.reverse = p.weight, p.reverse
		}
		text = []string{"process = " + toml(path.Base(p.process)), `interval = "1s"`, "rise = 1", "fall = 2"}
		if p.process == "" || len(path.Base(p.process)) > mostComm {
			c.once(p.at, "%s: names no process", show(key))
			return nil
		}
		if !c.made(key) {
			c.hidden(p.at, key)
		}
	}
	if t.reverse {
		c.once(t.at, "%s: reverse has no counterpart; write a check that fails when this one is good (docs/checks.md)", show(key))
		return nil
	}
	if t.weight != 0 {
		c.once(t.at, "%s: weight %d: here there are no weights: a check that fails moves the alias whenever the partner's is good; take it out of checks if it should not", show(key), t.weight)
	}
	for _, k := range c.checks {
		if k.of == key {
			return k
		}
	}
	if len(c.checks) >= mostChecks {
		c.once(t.at, "%s: is left out; there may be no more than %d checks", show(key), mostChecks)
		return nil
	}
	if off == "" {
		off = strange(text)
	}
	k := &check{name: plain(t.name, used), of: key, text: text, off: off != ""}
	if k.off {
		c.once(t.at, "%s: the check is only a comment: %s", show(key), off)
	}
	c.checks = append(c.checks, k)
	return k
}

// strange says what of a check's lines a Monitor would refuse; empty: nothing.
func strange(text []string) string {
	_, err := config.ParseSettings(strings.NewReader("[check.x]\n"+strings.Join(text, "\n")+"\n"), "x")
	if err == nil {
		return ""
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	_, what, _ := strings.Cut(first, ": ")
	return strings.TrimPrefix(what, "check.x.")
}

// made tells whether there is a check of something already.
func (c *converter) made(key string) bool {
	return slices.ContainsFunc(c.checks, func(k *check) bool { return k.of == key })
}

// once says something of a place that is said only once, however many instances mention it.
func (c *converter) once(at Place, format string, args ...any) {
	one := comment{at, fmt.Sprintf(format, args...), true}
	if !slices.Contains(c.said, one) {
		c.said = append(c.said, one)
	}
}

// scriptCheck writes the check of a script. off says why this host cannot ask it.
func (c *converter) scriptCheck(s *script) (text []string, off string) {
	if m := connects.FindStringSubmatch(s.command); m != nil {
		host := m[1]
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		text = []string{"tcp = " + toml(host+":"+m[2])}
	} else if name := processOf(s.command); name != "" {
		text = []string{"process = " + toml(name)}
		c.hidden(s.at, "vrrp_script "+s.name)
	} else {
		argv, problem := c.resolve(s.command)
		text, off = []string{"command = " + list(argv)}, problem
		switch {
		case s.command == "":
			off = "it names no program"
		case problem == "":
			if s.user == "" {
				c.defaultUser(s.at)
			}
			c.once(s.at, "vrrp_script %s: its command runs in the sandbox of the unit, where it sees no other processes, cannot write most files and has few of root's powers; if it fails there on both hosts nobody takes the alias: put the drop-in hooks.conf beside the unit on both hosts if it needs more, and try it there (docs/hooks.md)", show(s.name))
		}
	}
	interval := max(s.interval, leastInterval)
	if interval != s.interval {
		c.once(s.at, "vrrp_script %s: an interval of %v is too short; it is %v", show(s.name), s.interval, interval)
	}
	timeout := s.timeout
	switch most := min(interval, mostTimeout); {
	case timeout == 0:
		timeout = most
	case timeout > most:
		c.once(s.at, "vrrp_script %s: its timeout of %v is longer than its interval of %v, or than a minute; it is %v", show(s.name), s.timeout, s.interval, most)
		timeout = most
	}
	timeout = max(timeout, 10*time.Millisecond)
	rise, fall := min(s.rise, mostInARow), min(s.fall, mostInARow)
	if rise != s.rise || fall != s.fall {
		c.once(s.at, "vrrp_script %s: rise and fall are %d at most", show(s.name), mostInARow)
	}
	return append(text, "interval = "+toml(config.Tidy(interval)), "timeout = "+toml(config.Tidy(timeout)),
		fmt.Sprintf("rise = %d", rise), fmt.Sprintf("fall = %d", fall)), off
}

// hidden says that the unit hides the processes that a check looks for.
func (c *converter) hidden(at Place, key string) {
	c.once(at, "%s: the unit as installed hides processes; 'systemctl edit aliasdefender', with [Service] and below it ProtectProc=default, shows them (docs/checks.md)", show(key))
}

// plain makes a name of letters, digits, - and _ that is not in use.
func plain(name string, used map[string]bool) string {
	name = strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '_'
	}, name)
	name = cmpOr(name[:min(len(name), mostName-4)], "unnamed")
	for i, first := 2, name; used[name]; i++ {
		name = fmt.Sprintf("%s_%d", first, i)
	}
	used[name] = true
	return name
}

// makeGroups makes a group of each sync group, and of each instance whose aliases may have
// different facts, because they are on more than one NIC or in more than one subnet, each with
// a router of its own, or with which something else goes. Others move together by themselves.
func (c *converter) makeGroups() {
	used := map[string]bool{}
	add := func(at Place, name string, rows []*row) {
		switch {
		case len(rows) < 2:
			c.said = append(c.said, comment{at, show(name) + ": has fewer than two aliases, and needs no group", false})
		case len(rows) > mostMembers:
			c.once(at, "%s has %d aliases, more than the %d of a group: they are not kept together", show(name), len(rows), mostMembers)
		default:
			s := set{name: plain(name, used)}
			for _, r := range rows {
				s.members = append(s.members, r.name)
			}
			c.sets = append(c.sets, s)
			if !c.key {
				c.once(at, "%s: aliases are kept together by a group, and a group needs a key; %s, then convert once more, or take the # away before [peer] and [group.%s]", show(name), c.makeKey(), s.name)
			}
		}
	}
	for _, g := range c.groups {
		var rows []*row
		for _, v := range g.members {
			rows = append(rows, v.rows...)
		}
		add(g.at, g.name, rows)
		if len(rows) == 0 && g.notifies.any() {
			c.once(g.notifies.at, "vrrp_sync_group %s: its notify scripts are not called: none of its instances has an alias", show(g.name))
		}
	}
	for _, v := range c.instances {
		if v.group != nil || len(v.rows) < 2 {
			continue
		}
		first := v.rows[0]
		if v.notifies.any() || len(v.routes) > 0 || slices.ContainsFunc(v.rows, func(r *row) bool {
			return r.nic != first.nic || r.addr.Is4() != first.addr.Is4() || r.subnet != first.subnet
		}) {
			add(v.at, v.name, v.rows)
			continue
		}
		v.note(v.at, "its %d aliases are in one subnet of one NIC: the same probes decide for all of them, so they move together; an order, or another host that claims one, may still move one alone, and a group would prevent that (docs/groups.md)", len(v.rows))
	}
}
