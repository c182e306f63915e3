package defender

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/rules"
)

// memberIP is the second member of the groups of these tests; aliasIP leads.
func memberIP() netip.Addr { return ip(140) }

// firewall is a world with a group of two aliases, and a service behind each on both hosts.
type firewall struct {
	*world
	spies [2]*spy

	splitMost time.Duration
	since     time.Time
}

// grouping plays a story about a group.
func grouping(t *testing.T, when config.WhenSplit, set, f func(*firewall)) {
	t.Helper()
	fw := &firewall{spies: [2]*spy{{}, {}}}
	playWith(t, 1, true, false, func(w *world) {
		fw.world = w
		for i, c := range []*config.Config{w.cfgA, w.cfgB} {
			two := c.Aliases[0]
			two.Addr, two.Prefix, two.Label = memberIP(), with(memberIP()), "eth0:2"
			c.Aliases = append(c.Aliases, two)
			c.Groups = []config.Group{{Name: "firewall", Aliases: []netip.Addr{aliasIP, memberIP()}, WhenSplit: when}}
			[]*station{w.a, w.b}[i].sources = []Source{fw.spies[i]}
		}
		w.withKey()
		look := w.seg.changed
		w.seg.changed = func() { look(); fw.watch() }
		if set != nil {
			set(fw)
		}
	}, func(w *world) {
		w.wait(15 * time.Second)
		f(fw)
	})
}

// watch keeps for how long at most two living hosts had parts of the group; mu is held.
func (w *firewall) watch() {
	has := func(st *station, ip netip.Addr) bool { return st.on && st.daemon != nil && st.has(ip) }
	apart := has(w.a, aliasIP) && !has(w.a, memberIP()) && has(w.b, memberIP()) || has(w.b, aliasIP) && !has(w.b, memberIP()) && has(w.a, memberIP())
	switch {
	case apart && w.since.IsZero():
		w.since = time.Now()
	case !apart && !w.since.IsZero():
		w.splitMost, w.since = max(w.splitMost, time.Since(w.since)), time.Time{}
	}
}

// at fails unless the members are at these hosts: "a", "b", "ab" or "".
func (w *firewall) at(first, second, why string) {
	w.t.Helper()
	who := func(ip netip.Addr) (s string) {
		w.seg.mu.Lock()
		defer w.seg.mu.Unlock()
		for _, st := range []*station{w.a, w.b} {
			if st.on && st.has(ip) {
				s += st.name
			}
		}
		return s
	}
	if one, two := who(aliasIP), who(memberIP()); one != first || two != second {
		w.fail("%s: the first is at %q and the second at %q, want %q and %q", why, one, two, first, second)
	}
}

// TestALargeGroupCostsEachMemberOnce: what is known of a member is made anew, out of all its
// facts, where it has changed or time has ended it, and not for each other member again.
func TestALargeGroupCostsEachMemberOnce(t *testing.T) {
	members := 64
	if raceEnabled {
		members = 16
	}
	playWith(t, 1, true, false, func(w *world) {
		w.crowd(members)
		for _, c := range []*config.Config{w.cfgA, w.cfgB} {
			one := config.Group{Name: "large", WhenSplit: config.SplitServe}
			for _, a := range c.Aliases {
				one.Aliases = append(one.Aliases, a.Addr)
			}
			c.Groups = []config.Group{one}
		}
		w.withKey()
	}, func(w *world) {
		w.wait(time.Minute)
		if n := w.a.held(); n != members {
			w.fail("%d held", n)
		}
		for _, st := range []*station{w.a, w.b} {
			made := make(chan [3]int, 1)
			st.daemon.post(func(l *loop) {
				all := l.groups[0].members
				// seats is how many seats are made while the facts of each member are gathered.
				seats := func() (n int) {
					for _, a := range all {
						for _, b := range all {
							b.made.Until = b.made.Until.Add(time.Nanosecond) // where no deadline is
						}
						was := make([]time.Time, len(all))
						for i, b := range all {
							was[i] = b.made.Until
						}
						l.facts(a)
						for i, b := range all {
							if !b.made.Until.Equal(was[i]) {
								n++
							}
						}
					}
					return n
				}
				var n [3]int
				seats()
				n[0] = seats()
				l.mark(all[7])
				n[1] = seats()
				l.now = all[9].made.Until
				n[2] = seats()
				made <- n
			})
			// Each makes its own, and the first one also those that count no more.
			if n, want := <-made, [3]int{members, members + 1, 2*members - 1}; n != want {
				w.fail("%s makes %v seats, want %v", st.name, n, want)
			}
		}
	})
}

