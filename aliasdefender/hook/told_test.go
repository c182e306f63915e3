package hook

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/record"
)

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

// A take hook that was not run was told of nothing: neither one that others can change,
// nor one that cannot be executed, nor one that is not set.
func TestATakeHookThatDidNotRunWasNotTold(t *testing.T) {
	path := t.TempDir() + "/hook"
	if err := errors.Join(os.WriteFile(path, nil, 0o755), os.Chmod(path, 0o757)); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		unsafe := rows(t, 1, config.Hooks{}, config.HookTake)
		unsafe[0].Hooks.Programs[config.HookTake][0] = path
		for name, aliases := range map[string][]config.Alias{
			"unsafe": unsafe, "not executable": rows(t, 1, config.Hooks{}, config.HookTake),
			"not set": rows(t, 1, config.Hooks{ExitAfter: config.AfterTake}),
		} {
			b := newBench(t, aliases)
			b.program = func(context.Context, string, map[string]string) error { return os.ErrPermission }
			b.told.Set(aliases[0].Addr, true) // by an earlier Monitor, of an earlier take
			b.happens(aliases[0], record.Moved, take)
			b.End(time.Minute)
			if b.told.Is(aliases[0].Addr) {
				t.Errorf("%s: it counts as told", name)
			}
		}
	})
}

// A release ends what was told, whatever becomes of its hook: here a full queue drops it,
// or the Monitor ends before it has run.
func TestAReleaseWhoseHookIsNotRunIsNoLongerTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 1, config.Hooks{Timeout: time.Hour}, config.HookTake, config.HookRelease, config.HookAlarm)
		b := newBench(t, aliases)
		b.happens(aliases[0], record.Moved, take)
		synctest.Wait()
		b.program = sleeps(30 * time.Minute)
		b.happens(aliases[0], record.PairMisfit, adopt) // hangs before it
		b.happens(aliases[0], record.Moved, release)
		b.End(time.Second)
		if b.told.Is(aliases[0].Addr) {
			t.Error("it ends with the Monitor, and the alias counts as told")
		}

		b = newBench(t, aliases)
		b.happens(aliases[0], record.Moved, take)
		synctest.Wait()
		b.program = sleeps(time.Minute)
		b.happens(aliases[0], record.PairMisfit, adopt)
		b.happens(aliases[0], record.Moved, release)
		for range mostWaiting {
			b.happens(aliases[0], record.PairMisfit, adopt)
		}
		synctest.Wait()
		if b.told.Is(aliases[0].Addr) || slices.Contains(b.runs(), "10.0.0.1 release") {
			t.Error("it was dropped, and the alias counts as told")
		}
		b.End(0)
	})
}

// What a take hook was told of is over if the alias went while it ran, also where the
// alias has come back since.
func TestATakeThatIsOverWhenItsHookEndsIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 1, config.Hooks{Timeout: time.Hour}, config.HookTake, config.HookRelease)
		b := newBench(t, aliases)
		b.program = sleeps(time.Minute)
		b.happens(aliases[0], record.Moved, take)
		b.happens(aliases[0], record.Moved, release)
		b.happens(aliases[0], record.Moved, take)
		time.Sleep(90 * time.Second) // the release's hook runs
		synctest.Wait()
		if b.told.Is(aliases[0].Addr) {
			t.Error("the take before the release counts as the one after it")
		}
		time.Sleep(2 * time.Minute)
		if !b.told.Is(aliases[0].Addr) {
			t.Error("not told")
		}
		b.End(0)
	})
}

// A take that a full queue drops ends the Monitor all the same.
func TestATakeThatIsDroppedEndsTheMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aliases := rows(t, 1, config.Hooks{Timeout: time.Hour, ExitAfter: config.AfterTake}, config.HookTake, config.HookAlarm)
		b := newBench(t, aliases)
		b.program = sleeps(time.Minute)
		b.happens(aliases[0], record.PairMisfit, adopt)
		b.happens(aliases[0], record.Moved, take)
		for range mostWaiting {
			b.happens(aliases[0], record.PairMisfit, adopt)
		}
		time.Sleep(150 * time.Second)
		synctest.Wait()
		if len(b.ended()) != 1 {
			t.Errorf("it ended %d times", len(b.ended()))
		}
		b.End(0)
	})
}
