package look

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/inspect"
	"alias-defender/aliasdefender/probe"
)

// crowd is a host with n aliases.
func crowd(n int) *inspect.Subject {
	s := &inspect.Subject{Aliases: "hostname.alias", Config: &config.Config{}, Sysctls: map[string]string{}, Host: &host.State{
		NICs:   []host.NIC{{Name: "eth0", Index: 2, Up: true, Carrier: true, Addrs: []host.Address{{Prefix: netip.MustParsePrefix("10.0.255.4/16")}}}},
		Routes: []host.Route{{NIC: "eth0", Gateway: netip.MustParseAddr("10.0.255.1")}},
	}}
	addr := netip.MustParseAddr("10.0.0.0")
	for i := range n {
		addr = addr.Next()
		s.Config.Aliases = append(s.Config.Aliases, config.Alias{Line: i + 1, NIC: "eth0", Label: "eth0:1", Addr: addr, Prefix: netip.PrefixFrom(addr, 16),
			Partner: config.Partner{Name: "10.0.255.5", Addr: netip.MustParseAddr("10.0.255.5")}})
	}
	return s
}

// ears counts the questions of a segment on which the router alone answers.
type ears struct {
	see   func([]host.Sighting)
	asked *atomic.Int64
}

func (e ears) Ask(target, from netip.Addr, to host.HW) error {
	e.asked.Add(1)
	if target == netip.MustParseAddr("10.0.255.1") {
		e.see([]host.Sighting{{NIC: "eth0", At: time.Now(), Sender: target, HW: host.HW{2, 1}, Target: from, Reply: true}})
	}
	return nil
}

func (ears) Close() error { return nil }

// However many aliases there are, and whoever is silent, a look ends soon, and says what it
// left out.
func TestALookEndsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		begun := time.Now()
		s := crowd(1000)
		found := Network(t.Context(), s, Asker{
			Ping: func(ctx context.Context, q probe.Question) (bool, error) {
				time.Sleep(q.Timeout)
				return false, nil
			},
			Listen: func(_ string, _ host.Family, see func([]host.Sighting)) (Wire, error) { return ears{see, &asked}, nil },
			Monitor: func(ctx context.Context) (control.Snapshot, error) {
				<-ctx.Done()
				return control.Snapshot{}, errors.New("it hangs")
			},
			Process: func(ctx context.Context) (control.Process, error) { return control.Process{PID: 5}, ctx.Err() },
		})
		if p := s.Live.Process; p == nil || p.PID != 5 {
			t.Errorf("who hangs is not known: %v", p)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if n := asked.Load(); n == 0 || n > 3*256 {
			t.Errorf("%d frames to all of the segment", n)
		}
		said := map[string]inspect.Severity{}
		for _, f := range found {
			said[f.About+": "+f.What] = f.Severity
		}
		for what, severity := range map[string]inspect.Severity{
			"network: left out, because Check asks about 256 addresses at most: 746 of the aliases":            inspect.Unknown,
			"Monitor: it could not be asked: it hangs":                                                         inspect.Unknown,
			"alias 10.0.0.1 on eth0 and 999 more: partner 10.0.255.5 answers neither ICMP nor ARP":             inspect.Fault,
			"alias 10.0.0.1 on eth0 and 999 more: router 10.0.255.1 answers ARP but no pings: it filters ICMP": inspect.Note,
			"alias 10.0.0.1 on eth0 and 999 more: router 10.0.255.1 answers ARP in 0.1 ms":                     inspect.Good,
			"alias 10.0.0.254 on eth0: nobody has it":                                                          inspect.Note,
		} {
			if said[what] != severity {
				t.Errorf("%s: %v, want %v", what, said[what], severity)
			}
		}
	})
}

func TestWhoMayNotAskAsksNobody(t *testing.T) {
	found := Network(t.Context(), crowd(1), Asker{Lacking: "no rights",
		Ping:   func(context.Context, probe.Question) (bool, error) { t.Error("it pings"); return false, nil },
		Listen: func(string, host.Family, func([]host.Sighting)) (Wire, error) { t.Error("it listens"); return nil, nil },
	})
	if len(found) != 1 || found[0].Severity != inspect.Unknown {
		t.Errorf("%v", found)
	}
}

// Many partners are no more questions than many aliases, and next hops are asked all the same.
func TestALookAsksSoMuchAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := crowd(1000)
		partner := netip.MustParseAddr("10.0.128.0")
		for i := range s.Config.Aliases {
			partner = partner.Next()
			s.Config.Aliases[i].Partner = config.Partner{Name: partner.String(), Addr: partner}
		}
		s.Config.Routes = []config.Route{{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Via: []netip.Addr{netip.MustParseAddr("10.0.255.77")}}}
		var frames, pings atomic.Int64
		found := Network(t.Context(), s, Asker{
			Ping: func(_ context.Context, q probe.Question) (bool, error) {
				pings.Add(1)
				time.Sleep(q.Timeout)
				return false, nil
			},
			Listen: func(_ string, _ host.Family, see func([]host.Sighting)) (Wire, error) { return ears{see, &frames}, nil },
		})
		if f, p := frames.Load(), pings.Load(); f > 3*256 || p > 3*256 {
			t.Errorf("%d frames to all of the segment, %d pings", f, p)
		}
		left := "left out, because Check asks about 256 addresses at most: 873 of the aliases, 873 of the partners"
		if !slices.ContainsFunc(found, func(f inspect.Finding) bool { return f.What == left && f.Severity == inspect.Unknown }) {
			t.Errorf("what was left out is not said: %v", found)
		}
		if !slices.ContainsFunc(found, func(f inspect.Finding) bool { return strings.HasPrefix(f.What, "next hop 10.0.255.77 of ") }) {
			t.Errorf("the next hop is not asked")
		}
	})
}