// service has a host's check of the service behind an alias say so, for long.
func (w *firewall) service(host int, alias netip.Addr, v rules.Value) {
	w.spies[host].post(Observation{Alias: alias, Fact: rules.FactService, Value: v, Asked: time.Now(), Lives: time.Hour})
}

// all gives an order and returns the outcomes of all aliases that it was for.
func (w *firewall) all(st *station, o control.Order) []control.Outcome {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	out, err := st.daemon.Order(ctx, o, func(k Kept) error { w.remembered = k.Parked; return nil })
	if err != nil {
		w.fail("order %+v: %v", o, err)
	}
	return out
}

// Promise 9: what one member cannot do here takes the others along.
func TestTheOthersOfAGroupFollowTheOneThatMustGo(t *testing.T) {
	for name, first := range map[string]netip.Addr{"the first one goes": aliasIP, "the second one goes": memberIP()} {
		t.Run(name, func(t *testing.T) {
			grouping(t, config.SplitServe, nil, func(w *firewall) {
				w.at("a", "a", "the primary serves")
				w.service(0, first, rules.No)
				w.wait(3 * time.Second)
				w.at("b", "b", "A's service fails")
				if w.splitMost > time.Second {
					w.fail("apart for %s", w.splitMost)
				}
				if w.logged(`reason="group apart"`) == 0 {
					w.fail("nothing says why the other went")
				}
				moved := w.logged("event=moved")
				w.service(0, first, rules.Yes)
				w.wait(2 * time.Minute)
				w.at("b", "b", "without failback they stay")
				if n := w.logged("event=moved"); n != moved {
					w.fail("%d moves since", n-moved)
				}
			})
		})
	}
}

// A host that waits, and could not have all, says so: then it is not asked for the rest.
func TestAHostThatCannotHaveAllIsHandedNothing(t *testing.T) {
	grouping(t, config.SplitServe, nil, func(w *firewall) {
		w.service(1, memberIP(), rules.No)
		w.wait(2 * time.Second)
		a, _ := w.show(w.b)
		if a.Row != "W15" || !strings.Contains(a.Why, "not here: "+memberIP().String()+" (service failing)") {
			w.fail("B shows %s: %s", a.Row, a.Why)
		}
		for _, out := range w.all(w.a, control.Order{Alias: aliasIP, Give: true}) {
			if out.Done || !strings.Contains(out.Text, "it stays here: the partner says: cannot serve") {
				w.fail("%+v", out)
			}
		}
		w.at("a", "a", "B could not have all")
		for _, out := range w.all(w.b, control.Order{Alias: aliasIP}) {
			if out.Done || out.Alias == aliasIP.String() && !strings.Contains(out.Text, "refused: of its group firewall") {
				w.fail("%+v", out)
			}
		}
		w.wait(2 * time.Second)
		w.at("a", "a", "AddAlias was refused")
		w.a.set(func() { w.a.on = false })
		w.a.kill()
		w.wait(15 * time.Second)
		w.at("b", "", "A is dead, and B serves what it can")
	})
}

