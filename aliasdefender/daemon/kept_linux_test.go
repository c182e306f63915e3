package daemon

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/store"
)

// opened has the daemon read its state directory as Run does, for a moment only, and
// begin with what it found.
func (d *daemon) opened(within time.Duration) {
	d.memory.keeper = store.NewKeeper(filepath.Dir(d.table), d.memory.file, time.Minute)
	state, _ := d.memory.open(within)
	d.options.Kept, d.options.Memory = defender.Kept(state.kept), d.memory.state(state)
	d.start()
}

// unsure tells whether every alias waits as one that may be parked.
func unsure(s control.Snapshot) bool {
	for _, a := range s.Aliases {
		if a.Row != "W1" || a.Reason != "parked unknown" || a.Level != "alarm" {
			return false
		}
	}
	return true
}

// Until then every alias counted as not parked, and was taken: an operator who had
// taken one off a sick host got it back there with the next start.
func TestWhatMayBeParkedIsNotTakenFromAPartnerThatLives(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"rubbish":           func(path string) error { return os.WriteFile(path, []byte("\x1b[31mrubbish\n"), 0o644) },
		"nothing":           func(path string) error { return os.WriteFile(path, nil, 0o644) },
		"a FIFO":            func(path string) error { return unix.Mkfifo(path, 0o644) },
		"a directory":       func(path string) error { return os.Mkdir(path, 0o755) },
		"a broken checksum": func(path string) error { return os.WriteFile(path, []byte("10.0.9.9\n# sum 00000000\n"), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDaemon(t, 2, quiet(), nil)
			must(t, spoil(d.memory.file.Path()))
			d.opened(startWithin)
			s := d.until("nothing is taken", unsure)
			if len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "what operators parked is not known") || strings.Contains(s.Problems[0], "\x1b") {
				t.Errorf("the problems are %q", s.Problems)
			}
			// An order writes the file anew, and says so.
			out, err := control.Dial(d.socket).Order(t.Context(), control.Order{Alias: netip.MustParseAddr("10.0.1.2"), Remove: true})
			if err != nil || len(out) != 1 || !out[0].Done || out[0].NotRemembered != "" || !strings.Contains(out[0].Anew, "was written anew: what operators parked before is forgotten") {
				t.Fatalf("RemoveAlias answers %+v, %v", out, err)
			}
			s = d.until("served again", func(s control.Snapshot) bool { return s.Aliases[0].Reason == "served" && s.Aliases[1].Parked })
			if len(s.Problems) != 0 {
				t.Errorf("the problems are %q", s.Problems)
			}
			if kept, err := store.In(filepath.Dir(d.table)).Read(); err != nil || len(kept.Parked) == 0 {
				t.Errorf("on the disk: %+v, %v", kept, err)
			}
		})
	}
}

func TestAStateDirectoryThatHangsHoldsNoStart(t *testing.T) {
	d := newDaemon(t, 2, quiet(), nil)
	answer := make(chan parked)
	d.memory.load = func() parked { return <-answer }
	d.opened(time.Millisecond)
	s := d.until("nothing is taken", unsure)
	if len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "its disk does not answer: what operators parked is not known") {
		t.Errorf("the problems are %q", s.Problems)
	}
	f := d.memory.all()
	f.kept.Parked = []netip.Addr{netip.MustParseAddr("10.0.1.2")}
	answer <- f
	d.until("known", func(s control.Snapshot) bool {
		return s.Aliases[0].Reason == "served" && s.Aliases[1].Parked && len(s.Problems) == 0
	})
}

// What is ordered while the disk hangs counts for its alias, and what the disk has for
// the others; then the disk has both.
func TestAnOrderAndALateDiskAreJoined(t *testing.T) {
	d := newDaemon(t, 3, quiet(), nil)
	answer := make(chan parked)
	d.memory.load = func() parked { return <-answer }
	d.opened(time.Millisecond)
	d.until("nothing is taken", unsure)
	f := d.memory.all()
	f.kept.Parked = []netip.Addr{netip.MustParseAddr("10.0.1.2"), netip.MustParseAddr("10.0.1.3")}
	ordered := make(chan []control.Outcome, 1)
	go func() {
		out, err := d.order(t.Context(), control.Order{Alias: netip.MustParseAddr("10.0.1.1"), Remove: true})
		if err != nil {
			t.Error(err)
		}
		ordered <- out
	}()
	d.until("parked", func(s control.Snapshot) bool { return s.Aliases[0].Parked })
	answer <- f
	if out := <-ordered; len(out) != 1 || out[0].NotRemembered != "" {
		t.Errorf("RemoveAlias answers %+v", out)
	}
	kept, err := store.In(filepath.Dir(d.table)).Read()
	if err != nil || len(kept.Parked) != 3 {
		t.Errorf("on the disk: %+v, %v", kept, err)
	}
}

// A FIFO in the place of the table held Reload for ever, also when it was gone.
func TestAFIFOAsTheTableHoldsNoReload(t *testing.T) {
	d := newDaemon(t, 1, quiet(), nil)
	d.start()
	d.until("served by the partner", heldBy("partner"))
	must(t, os.Rename(d.table, d.table+".good"))
	must(t, unix.Mkfifo(d.table, 0o644))
	c := control.Dial(d.socket)
	if err := c.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "is no regular file; move it away") {
		t.Errorf("Reload says %v", err)
	}
	if _, err := config.Load(d.table, d.settings, true); err == nil {
		t.Error("a start takes it")
	}
	must(t, os.Rename(d.table+".good", d.table))
	must(t, c.Reload(t.Context()))
}
