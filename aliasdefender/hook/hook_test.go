package hook

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// bench is a Runner whose programs are functions of the test, and what it has done.
type bench struct {
	t *testing.T
	*Runner
	recorder *record.Recorder
	told     told

	mu      sync.Mutex
	begun   []string // "10.0.0.1 take", in order
	now     map[string]int
	envs    []map[string]string
	events  []record.Event // of hooks
	acted   []netip.Addr
	program func(ctx context.Context, name string, env map[string]string) error
	most    int // programs that ran at once
	all     int
}

// told is a Told in memory.
type told struct {
	mu  sync.Mutex
	set map[netip.Addr]bool
}

func (t *told) Is(a netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.set[a]
}

func (t *told) Set(a netip.Addr, is bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set[a] = is
}

// self is a program that is there, and that only root, or who runs this, can change.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if problem := config.LookAtProgram(path); problem != "" {
		t.Fatalf("%s %s", path, problem)
	}
	return path
}

// rows are n aliases, each with these hooks.
func rows(t *testing.T, n int, h config.Hooks, names ...config.HookName) (all []config.Alias) {
	h.Programs = map[config.HookName]config.Program{}
	for _, name := range names {
		h.Programs[name] = config.Program{self(t), string(name)}
	}
	if h.Timeout == 0 {
		h.Timeout = 10 * time.Second
	}
	if h.BeforeTimeout == 0 {
		h.BeforeTimeout = time.Second
	}
	for i := range n {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(1 + i%250)})
		all = append(all, config.Alias{
			NIC: "eth0", Label: fmt.Sprintf("eth0:%d", i), Addr: addr, Prefix: netip.PrefixFrom(addr, 16),
			Partner: config.Partner{Name: "other"}, Primary: i%2 == 0, Hooks: h,
		})
	}
	return all
}

func newBench(t *testing.T, aliases []config.Alias) *bench {
	b := &bench{t: t, now: map[string]int{}, told: told{set: map[netip.Addr]bool{}}, program: func(context.Context, string, map[string]string) error { return nil }}
	b.Runner = New(Options{
		Record: func(e record.Event) { b.recorder.Record(e) },
		Acted: func(a netip.Addr) {
			b.mu.Lock()
			b.acted = append(b.acted, a)
			b.mu.Unlock()
		},
		Told: &b.told, run: b.run,
	}, aliases)
	b.recorder = record.New(b.Runner, record.SinkFunc(func(e record.Event) {
		if e.Hook != "" || e.Kind == record.HookSkipped {
			b.mu.Lock()
			b.events = append(b.events, e)
			b.mu.Unlock()
		}
	}))
	return b
}

// run is a program.
func (b *bench) run(ctx context.Context, _ config.Program, env []string, _ func(string)) error {
	vars := map[string]string{}
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	alias := vars["AD_ALIAS"]
	b.mu.Lock()
	b.begun = append(b.begun, alias+" "+vars["AD_EVENT"])
	b.envs = append(b.envs, vars)
	b.all++
	b.most = max(b.most, b.all)
	if b.now[alias]++; b.now[alias] > 1 {
		b.t.Errorf("two hooks of %s run at once", alias)
	}
	b.mu.Unlock()
	err := b.program(ctx, vars["AD_EVENT"], vars)
	b.mu.Lock()
	b.now[alias]--
	b.all--
	b.mu.Unlock()
	return err
}

// runs, seen and ended are what the bench has noted by now: the programs that have begun,
// what was recorded of them, and the ends of the Monitor that were asked for.
func (b *bench) runs() []string       { return noted(b, &b.begun) }
func (b *bench) seen() []record.Event { return noted(b, &b.events) }
func (b *bench) ended() []netip.Addr  { return noted(b, &b.acted) }

func noted[T any](b *bench, what *[]T) []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(*what)
}

