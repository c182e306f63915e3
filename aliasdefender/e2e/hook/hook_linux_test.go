// Package hook runs Monitors with programs of the administrator's, as whole programs on
// real network stacks.
package hook

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/host/nstest"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// tells is a hook that writes what it is told to the teller that is its argument: a line
// when it begins and one when it ends.
const tells = `#!/bin/sh
echo "$AD_ALIAS $AD_EVENT $AD_REASON begins $AD_SEQ" >>"$1"
echo "$AD_ALIAS $AD_EVENT ends" >>"$1"
`

// teller hears what hooks tell, through a named pipe.
type teller struct {
	path string
	pipe *os.File

	mu   sync.Mutex
	all  []string
	more chan struct{} // closed at the next line
}

// listens makes a teller, which hears until the test ends.
func listens(t *testing.T, path string) *teller {
	t.Helper()
	stage.Must(t, unix.Mkfifo(path, 0o600))
	pipe, err := os.OpenFile(path, os.O_RDWR, 0) // so that it does not end with a hook
	stage.Must(t, err)
	l := &teller{path: path, pipe: pipe, more: make(chan struct{})}
	var hearing sync.WaitGroup
	hearing.Go(func() {
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			l.mu.Lock()
			l.all = append(l.all, lines.Text())
			close(l.more)
			l.more = make(chan struct{})
			l.mu.Unlock()
		}
	})
	t.Cleanup(func() { pipe.Close(); hearing.Wait() })
	return l
}

// heard are the lines so far.
func (l *teller) heard() (all []string, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all), l.more
}

// told are all lines that hooks have told by now.
func (l *teller) told(t *testing.T) []string {
	t.Helper()
	const mark = "so far"
	_, err := fmt.Fprintln(l.pipe, mark) // behind all that is in the pipe
	stage.Must(t, err)
	for ctx := stage.Patiently(t); ; {
		all, more := l.heard()
		if i := slices.Index(all, mark); i >= 0 {
			return all[:i]
		}
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatal("the pipe is not read")
		}
	}
}

// lines waits until there are so many, and returns all that there are.
func (l *teller) lines(t *testing.T, n int) []string {
	t.Helper()
	for ctx := stage.Patiently(t); ; {
		all, more := l.heard()
		if len(all) >= n {
			return all
		}
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatalf("%d lines are told, want %d:\n%s", len(all), n, strings.Join(all, "\n"))
		}
	}
}

// hooked is a pair whose host A has these hooks; TOLD is the teller's path, and SCRIPT a
// program with that text. No Monitor runs yet.
func hooked(t *testing.T, settings, script string) (*pair.Pair, *teller) {
	t.Helper()
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	dir := filepath.Dir(p.File(p.A, "x"))
	told := listens(t, filepath.Join(dir, "told-by-hooks"))
	run := filepath.Join(dir, "hook")
	stage.Place(t, run, script)
	stage.Must(t, os.Chmod(run, 0o755))
	settings = strings.NewReplacer("TOLD", told.path, "SCRIPT", run).Replace(settings)
	stage.Must(t, p.Write(p.A, p.OwnB.Addr(), true, stage.Usual()+"\n"+settings))
	return p, told
}

// said waits until a Monitor has logged an event, and returns the line and its time.
func said(t *testing.T, m *lab.Process, event string) (line string, at time.Time) {
	t.Helper()
	stage.Said(t, m, event)
	for line := range strings.Lines(m.Output()) {
		if strings.Contains(line, event) {
			at, err := time.ParseInLocation("2006-01-02 15:04:05.000", line[:min(len(line), 23)], time.Local)
			stage.Must(t, err)
			return line, at
		}
	}
	t.Fatalf("no line has %q:\n%s", event, m.Output())
	return "", at
}

// TestAThousandTransitionsReachTheirHooksInOrder: each once, those of one alias one after
// the other.
func TestAThousandTransitionsReachTheirHooksInOrder(t *testing.T) {
	const aliases, rounds = 100, 5
	p, told := hooked(t, "", tells)
	hooks := fmt.Sprintf("[hooks]\ntake = [%q, %q]\nrelease = [%[1]q, %q]\n", filepath.Join(filepath.Dir(told.path), "hook"), told.path)
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
	all := told.lines(t, 2*2*rounds*aliases)
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
	began := time.Now()
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Held(t, p, "a")
	if d := p.Holders.Spans()[0].From.Sub(began); d < 400*time.Millisecond {
		t.Errorf("taken %v after the start: it did not wait for its gate", d)
	}
	failed, over := said(t, m, "event=hook_failed")
	if !strings.Contains(failed, `error="ended: not done within 400ms of the decision"`) || !strings.Contains(failed, "hook=before_take") {
		t.Error(failed)
	}
	_, taken := said(t, m, "event=moved")
	t.Logf("figure: the take came %v after the gate's time was over", taken.Sub(over))
}

