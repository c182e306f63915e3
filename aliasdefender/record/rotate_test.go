package record

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// sizes are the files of the log, and their sizes.
func sizes(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int64{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = info.Size()
	}
	return all
}

func TestTheLogKeepsWithinItsSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		const size = 100_000
		r := begin(t, dir, size, nil)
		for range 100 {
			r.record(7)
			synctest.Wait()
			total := int64(0)
			for name, n := range sizes(t, dir) {
				if total += n; n > size/4 {
					t.Errorf("%s has %d bytes", name, n)
				}
			}
			if total > size {
				t.Fatalf("%d bytes", total)
			}
		}
		events := all(t, dir, Skipped{})
		if lost := complete(t, events, 700); lost > 0 || len(events) < size*3/4/1200 || len(sizes(t, dir)) != 4 {
			t.Errorf("%d events, %d lost, %v", len(events), lost, sizes(t, dir))
		}
		r.wait(t)

		// The log is made smaller in the settings.
		r = begin(t, dir, MinLogSize, nil)
		for range 30 {
			r.record(1)
			synctest.Wait()
			total := int64(0)
			for _, n := range sizes(t, dir) {
				total += n
			}
			if total > MinLogSize {
				t.Fatalf("%d bytes: %v", total, sizes(t, dir))
			}
		}
		r.wait(t)
		if events := all(t, dir, Skipped{}); events[len(events)-1].Seq != 30 {
			t.Error("the newest are gone")
		}
	})
}

// TestACrashBetweenTwoRenamesLosesNothing cuts a rotation off after each step.
func TestACrashBetweenTwoRenamesLosesNothing(t *testing.T) {
	for steps := range 4 {
		t.Run(fmt.Sprint(steps, " renames"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				for n, first := range []uint64{31, 21, 11, 1} {
					text := ""
					for seq := range uint64(10) {
						e := take(one(1))
						e.Run, e.Seq = 1, first+seq
						text += encoded(e)
					}
					if err := os.WriteFile(logPath(dir, n), []byte(text), 0o640); err != nil {
						t.Fatal(err)
					}
				}
				for n := 3; n > 3-steps; n-- {
					if err := os.Rename(logPath(dir, n-1), logPath(dir, n)); err != nil {
						t.Fatal(err)
					}
				}
				want := upTo(1, 40)
				if steps > 0 {
					want = upTo(11, 40) // the oldest were to go
				}
				if d := cmp.Diff(want, seqs(all(t, dir, Skipped{}))); d != "" {
					t.Errorf("-want +got:\n%s", d)
				}
				r := begin(t, dir, 60_000, nil) // a segment takes these ten and few more
				r.record(12)
				synctest.Wait()
				r.wait(t)
				got := seqs(all(t, dir, Skipped{}))
				if i := slices.Index(got, 11); i < 0 || len(got) < i+30 || !slices.Equal(got[i:i+30], upTo(11, 40)) || !slices.Equal(got[i+30:], upTo(1, 12)) {
					t.Errorf("after the next rotation: %v in %v", got, sizes(t, dir))
				}
			})
		})
	}
}

func TestATornLineIsEndedAndNotJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := begin(t, dir, 1<<20, nil)
		r.record(2)
		r.wait(t)
		path := filepath.Join(dir, LogName)
		if err := os.Truncate(path, sizes(t, dir)[LogName]-20); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(upTo(1, 1), seqs(all(t, dir, Skipped{Torn: true}))); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
		r = begin(t, dir, 1<<20, nil)
		r.record(2)
		r.wait(t)
		if d := cmp.Diff([]uint64{1, 1, 2}, seqs(all(t, dir, Skipped{Lines: 1}))); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	})
}

