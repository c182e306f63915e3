package defender

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// mallory is a hardware address that an attacker says something is at.
var mallory = host.HW{2, 0, 0, 0, 0, 0x66}

// forge has a frame reach one station that says that an address is at hw, as an
// announcement or as the answer to a question that it may have put.
func (w *world) forge(from, to *station, sender netip.Addr, hw host.HW, reply bool) {
	w.seg.mu.Lock()
	defer w.seg.mu.Unlock()
	f := host.Sighting{Sender: sender, HW: hw, Target: sender}
	if reply {
		f.Target, f.Reply = to.own.Addr(), true
	}
	w.seg.send(from, to, f)
}

// moved is how often the alias was taken or let go.
func (w *world) moved() int { return w.logged("event=moved") }

// serveFromB has B hold the alias, which is not primary; A lives, or not.
func (w *world) serveFromB(alive bool) {
	w.settle()
	w.a.set(func() { w.a.on = false })
	w.a.kill()
	w.a.set(func() { w.a.kernel.lose() })
	w.settle()
	if alive {
		w.a.set(func() { w.a.on = true })
		w.a.start(w.cfgA, &w.log)
		w.settle()
	}
	w.expect("b", "before the attack")
}

// attacked holds B to keep the alias, and to tell nobody that it is elsewhere, while
// once in so long the frames come.
func (w *world) attacked(times int, every time.Duration, frames func(i int)) {
	w.t.Helper()
	before, moved := w.switches, w.moved()
	begun := time.Now()
	for i := range times {
		frames(i)
		w.wait(every)
		w.expect("b", fmt.Sprintf("after %d rounds", i+1))
	}
	w.settle()
	w.expect("b", "after the attack")
	w.seg.mu.Lock()
	defer w.seg.mu.Unlock()
	if w.switches != before || w.moved() != moved {
		w.fail("%d changes of the holder, %d takes and releases", w.switches-before, w.moved()-moved)
	}
	for _, f := range w.seg.frames {
		if f.from == w.b && f.Sender == aliasIP && f.HW != w.b.hw && !f.at.Before(begun) {
			w.fail("B announced that the alias is at %s", f.HW)
		}
	}
	if at := w.client.cache[aliasIP]; at != w.b.hw {
		w.fail("the client believes the alias at %s", at)
	}
}

// namesNotThePartner: Status and the record call no attacker of B's the partner.
func (w *world) namesNotThePartner() {
	w.t.Helper()
	w.wait(10 * time.Millisecond)
	s, err := w.b.daemon.Snapshot(w.t.Context(), true)
	if err != nil {
		w.fail("%v", err)
	}
	for _, f := range s.Aliases[0].Facts {
		if f.Name == "alias elsewhere" && f.By == "partner" {
			w.fail("the attacker is called the partner: %+v", f)
		}
	}
}

// TestForgedClaimsMoveNothing: two frames to B alone, "the partner is at M" and "the
// alias is at M". B let go, and told the segment so itself.
func TestForgedClaimsMoveNothing(t *testing.T) {
	for _, keyed := range []bool{true, false} {
		for _, alive := range []bool{true, false} {
			for _, reply := range []bool{true, false} {
				t.Run(fmt.Sprintf("channel %v, partner alive %v, as answers %v", keyed, alive, reply), func(t *testing.T) {
					playWith(t, 1, true, false, func(w *world) {
						if keyed {
							w.withKey()
						}
					}, func(w *world) {
						m := w.seg.add("mallory", 0x66)
						w.serveFromB(alive)
						w.attacked(120, time.Second, func(int) {
							w.forge(m, w.b, w.a.own.Addr(), mallory, reply)
							w.forge(m, w.b, aliasIP, mallory, reply)
							w.namesNotThePartner()
						})
						if w.logged("on=b reason=\"foreign host claims it\"") == 0 {
							w.fail("no alarm")
						}
					})
				})
			}
		}
	}
}

// TestForgedClaimsInThePartnersNameMoveNothing: with the hardware address that the
// partner really has. Where it is dead it does not answer, and where it lives its word
// says that it has nothing.
func TestForgedClaimsInThePartnersNameMoveNothing(t *testing.T) {
	for _, keyed := range []bool{true, false} {
		t.Run(fmt.Sprintf("channel %v", keyed), func(t *testing.T) {
			playWith(t, 1, true, false, func(w *world) {
				if keyed {
					w.withKey()
				}
			}, func(w *world) {
				m := w.seg.add("mallory", 0x66)
				w.serveFromB(keyed)
				w.attacked(60, time.Second, func(int) { w.forge(m, w.b, aliasIP, w.a.hw, false) })
			})
		})
	}
}

