package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"alias-defender/aliasdefender/record"
)

// A Monitor that observes makes no state directory, and writes nothing in the one of the
// Monitor whose place it has. It reads what that has left.
func TestWhoObservesWritesNothing(t *testing.T) {
	for _, there := range []bool{false, true} {
		d := newDaemon(t, 1, quiet(), nil)
		dir := filepath.Join(filepath.Dir(d.table), "state")
		text, err := os.ReadFile(d.settings)
		must(t, err)
		must(t, os.WriteFile(d.settings, []byte(strings.Replace(string(text), "[state]\ndir = \"", "[state]\ndir = \""+dir+"\" # ", 1)), 0o644))
		cfg, err := d.load()
		must(t, err)
		if there {
			must(t, os.Mkdir(dir, 0o755))
			must(t, os.WriteFile(filepath.Join(dir, "parked"), []byte("10.0.0.1\n"), 0o644))
		}
		m := newMonitor(Options{Load: d.load, Observe: true}, cfg, quiet(), nil)
		p, i := m.memory.open(patience)
		if err := errors.Join(p.damage, i.noID, i.ready); err != nil || len(p.kept.Parked) == 1 != there {
			t.Errorf("there: %v: %+v, %v", there, p.kept, err)
		}
		ctx, end := context.WithCancel(t.Context())
		close(m.read)
		var tasks sync.WaitGroup
		for _, one := range m.eventTasks() {
			tasks.Go(func() { _ = one.Run(ctx) })
			<-one.Ready()
		}
		m.daemonEvent(record.Started, record.Info, "")
		end()
		tasks.Wait()
		all, err := os.ReadDir(dir)
		if missing := errors.Is(err, fs.ErrNotExist); missing == there || there && len(all) != 1 {
			t.Errorf("there: %v: %v, %v", there, all, err)
		}
	}
}
