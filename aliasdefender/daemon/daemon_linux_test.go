package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/sdnotify"
	"alias-defender/aliasdefender/store"
)

// daemon is a Monitor in this process, on a fake host.
type daemon struct {
	*monitor
	t        *testing.T
	host     *fakeHost
	options  defender.Options
	table    string // the files
	settings string
	socket   string
	signals  chan os.Signal
	ended    chan struct{}
}

// newDaemon makes one, not started, of so many aliases at a rhythm of 40 ms.
func newDaemon(t *testing.T, aliases int, log *logrus.Logger, manager *sdnotify.Notifier) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "ad")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &daemon{
		t: t, host: newFakeHost(), socket: filepath.Join(dir, "sock"),
		signals: make(chan os.Signal, 16), ended: make(chan struct{}),
	}
	d.table, d.settings = filepath.Join(dir, "hostname.alias"), filepath.Join(dir, "aliasdefender.toml")
	o := Options{
		Load:    func() (*config.Config, error) { return config.LoadWithKeys(d.table, d.settings, true) },
		Aliases: d.table, Version: "test",
	}
	var rows strings.Builder
	for i := range aliases {
		fmt.Fprintf(&rows, "eth0:%d | 10.0.%d.%d | 16 | %s | true\n", i+1, 1+i/250, 1+i%250, fakePartner)
	}
	must(t, os.WriteFile(d.table, []byte(rows.String()), 0o644))
	must(t, os.WriteFile(d.settings, []byte(fmt.Sprintf("interval = \"40ms\"\n[control]\nsocket = %q\n[state]\ndir = %q\n", d.socket, dir)), 0o644))
	cfg, err := o.Load()
	must(t, err)
	d.monitor = newMonitor(o, cfg, log, manager)
	d.diskIs(d.memory.file)
	begin := time.Now()
	d.options = defender.Options{
		Config: cfg, Version: "test", Network: d.host, Log: log,
		Listen: func(_ string, _ host.Family, see func([]host.Sighting)) (defender.Wire, error) {
			d.host.see = see
			return fakeWire{fakeHost: d.host}, nil
		},
		Ping: d.host.ping,
		Resolve: func(context.Context, string, host.Family) ([]netip.Addr, error) {
			return []netip.Addr{fakePartner}, nil
		},
		Boottime: func() time.Duration { return time.Since(begin) },
		Beat:     manager.Beat, BeatEvery: manager.BeatEvery(),
	}
	return d
}

// diskIs has the daemon wait 10 ms for a disk.
func (d *daemon) diskIs(disk store.Disk) {
	d.memory.keeper = store.NewKeeper(filepath.Dir(d.table), disk, 10*time.Millisecond)
}

// rhythm sets another interval before the start.
func (d *daemon) rhythm(interval string) {
	d.t.Helper()
	text, err := os.ReadFile(d.settings)
	must(d.t, err)
	must(d.t, os.WriteFile(d.settings, []byte(strings.Replace(string(text), `"40ms"`, strconv.Quote(interval), 1)), 0o644))
	d.options.Config, err = d.load()
	must(d.t, err)
}

// start starts it. It is ended with the test.
func (d *daemon) start() {
	d.t.Helper()
	d.defender = defender.New(d.options)
	lock, err := control.Acquire(d.socket)
	must(d.t, err)
	server := control.NewServer(lock, "test", control.Handlers{Status: d.status, Now: d.now, Reload: d.reload, Order: d.order})
	must(d.t, server.Listen())
	go func() {
		defer close(d.ended)
		defer lock.Release()
		d.run(context.Background(), server, d.signals)
	}()
	d.t.Cleanup(func() {
		d.signals <- syscall.SIGUSR2
		<-d.ended
	})
}

// patience is how long a test waits for what has to come. It ends as soon as that has
// come, so it is long enough for a machine that does many other things.
const patience = time.Minute

// until waits for something that Status shows.
func (d *daemon) until(what string, is func(control.Snapshot) bool) control.Snapshot {
	d.t.Helper()
	late := time.After(patience)
	for {
		s, err := control.Dial(d.socket).Status(d.t.Context(), false)
		if err != nil {
			d.t.Fatalf("Status does not answer: %v", err)
		}
		if is(s) {
			return s
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-late:
			d.t.Fatalf("after %v not %s: %+v", patience, what, s.Aliases[0])
		}
	}
}

// heldBy is whether a host, in Status's words, has every alias.
func heldBy(who string) func(control.Snapshot) bool {
	return func(s control.Snapshot) bool {
		for _, a := range s.Aliases {
			if a.Holder != who {
				return false
			}
		}
		return true
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
