package operator

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
	"alias-defender/aliasdefender/record"
)

// why is what Why --json says about the pair's alias on a host, with its exit code.
func why(t *testing.T, p *pair.Pair, h *lab.Host, want int) []control.Entry {
	t.Helper()
	out, errs, code := p.Run(stage.Patiently(t), h, "Why", "--json", "--last", "100")
	var told []stage.Told
	if err := json.Unmarshal([]byte(out), &told); err != nil || code != want || len(told) != 1 {
		t.Fatalf("Why on %s: exit %d, want %d; %v:\n%s%s", h.Name, code, want, err, out, errs)
	}
	return told[0].Journal
}

// onDisk waits until a host's event log has as many events that Why shows as there
// are decisions here: from then on a kill loses none of them. look runs what looks at
// the log.
func onDisk(t *testing.T, p *pair.Pair, h *lab.Host, told []control.Entry, look func(func() error) error) {
	t.Helper()
	shown := func() (n int) {
		stage.Must(t, look(func() error {
			_, err := record.Scan(p.File(h, "state"), 1<<20, func(e record.Event) {
				if e.Kind.Journal() && e.Alias.Addr == pair.Alias {
					n++
				}
			})
			return err
		}))
		return n
	}
	for deadline := time.Now().Add(stage.Patience); shown() < len(told); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s has %d events on disk and told %d", h.Name, shown(), len(told))
		}
	}
}

// knows waits until a Monitor has in memory what happened before its start, and then
// something of its own.
func knows(t *testing.T, p *pair.Pair, h *lab.Host, before []control.Entry) {
	t.Helper()
	stage.Until(t, p, h, "what was before this start", func(_ control.Snapshot, a control.Alias) bool {
		return len(a.Journal) > len(before)
	})
}

// begins requires exactly these decisions, once each, in this order and with their
// facts, before any other.
func begins(t *testing.T, told, before []control.Entry) {
	t.Helper()
	if diff := cmp.Diff(before, told[:min(len(before), len(told))]); diff != "" {
		t.Errorf("what was told before the start, and is told after it (-before +after):\n%s", diff)
	}
	for i, e := range told {
		for _, other := range told[:i] {
			if cmp.Equal(e, other) {
				t.Errorf("told twice: %+v", e)
			}
		}
	}
}

// done counts the decisions that did something.
func done(told []control.Entry, action string) (n int) {
	for _, e := range told {
		if e.Action == action && len(e.Facts) > 0 {
			n++
		}
	}
	return n
}

// started starts a host's Monitor again.
func started(t *testing.T, p *pair.Pair, h *lab.Host) *lab.Process {
	t.Helper()
	m, err := p.Start(h)
	stage.Must(t, err)
	return m
}

func TestWhyTellsOfBeforeAKill(t *testing.T) {
	p := stage.Begun(t)
	var before []control.Entry
	for run := range 3 {
		before = why(t, p, p.A, stage.Done)
		if done(before, "take") != 1 || done(before, "adopt") != run {
			t.Fatalf("run %d: want one take and %d adoptions, each with facts, in\n%+v", run, run, before)
		}
		onDisk(t, p, p.A, before, p.A.Do)
		stage.Killed(t, p.Monitor(p.A))
		started(t, p, p.A)
		knows(t, p, p.A, before)
		begins(t, why(t, p, p.A, stage.Done), before)
	}
	stage.Held(t, p, "a")
	text := stage.Saying(t, p, p.A, stage.Done, []string{"took it (W10): ", "adopted it: ", "partner answered", "router answered"}, "Why", "--last", "100")
	if took, adopted := strings.Count(text, "took it"), strings.Count(text, "adopted it"); took != 1 || adopted != 3 {
		t.Errorf("took it %d times and adopted it %d times, want 1 and 3", took, adopted)
	}
	if strings.Index(text, "took it") > strings.Index(text, "adopted it") {
		t.Error("Why tells first what came last")
	}
}