// What a partner said before it died is not shown as what keeps it from having the group.
func TestAWordThatIsTooOldNamesNobodyWhoLacks(t *testing.T) {
	grouping(t, config.SplitServe, nil, func(w *firewall) {
		w.service(1, memberIP(), rules.No)
		w.wait(2 * time.Second)
		if a, _ := w.show(w.a); a.Group == nil || a.Group.PartnerMissing != memberIP().String()+" (service failing)" {
			w.fail("A shows %+v", a.Group)
		}
		w.b.kill()
		w.wait(time.Minute)
		if a, _ := w.show(w.a); a.Group == nil || a.Group.PartnerMissing != "" {
			w.fail("A shows %+v", a.Group)
		}
	})
}

func TestAnOrderIsForTheWholeGroup(t *testing.T) {
	grouping(t, config.SplitServe, nil, func(w *firewall) {
		for _, tt := range []struct {
			at           *station
			order        control.Order
			text, holder string
			parked       int
		}{
			{w.a, control.Order{Alias: memberIP(), Give: true}, "handed over", "b", 0},
			{w.a, control.Order{Alias: aliasIP}, "taken", "a", 0},
			{w.a, control.Order{Alias: memberIP(), Remove: true, DryRun: true}, "would be handed over", "a", 0},
			{w.a, control.Order{Alias: memberIP(), Remove: true}, "handed over", "b", 2},
			{w.a, control.Order{Alias: aliasIP}, "taken", "a", 0},
			{w.a, control.Order{Maintenance: control.On}, "handed over", "b", 0},
			{w.a, control.Order{Maintenance: control.Off}, "serves it again", "b", 0},
		} {
			w.splitMost = 0
			all := w.all(tt.at, tt.order)
			if len(all) != 2 {
				w.fail("%+v: %+v", tt.order, all)
			}
			for _, out := range all {
				if !out.Done || !strings.Contains(out.Text, tt.text) {
					w.fail("%+v: %+v, want %q", tt.order, out, tt.text)
				}
			}
			w.wait(3 * time.Second)
			w.at(tt.holder, tt.holder, tt.text)
			if !tt.order.DryRun && !tt.order.Give && len(w.remembered) != tt.parked {
				w.fail("%+v: parked %v", tt.order, w.remembered)
			}
			if w.splitMost > time.Second {
				w.fail("%+v: apart for %s", tt.order, w.splitMost)
			}
		}
	})
}

// Both could have all, and each has a part: the first member leads.
func TestPartsOfAGroupComeTogetherWhereTheFirstIs(t *testing.T) {
	grouping(t, config.SplitServe, func(w *firewall) {
		w.b.kernel.Add([]host.Placement{{NIC: "eth0", Label: "eth0:2", Prefix: with(memberIP())}})
	}, func(w *firewall) {
		w.at("a", "a", "A took the first, and B had the second")
		if w.logged(`reason="group joins"`) == 0 {
			w.fail("nothing says why")
		}
	})
}

// Neither could have all: the alarm, and what when_split says.
func TestAGroupThatNobodyCanHaveAllOf(t *testing.T) {
	for when, want := range map[config.WhenSplit][2]string{config.SplitServe: {"b", "a"}, config.SplitRelease: {"", ""}} {
		t.Run(string(when), func(t *testing.T) {
			grouping(t, when, func(w *firewall) {
				w.a.parked, w.b.parked = []netip.Addr{aliasIP}, []netip.Addr{memberIP()}
			}, func(w *firewall) {
				w.wait(20 * time.Second)
				w.at(want[0], want[1], "each is parked on one host")
				if w.logged(`reason="group split"`) == 0 {
					w.fail("no alarm")
				}
				if !strings.Contains(w.problems(w.a), "group firewall: "+aliasIP.String()+" is parked on this host and "+memberIP().String()+" is not") {
					w.fail("Status says nothing: %s", w.problems(w.a))
				}
				for _, out := range w.all(w.a, control.Order{Alias: memberIP()}) {
					if !out.Done && when == config.SplitServe {
						w.fail("AddAlias: %+v", out)
					}
				}
				w.wait(20 * time.Second)
				w.at("a", "a", "an order for one unparks all, and A can have all")
			})
		})
	}
}

