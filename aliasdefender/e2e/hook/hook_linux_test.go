// Package hook runs Monitors with programs of the administrator's, as whole programs on
// real network stacks.
package hook

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
	"alias-defender/aliasdefender/record"
)

// tells is a hook that writes what it is told into the file that is its argument: a line
// when it begins and one when it ends.
const tells = `#!/bin/sh
echo "$AD_ALIAS $AD_EVENT $AD_REASON begins $AD_SEQ" >>"$1"
echo "$AD_ALIAS $AD_EVENT ends" >>"$1"
`

// hooked is a pair whose host A has these hooks; TOLD is the file that tells writes, and
// SCRIPT a program with that text. No Monitor runs yet.
func hooked(t *testing.T, settings, script string) (p *pair.Pair, told string) {
	t.Helper()
	p = stage.Pair(t, pair.Spec{PrimaryA: true})
	dir := filepath.Dir(p.File(p.A, "x"))
	told = filepath.Join(dir, "told-by-hooks")
	run := filepath.Join(dir, "hook")
	stage.Place(t, run, script)
	stage.Must(t, os.Chmod(run, 0o755))
	settings = strings.NewReplacer("TOLD", told, "SCRIPT", run).Replace(settings)
	stage.Must(t, p.Write(p.A, p.OwnB.Addr(), true, stage.Usual()+"\n"+settings))
	return p, told
}

// lines waits until a file has so many lines, and returns them.
func lines(t *testing.T, path string, n int) []string {
	t.Helper()
	for deadline := time.Now().Add(stage.Patience); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if all := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"); len(all) >= n {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has not %d lines:\n%s", path, n, text)
		}
	}
}

// events are those of A's event log, of one kind.
func events(t *testing.T, p *pair.Pair, kind record.Kind) (all []record.Event) {
	t.Helper()
	stage.Must(t, p.A.Do(func() error {
		_, err := record.Scan(p.File(p.A, "state"), 1<<20, func(e record.Event) {
			if e.Kind == kind {
				all = append(all, e)
			}
		})
		return err
	}))
	return all
}

// some waits until A's event log has so many events of a kind.
func some(t *testing.T, p *pair.Pair, kind record.Kind, n int) []record.Event {
	t.Helper()
	for deadline := time.Now().Add(stage.Patience); ; time.Sleep(5 * time.Millisecond) {
		if all := events(t, p, kind); len(all) >= n {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("the event log has %v, want %d of %s", events(t, p, kind), n, kind)
		}
	}
}

// TestAThousandTransitionsReachTheirHooksInOrder: each once, those of one alias one after
// the other.
func TestAThousandTransitionsReachTheirHooksInOrder(t *testing.T) {
	const aliases, rounds = 100, 5
	p, told := hooked(t, "", tells)
	hooks := fmt.Sprintf("[hooks]\ntake = [%q, %q]\nrelease = [%[1]q, %q]\n", filepath.Join(filepath.Dir(told), "hook"), told)
	stage.Put(t, p, p.A, stage.Usual()+"\n"+hooks, stage.Rows(aliases, true))
	_, err := p.Start(p.A)
	stage.Must(t, err)
	stage.WaitAddrs(t, p.A, stage.Rows(aliases, true))
	for i := range rounds {
		stage.Obeyed(t, p, p.A, "RemoveAlias")
		if i < rounds-1 {
			stage.Obeyed(t, p, p.A, "AddAlias")
		}
	}
	all := lines(t, told, 2*2*rounds*aliases)
	if len(all) != 2*2*rounds*aliases {
		t.Errorf("%d lines", len(all))
	}
	type state struct{ n, seq int }
	seen := map[string]*state{}
	for _, line := range all {
		words := strings.Fields(line)
		s := seen[words[0]]
		if s == nil {
			s = &state{}
			seen[words[0]] = s
		}
		want := [...]string{"take", "take", "release", "release"}[s.n%4]
		begins := words[1] == want && words[len(words)-2] == "begins"
		ends := words[1] == want && words[2] == "ends"
		if s.n%2 == 0 && !begins || s.n%2 == 1 && !ends {
			t.Fatalf("line %d of %s is %q, want %s", s.n, words[0], line, want)
		}
		if begins {
			seq, err := strconv.Atoi(words[len(words)-1])
			if err != nil || seq <= s.seq {
				t.Fatalf("%q after %d: %v", line, s.seq, err)
			}
			s.seq = seq
		}
		s.n++
	}
	if len(seen) != aliases {
		t.Errorf("%d aliases", len(seen))
	}
}