// TestADiskThatTakesHalfALine: with the kernel's own limit, so that a write is cut
// where it likes.
func TestADiskThatTakesHalfALine(t *testing.T) {
	dir := t.TempDir()
	l := NewLog(dir, 1<<20, func(string, error) {})
	w := &writer{log: l}
	defer w.close()
	r := New(l)
	record := func() {
		for range 5 {
			r.Record(take(one(1)))
		}
	}
	step := func() error { idle := false; return w.step(&idle) }
	record()
	if err := step(); err != nil {
		t.Fatal(err)
	}
	limitFiles(t, uint64(sizes(t, dir)[LogName])*3/2)
	record()
	if err := step(); err == nil {
		t.Fatal("there is no limit")
	}
	unlimitFiles(t)
	if d := cmp.Diff(upTo(1, 7), seqs(all(t, dir, Skipped{}))); d != "" { // and no half of the eighth
		t.Errorf("-want +got:\n%s", d)
	}
	w.close()
	if err := step(); err != nil {
		t.Fatal(err)
	}
	complete(t, all(t, dir, Skipped{}), 10)
}

func TestOrderIsThatOfTheFileWhateverTheClockSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := begin(t, dir, 1<<20, nil)
		for n := range 20 {
			e := take(one(1))
			e.Time = start.Add(-time.Duration(n) * time.Hour) // it steps back each time
			r.Record(e)
		}
		r.wait(t)
		r = begin(t, dir, 1<<20, nil)
		e := take(one(1))
		e.Time = time.Unix(0, 0) // a host without a clock that was booted
		r.Record(e)
		r.wait(t)
		events, ring := all(t, dir, Skipped{}), NewRing(one(1))
		if _, err := Load(dir, ring); err != nil {
			t.Error(err)
		}
		for _, got := range [][]Event{events, ring.Of(one(1))} {
			if d := cmp.Diff(append(upTo(1, 20), 1), seqs(got)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		}
	})
}

func TestAFileThatIsMovedAwayIsMadeAgain(t *testing.T) {
	for name, replaced := range map[string]bool{"moved away": false, "and another in its place": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				r := begin(t, dir, 1<<20, nil)
				r.record(2)
				synctest.Wait()
				if err := os.Rename(logPath(dir, 0), filepath.Join(dir, "saved")); err != nil {
					t.Fatal(err)
				}
				if replaced {
					put(t, logPath(dir, 0), "")
				}
				time.Sleep(2 * syncEvery)
				r.record(2)
				r.heard(t)
				r.wait(t)
				if d := cmp.Diff(upTo(3, 4), seqs(all(t, dir, Skipped{}))); d != "" {
					t.Errorf("-want +got:\n%s", d)
				}
			})
		})
	}
}

// TestNothingButARegularFileIsTouched: neither to write nor to read, and nobody
// hangs at a FIFO.
func TestNothingButARegularFileIsTouched(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a FIFO":                     func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a directory":                func(path string) error { return os.Mkdir(path, 0o700) },
		"a symbolic link":            func(path string) error { return os.Symlink(filepath.Join(filepath.Dir(path), "theirs"), path) },
		"a symbolic link to nothing": func(path string) error { return os.Symlink("/nowhere/at/all", path) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				theirs, path := filepath.Join(dir, "theirs"), filepath.Join(dir, LogName)
				if err := os.WriteFile(theirs, []byte("theirs"), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := put(path); err != nil {
					t.Fatal(err)
				}
				r := begin(t, dir, 1<<20, nil)
				r.record(1)
				time.Sleep(time.Hour)
				r.heard(t, outageText+": DIR/events.log: is no regular file; move it away")
				events, _, err := Read(dir, Limits{10, 1 << 20})
				if len(events) > 0 || err == nil || err.Error() != path+": is no regular file; move it away" {
					t.Errorf("%d events, %v", len(events), err)
				}
				if text, _ := os.ReadFile(theirs); string(text) != "theirs" {
					t.Errorf("theirs is now %q", text)
				}
				if err := os.Rename(path, filepath.Join(dir, "away")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(retryAfter)
				synctest.Wait()
				complete(t, all(t, dir, Skipped{}), 1)
				r.wait(t)
			})
		})
	}
	for name, dir := range map[string]string{"a file as directory": "/dev/null/state", "a directory that cannot be made": "/proc/none"} {
		synctest.Test(t, func(t *testing.T) {
			r := begin(t, dir, 1<<20, nil)
			time.Sleep(time.Hour)
			synctest.Wait()
			if len(r.said) != 1 || !strings.Contains(r.said[0], "; mend it, or set another [state] dir") {
				t.Errorf("%s: %q", name, r.said)
			}
			r.wait(t)
		})
	}
}