// happens is an event of an alias.
func (b *bench) happens(a config.Alias, kind record.Kind, d rules.Decision) {
	b.recorder.Record(record.Event{
		Time: time.Now(), Alias: record.Alias{Addr: a.Addr, NIC: a.NIC}, Label: a.Label, Kind: kind,
		Level: d.Reason.Level(), Decision: record.DecisionOf(d),
	})
}

// sleeps is a program that takes so long, or until it is ended.
func sleeps(d time.Duration) func(context.Context, string, map[string]string) error {
	return func(ctx context.Context, _ string, _ map[string]string) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

var (
	take    = rules.Decision{Row: "W14", Action: rules.Take, Reason: rules.PartnerSilent}
	release = rules.Decision{Row: "H2", Action: rules.Release, Reason: rules.OperatorReleases}
	adopt   = rules.Decision{Action: rules.Adopt, Reason: rules.Adopted}
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
		}, []string{"alarm", "recovered"}},
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
			"PATH": searchPath, "AD_EVENT": "take", "AD_ALIAS": "10.0.0.2", "AD_PREFIX": "16", "AD_NIC": "eth0", "AD_LABEL": "eth0:1",
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
		want := []Run{{Hook: config.HookTake, At: last[0].At, Took: time.Minute, Result: Failed, Error: "ended: took longer than 1m"}}
		if diff := cmp.Diff(want, last); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		// One has run; of 399 others 256 waited, and the oldest were dropped.
		dropped := uint64(0)
		for _, e := range b.seen() {
			dropped += e.Drops
		}
		if dropped != 399-mostWaiting {
			t.Errorf("%d dropped, said in %+v", dropped, b.seen())
		}
		b.End(0)
		if got := len(b.seen()); got != 2+1+1+mostWaiting-1 {
			t.Errorf("%d events: each that does not run because the Monitor ends is told", got)
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
		}
	})
}

// What a take hook was told of outlives the Monitor, but not the release.
func TestWhatWasToldIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 2, config.Hooks{}, config.HookTake)
		b := newBench(t, aliases)
		b.happens(aliases[0], record.Moved, take)
		synctest.Wait()
		if !b.told.Is(aliases[0].Addr) {
			t.Error("not kept")
		}
		b.happens(aliases[0], record.Moved, release)
		synctest.Wait()
		if b.told.Is(aliases[0].Addr) {
			t.Error("kept beyond its release")
		}
		b.program = sleeps(time.Hour)
		b.happens(aliases[1], record.Moved, take)
		synctest.Wait()
		b.End(time.Second)
		if b.told.Is(aliases[1].Addr) {
			t.Error("kept, although it was ended with the Monitor")
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

// asked asks the gate before takes, and tells when and how it answers.
func asked(b *bench, a config.Alias, d rules.Decision) <-chan error {
	answers := make(chan error, 2)
	for _, g := range b.Gates() {
		if g.Ask(b.t.Context(), defender.Deed{Action: d.Action, Alias: a.Addr, NIC: a.NIC, Row: d.Row, Why: d.Reason}, func(err error) { answers <- err }) {
			return answers
		}
	}
	return nil
}

func TestAGateIsWaitedForUntilItsTime(t *testing.T) {
	failing := func(context.Context, string, map[string]string) error { return &ExitError{3} }
	for _, tt := range []struct {
		name    string
		hooks   config.Hooks
		program func(context.Context, string, map[string]string) error
		before  int // takes that its alias is told of before, each of which takes as long
		decides rules.Decision
		after   time.Duration
		err     string
		result  string
	}{
		{"it ends in time", config.Hooks{}, sleeps(time.Second / 2), 0, take, time.Second / 2, "", "ran"},
		{"it hangs", config.Hooks{}, sleeps(1000 * time.Second), 0, take, time.Second, "", "failed: ended: not done within 1s of the decision"},
		{"it says no", config.Hooks{}, failing, 0, take, 0, "", "failed: exit code 3"},
		{"it says no, and may", config.Hooks{Veto: true}, failing, 0, take, 0, "exit code 3", "failed: exit code 3"},
		{"it hangs, and may say no", config.Hooks{Veto: true}, sleeps(time.Hour), 0, take, time.Second, "", "failed: ended: not done within 1s of the decision"},
		{"it comes after others", config.Hooks{}, sleeps(time.Second / 4), 2, take, 3 * time.Second / 4, "", "ran"},
		{"it cannot begin in time", config.Hooks{}, sleeps(time.Second / 4), 9, take, time.Second, "", "skipped: not begun within 1s of the decision"},
		{"a release", config.Hooks{BeforeTimeout: time.Minute, Timeout: time.Hour}, sleeps(time.Hour), 0, release, 5 * time.Second, "", "failed: ended: not done within 5s of the decision"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				aliases := rows(t, 1, tt.hooks, config.HookTake, config.BeforeTake, config.BeforeRelease)
				b := newBench(t, aliases)
				b.program = tt.program
				for range tt.before {
					b.happens(aliases[0], record.Moved, take)
				}
				began := time.Now()
				answers := asked(b, aliases[0], tt.decides)
				text := ""
				if err := <-answers; err != nil {
					text = err.Error()
				}
				if after := time.Since(began); after != tt.after || text != tt.err {
					t.Errorf("answers %q after %v, want %q after %v", text, after, tt.err, tt.after)
				}
				synctest.Wait()
				if len(answers) != 0 {
					t.Error("it answers twice")
				}
				result := ""
				for _, run := range b.Last(aliases[0].Addr) {
					if run.Hook != config.HookTake {
						result = strings.TrimSuffix(string(run.Result)+": "+run.Error, ": ")
					}
				}
				if result != tt.result {
					t.Errorf("recorded as %q, want %q", result, tt.result)
				}
				b.End(time.Hour)
			})
		})
	}
}

