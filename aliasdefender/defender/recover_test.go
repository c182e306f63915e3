package defender

import (
	"net/netip"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/rules"
)

// seer is a spy that is told what a recovery may do.
type seer struct {
	spy
	sees []rules.Sight
}

func (s *seer) Sees(alias netip.Addr, is rules.Sight) {
	if alias == aliasIP {
		s.sees = append(s.sees, is)
	}
}

func (s *seer) last() rules.Sight {
	if len(s.sees) == 0 {
		return rules.Sight{Why: "nothing yet"}
	}
	return s.sees[len(s.sees)-1]
}

// recoverable is a pair of which the standby has a recovery, and a test speaks for it.
func recoverable(t *testing.T, f func(w *world, s *seer)) {
	t.Helper()
	s := &seer{}
	playWith(t, 1, true, false, func(w *world) {
		w.cfgB.Aliases[0].Recover = config.Recover{Check: "there"}
		w.a.sources, w.b.sources = []Source{&seer{}}, []Source{s}
	}, func(w *world) {
		w.settle()
		w.wait(10 * time.Second) // until it is known whether the standby is ready
		if is := s.last(); !is.Restart || !is.Fence {
			w.fail("the standby of a partner that serves may recover: %+v", is)
		}
		f(w, s)
	})
}

func (s *seer) fenced(at time.Time) {
	s.post(Observation{Alias: aliasIP, Fact: rules.FactFenced, Value: rules.Yes, Asked: at, Lives: 1000 * time.Hour})
}

func TestWhatIsFencedIsTakenOnceItIsSilent(t *testing.T) {
	recoverable(t, func(w *world, s *seer) {
		w.a.kill() // A's kernel still has the alias, and nobody defends it
		s.fenced(time.Now())
		w.wait(20 * time.Second)
		w.expect("a", "it is answered, whatever the fence says")
		if _, _, reason := w.status(w.b); reason != "fenced, and answers" {
			w.fail("reason %q", reason)
		}
		w.a.set(func() { w.a.kernel.lose() })
		w.wait(10 * time.Second)
		w.expect("b", "a was fenced, and is silent now")
		if w.logged("partner fenced") == 0 {
			w.fail("the take is by another reason")
		}
	})
}

// The alias may have fallen silent before the fence's program has ended.
func TestAFenceThatIsToldLateIsHeeded(t *testing.T) {
	recoverable(t, func(w *world, s *seer) {
		w.a.kill()
		w.a.set(func() { w.a.kernel.lose() })
		w.wait(10 * time.Second)
		w.expect("", "a is alive, and b is not primary")
		s.fenced(time.Now())
		w.wait(5 * time.Second)
		w.expect("b", "a was fenced")
	})
}

func TestWithoutAFenceTheAliasIsLeftToAPartnerThatLives(t *testing.T) {
	recoverable(t, func(w *world, s *seer) {
		w.a.kill()
		w.a.set(func() { w.a.kernel.lose() })
		w.wait(10 * time.Second)
		if is := s.last(); is.Restart || is.Fence || is.Why != "the alias is not answered" {
			w.fail("told %+v", is)
		}
		s.post(Observation{Alias: aliasIP, Fact: rules.FactFenced, Value: rules.No, Asked: time.Now()})
		w.wait(10 * time.Minute)
		w.expect("", "no fence")
	})
}

// What nobody tells any more is not known: a router that falls silent, or time alone.
func TestTheSourceIsToldWhenItMayNoLonger(t *testing.T) {
	recoverable(t, func(w *world, s *seer) {
		w.router.set(func() { w.router.on = false })
		w.wait(5 * time.Second)
		if is := s.last(); is.Restart || is.Fence {
			w.fail("the router is silent: %+v", is)
		}
		w.router.set(func() { w.router.on = true })
		w.wait(20 * time.Second)
		if is := s.last(); !is.Restart || !is.Fence {
			w.fail("and answers again: %+v", is)
		}
		if n := len(s.sees); n > 12 {
			w.fail("it is told what has not changed: %d times", n)
		}
		w.b.daemon.Reload(w.cfgB)
		w.wait(time.Second)
		if is := s.last(); len(s.sees) > 13 || !is.Fence {
			w.fail("after a reload that changes nothing: %+v", is)
		}
	})
}

