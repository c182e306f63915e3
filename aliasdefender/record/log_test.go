package record

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// running is a Log under test, in a bubble.
type running struct {
	*Log
	*Recorder
	end  context.CancelFunc
	done chan error

	mu   sync.Mutex
	said []string
}

// begin runs a Log; open is nil for a disk that works.
func begin(t *testing.T, dir string, size int64, open func(path string) (file, error)) *running {
	t.Helper()
	r := &running{done: make(chan error, 1)}
	r.Log = NewLog(dir, size, func(text string, err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil {
			text += ": " + strings.ReplaceAll(err.Error(), dir, "DIR")
		}
		r.said = append(r.said, text)
	})
	if open != nil {
		r.open = open
	}
	r.Recorder = New(r.Log)
	var ctx context.Context
	ctx, r.end = context.WithCancel(t.Context())
	go func() { r.done <- r.Run(ctx) }()
	<-r.Ready()
	return r
}

// record records n events of one alias.
func (r *running) record(n int) {
	for range n {
		r.Record(take(one(1)))
	}
}

// wait waits for the end, and returns how long that took.
func (r *running) wait(t *testing.T) (time.Duration, error) {
	t.Helper()
	at := time.Now()
	r.end()
	err := <-r.done
	return time.Since(at), err
}

// heard is what was said.
func (r *running) heard(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := cmp.Diff(want, r.said); d != "" {
		t.Errorf("said: -want +got:\n%s", d)
	}
}

// all is what is on disk, without what may be skipped.
func all(t *testing.T, dir string, may Skipped) []Event {
	t.Helper()
	events, skipped, err := Read(dir, Limits{1 << 20, 1 << 40})
	if err != nil || skipped != may {
		t.Errorf("skipped %+v, want %+v; %v", skipped, may, err)
	}
	return events
}

// complete checks that each event from the first number to the last is there or
// counted as lost where it is missing, and returns how many are lost.
func complete(t *testing.T, events []Event, last uint64) (lost uint64) {
	t.Helper()
	before := events[0].Seq - 1
	for _, e := range events {
		n := uint64(1)
		if e.Kind == Lost {
			n = e.Drops
			lost += n
		}
		if e.Seq != before+n {
			t.Fatalf("after %d comes %d, drops %d", before, e.Seq, e.Drops)
		}
		before = e.Seq
	}
	if before != last {
		t.Errorf("the last is %d, want %d", before, last)
	}
	return lost
}

// faulty is a file whose disk does as a test wants.
type faulty struct {
	file
	write func(text []byte) (int, error) // nil: as it should
	sync  func()
}

func (f *faulty) Write(text []byte) (int, error) {
	if f.write != nil {
		return f.write(text)
	}
	return f.file.Write(text)
}

func (f *faulty) Sync() error {
	if f.sync != nil {
		f.sync()
	}
	return f.file.Sync()
}

// disk opens faulty files; with is set by the test.
type disk struct{ with func(f *faulty) }

func (d *disk) open(path string) (file, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	bad := &faulty{file: f}
	if d.with != nil {
		d.with(bad)
	}
	return bad, nil
}

func TestAfterARestartTheEventsAreThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state") // it is made
		for run := range 3 {
			r := begin(t, dir, 1<<20, nil)
			r.record(10)
			r.Record(Event{Time: time.Now(), Kind: Lasts, Alias: one(1)}) // on no disk
			synctest.Wait()                                               // as if it were killed now: all is on disk
			if got := len(all(t, dir, Skipped{})); got != 10*(run+1) {
				t.Fatalf("run %d: %d events", run, got)
			}
			ring := NewRing(one(1), one(2))
			ring.Put(all(t, dir, Skipped{})[10*run]) // of this run
			if _, err := Load(dir, ring); err != nil {
				t.Error(err)
			}
			if got := len(ring.Of(one(1))); got != 10*(run+1) {
				t.Errorf("Why has %d events", got)
			}
			if late, err := r.wait(t); err != nil || late != 0 {
				t.Errorf("%v after %s", err, late)
			}
			r.record(1) // after the end: passed over
			r.heard(t)
		}
		info, err := os.Stat(filepath.Join(dir, LogName))
		if err != nil || info.Mode().Perm()&^0o640 != 0 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	})
}

func TestAStormCostsOneFsyncASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var synced []time.Duration
		at := time.Now()
		d := disk{func(f *faulty) {
			f.sync = func() {
				mu.Lock()
				defer mu.Unlock()
				synced = append(synced, time.Since(at))
			}
		}}
		r := begin(t, t.TempDir(), 1<<20, d.open)
		time.Sleep(time.Minute)
		r.record(1)
		for range 30 {
			synctest.Wait()
			time.Sleep(100 * time.Millisecond)
			r.record(5)
		}
		time.Sleep(time.Minute)
		r.wait(t)
		mu.Lock()
		defer mu.Unlock()
		want := []time.Duration{60 * time.Second, 61 * time.Second, 62 * time.Second, 63 * time.Second}
		if d := cmp.Diff(want, synced[:min(4, len(synced))]); d != "" || len(synced) > 5 {
			t.Errorf("at %v: -want +got:\n%s", synced, d)
		}
	})
}

