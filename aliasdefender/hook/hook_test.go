package hook

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/program"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

func TestEachEventReachesItsHooks(t *testing.T) {
	keep := func(r rules.Reason) rules.Decision { return rules.Decision{Row: "H7", Action: rules.Keep, Reason: r} }
	for _, tt := range []struct {
		name string
		tell func(b *bench, a config.Alias)
		want []string
	}{
		{"a take, a release", func(b *bench, a config.Alias) {
			b.happens(a, record.Moved, take)
			b.happens(a, record.Moved, release)
		}, []string{"take", "release"}},
		{"lost to another", func(b *bench, a config.Alias) {
			b.happens(a, record.Moved, take)
			b.happens(a, record.Moved, rules.Decision{Row: "H5", Action: rules.Forget, Reason: rules.LeaseEnded})
		}, []string{"take", "release"}},
		{"found after a boot", func(b *bench, a config.Alias) { b.happens(a, record.Moved, adopt) }, []string{"take"}},
		{"found after a restart", func(b *bench, a config.Alias) {
			b.told.Set(a.Addr, true)
			b.happens(a, record.Moved, adopt)
			b.happens(a, record.Moved, release)
		}, []string{"release"}},
		{"kept after a rival", func(b *bench, a config.Alias) {
			b.happens(a, record.Moved, take)
			b.happens(a, record.Decided, rules.Decision{Row: "H7", Action: rules.Announce, Reason: rules.RivalGone})
		}, []string{"take", "reasserted"}},
		{"put back", func(b *bench, a config.Alias) {
			b.happens(a, record.Moved, rules.Decision{Row: "H5", Action: rules.Restore, Reason: rules.Restored})
		}, []string{"reasserted"}},
		{"a hand-over that failed", func(b *bench, a config.Alias) {
			b.happens(a, record.Moved, take)
			b.happens(a, record.HandoverEnded, rules.Decision{Reason: rules.NoAnswer})
		}, []string{"take", "reasserted"}},
		{"a hand-over to us that failed", func(b *bench, a config.Alias) {
			b.happens(a, record.HandoverEnded, rules.Decision{Reason: rules.NoAnswer})
		}, nil},
		{"an alarm, once for each reason", func(b *bench, a config.Alias) {
			b.happens(a, record.Decided, rules.Decision{Row: "H7", Action: rules.Announce, Reason: rules.ForeignDefended})
			b.happens(a, record.Decided, keep(rules.ForeignClaims)) // the same, in another row
			b.happens(a, record.Decided, keep(rules.KeepsVanishing))
			b.happens(a, record.Decided, keep(rules.Held))
			b.happens(a, record.Decided, keep(rules.Held))
		}, []string{"alarm", "alarm", "recovered"}},
		{"warnings", func(b *bench, a config.Alias) {
			b.happens(a, record.Decided, keep(rules.PartnerClaims))
			b.happens(a, record.Decided, keep(rules.Held))
		}, nil},
		{"files that do not fit", func(b *bench, a config.Alias) {
			b.happens(a, record.PairFits, rules.Decision{})
			b.happens(a, record.PairMisfit, rules.Decision{})
			b.happens(a, record.PairFits, rules.Decision{})
			b.happens(a, record.PairFits, rules.Decision{})
		}, []string{"alarm", "recovered"}},
		{"a recovery that does not help, and one that does", func(b *bench, a config.Alias) {
			ends := func(level rules.Level) {
				b.recorder.Record(record.Event{Time: time.Now(), Alias: record.Alias{Addr: a.Addr, NIC: a.NIC}, Kind: record.RecoveryEnded, Level: level})
			}
			ends(rules.Info)
			ends(rules.Alarm)
			b.happens(a, record.Decided, keep(rules.Held))
			ends(rules.Warning) // broken off: nothing is known to be better
			ends(rules.Alarm)
			ends(rules.Info)
			ends(rules.Info)
		}, []string{"alarm", "alarm", "recovered"}},
		{"a recovery that does not help, and one that is broken off", func(b *bench, a config.Alias) {
			for _, level := range []rules.Level{rules.Alarm, rules.Warning} {
				b.recorder.Record(record.Event{Time: time.Now(), Alias: record.Alias{Addr: a.Addr, NIC: a.NIC}, Kind: record.RecoveryEnded, Level: level})
			}
		}, []string{"alarm"}},
		{"another alias, and the Monitor", func(b *bench, a config.Alias) {
			a.Addr = netip.MustParseAddr("10.9.9.9")
			b.happens(a, record.Moved, take)
			b.recorder.Record(record.Event{Kind: record.Started})
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				aliases := rows(t, 1, config.Hooks{}, config.HookNames()...)
				b := newBench(t, aliases)
				tt.tell(b, aliases[0])
				b.End(time.Minute)
				var got []string
				for _, line := range b.runs() {
					got = append(got, strings.TrimPrefix(line, "10.0.0.1 "))
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		})
	}
}

func TestAHookIsToldOfItsEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 2, config.Hooks{}, config.HookTake)
		aliases[1].Partner.Name = "evil\nAD_ROLE=primary"
		b := newBench(t, aliases)
		b.happens(aliases[1], record.Moved, take)
		b.End(time.Minute)
		want := map[string]string{
			"PATH": program.SearchPath, "AD_EVENT": "take", "AD_ALIAS": "10.0.0.2", "AD_PREFIX": "16", "AD_NIC": "eth0", "AD_LABEL": "eth0:1",
			"AD_ROW": "W14", "AD_REASON": "partner silent", "AD_WHY": "alias and partner are silent, and the router answers",
			"AD_PARTNER": "evil AD_ROLE=primary", "AD_ROLE": "secondary", "AD_SEQ": "1", "AD_TIME": "2000-01-01T00:00:00Z",
		}
		if diff := cmp.Diff([]map[string]string{want}, b.envs); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// 1,000 transitions of 100 aliases: each is told once, in its order, none beside another
