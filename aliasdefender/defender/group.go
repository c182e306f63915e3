package defender

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/rules"
)

// group is aliases that are to be together on one host. The rules decide about each of
// them; what they know of the others is made here, out of the facts of all.
type group struct {
	cfg     config.Group
	mark    uint32   // on the wire
	members []*alias // in the order of the settings: the first one leads

	here, there rules.Fact // what is known of the whole group, on this host and at the partner
	machines    string     // what there is to say of its partners, if they are two machines
	complaint

	seats []rules.Seat // memory for the next look at all
}

// complaint is what was said of a group's trouble.
type complaint struct {
	said   string       // the trouble that was said last
	saidAt time.Time    // and when
	stands bool         // nobody has said that it is over
	again  agenda.Entry // when it is said again
}

// seating is what an alias has of its group.
type seating struct {
	group  *group
	seat   rules.Seat // as the other members were decided with it
	made   rules.Seat // as it was made last
	madeAt time.Time  // when that was; zero: it has to be made anew
	parked bool       // as it was when the group's trouble was looked for
}

// regroup ties the aliases to the groups of the settings. The rows of a group are there:
// the settings would be refused otherwise.
func (l *loop) regroup() {
	was, of := l.groups, map[*alias]*group{}
	for _, g := range was {
		l.agenda.Set(&g.again, time.Time{})
	}
	l.groups = l.groups[:0:0]
	for _, c := range l.cfg.Groups {
		g := &group{cfg: c, mark: markOf(c)}
		if i := slices.IndexFunc(was, func(o *group) bool { return o.cfg.Name == c.Name }); i >= 0 {
			g.complaint, g.again = was[i].complaint, agenda.Entry{}
		}
		g.again.Do = func() { l.sayGroup(g) }
		for _, addr := range c.Aliases {
			if a := l.aliases[addr]; a != nil && !(a.state.Leaving && a.next == nil) {
				g.members = append(g.members, a)
				of[a] = g
			}
		}
		l.groups = append(l.groups, g)
	}
	for _, a := range l.list {
		l.sits(a, of[a])
	}
	l.countMachines()
}

// sits tells an alias which group it is in, and where; nil: in none.
func (l *loop) sits(a *alias, g *group) {
	place := rules.Ungrouped
	if g != nil {
		if place = rules.Follower; g.members[0] == a {
			place = rules.Leader
		}
	}
	release := g != nil && g.cfg.WhenSplit == config.SplitRelease
	if was := a.group; (was == nil) != (g == nil) || was != nil && (was.mark != g.mark || was.cfg.Name != g.cfg.Name) {
		a.standby.watch(l.now)
		l.mark(a)
	} else if was != nil {
		g.here, g.there = was.here, was.there
	}
	a.group, a.policy.Place, a.policy.ReleaseSplit = g, place, release
	a.parked = a.state.Parked
}

// markOf is a number that two files have in common if they have the same group: the same
// members, in the same order, with the same when_split. Never 0. The NIC of a link-local
// member may have another name on the other host.
func markOf(c config.Group) uint32 {
	h := fnv.New32a()
	for _, addr := range c.Aliases {
		octets := addr.WithZone("").As16()
		_, _ = h.Write(octets[:]) // a hash takes everything
	}
	_, _ = h.Write([]byte(c.WhenSplit))
	return max(h.Sum32(), 1)
}

// tellGroup puts what is known of its group among the facts of an alias. Its own seat is
// made of these. Of the others the last one counts, until something of them has changed, or
// time makes something of it unknown: to make all for each would be a lot of work where a
// group is large.
func (l *loop) tellGroup(a *alias, f *rules.Facts) {
	g := a.group
	if g == nil {
		return
	}
	a.sit(rules.SeatOf(a.policy, a.state, *f), l.now)
	l.seatOthers(a)
	g.seats = g.seats[:0]
	for _, b := range g.members {
		s := b.made
		if b != a && b.alias == nil {
			s = rules.Seat{} // it is not asked yet
		}
		if g.machines != "" {
			s.There, s.Theirs = rules.Unknown, false
		}
		g.seats = append(g.seats, s)
	}
	f.Whole, f.PartnerWhole = g.here, g.there
	rules.Together(g.seats).Tell(a.policy, f)
	g.here, g.there = f.Whole, f.PartnerWhole
}