// TestAFullDisk: the kernel's own error, after the disk has taken a part of a line.
func TestAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	synctest.Test(t, func(t *testing.T) {
		dir, room := t.TempDir(), atomic.Bool{}
		d := disk{func(f *faulty) {
			f.write = func(text []byte) (int, error) {
				if room.Load() {
					return f.file.Write(text)
				}
				n, err := f.file.Write(text[:min(len(text), 2000)])
				if err == nil {
					_, err = full.Write(text)
				}
				return n, err
			}
		}}
		r := begin(t, dir, 1<<24, d.open)
		for range 600 { // ten minutes
			r.record(20)
			time.Sleep(time.Second)
		}
		r.mu.Lock()
		if len(r.said) != 1 || !strings.HasPrefix(r.said[0], outageText+": ") || !strings.Contains(r.said[0], "no space left on device; make room there") {
			t.Errorf("said %q", r.said)
		}
		r.said = nil
		r.mu.Unlock()
		r.Log.mu.Lock()
		if n := len(r.queue); n > logRoom+1 {
			t.Errorf("%d events in memory", n)
		}
		lost := r.untold
		r.Log.mu.Unlock()
		room.Store(true)
		time.Sleep(time.Minute)
		r.record(1)
		r.heard(t, fmt.Sprintf("the event log is written again; %d events were lost", lost))
		if late, err := r.wait(t); late > flushWithin || err != nil {
			t.Errorf("%v after %s", err, late)
		}
		if got := complete(t, all(t, dir, Skipped{}), 12001); got != lost || lost == 0 {
			t.Errorf("%d lost in the file, %d said", got, lost)
		}
		if got := r.Dropped(); got != lost {
			t.Errorf("%d dropped, %d said", got, lost)
		}
	})
}

func TestAReadOnlyDiskIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, readOnly := t.TempDir(), atomic.Bool{}
		readOnly.Store(true)
		r := begin(t, dir, 1<<20, func(path string) (file, error) {
			if readOnly.Load() {
				return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EROFS}
			}
			return openFile(path)
		})
		r.record(3)
		time.Sleep(time.Hour)
		r.heard(t, outageText+": DIR/events.log: read-only file system; mount it writable, or set another [state] dir")
		readOnly.Store(false)
		time.Sleep(retryAfter)
		synctest.Wait()
		complete(t, all(t, dir, Skipped{}), 3)
		readOnly.Store(true) // and once more, told anew
		os.Remove(filepath.Join(dir, LogName))
		time.Sleep(2 * syncEvery) // by then it knows
		r.record(1)
		time.Sleep(time.Hour)
		r.mu.Lock()
		if len(r.said) != 3 || r.said[1] != "the event log is written again" || r.said[2] != r.said[0] {
			t.Errorf("said %q", r.said)
		}
		r.mu.Unlock()
		if late, err := r.wait(t); late > flushWithin || err == nil || err.Error() != filepath.Join(dir, LogName)+": 1 events were not written: the disk did not take them" {
			t.Errorf("%v after %s", err, late)
		}
	})
}

func TestAHangingDiskCostsNothingElse(t *testing.T) {
	for name, hang := range map[string]func(f *faulty, hangs func()){
		"write": func(f *faulty, hangs func()) {
			f.write = func(text []byte) (int, error) { hangs(); return f.file.Write(text) }
		},
		"fsync": func(f *faulty, hangs func()) { f.sync = hangs },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir, hung := t.TempDir(), atomic.Pointer[chan struct{}]{}
				hangs := func() (end func()) {
					c := make(chan struct{})
					hung.Store(&c)
					return func() { close(c) }
				}
				over := hangs()
				d := disk{func(f *faulty) { hang(f, func() { <-*hung.Load() }) }}
				r := begin(t, dir, 1<<30, d.open)
				at := time.Now()
				r.record(1)
				synctest.Wait()
				r.record(storm - 1)
				if late := time.Since(at); late != 0 {
					t.Errorf("Record waited for %s", late)
				}
				r.Log.mu.Lock()
				n := len(r.queue)
				r.Log.mu.Unlock()
				if n > logRoom+1 {
					t.Errorf("%d events in memory", n)
				}
				time.Sleep(time.Hour)
				said := outageText + ": DIR/events.log: the disk has not taken a write for 5s; mend it, or set another [state] dir"
				r.heard(t, said)

				over()
				time.Sleep(time.Second)
				events := all(t, dir, Skipped{})
				lost := complete(t, events, storm)
				r.heard(t, said, fmt.Sprintf("the event log is written again; %d events were lost", lost))
				if len(events) < logRoom {
					t.Errorf("only %d events on disk", len(events))
				}

				over = hangs()
				r.record(10)
				synctest.Wait()
				late, err := r.wait(t)
				if late != flushWithin && name == "write" || late > flushWithin || name == "write" && err == nil {
					t.Errorf("%v after %s", err, late)
				}
				over() // no goroutine stays behind once the disk is back: the bubble sees to that
			})
		})
	}
}

// TestAStormIsWrittenOrCounted: a hundred thousand events at once, and a disk that
// works but is slower than memory.
func TestAStormIsWrittenOrCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		d := disk{func(f *faulty) {
			f.write = func(text []byte) (int, error) {
				time.Sleep(200_000 / storm * time.Millisecond)
				return f.file.Write(text)
			}
		}}
		r := begin(t, dir, 1<<30, d.open)
		for range 100 {
			r.record(storm / 100)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		lost := complete(t, all(t, dir, Skipped{}), storm)
		if lost == 0 {
			t.Error("the disk was fast enough: no storm")
		}
		r.heard(t, fmt.Sprintf("%d events were lost from the event log: %v", lost, errDrops))
		r.wait(t)
	})
}