// An answer has a time only if there was a question before it.
func TestWhatNobodyAskedForHasNoTime(t *testing.T) {
	target := inspect.Target{NIC: "eth0", Addr: netip.MustParseAddr("10.0.255.1")}
	asked := time.Now()
	frame := func(at time.Time, reply bool) []host.Sighting {
		f := host.Sighting{NIC: "eth0", At: at, Sender: target.Addr, HW: host.HW{2, 1}, Target: target.Addr, Reply: reply}
		if reply {
			f.Target = netip.MustParseAddr("10.0.255.4")
		}
		return []host.Sighting{f}
	}
	for name, c := range map[string]struct {
		play func(*ledger)
		want time.Duration
	}{
		"before all questions":         {func(l *ledger) { l.see(frame(asked, false)) }, 0},
		"an earlier frame, read later": {func(l *ledger) { l.asks(target, asked); l.see(frame(asked.Add(-time.Second), true)) }, 0},
		"an announcement":              {func(l *ledger) { l.asks(target, asked); l.see(frame(asked.Add(time.Second), false)) }, 0},
		"an answer":                    {func(l *ledger) { l.asks(target, asked); l.see(frame(asked.Add(time.Second), true)) }, time.Second},
		"an answer after all": {func(l *ledger) {
			l.see(frame(asked, false))
			l.asks(target, asked)
			l.see(frame(asked.Add(time.Second), true))
			l.asks(target, asked.Add(2*time.Second))
			l.see(frame(asked.Add(5*time.Second), true))
		}, time.Second},
	} {
		l := &ledger{of: map[inspect.Target]*entry{target: {}}}
		c.play(l)
		if got := l.answers()[target].ARP; got.State != inspect.Answered || got.Took != c.want {
			t.Errorf("%s: %+v, want %v", name, got, c.want)
		}
	}
}

// holding is a host that has n aliases, and whose router answers as it is told.
func holding(t *testing.T, n int, router func(q probe.Question) bool) []inspect.Finding {
	t.Helper()
	s := crowd(n)
	for _, a := range s.Config.Aliases {
		s.Host.NICs[0].Addrs = append(s.Host.NICs[0].Addrs, host.Address{Prefix: a.Prefix, Ours: true})
	}
	var asked atomic.Int64
	return Network(t.Context(), s, Asker{
		Ping: func(_ context.Context, q probe.Question) (bool, error) {
			if q.Target != netip.MustParseAddr("10.0.255.1") || router(q) {
				return true, nil
			}
			time.Sleep(q.Timeout)
			return false, nil
		},
		Listen: func(_ string, _ host.Family, see func([]host.Sighting)) (Wire, error) { return ears{see, &asked}, nil },
	})
}

const unanswered = "the router answers this host's pings, but not those from the alias"

// A router is asked from a few aliases only, and not all at once: many answer so many pings
// a second.
func TestARouterThatLimitsPingsIsNoFault(t *testing.T) {
	own := netip.MustParseAddr("10.0.255.4")
	for name, allows := range map[string]func() func(probe.Question) bool{
		"ten a second": func() func(probe.Question) bool {
			var mu sync.Mutex
			left, at := 10.0, time.Now()
			return func(probe.Question) bool {
				mu.Lock()
				defer mu.Unlock()
				left, at = min(10, left+10*time.Since(at).Seconds()), time.Now()
				if left < 1 {
					return false
				}
				left--
				return true
			}
		},
		"only once": func() func(probe.Question) bool { // this host's own ping, and none of a second later
			begun := time.Now()
			return func(q probe.Question) bool { return q.Source == own && time.Since(begun) < time.Second }
		},
		"not at first": func() func(probe.Question) bool {
			begun := time.Now()
			return func(q probe.Question) bool { return q.Source == own || time.Since(begun) > 1500*time.Millisecond }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun, may := time.Now(), allows()
				for _, f := range holding(t, 200, may) {
					if f.What == unanswered {
						t.Errorf("%v", f)
					}
				}
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestARouterThatAnswersNoAliasIsAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		from := map[netip.Addr]bool{}
		faults, rest := 0, false
		for _, f := range holding(t, 200, func(q probe.Question) bool {
			mu.Lock()
			defer mu.Unlock()
			from[q.Source] = true
			return q.Source == netip.MustParseAddr("10.0.255.4")
		}) {
			if f.What == unanswered && f.Severity == inspect.Fault {
				faults++
			}
			rest = rest || strings.HasPrefix(f.What, "it is not known whether a router answers pings from 192 of the 200 aliases that are here")
		}
		if faults != 8 || len(from) != 1+8 || !rest {
			t.Errorf("%d faults, asked from %d addresses; that it was not asked from the others is said: %t", faults, len(from), rest)
		}
	})
}