// sit notes the seat that was made of the alias.
func (a *alias) sit(s rules.Seat, now time.Time) {
	a.made, a.madeAt = s, now
}

// seatOthers makes anew the seats of the other members that may not count any more. If time
// has ended one, it would end others a moment later, and each time all members would be
// decided again: so all are made.
func (l *loop) seatOthers(a *alias) {
	all := slices.ContainsFunc(a.group.members, func(b *alias) bool {
		return b != a && !b.madeAt.IsZero() && due(b.made.Until, l.now)
	})
	for _, b := range a.group.members {
		if old := b.madeAt.IsZero() || all && b.madeAt.Before(l.now); old && b != a && b.alias != nil {
			b.sit(rules.SeatOf(b.policy, b.state, l.ownFacts(b)), l.now)
		}
	}
}

// reseat has the other members decided again if it has become another question whether the
// alias is here or there, or could be.
func (l *loop) reseat(a *alias) {
	if a.group == nil || a.gone {
		return
	}
	if a.parked != a.state.Parked {
		a.parked = a.state.Parked
		l.sayGroup(a.group)
	}
	a.sit(rules.SeatOf(a.policy, a.state, l.ownFacts(a)), l.now)
	if a.made.Alike(a.seat) {
		return
	}
	a.seat = a.made
	for _, b := range a.group.members {
		if b != a {
			l.mark(b)
		}
	}
}

// sayGroup says what keeps a group from being one, or that it is over: when it changes, and
// each hour while it lasts. What comes and goes is not said twice within an hour.
func (l *loop) sayGroup(g *group) {
	text, again := g.trouble(), time.Time{}
	switch {
	case l.o.Deeds == OrderedDeeds:
		return
	case text == "" && g.stands:
		g.stands = false
		l.event("group_together").WithField("group", g.cfg.Name).Info("the group can be together again")
	case text == "":
	case text == g.said && l.now.Sub(g.saidAt) < sayAgain:
		again = g.saidAt.Add(sayAgain)
	default:
		g.said, g.saidAt, g.stands = text, l.now, true
		again = l.now.Add(sayAgain)
		l.event("group_apart").WithField("group", g.cfg.Name).Warn(text)
	}
	l.agenda.Set(&g.again, again)
}

// trouble is what keeps the group from being one; empty: nothing.
func (g *group) trouble() string {
	if g.machines != "" {
		return g.machines
	}
	return g.parkedInPart()
}

// countMachines finds out of each group whether its partners are two machines. What it looks
// at changes where the groups are made, where the partners' addresses become known, and
// where a partner says another number.
func (l *loop) countMachines() {
	for _, g := range l.groups {
		if text := g.twoPartners(); text != g.machines {
			g.machines = text
			for _, a := range g.members {
				l.mark(a)
			}
		}
		l.sayGroup(g)
	}
}

// twoPartners tells whether the members have two partners, as the numbers of their machines
// tell. Then nobody else could have all.
func (g *group) twoPartners() string {
	first, of := (*alias)(nil), [peer.HostLen]byte{}
	for _, a := range g.members {
		host := [peer.HostLen]byte{}
		if a.talk != nil && a.partner != nil {
			host = a.talk.hosts[a.partner.Addr]
		}
		switch {
		case host == [peer.HostLen]byte{}:
		case first == nil:
			first, of = a, host
		case host != of:
			return fmt.Sprintf("group %s: the partner of %s is another machine than that of %s, so no host but this one could have all: correct Partner in hostname.alias", g.cfg.Name, a.id(), first.id())
		}
	}
	return ""
}

// parkedInPart tells whether some members are parked on this host, and others are not: an
// order parks all, but a file may have brought together what was not.
func (g *group) parkedInPart() string {
	parked, free := (*alias)(nil), (*alias)(nil)
	for _, a := range g.members {
		if a.state.Parked {
			parked = a
		} else if free == nil {
			free = a
		}
	}
	if parked == nil || free == nil {
		return ""
	}
	return fmt.Sprintf("group %s: %s is parked on this host and %s is not: this host cannot have the group; AddAlias or RemoveAlias of any of them is for all", g.cfg.Name, parked.id(), free.id())
}