// The word that a service is well counts for ten minutes, whatever becomes of the channel.
// What was said before this host listened it has not heard: it may have been that.
func TestAPartnerThatMayHaveSaidThatItIsWellIsNotFenced(t *testing.T) {
	says, s := &seer{}, &seer{}
	nowhere := config.Partner{Name: "nowhere.example"}
	playWith(t, 1, true, false, func(w *world) {
		w.withKey()
		w.cfgB.Aliases[0].Recover = config.Recover{Check: "there"}
		w.a.sources, w.b.sources = []Source{says}, []Source{s}
	}, func(w *world) {
		sees := func(when string, fence bool) {
			w.t.Helper()
			if is := s.last(); !is.Restart || is.Fence != fence {
				w.fail("%s: %+v", when, is)
			}
		}
		reloads := func(change func(c *config.Config)) {
			c := *w.cfgB
			c.Aliases = append([]config.Alias(nil), c.Aliases...)
			change(&c)
			w.b.daemon.Reload(&c)
			w.wait(5 * time.Second)
			if is := s.last(); is.Fence {
				w.fail("and meanwhile: %+v", is)
			}
			w.b.daemon.Reload(w.cfgB)
		}
		w.wait(time.Minute)
		sees("a minute after the start", false)
		w.wait(10 * time.Minute)
		sees("a's daemon has no check", true)
		says.says(rules.Yes)
		w.wait(2 * time.Second)
		sees("it says that its service is well", false)
		says.says(rules.Unknown)
		w.wait(2 * time.Second)
		sees("it said so", false)
		for what, change := range map[string]func(c *config.Config){
			"the key was gone":  func(c *config.Config) { c.Settings.Peer = config.Peer{} },
			"it had no address": func(c *config.Config) { c.Aliases[0].Partner = nowhere },
		} {
			reloads(change)
			w.wait(time.Minute)
			sees(what, false)
		}
		w.wait(11 * time.Minute)
		sees("and long after", true)
		w.b.kill()
		w.b.start(w.cfgB, &w.log)
		w.wait(time.Minute)
		sees("b's daemon is a new one", false)
	})
}

// A host that could not have the whole group recovers nobody who has it: what it would take
// then is a part.
func TestAHostThatCouldNotHaveTheGroupRecoversNone(t *testing.T) {
	s := &seer{}
	grouping(t, config.SplitServe, func(w *firewall) {
		w.cfgB.Aliases[0].Recover = config.Recover{Check: "there"}
		w.b.sources = []Source{s}
	}, func(w *firewall) {
		w.wait(10 * time.Minute) // a may have said before that its service is well
		if is := s.last(); !is.Restart || !is.Fence {
			w.fail("both hosts could have all: %+v", is)
		}
		s.post(Observation{Alias: memberIP(), Fact: rules.FactService, Value: rules.No, Asked: time.Now(), Lives: time.Hour})
		w.wait(5 * time.Second)
		if is := s.last(); is.Restart || is.Fence {
			w.fail("the second member could not be on b: %+v", is)
		}
		w.a.kill() // and its words with it
		w.wait(5 * time.Second)
		if is := s.last(); is.Restart || is.Fence {
			w.fail("and nothing is heard of a: %+v", is)
		}
		s.post(Observation{Alias: memberIP(), Fact: rules.FactService, Value: rules.Yes, Asked: time.Now(), Lives: time.Hour})
		w.wait(2 * time.Second) // a's lease has not run out yet
		if is := s.last(); !is.Restart || !is.Fence {
			w.fail("all could be on b: %+v", is)
		}
	})
}