// Gates go before hooks that nobody waits for.
func TestAGateDoesNotWaitForOtherAliases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 100, config.Hooks{}, config.HookTake, config.BeforeTake)
		b := newBench(t, aliases)
		b.program = sleeps(400 * time.Millisecond)
		for _, a := range aliases[1:] {
			b.happens(a, record.Moved, take)
		}
		began := time.Now()
		<-asked(b, aliases[0], take)
		if took := time.Since(began); took != 800*time.Millisecond || len(b.seen()) == 0 || b.Last(aliases[0].Addr)[0].Result == Skipped {
			t.Errorf("after %v: %+v", took, b.Last(aliases[0].Addr))
		}
		b.End(time.Hour)
	})
}

func TestAGateWithoutAProgramStandsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 1, config.Hooks{}, config.BeforeTake)
		b := newBench(t, aliases)
		if asked(b, aliases[0], release) != nil {
			t.Error("it has no hook before releases")
		}
		aliases[0].Addr = netip.MustParseAddr("10.9.9.9")
		if asked(b, aliases[0], take) != nil {
			t.Error("it knows no such alias")
		}
		b.End(0)
	})
}

// What nobody waits for any more is not begun.
func TestAQuestionThatIsOverIsNotPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 1, config.Hooks{}, config.HookTake, config.BeforeRelease)
		b := newBench(t, aliases)
		b.program = sleeps(time.Second / 2)
		b.happens(aliases[0], record.Moved, take)
		ctx, cancel := context.WithCancel(t.Context())
		b.Gates()[1].Ask(ctx, defender.Deed{Action: rules.Release, Alias: aliases[0].Addr}, func(error) {})
		cancel()
		synctest.Wait()
		last := b.Last(aliases[0].Addr)
		if len(last) != 1 || last[0].Result != Skipped || last[0].Error != "what it was asked about is over" {
			t.Errorf("%+v", last)
		}
		b.End(time.Minute)
		if !slices.Equal(b.runs(), []string{"10.0.0.1 take"}) {
			t.Errorf("%q", b.runs())
		}
	})
}