// TestAGateThatSleepsDelaysTheTakeByItsTime: "sleep 1000" costs before_timeout, not 1000 s.
func TestAGateThatSleepsDelaysTheTakeByItsTime(t *testing.T) {
	p, _ := hooked(t, "[hooks]\nbefore_take = [\"/bin/sleep\", \"1000\"]\nbefore_timeout = \"400ms\"\n", tells)
	_, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Held(t, p, "a")
	failed := some(t, p, record.HookFailed, 1)[0]
	if failed.Hook != "before_take" || failed.Error != "ended: not done within 400ms of the decision" {
		t.Errorf("%+v", failed)
	}
	taken := some(t, p, record.Moved, 1)[0]
	t.Logf("figure: the take came %v after the gate's time was over", taken.Time.Sub(failed.Time))
	if late := taken.Time.Sub(failed.Time); late > stage.Patience {
		t.Errorf("taken %v later", late)
	}
}

// TestAHookThatDoesItsWorstIsContained: it forks, floods, writes lines like ours, and
// ignores TERM, as does what it has started.
func TestAHookThatDoesItsWorstIsContained(t *testing.T) {
	worst := "#!/bin/sh\ntrap '' TERM\n(trap '' TERM; exec sleep 98761) &\nyes 'x event=moved action=take'\nsleep 98762\n"
	p, _ := hooked(t, "[hooks]\ntake = [\"SCRIPT\"]\ntimeout = \"300ms\"\n", worst)
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Held(t, p, "a")
	failed := some(t, p, record.HookFailed, 1)[0]
	if failed.Hook != "take" || failed.Error != "ended: took longer than 300ms" {
		t.Errorf("%+v", failed)
	}
	stage.Until(t, p, p.A, "the failed hook", func(_ control.Snapshot, a control.Alias) bool {
		return len(a.Hooks) == 1 && a.Hooks[0].Hook == "take" && a.Hooks[0].Result == "failed" && a.Holder == "us"
	})
	stage.Said(t, m, "event=hook_failed")
	said, moved := 0, 0
	for line := range strings.Lines(m.Output()) {
		if strings.Contains(line, "event=hook_output") {
			said += len(line)
			if strings.Count(line, "event=") != 1 {
				t.Errorf("it said %s", line)
			}
		}
		if strings.Contains(line, "event=moved") {
			moved++
		}
	}
	if moved != 1 || said == 0 || said > 256<<10 {
		t.Errorf("%d lines seem to be of a move; %d bytes of its output were logged", moved, said)
	}
	left := leftOver(t, "98761", "98762")
	for deadline := time.Now().Add(stage.Patience); len(left) > 0; left = leftOver(t, "98761", "98762") {
		if time.Now().After(deadline) {
			t.Fatalf("left over: %q", left)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// leftOver are the processes that have one of these words on their command line.
func leftOver(t *testing.T, words ...string) (all []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	stage.Must(t, err)
	for _, f := range files {
		text, _ := os.ReadFile(f) // it may have ended
		for _, arg := range strings.Split(string(text), "\x00") {
			for _, w := range words {
				if arg == w {
					all = append(all, f)
				}
			}
		}
	}
	return all
}

// TestAMonitorThatIsToActOnceEndsAfterItsTake: the alias stays, and so does what serves it.
func TestAMonitorThatIsToActOnceEndsAfterItsTake(t *testing.T) {
	p, told := hooked(t, "[hooks]\ntake = [\"SCRIPT\", \"TOLD\"]\nexit_after = \"take\"\n", tells)
	m, err := p.Start(p.A)
	stage.Must(t, err)
	code, err := m.Wait(stage.Patiently(t))
	if err != nil || code != 4 {
		t.Errorf("exit %d, %v:\n%s", code, err, m.Output())
	}
	if all := lines(t, told, 2); len(all) != 2 {
		t.Errorf("%q", all)
	}
	stage.Held(t, p, "a")

	// Started again it finds its alias, runs on, and tells the hook nothing new.
	m, err = p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, m, "action=adopt")
	stage.Obeyed(t, p, p.A, "RemoveAlias")
	if all := lines(t, told, 2); len(all) != 2 {
		t.Errorf("%q", all)
	}
}

// TestAnAdoptionAfterUSR2IsNotTold: the service of the alias runs already.
func TestAnAdoptionAfterUSR2IsNotTold(t *testing.T) {
	p, told := hooked(t, "[hooks]\ntake = [\"SCRIPT\", \"TOLD\"]\nrelease = [\"SCRIPT\", \"TOLD\"]\n", tells)
	m, err := p.Start(p.A)
	stage.Must(t, err)
	lines(t, told, 2)
	some(t, p, record.HookRan, 1)
	stage.Must(t, m.Signal(unix.SIGUSR2))
	_, err = m.Wait(stage.Patiently(t))
	stage.Must(t, err)
	m, err = p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, m, "action=adopt")
	stage.Obeyed(t, p, p.A, "RemoveAlias")
	var got []string
	for _, line := range lines(t, told, 4) {
		got = append(got, strings.Fields(line)[1])
	}
	if want := "take take release release"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}

	// Whoever finds it without having heard of a take tells the hook: as after a boot.
	stage.Obeyed(t, p, p.A, "AddAlias")
	lines(t, told, 6)
	stage.Must(t, p.Monitor(p.A).Signal(unix.SIGUSR2))
	_, err = m.Wait(stage.Patiently(t))
	stage.Must(t, err)
	stage.Must(t, os.Remove(filepath.Join(p.File(p.A, "state"), "told")))
	_, err = p.Start(p.A)
	stage.Must(t, err)
	if all := lines(t, told, 8); !strings.Contains(all[6], " take adopted begins ") {
		t.Errorf("%q", all)
	}
}