// TestForgedClaimsDoNotUseUpTakes: 419 frames in 163 s made ten takes of B's, and
// nobody served for good.
func TestForgedClaimsDoNotUseUpTakes(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) { w.cfgB.Aliases[0].MaxTakes = 10 }, func(w *world) {
		m := w.seg.add("mallory", 0x66)
		w.serveFromB(true)
		w.attacked(419, 389*time.Millisecond, func(i int) {
			sender := aliasIP
			if i%3 == 0 {
				sender = w.a.own.Addr()
			}
			w.forge(m, w.b, sender, mallory, i%2 == 0)
		})
	})
}

// TestClaimsOfManyHostsMoveNothing: no two frames name one hardware address, so that
// nobody can be asked to the end. Each is asked seldom enough.
func TestClaimsOfManyHostsMoveNothing(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		m := w.seg.add("mallory", 0x66)
		w.serveFromB(true)
		begun := time.Now()
		w.attacked(3000, 10*time.Millisecond, func(i int) {
			w.forge(m, w.b, aliasIP, host.HW{2, 0, 0, 1, byte(i >> 8), byte(i)}, false)
		})
		asked := 0
		for _, e := range w.seg.echoes {
			if e.from == w.b && e.at.After(begun) {
				asked++
			}
		}
		if asked > 30*5*triesPerTimeout { // 40 s at a timeout of 250 ms, and a doubt at the end
			w.fail("%d questions to claimants", asked)
		}
	})
}

// TestLaptopWithTheAliasIsNotThePartner: a host that a DHCP server gave the alias,
// where the partner's hardware address was never heard.
func TestLaptopWithTheAliasIsNotThePartner(t *testing.T) {
	playWith(t, 1, true, false, func(w *world) {
		w.a.on = false
	}, func(w *world) {
		w.a.kill()
		w.settle()
		laptop := w.seg.add("laptop", 99)
		w.expect("b", "the partner was never there")
		moved := w.moved()
		laptop.set(func() { laptop.foreign[aliasIP] = true })
		w.wait(time.Minute)
		w.expect("b", "a third host is not yielded to")
		if w.moved() != moved || w.announcements(w.b, laptop.hw, time.Time{}) > 0 {
			w.fail("%d takes and releases", w.moved()-moved)
		}
		if w.logged("on=b reason=\"foreign host claims it\"") == 0 {
			w.fail("no alarm")
		}
	})
}

// TestTwoNICsOnOneSegmentHealToOneHolder: the alias is on one NIC, Partner's address on
// the other. Without a channel each called the other foreign, and both defended for ever.
func TestTwoNICsOnOneSegmentHealToOneHolder(t *testing.T) {
	for _, both := range []bool{false, true} {
		t.Run(fmt.Sprintf("two primaries %v", both), func(t *testing.T) {
			playWith(t, 1, true, both, func(w *world) {
				w.a.second, w.b.second = host.HW{2, 0, 0, 0, 1, 1}, host.HW{2, 0, 0, 0, 1, 2}
				for _, st := range []*station{w.a, w.b} {
					st.nic().HW = st.second
					st.kernel.nics = append(st.kernel.nics, host.NIC{Name: "eth1", Index: 3, HW: st.hw, Up: true, Carrier: true})
				}
			}, func(w *world) {
				w.wait(40 * time.Second)
				w.expect("a", "the primary serves")
				w.partition(w.a)
				w.wait(10 * time.Second)
				w.expect("ab", "parted, each serves its side")
				healed := time.Now()
				w.partition()
				wait := 2 * time.Second
				if both {
					wait = 25 * time.Second // after two defences
				}
				w.wait(wait)
				w.expect("a", "healed")
				if n := w.announcements(w.b, w.a.second, healed); n != 1 {
					w.fail("B has pointed to A's second NIC %d times", n)
				}
				if w.logged("foreign host claims it") > 0 {
					w.fail("a false alarm")
				}
			})
		})
	}
}

