package convert

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// interpreter makes a model of a tree.
type interpreter struct {
	model
	said []comment

	named   standing             // the blocks that have a name, each with its keyword
	repeats map[string]*repeated // what was said of statements at the top
}

// interpret finds out what the statements mean.
func interpret(tree []*node, said []comment) *interpreter {
	in := &interpreter{said: said}
	in.scripts, in.processes, in.named, in.repeats = map[string]*script{}, map[string]*process{}, standing{}, map[string]*repeated{}
	for _, n := range tree {
		in.top(n)
	}
	in.join()
	return in
}

// say adds a comment about the file as a whole.
func (in *interpreter) say(at Place, m meant, format string, args ...any) {
	in.said = append(in.said, comment{at, fmt.Sprintf(format, args...) + ": " + m.text, m.todo})
}

// wrong adds a comment about something that keepalived would not take either, or that says
// nothing.
func (in *interpreter) wrong(at Place, format string, args ...any) {
	in.said = append(in.said, comment{at, fmt.Sprintf(format, args...), true})
}

// top takes in a statement at the top.
func (in *interpreter) top(n *node) {
	k := n.words[0]
	if slices.Contains(withName, k) && in.twice(n) {
		return
	}
	switch k {
	case "vrrp_instance":
		in.instances = append(in.instances, in.instance(n))
	case "vrrp_sync_group":
		in.groups = append(in.groups, in.syncGroup(n))
	case "vrrp_script":
		s := in.script(n)
		in.scripts[s.name] = s
	case "vrrp_track_process":
		p := in.process(n)
		in.processes[p.name] = p
	case "global_defs":
		in.unread(n, k, 0, true)
		for _, g := range n.block {
			in.globalDef(g)
		}
	default:
		m, known := ofTop[k]
		if !known {
			m = todo("is not a keyword that Convert knows; keepalived.conf(5) says what it does, if it is one")
		}
		in.sayOnce(n, m)
	}
}

func (in *interpreter) globalDef(n *node) {
	switch k := n.words[0]; k {
	case "script_user":
		in.global.user, in.global.userAt = strings.Join(n.words[1:], " "), n.at
		in.unread(n, k, 2, false)
	case "default_interface":
		in.global.nic = n.word(0)
		in.unread(n, k, 1, false)
	default:
		if k == "vrrp_version" {
			in.global.version = in.number(n, 2, 2, 3)
		}
		m, known := globalMeaning(k)
		m = m.unlessOff(n)
		if !known {
			m = todo("is not a keyword that Convert knows; keepalived.conf(5) says what it does, if it is one")
		}
		in.say(n.at, m, "%s", show(k))
	}
}

// instance takes in a vrrp_instance.
func (in *interpreter) instance(n *node) *instance {
	v := &instance{at: n.at, name: n.word(0), priority: 100, advert: time.Second, notifies: notifies{at: n.at}}
	in.unread(n, "vrrp_instance", 1, true)
	stated, keeps, stands := false, Place{}, standing{}
	for _, s := range n.block {
		k := s.words[0]
		if most, once := wordsOfInstance[k]; once {
			in.unread(s, k, most, false)
			if k != "state" {
				in.again(stands, s, k, false)
			}
		}
		switch k {
		case "interface":
			v.nic = s.word(0)
		case "state":
			stated = true
			in.state(v, s)
		case "priority":
			v.priority = in.number(s, 100, 1, 255)
		case "nopreempt":
			v.nopreempt, keeps = true, s.at
		case "preempt":
			v.nopreempt = false
			v.about(s.at, ofInstance[k], k)
		case "preempt_delay":
			v.delay = in.seconds(s, 0, 0, 1000*time.Second)
		case "advert_int":
			v.advert, v.advertAt = in.seconds(s, time.Second, 10*time.Millisecond, 255*time.Second), s.at
		case "version":
			v.version = in.number(s, 2, 2, 3)
			v.about(s.at, ofInstance[k], k)
		case "virtual_ipaddress", "virtual_ipaddress_excluded":
			in.unread(s, k, 0, true)
			for _, a := range s.block {
				in.address(v, a)
			}
		case "unicast_src_ip":
			v.note(s.at, "unicast_src_ip %s: this host's own address; it is the Partner in the other host's file", show(s.word(0)))
		case "unicast_peer":
			in.peersOf(v, s)
		case "virtual_routes":
			in.routesOf(v, s)
		case "authentication":
			v.said = append(v.said, comment{s.at, authText, true})
		case "virtual_rules":
			v.about(s.at, ofInstance[k], k)
		default:
			if !in.tracks(&v.tracks, s) && !in.notify(&v.notifies, s, "") {
				v.unknown(s)
			}
		}
	}
	if v.nopreempt && (v.master || v.priority == 255) {
		v.nopreempt = false
		v.note(keeps, "nopreempt: keepalived ignores it with state MASTER or priority 255, so the alias goes back")
	}
	v.role(stated)
	return v
}