// groupWhy is a reason about the group, with the members that are meant.
func (a *alias) groupWhy(r rules.Reason) string {
	if a.group == nil || r != rules.GroupApart && r != rules.GroupSplit {
		return r.Text()
	}
	text := r.Text()
	if all := a.group.missing(); all != "" {
		text += "; not here: " + all
	}
	if all := a.group.missingThere(); all != "" && r == rules.GroupSplit {
		text += "; not at the partner: " + all
	}
	return text
}

// fewMembers is how many members are named in a line.
const fewMembers = 3

// missing names the members that this host could not have, and why.
func (g *group) missing() string {
	return g.name(func(a *alias) (bool, string) {
		why := a.decision.Reason
		if a.state.Parked {
			why = rules.Parked
		}
		if a.state.Holding || why == rules.GroupApart || why == rules.GroupSplit {
			return a.seat.Here == rules.No, ""
		}
		return a.seat.Here == rules.No, why.String()
	})
}

// missingThere names the members that the partner says it could not have.
func (g *group) missingThere() string {
	return g.name(func(a *alias) (bool, string) {
		why, standing := rules.ReasonFromWire(a.says.Why), a.peer.Word.Standing
		lacks := standing.Lacks() && standing != rules.SaysAble && why != rules.GroupApart && why != rules.GroupSplit
		return lacks && a.made.There == rules.No, why.String() // a word that is too old says nothing
	})
}

// name names those members of which is says so, with a word about each.
func (g *group) name(is func(*alias) (bool, string)) string {
	var all []string
	n := 0
	for _, a := range g.members {
		yes, why := is(a)
		if !yes {
			continue
		}
		if n++; n > fewMembers {
			continue
		}
		if why != "" {
			why = " (" + why + ")"
		}
		all = append(all, a.id().String()+why)
	}
	if n > fewMembers {
		all = append(all, fmt.Sprintf("and %d more", n-fewMembers))
	}
	return strings.Join(all, ", ")
}

// together are the aliases that an order for one of them is for: itself, or its group.
func (l *loop) together(a *alias) []*alias {
	if a.group == nil {
		return []*alias{a}
	}
	return a.group.members
}

// partHere tells whether another member of the alias's group is on this host.
func (a *alias) partHere() bool {
	return a.group != nil && slices.ContainsFunc(a.group.members, func(b *alias) bool { return b != a && b.state.Holding })
}

// spared is a member of the alias's group that is the last address of its NIC.
func (a *alias) spared() *alias {
	if a.group == nil {
		return nil
	}
	for _, b := range a.group.members {
		if b != a && b.lastAddress() {
			return b
		}
	}
	return nil
}

// unseated is a member of the alias's group whose NIC cannot carry it.
func (l *loop) unseated(a *alias) *alias {
	for _, b := range l.together(a) {
		if b != a && !l.net.readAt.IsZero() && (b.iface.ready() != nil || b.elsewhere != "") && !b.onHost() {
			return b
		}
	}
	return nil
}

// compareGroup is what in the two files does not fit about the alias's group.
func (a *alias) compareGroup(w peer.Word, features uint32) string {
	ours := uint32(0)
	if a.group != nil {
		ours = a.group.mark
	}
	switch {
	case features&peer.FeatureGroups == 0 || w.Group == ours:
		return "" // the same, or the partner's version knows no groups
	case ours == 0:
		return "it is in a group in the partner's settings, and in none here"
	case w.Group == 0:
		return fmt.Sprintf("it is in group %s here, and in none in the partner's settings", a.group.cfg.Name)
	}
	return fmt.Sprintf("group %s is another one in the partner's settings: aliases, with their order, and when_split must be the same", a.group.cfg.Name)
}

// showGroup is the alias's group in the form that leaves the process.
func (a *alias) showGroup(f rules.Facts) *control.Group {
	g := a.group
	if g == nil {
		return nil
	}
	return &control.Group{
		Name: g.cfg.Name, Leads: host.Zoned(g.members[0].cfg.Addr, g.members[0].cfg.NIC).String(),
		Here: f.Whole.Value.String(), Partner: f.PartnerWhole.Value.String(),
		Missing: g.missing(), PartnerMissing: g.missingThere(),
	}
}
