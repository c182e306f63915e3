package hook

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// bench is a Runner whose programs are functions of the test, and what it has done.
type bench struct {
	repeated atomic.Int64 // how many results were passed on without being recorded
	t        *testing.T
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
		Repeat: func(e record.Event) {
			b.repeated.Add(1)
			b.recorder.Repeat(e)
		},
		Acted: func(a netip.Addr) {
			b.mu.Lock()
			b.acted = append(b.acted, a)
			b.mu.Unlock()
		},
		Told: &b.told, run: b.run,
	}, aliases)
	b.recorder = record.New(b.Runner, record.SinkFunc(func(e record.Event) {
		if e.Hook != "" || e.Kind == record.HookSkipped || e.Kind == record.Repeated {
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