// authText begins what is said of a password, which is replaced by a key.
const authText = "authentication: the password of VRRP is not used; the two Monitors talk with"

// role finds out which of the two hosts this is. The partner's priority is in its own file,
// so the state counts. Both may be MASTER, or both BACKUP, and only the priorities tell them
// apart; they cannot both be MASTER above 100, nor BACKUP below it, in a pair that was meant.
// Anything else is said.
func (v *instance) role(stated bool) {
	v.primary = v.master
	sure := false
	switch {
	case v.priority == 255:
		v.primary, sure = true, true
		v.do(v.at, "priority 255 is for a host's own address, which must not be an alias: give the service an address that neither host has of its own")
	case v.master && v.priority <= 100:
		v.do(v.at, "state is MASTER, but priority is %d: Primary is true; if the other host's priority is higher, write false here and true there", v.priority)
	case v.master:
		sure = true
	case v.nopreempt:
		v.do(v.at, "with nopreempt both hosts have state BACKUP, so it does not tell which is primary: Primary is false; on the host of the higher priority write true")
	case stated && v.priority < 100:
		sure = true
	default:
		v.do(v.at, "state is not MASTER, and priority is %d: Primary is false; if this is the higher of the two hosts' priorities, write true here, and false on the other", v.priority)
	}
	v.unsure = !sure
}

// unknown says what becomes of a keyword that gives no setting.
func (v *instance) unknown(s *node) {
	m, known := ofInstance[s.words[0]]
	if !known {
		m = todo("is not a keyword that Convert knows; keepalived.conf(5) says what it does, if it is one")
	}
	v.about(s.at, m.unlessOff(s), s.words[0])
}

// about says something of a keyword, once for each meaning that needs nobody to do anything.
func (v *instance) about(at Place, m meant, keyword string) {
	if !m.todo {
		for i, c := range v.said {
			if names, same := strings.CutSuffix(c.text, ": "+m.text); same && !c.todo {
				v.said[i].text = names + ", " + show(keyword) + ": " + m.text
				return
			}
		}
	}
	v.said = append(v.said, comment{at, show(keyword) + ": " + m.text, m.todo})
}

// note says something of the instance that needs nobody to do anything.
func (v *instance) note(at Place, format string, args ...any) {
	v.said = append(v.said, comment{at, fmt.Sprintf(format, args...), false})
}

// do says what somebody has to do, or to decide.
func (v *instance) do(at Place, format string, args ...any) {
	v.said = append(v.said, comment{at, fmt.Sprintf(format, args...), true})
}

// address takes in one line of virtual_ipaddress.
func (in *interpreter) address(v *instance, n *node) {
	text, rest := n.words[0], n.words[1:]
	in.unread(n, show(text), len(rest), false)
	a := address{at: n.at}
	host, length, given := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(host)
	if err == nil && given {
		a.bits, err = strconv.Atoi(length)
		if err != nil {
			if mask, problem := netip.ParseAddr(length); problem == nil && mask.Is4() {
				a.bits, err = ones(mask), nil
			}
		}
	}
	if err != nil || addr.Zone() != "" || a.bits < 0 || a.bits > addr.BitLen() {
		v.do(n.at, "%s: is not an address, so there is no row for it", show(text))
		return
	}
	a.addr = addr
	for i := 0; i < len(rest); i++ {
		value := ""
		if i+1 < len(rest) {
			value = rest[i+1]
		} else if slices.Contains(withValue, rest[i]) {
			v.do(n.at, "%s: %s has no value, so keepalived leaves this address out, and it gets no row; write the value, or remove the word", show(text), rest[i])
			return
		}
		switch rest[i] {
		case "dev":
			a.nic = value
			i++
		case "label":
			a.label = value
			i++
		case "peer":
			v.do(n.at, "%s: peer %s has no counterpart in hostname.alias; an alias is an address of a subnet", show(text), show(value))
			i++
		case "brd", "broadcast":
			v.note(n.at, "%s: %s is not passed on", show(text), rest[i])
			i++
		case "scope", "preferred_lft":
			if value != "global" && value != "forever" {
				v.do(n.at, "%s: %s %s has no counterpart; an alias has the scope of its address, and an IPv6 alias is never chosen as the source of a new connection", show(text), rest[i], show(value))
			}
			i++
		case "no_track":
			v.note(n.at, "%s: no_track: an alias that another program removes is put back", show(text))
		case "noprefixroute", "-nodad", "home", "mngtmpaddr", "autojoin":
			v.note(n.at, "%s: %s is not passed on", show(text), rest[i])
		case "use_vmac":
			v.about(n.at, virtualMA, "use_vmac")
		default:
			v.do(n.at, "%s: %s has no counterpart in hostname.alias", show(text), show(rest[i]))
		}
	}
	v.addresses = append(v.addresses, a)
}