// The partner's machine lives where it answers for one member, though for the other it does
// not: what it could have is not known, and nobody releases for that.
func TestAMachineThatAnswersOnOneNICIsNotDead(t *testing.T) {
	grouping(t, config.SplitRelease, func(w *firewall) {
		w.a.parked, w.b.dumb = []netip.Addr{memberIP()}, true
		w.cfgA.Aliases[0].Partner = config.Partner{Name: ip(22).String(), Addr: ip(22)} // nobody has it
	}, func(w *firewall) {
		w.wait(20 * time.Second)
		w.at("a", "", "B answers where the second is")
		w.b.set(func() { w.b.on = false })
		w.b.kill()
		w.wait(20 * time.Second)
		w.at("", "", "B is dead")
		if w.logged(`reason="group split"`) == 0 {
			w.fail("no alarm")
		}
	})
}

// Failback asks for the first member, and the others follow it: once.
func TestAGroupGoesBackAsAWhole(t *testing.T) {
	grouping(t, config.SplitServe, func(w *firewall) {
		for i := range w.cfgA.Aliases {
			w.cfgA.Aliases[i].Failback = true
		}
	}, func(w *firewall) {
		w.all(w.a, control.Order{Alias: aliasIP, Give: true})
		w.wait(2 * time.Second)
		w.at("b", "b", "handed over")
		w.splitMost = 0
		moved := w.logged("event=moved")
		w.wait(2 * time.Minute)
		w.at("a", "a", "failback")
		if n := w.logged("event=moved") - moved; n != 4 {
			w.fail("%d moves; two aliases leave one host and come to the other", n)
		}
		if w.splitMost > time.Second {
			w.fail("apart for %s", w.splitMost)
		}
	})
}

// TestTheChannelTakesAGroupsPartnersForOneMachine: otherwise what is said of a member would
// die with its NIC. Their numbers tell if they are two after all.
func TestTheChannelTakesAGroupsPartnersForOneMachine(t *testing.T) {
	far := []netip.Addr{}
	grouping(t, config.SplitServe, func(w *firewall) {
		far = []netip.Addr{ip(22), ip(21)} // of B, and of A
		for i, c := range []*config.Config{w.cfgA, w.cfgB} {
			c.Aliases[1].Partner = config.Partner{Name: far[i].String(), Addr: far[i]}
		}
		w.b.foreign[far[0]], w.a.foreign[far[1]] = true, true
	}, func(w *firewall) {
		got := w.partnersOf(w.a)
		if len(got) != 1 || got[0].Addr != w.b.own.Addr() || len(got[0].Paths) != 1 || got[0].Paths[0] != far[0] {
			w.fail("partners %v", got)
		}
		w.service(0, memberIP(), rules.No)
		w.wait(3 * time.Second)
		w.at("b", "b", "A's service fails")
		speaks := func(path netip.Addr, number byte) {
			w.a.daemon.Heard(peer.Heard{Partner: w.b.own.Addr(), Path: path, Host: [peer.HostLen]byte{number}, Say: 1 << 60})
		}
		two := "group firewall: the partner of " + memberIP().String() + " is another machine than that of " + aliasIP.String()
		for _, tt := range []struct {
			why    string
			path   netip.Addr
			number byte
			two    bool
		}{
			{"it speaks", w.b.own.Addr(), 1, false}, {"on each path", far[0], 1, false},
			{"its number is another, as after the loss of its state directory", w.b.own.Addr(), 2, false},
			{"the former number comes back: they take turns", far[0], 1, true}, {"on another path", w.b.own.Addr(), 1, false},
		} {
			speaks(tt.path, tt.number)
			w.wait(0)
			if text := w.problems(w.a); strings.Contains(text, two) != tt.two {
				w.fail("%s: Status says %q", tt.why, text)
			}
		}
		if w.logged("event=group_apart") != 1 {
			w.fail("the log does not say that they are two")
		}
	})
}