// TestAHookThatDoesItsWorstIsContained: it forks, floods, writes lines like ours, and
// ignores TERM, as does what it has started.
func TestAHookThatDoesItsWorstIsContained(t *testing.T) {
	forked := stage.Mark(1)
	worst := "#!/bin/sh\ntrap '' TERM\n(trap '' TERM; exec sleep " + forked + ") &\nexec yes 'x event=moved action=take'\n"
	p, _ := hooked(t, "[hooks]\ntake = [\"SCRIPT\"]\ntimeout = \"3s\"\n", worst)
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Held(t, p, "a")
	stage.Seen(t, forked)
	if failed, _ := said(t, m, "event=hook_failed"); !strings.Contains(failed, `error="ended: took longer than 3s"`) || !strings.Contains(failed, "hook=take") {
		t.Error(failed)
	}
	stage.Until(t, p, p.A, "the failed hook", func(_ control.Snapshot, a control.Alias) bool {
		return len(a.Hooks) == 1 && a.Hooks[0].Hook == "take" && a.Hooks[0].Result == "failed" && a.Holder == "us"
	})
	output, moved := 0, 0
	for line := range strings.Lines(m.Output()) {
		if strings.Contains(line, "event=hook_output") {
			output += len(line)
			if strings.Count(line, "event=") != 1 {
				t.Errorf("it said %s", line)
			}
		}
		if strings.Contains(line, "event=moved") {
			moved++
		}
	}
	if moved != 1 || output == 0 || output > 256<<10 {
		t.Errorf("%d lines seem to be of a move; %d bytes of its output were logged", moved, output)
	}
	for _, pid := range stage.Processes(t, forked) {
		nstest.Ended(t, pid)
	}
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
	if all := told.lines(t, 2); len(all) != 2 {
		t.Errorf("%q", all)
	}
	stage.Held(t, p, "a")

	// Started again it finds its alias, runs on, and tells the hook nothing new.
	m, err = p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, m, "action=adopt")
	stage.Must(t, m.Signal(unix.SIGTERM)) // hooks that are under way end before it does
	_, err = m.Wait(stage.Patiently(t))
	stage.Must(t, err)
	if all := told.told(t); len(all) != 2 {
		t.Errorf("%q", all)
	}
}

// TestAnAdoptionAfterUSR2IsNotTold: the service of the alias runs already.
func TestAnAdoptionAfterUSR2IsNotTold(t *testing.T) {
	p, told := hooked(t, "[hooks]\ntake = [\"SCRIPT\", \"TOLD\"]\nrelease = [\"SCRIPT\", \"TOLD\"]\n", tells)
	m, err := p.Start(p.A)
	stage.Must(t, err)
	told.lines(t, 2)
	stage.Said(t, m, "event=hook_ran")
	stage.Must(t, m.Signal(unix.SIGUSR2))
	_, err = m.Wait(stage.Patiently(t))
	stage.Must(t, err)
	m, err = p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, m, "action=adopt")
	stage.Obeyed(t, p, p.A, "RemoveAlias")
	var got []string
	for _, line := range told.lines(t, 4) {
		got = append(got, strings.Fields(line)[1])
	}
	if want := "take take release release"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}

	// Whoever finds it without having heard of a take tells the hook: as after a boot.
	stage.Obeyed(t, p, p.A, "AddAlias")
	told.lines(t, 6)
	stage.Must(t, p.Monitor(p.A).Signal(unix.SIGUSR2))
	_, err = m.Wait(stage.Patiently(t))
	stage.Must(t, err)
	stage.Must(t, os.Remove(filepath.Join(p.File(p.A, "state"), "told")))
	_, err = p.Start(p.A)
	stage.Must(t, err)
	if all := told.lines(t, 8); !strings.Contains(all[6], " take adopted begins ") {
		t.Errorf("%q", all)
	}
}

// TestWhoObservesDecidesAndDoesNothing, with hooks and an alias that nobody has.
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
	stage.Saying(t, p, p.A, stage.Done, []string{"would take it (W10): the alias is silent"}, "Why")
	stage.Must(t, m.Signal(unix.SIGTERM))
	stage.Ended(t, m)
	if n := p.Holders.Tenure(time.Time{}, time.Time{}).Takes; n != 0 {
		t.Errorf("it was put on %d times", n)
	}
	if all := told.told(t); len(all) > 0 {
		t.Errorf("a hook has run: %q", all)
	}
	if all, _ := os.ReadDir(p.File(p.A, "state")); len(all) > 0 {
		t.Errorf("it has written %v", all)
	}
}