// TestWhoObservesDecidesAndDoesNothing: with a partner that dies, and hooks.
func TestWhoObservesDecidesAndDoesNothing(t *testing.T) {
	p, told := hooked(t, "[hooks]\ntake = [\"SCRIPT\", \"TOLD\"]\n", tells)
	m, err := p.A.StartCommand(lab.Command{Name: "Monitor", Argv: p.Command(p.A, "Monitor", "--observe"), Env: []string{stage.RunMain + "=1"}})
	stage.Must(t, err)
	stage.Said(t, m, "observing; would take: the alias is silent, the router answers, and we are primary")
	stage.Until(t, p, p.A, "that it would take it", func(s control.Snapshot, a control.Alias) bool {
		return s.Observing && a.Action == "take" && a.Holder == "nobody"
	})
	stage.Saying(t, p, p.A, stage.Done, []string{"observing: this Monitor says what it would do"}, "Status")
	stage.Saying(t, p, p.A, stage.Failed, []string{"only observes"}, "AddAlias")
	stage.Must(t, m.Signal(unix.SIGTERM))
	if code, err := m.Wait(stage.Patiently(t)); code != 0 || err != nil {
		t.Errorf("exit %d, %v", code, err)
	}
	if n := p.Holders.Tenure(time.Time{}, time.Time{}).Takes; n != 0 {
		t.Errorf("it was put on %d times", n)
	}
	if _, err := os.Stat(told); !os.IsNotExist(err) {
		t.Errorf("a hook has run: %v", err)
	}
}