// withValue are the words of an address that a value belongs to.
var withValue = []string{"dev", "label", "peer", "brd", "broadcast", "scope", "preferred_lft"}

// ones is the length of a dotted mask, or -1.
func ones(mask netip.Addr) int {
	for n := range 33 {
		if p, _ := netip.AddrFrom4([4]byte{255, 255, 255, 255}).Prefix(n); p.Addr() == mask {
			return n
		}
	}
	return -1
}

// peersOf takes in unicast_peer.
func (in *interpreter) peersOf(v *instance, n *node) {
	v.peersAt = n.at
	in.unread(n, n.words[0], 0, true)
	for _, p := range n.block {
		in.unread(p, show(p.words[0]), len(p.words), false)
		addr, err := netip.ParseAddr(p.words[0])
		if err != nil {
			v.do(p.at, "%s: is not an address that a partner can have", show(p.words[0]))
			continue
		}
		if len(p.words) > 1 {
			v.about(p.at, ofVRRP, p.words[1])
		}
		v.peers = append(v.peers, addr)
	}
}

// syncGroup takes in a vrrp_sync_group.
func (in *interpreter) syncGroup(n *node) *group {
	g := &group{at: n.at, name: n.word(0), notifies: notifies{at: n.at}}
	in.unread(n, "vrrp_sync_group", 1, true)
	stands, of := standing{}, fmt.Sprintf("vrrp_sync_group %s: ", show(g.name))
	for _, s := range n.block {
		switch k := s.words[0]; {
		case k == "group":
			in.unread(s, of+k, 0, true)
			if in.again(stands, s, of+k, true) {
				continue
			}
			for _, m := range s.block {
				g.names = append(g.names, m.words...)
			}
		case in.tracks(&g.tracks, s) || in.notify(&g.notifies, s, of):
		default:
			m, known := ofInstance[k]
			if !known {
				m = todo("is not a keyword of a group, and keepalived ignores it; the names of members stand in group { }")
			}
			in.say(s.at, m.unlessOff(s), "%s%s", of, show(k))
		}
	}
	return g
}

// number reads the whole number behind a keyword.
func (in *interpreter) number(n *node, otherwise, least, most int) int {
	i, ok := whole(n.word(0), least, most)
	if !ok {
		in.wrong(n.at, "%s %s: is not a number from %d to %d, and counts as %d", show(n.words[0]), show(n.word(0)), least, most, otherwise)
		return otherwise
	}
	return i
}

// seconds reads the time behind a keyword, which is a decimal number of seconds.
func (in *interpreter) seconds(n *node, otherwise, least, most time.Duration) time.Duration {
	f, err := strconv.ParseFloat(n.word(0), 64)
	if d := time.Duration(f * float64(time.Second)); err == nil && f >= 0 && f < 1e6 && d >= least && d <= most {
		return d.Round(time.Microsecond)
	}
	in.wrong(n.at, "%s %s: is not a number of seconds from %v to %v, and counts as %v", show(n.words[0]), show(n.word(0)), least.Seconds(), most.Seconds(), otherwise.Seconds())
	return otherwise
}

// whole reads a whole number within bounds.
func whole(s string, least, most int) (int, bool) {
	i, err := strconv.Atoi(s)
	if err != nil || i < least || i > most {
		return 0, false
	}
	return i, true
}

// join brings groups and instances together.
func (in *interpreter) join() {
	byName := map[string]*instance{}
	for _, v := range in.instances {
		byName[v.name] = v
		if v.nic == "" {
			v.nic = in.global.nic
		}
		v.leadRoutes()
		v.wholeSeconds(in.global.version)
	}
	for _, g := range in.groups {
		for _, name := range g.names {
			v := byName[name]
			switch {
			case v == nil:
				in.wrong(g.at, "vrrp_sync_group %s: there is no vrrp_instance %s", show(g.name), show(name))
			case v.group != nil && v.group != g:
				in.wrong(g.at, "vrrp_sync_group %s: %s is in %s already; it stays there", show(g.name), show(name), show(v.group.name))
			case v.group == nil:
				v.group = g
				g.members = append(g.members, v)
			}
		}
		for _, v := range g.members {
			if first := g.members[0]; v.primary != first.primary {
				v.do(g.at, "state and priority of %s and %s do not say the same, and the two are in group %s: Primary is %t, as for the first", show(first.name), show(v.name), show(g.name), first.primary)
				v.primary, v.unsure = first.primary, true
			}
		}
	}
	if u := in.global.user; u != "" && u != "root" {
		in.wrong(in.global.userAt, "script_user %s: the Monitor runs programs as root; begin a command with /usr/sbin/runuser -u USER --, and open the unit with the drop-in hooks.conf (docs/hooks.md)", show(u))
	}
}