func TestWhyTellsOfBeforeAReboot(t *testing.T) {
	p := stage.Begun(t)
	before := why(t, p, p.A, stage.Done)
	onDisk(t, p, p.A, before, p.A.Do)
	stage.Must(t, p.A.Crash())
	stage.Held(t, p, "b")
	stage.Must(t, p.Boot(p.A))
	knows(t, p, p.A, before)
	told := why(t, p, p.A, stage.Done)
	begins(t, told, before)
	if after := told[len(before):]; done(after, "take") != 0 || after[0].Row == "" {
		t.Errorf("after the reboot: %+v", after)
	}

	onDisk(t, p, p.A, told, p.A.Do)
	stage.Killed(t, p.Monitor(p.A))
	begins(t, why(t, p, p.A, stage.Failed), told) // only the file is there to answer
	out, errs, code := p.Run(stage.Patiently(t), p.A, "Why")
	if code != stage.Failed || !strings.Contains(out, "took it (W10): ") || !strings.Contains(out, "now holder unknown") {
		t.Errorf("without a Monitor: exit %d\n%s", code, out)
	}
	if want := "showing the event log in " + p.File(p.A, "state") + " instead"; !strings.Contains(errs, "no Monitor is running") || !strings.Contains(errs, want) {
		t.Errorf("it does not say that no Monitor is running and %q:\n%s", want, errs)
	}
}

func TestWithoutAnEventLogWhyTellsOfThisRun(t *testing.T) {
	p := stage.Stage{Settings: "interval = \"1s\"\n[events]\nsize = 0"}.Begun(t)
	before := why(t, p, p.A, stage.Done)
	if done(before, "take") != 1 {
		t.Errorf("no take in %+v", before)
	}
	stage.Killed(t, p.Monitor(p.A))
	files, err := filepath.Glob(filepath.Join(p.File(p.A, "state"), record.LogName+"*"))
	stage.Must(t, err)
	if len(files) != 0 {
		t.Errorf("it wrote %q", files)
	}
	stage.Saying(t, p, p.A, stage.Failed, []string{"no Monitor is running", "start it again"}, "Why")
	m := started(t, p, p.A)
	stage.Must(t, m.WaitOutput(stage.Patiently(t), "it was found on this host"))
	if told := why(t, p, p.A, stage.Done); done(told, "take") != 0 || done(told, "adopt") != 1 {
		t.Errorf("after a kill: %+v", told)
	}
}

// The earlier run's clock was an hour ahead, and a crash cut off its last line.
func TestWhyPassesOverATornLineAndMindsNoClock(t *testing.T) {
	p := stage.Begun(t)
	before := why(t, p, p.A, stage.Done)
	onDisk(t, p, p.A, before, p.A.Do)
	stage.Killed(t, p.Monitor(p.A))
	path := filepath.Join(p.File(p.A, "state"), record.LogName)
	var text bytes.Buffer
	_, err := record.Scan(p.File(p.A, "state"), 1<<20, func(e record.Event) {
		e.Time = e.Time.Add(time.Hour)
		stage.Must(t, json.NewEncoder(&text).Encode(e))
	})
	stage.Must(t, err)
	for i := range before {
		before[i].At = before[i].At.Add(time.Hour)
	}
	text.WriteString("\x00\x00 no event\n" + `{"time":"2026-11-28T20:00:00Z","run":"5f0c6a91d27e84b3","seq":7,"ev`)
	stage.Must(t, os.WriteFile(path, text.Bytes(), 0o640))

	begins(t, why(t, p, p.A, stage.Failed), before)
	m := started(t, p, p.A)
	knows(t, p, p.A, before)
	told := why(t, p, p.A, stage.Done)
	begins(t, told, before)
	if now := told[len(told)-1].At; !now.Before(before[0].At) {
		t.Fatalf("the clock did not step back: %v is not before %v", now, before[0].At)
	}
	stage.Must(t, m.WaitOutput(stage.Patiently(t), "event=event_log lines=2"))
	if n := strings.Count(m.Output(), "cannot be read"); n != 1 {
		t.Errorf("it says so %d times", n)
	}

	onDisk(t, p, p.A, told, p.A.Do) // the cut line got its end: none of ours was joined with it
	stage.Killed(t, m)
	begins(t, why(t, p, p.A, stage.Failed), told)
}