// TestHealTakesARoundTrip: who claims it is known at once, by the partner's word or by
// its answer; also where it answers no pings.
func TestHealTakesARoundTrip(t *testing.T) {
	for _, tt := range []struct {
		name           string
		keyed, filters bool
		most           time.Duration
	}{
		{"by the partner's word", true, false, 0},
		{"by its answer", false, false, 0},
		{"by ARP", false, true, 25 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			playWith(t, 1, true, false, func(w *world) {
				for _, c := range []*config.Config{w.cfgA, w.cfgB} {
					c.Aliases[0].Rhythm = config.Rhythm{Interval: 100 * time.Millisecond, Timeout: 25 * time.Millisecond, Misses: 3}
				}
				if tt.keyed {
					w.withKey()
				}
				w.a.filters, w.b.filters = tt.filters, tt.filters
			}, func(w *world) {
				for i := range 10 {
					w.wait(5*time.Second + time.Duration(13*i)*time.Millisecond)
					w.partition(w.a)
					w.wait(3 * time.Second)
					w.expect("ab", "parted, each serves its side")
					w.seg.mu.Lock()
					w.bothMax = 0
					w.seg.mu.Unlock()
					w.partition()
					w.wait(time.Second)
					w.expect("a", "healed")
					w.t.Logf("both for %v", w.bothMax)
					// The next question for rivals, and what it takes to know whose claim it is.
					if most := 25*time.Millisecond + 10*wireDelay + tt.most; w.bothMax > most {
						w.fail("both had it for %v after it was healed", w.bothMax)
					}
					if w.logged("foreign host claims it") > 0 {
						w.fail("a false alarm")
					}
				}
			})
		})
	}
}

// TestAClaimantThatCouldNotBeHeardIsNotForeign: the answers to all questions were lost on
// this host, so that nothing is known of who claims the alias, and no alarm names it.
func TestAClaimantThatCouldNotBeHeardIsNotForeign(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.wait(40 * time.Second)
		w.partition(w.a)
		w.wait(10 * time.Second)
		w.expect("ab", "parted, each serves its side")
		w.b.set(func() { w.b.pingless = true })
		w.partition()
		w.wait(30 * time.Second)
		w.expect("ab", "B cannot know who claims it")
		if w.logged("on=b reason=\"foreign host claims it\"") > 0 {
			w.fail("a false alarm")
		}
		if w.logged("on=b reason=claimed") == 0 {
			w.fail("it is not said that the claimant is not known")
		}
		w.b.set(func() { w.b.pingless = false })
		w.wait(3 * time.Second)
		w.expect("a", "B hears again")
	})
}

// TestAClaimWithThePartnersHardwareAddressIsNotCalledAStrangers: lo of the partner's host
// has the alias, and its kernel answers for it, which the partner says; or something else
// answers for it there.
func TestAClaimWithThePartnersHardwareAddressIsNotCalledAStrangers(t *testing.T) {
	for name, tt := range map[string]struct {
		claims func(st *station)
		want   string
	}{
		"lo has it": {func(st *station) {
			st.kernel.nics = append(st.kernel.nics, host.NIC{Name: "lo", Index: 1, Up: true, Carrier: true})
			_ = st.kernel.Own("lo", netip.PrefixFrom(aliasIP, 32))
		}, "the partner says: cannot serve: the alias is on lo of this host, not on eth0: take it off there"},
		"something answers for it": {func(st *station) { st.proxies = map[netip.Addr]bool{aliasIP: true} },
			"the partner says: able: some other program has put it on that host, or answers " + hears[family] + " for others, or the claim is forged"},
	} {
		t.Run(name, func(t *testing.T) {
			keyed(t, func(*world) {}, func(w *world) {
				w.expect("a", "at the start")
				w.b.set(func() { tt.claims(w.b) })
				w.wait(time.Minute)
				s := w.shown(w.a)
				if s.Holder != "us" {
					w.fail("the partner does not hold it, and the holder is %s", s.Holder)
				}
				lead := "the alias that we hold is claimed with the partner's hardware address, and "
				if s.Reason != "foreign host claims it" || s.Level != "alarm" || !strings.HasPrefix(s.Why, lead+tt.want) {
					w.fail("Status says %s, %s: %s", s.Reason, s.Level, s.Why)
				}
				if name == "lo has it" && w.logged("if this host failed now: the partner says: the alias is on lo of this host") == 0 {
					w.fail("the log says of this host what the partner says of itself")
				}
				if n := w.logged("a host that is not the partner"); n != 0 || w.logged("msg=\""+lead+tt.want) == 0 {
					w.fail("the log calls it a stranger's %d times", n)
				}
			})
		})
	}
}
