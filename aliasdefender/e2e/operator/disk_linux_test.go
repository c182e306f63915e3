package operator

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
	"alias-defender/aliasdefender/record"
)

// What the log says about a disk that does not take events, and about its return.
const (
	notWritten   = "the event log is not written"
	writtenAgain = "the event log is written again"
)

// stateDisk gives a host's state directory a disk of its own.
func stateDisk(t *testing.T, p *pair.Pair, h *lab.Host) *lab.Disk {
	t.Helper()
	dir := p.File(h, "state")
	stage.Must(t, os.MkdirAll(dir, 0o755))
	d, err := h.Disk(dir, 256<<10)
	if err != nil {
		lab.Skip(t, "no disk of its own: %v", err)
	}
	return d
}

const ballast = "ballast"

// fill leaves no room for a single byte: it fills what is left of the event log's
// last page with empty lines.
func fill(t *testing.T, d *lab.Disk) {
	t.Helper()
	stage.Must(t, d.Do(func() error {
		for _, name := range []string{ballast, record.LogName} {
			f, err := os.OpenFile(filepath.Join(d.Dir, name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
			if err != nil {
				return err
			}
			_, err = f.Write(bytes.Repeat([]byte("\n"), 1<<20)) // more than there is room for
			f.Close()
			if !errors.Is(err, unix.ENOSPC) {
				return fmt.Errorf("%s: the disk is not full: %v", name, err)
			}
		}
		return nil
	}))
}

// relieved has A die while B's disk does not work. It requires that B takes over, and
// says once what is wrong with the disk.
func relieved(t *testing.T, p *pair.Pair, trouble string) {
	t.Helper()
	stage.Must(t, p.A.Crash())
	stage.Held(t, p, "b")
	stage.Served(t, p, "b")
	m := p.Monitor(p.B)
	stage.Must(t, m.WaitOutput(stage.Patiently(t), notWritten))
	said(t, m, notWritten, trouble)
	if told := why(t, p, p.B, stage.Done); done(told, "take") != 1 {
		t.Errorf("Why tells of no take: %+v", told)
	}
	stage.Until(t, p, p.B, "it holds the alias", func(_ control.Snapshot, a control.Alias) bool { return a.Holder == "us" })
}

// said requires that one line of the log says these words, as an event of the event
// log.
func said(t *testing.T, m *lab.Process, words ...string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(m.Output()) {
		if strings.Contains(line, words[0]) {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 {
		t.Fatalf("%q is said %d times:\n%s", words[0], len(lines), m.Output())
	}
	for _, w := range append(words, "event=event_log") {
		if !strings.Contains(lines[0], w) {
			t.Errorf("the log does not say %q: %s", w, lines[0])
		}
	}
}

// works waits until the disk is written to again, and requires that nothing is
// missing of what happened meanwhile.
func works(t *testing.T, p *pair.Pair, look func(func() error) error) {
	t.Helper()
	m := p.Monitor(p.B)
	stage.Must(t, m.WaitOutput(stage.Patiently(t), writtenAgain))
	said(t, m, writtenAgain)
	said(t, m, notWritten)
	told := why(t, p, p.B, stage.Done)
	onDisk(t, p, p.B, told, look)
	stage.Killed(t, m)
	begins(t, why(t, p, p.B, stage.Failed), told)
	started(t, p, p.B)
	knows(t, p, p.B, told)
	begins(t, why(t, p, p.B, stage.Done), told)
}

func TestTakesOverAndSaysSoOnceWhileTheDiskIsFull(t *testing.T) {
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	d := stateDisk(t, p, p.B)
	stage.Must(t, p.Begin(stage.Patience))
	stage.Held(t, p, "a")
	stage.Must(t, p.Monitor(p.B).WaitOutput(stage.Patiently(t), "row=W6"))
	onDisk(t, p, p.B, why(t, p, p.B, stage.Done), d.Do)
	fill(t, d)
	relieved(t, p, "no space left on device; make room there, or set another [state] dir")
	holds(t, p, p.B)
	stage.Must(t, d.Do(func() error { return os.Remove(filepath.Join(d.Dir, ballast)) }))
	works(t, p, d.Do)
}

func TestTakesOverAndSaysSoOnceWhileTheDiskIsReadOnly(t *testing.T) {
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	d := stateDisk(t, p, p.B)
	stage.Must(t, d.SetReadOnly(true))
	stage.Must(t, p.Begin(stage.Patience))
	stage.Held(t, p, "a")
	stage.Must(t, p.Monitor(p.B).WaitOutput(stage.Patiently(t), "row=W6"))
	relieved(t, p, "read-only file system; mount it writable, or set another [state] dir")
	holds(t, p, p.B) // no order was given that could be forgotten
	stage.Must(t, d.SetReadOnly(false))
	works(t, p, d.Do)
}

func TestAFIFOInPlaceOfTheEventLogHoldsUpNothing(t *testing.T) {
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	path := filepath.Join(p.File(p.B, "state"), record.LogName)
	stage.Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	stage.Must(t, unix.Mkfifo(path, 0o640))
	stage.Must(t, p.Begin(stage.Patience))
	stage.Held(t, p, "a")
	m := p.Monitor(p.B)
	stage.Must(t, m.WaitOutput(stage.Patiently(t), "row=W6"))
	relieved(t, p, fmt.Sprintf("%s: is no regular file; move it away", path))
	said(t, m, "Why cannot show what happened before this start", "is no regular file")
	holds(t, p, p.B)
	info, err := os.Lstat(path)
	stage.Must(t, err)
	if info.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("it is a %v now", info.Mode())
	}
	stage.Must(t, os.Remove(path))
	works(t, p, p.B.Do)
}

// holds fails unless the host has the alias and Status shows no problem with the
// disk. It will soon show that the partner is dead and nobody stands by.
func holds(t *testing.T, p *pair.Pair, h *lab.Host) {
	t.Helper()
	if out, errs, _ := p.Run(stage.Patiently(t), h, "Status"); !strings.Contains(out, " us ") || strings.Contains(out, "problem:") {
		t.Errorf("Status:\n%s%s", out, errs)
	}
}