// of the same alias, and never more than 16 at once.
func TestManyTransitionsAreToldInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 100, config.Hooks{}, config.HookTake, config.HookRelease)
		b := newBench(t, aliases)
		b.program = sleeps(20 * time.Millisecond)
		for range 5 {
			for _, d := range []rules.Decision{take, release} {
				for _, a := range aliases {
					b.happens(a, record.Moved, d)
				}
				time.Sleep(30 * time.Millisecond)
			}
		}
		b.End(time.Hour)
		var want []string
		for range 5 {
			want = append(want, "take", "release")
		}
		for _, a := range aliases {
			var got []string
			for _, line := range b.runs() {
				if name, ok := strings.CutPrefix(line, a.Addr.String()+" "); ok {
					got = append(got, name)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s: -want +got:\n%s", a.Addr, diff)
			}
		}
		if len(b.runs()) != 1000 || b.most != mostRunning {
			t.Errorf("%d runs, %d at once at most", len(b.runs()), b.most)
		}
	})
}

func TestAHookThatHangsHoldsUpNoOtherAlias(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 2, config.Hooks{Timeout: time.Minute}, config.HookTake, config.HookRelease)
		b := newBench(t, aliases)
		b.program = func(ctx context.Context, _ string, env map[string]string) error {
			if env["AD_ALIAS"] == "10.0.0.1" {
				return sleeps(time.Hour)(ctx, "", nil)
			}
			return nil
		}
		for range 200 {
			b.happens(aliases[0], record.Moved, take)
			b.happens(aliases[0], record.Moved, release)
		}
		b.happens(aliases[1], record.Moved, take)
		synctest.Wait()
		if !slices.Contains(b.runs(), "10.0.0.2 take") {
			t.Errorf("only %q", b.runs())
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		last := b.Last(aliases[0].Addr)
		want := []Run{
			{Hook: config.HookTake, At: last[0].At, Took: time.Minute, Result: Failed, Error: "ended: took longer than 1m"},
			{Hook: config.HookRelease, At: last[1].At, Result: Skipped, Error: "256 newer ones were waiting"},
		}
		if diff := cmp.Diff(want, last); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		// One has run; of 399 others 256 waited, and the oldest were dropped.
		skipped := func() (n int) {
			for _, e := range b.seen() {
				switch {
				case e.Kind == record.HookSkipped:
					n++
				case strings.Contains(e.Text, "hook_skipped"):
					n += int(e.Drops)
				}
			}
			return n
		}
		if n := skipped(); n != 399-mostWaiting {
			t.Errorf("%d dropped, said in %+v", n, b.seen())
		}
		b.End(0)
		if n := skipped(); n != 399-1 || len(b.seen()) > 50 {
			t.Errorf("%d told in %d events: each that does not run because the Monitor ends counts", n, len(b.seen()))
		}
	})
}

func TestTheMonitorEndsAfterItsTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, names := range [][]config.HookName{{config.HookTake}, nil} {
			aliases := rows(t, 1, config.Hooks{ExitAfter: config.AfterTake}, names...)
			b := newBench(t, aliases)
			b.program = sleeps(time.Second)
			b.happens(aliases[0], record.Moved, adopt)
			b.happens(aliases[0], record.Moved, release)
			time.Sleep(time.Minute)
			if len(b.ended()) != 0 {
				t.Errorf("%q: ends after an adoption", names)
			}
			began := time.Now()
			b.happens(aliases[0], record.Moved, take)
			synctest.Wait()
			if ended := len(b.ended()) == 1; ended != (names == nil) {
				t.Errorf("%q: ends before its hook has run", names)
			}
			time.Sleep(time.Minute)
			if len(b.ended()) != 1 {
				t.Errorf("%q: %v after %v", names, b.ended(), time.Since(began))
			}
			b.End(0)
			if id := aliases[0].Addr; !b.Exits(id) || b.Exits(id.Next()) {
				t.Error("nobody knows that a take would end it")
			}
		}
	})
}

// A row that goes takes its hooks along only when its alias is released.
func TestAnAliasWithoutARowIsReleasedWithItsHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 2, config.Hooks{}, config.HookTake, config.HookRelease)
		b := newBench(t, aliases)
		b.happens(aliases[0], record.Moved, take)
		b.Set(aliases[1:])
		b.happens(aliases[0], record.Moved, release)
		synctest.Wait()
		b.happens(aliases[0], record.Moved, take)
		b.End(time.Minute)
		if want := []string{"10.0.0.1 take", "10.0.0.1 release"}; !slices.Equal(b.runs(), want) {
			t.Errorf("%q", b.runs())
		}
		if len(b.lanes) != 1 {
			t.Errorf("%d lanes are kept", len(b.lanes))
		}
	})
}

func TestAProgramThatOthersCanChangeIsNotRun(t *testing.T) {
	path := t.TempDir() + "/hook"
	if err := errors.Join(os.WriteFile(path, nil, 0o755), os.Chmod(path, 0o757)); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 1, config.Hooks{}, config.HookTake)
		aliases[0].Hooks.Programs[config.HookTake][0] = path
		b := newBench(t, aliases)
		b.happens(aliases[0], record.Moved, take)
		b.End(time.Minute)
		if got := b.Last(aliases[0].Addr); len(got) != 1 || got[0].Result != Skipped || !strings.Contains(got[0].Error, "has mode 0757") || b.runs() != nil {
			t.Errorf("%+v, %q", got, b.runs())
		}
	})
}

// A driver holds earlier programs, which cannot be killed: that is no failure of this one.
func TestAHookThatIsNotRunBecauseOthersHangIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 1, config.Hooks{}, config.HookTake)
		b := newBench(t, aliases)
		b.program = func(context.Context, string, map[string]string) error { return program.ErrHung }
		b.happens(aliases[0], record.Moved, take)
		b.End(time.Minute)
		if got := b.Last(aliases[0].Addr); len(got) != 1 || got[0].Result != Skipped || got[0].Error != "16 earlier programs still hang" {
			t.Errorf("%+v", got)
		}
	})
}
