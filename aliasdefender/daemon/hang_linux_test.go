package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/hearing"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/logs"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/sdnotify"
	"alias-defender/aliasdefender/sdnotify/sdnotifytest"
	"alias-defender/aliasdefender/store"
)

// fakeHost is a host with one NIC on a segment with a router, and with a
// partner that has every alias for as long as it lives.
type fakeHost struct {
	mu     sync.Mutex
	dead   bool // the partner
	has    map[netip.Prefix]bool
	see    func([]host.Sighting)
	closed chan struct{}
	kernel chan struct{} // readings wait until it is closed; nil: they do not
}

var (
	fakeOwn     = netip.MustParsePrefix("10.0.0.1/16")
	fakePartner = netip.MustParseAddr("10.0.0.2")
	fakeRouter  = netip.MustParseAddr("10.0.0.254")
)

func newFakeHost() *fakeHost {
	return &fakeHost{has: map[netip.Prefix]bool{}, closed: make(chan struct{})}
}

func (f *fakeHost) Read() (host.State, error) {
	if f.kernel != nil {
		<-f.kernel
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	nic := host.NIC{Name: "eth0", Index: 2, HW: host.HW{2, 0, 0, 0, 0, 1}, Up: true, Carrier: true, Addrs: []host.Address{{Prefix: fakeOwn}}}
	for p := range f.has {
		nic.Addrs = append(nic.Addrs, host.Address{Prefix: p, Ours: true})
	}
	return host.State{NICs: []host.NIC{nic}, Routes: []host.Route{{NIC: "eth0", Gateway: fakeRouter}}}, nil
}

func (f *fakeHost) Add(orders []host.Placement) []error     { return f.put(orders, true) }
func (f *fakeHost) Remove(orders []host.Placement) []error  { return f.put(orders, false) }
func (f *fakeHost) Refresh(orders []host.Placement) []error { return make([]error, len(orders)) }

func (f *fakeHost) Reorder(orders []host.Placement) []error { return make([]error, len(orders)) }

func (f *fakeHost) put(orders []host.Placement, on bool) []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range orders {
		if delete(f.has, o.Prefix); on {
			f.has[o.Prefix] = true
		}
	}
	return make([]error, len(orders))
}

// answers tells whether somebody else answers for an address.
func (f *fakeHost) answers(a netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return a == fakeRouter || !f.dead && a != fakeOwn.Addr() && !f.has[netip.PrefixFrom(a, fakeOwn.Bits())]
}

func (f *fakeHost) ping(ctx context.Context, q probe.Question) (bool, error) {
	if f.answers(q.Target) {
		return true, nil
	}
	select {
	case <-ctx.Done():
	case <-time.After(q.Timeout):
	}
	return false, ctx.Err()
}

// fakeWire is its voice; what it does not have is not needed here.
type fakeWire struct {
	defender.Wire
	*fakeHost
}

func (w fakeWire) Ask(target, from netip.Addr, _ host.HW) error {
	if w.answers(target) {
		hw := host.HW{2, 0, 0, 0, 0, 2}
		if target == fakeRouter {
			hw[5] = 254
		}
		go w.see([]host.Sighting{{NIC: "eth0", Sender: target, HW: hw, Target: from, Reply: true, At: time.Now()}})
	}
	return nil
}

func (w fakeWire) Probe(target netip.Addr) error {
	return w.Ask(target, netip.IPv4Unspecified(), host.HW{})
}
func (w fakeWire) Announce(netip.Addr, host.HW) error { return nil }
func (w fakeWire) HW() host.HW                        { return host.HW{2, 0, 0, 0, 0, 1} }
func (w fakeWire) Done() <-chan struct{}              { return w.closed }
func (w fakeWire) Close() error                       { return nil }
func (w fakeWire) Want([]netip.Addr) error            { return nil }
func (w fakeWire) Hearing() hearing.Report            { return hearing.Report{} }

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
		Ping:     d.host.ping,
		Resolve:  func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{fakePartner}, nil },
		Boottime: func() time.Duration { return time.Since(begin) },
		Beat:     manager.Beat, BeatEvery: manager.BeatEvery(),
	}
	return d
}

// diskIs has the daemon wait 10 ms for a disk.
func (d *daemon) diskIs(disk store.Disk) {
	d.memory.keeper = store.NewKeeper(filepath.Dir(d.table), disk, 10*time.Millisecond)
}

// hungDisk never has written anything.
type hungDisk struct {
	*store.File
	never <-chan struct{}
}

func (d hungDisk) Write(store.Kept) (bool, error) { <-d.never; return false, nil }

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
	server := control.NewServer(lock, "test", control.Handlers{Status: d.status, Reload: d.reload, Order: d.order})
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

// until waits for something that Status shows.
func (d *daemon) until(what string, is func(control.Snapshot) bool) control.Snapshot {
	d.t.Helper()
	late := time.After(20 * time.Second)
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
			d.t.Fatalf("after 20 s not %s: %+v", what, s.Aliases[0])
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

// forever is closed with the test: what waits for it hangs.
func forever(t *testing.T) chan struct{} {
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	return never
}

// fullPipe is a file whose reader does not read. A write to it holds the
// thread, as one to a standard error does.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	var p [2]int
	must(t, unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
	for err := error(nil); err == nil; {
		_, err = unix.Write(p[1], make([]byte, 4096))
	}
	must(t, unix.SetNonblock(p[1], false))
	w := os.NewFile(uintptr(p[1]), "full pipe")
	t.Cleanup(func() { unix.Close(p[0]); w.Close() })
	return w
}

// sayings is a standard error whose first lines are of interest.
type sayings chan string

func (s sayings) Write(b []byte) (int, error) {
	select {
	case s <- string(b):
	default:
	}
	return len(b), nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Each of these hangs before the partner dies. The alias comes here all the
// same, and Status answers.
func TestNothingThatHangsHoldsUpTheMonitor(t *testing.T) {
	for name, hang := range map[string]func(*testing.T) *daemon{
		"the name server does not answer": func(t *testing.T) *daemon {
			d := newDaemon(t, 2, quiet(), nil)
			text, err := os.ReadFile(d.table)
			must(t, err)
			must(t, os.WriteFile(d.table, []byte(strings.Replace(string(text), fakePartner.String(), "partner.example", 1)), 0o644))
			d.options.Config, err = d.load()
			must(t, err)
			never, asked := forever(t), make(chan struct{}, 16)
			d.options.Resolve = func(context.Context, string) ([]netip.Addr, error) {
				asked <- struct{}{}
				<-never
				return nil, errors.New("never")
			}
			d.start()
			<-asked
			return d
		},
		"the reader of standard error does not read": func(t *testing.T) *daemon {
			log, end := logs.Open(logs.Options{To: logs.Stderr, Level: "debug", Stderr: fullPipe(t)})
			d := newDaemon(t, 1, log, nil)
			d.start()
			t.Cleanup(end)
			return d
		},
		"syslog does not read": func(t *testing.T) *daemon {
			path := filepath.Join(filepath.Dir(sdnotifytest.Path(t)), "log")
			unread, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
			must(t, err)
			t.Cleanup(func() { unread.Close() })
			said := make(sayings, 1)
			log, end := logs.Open(logs.Options{To: logs.Syslog, Level: "info", Stderr: said, SyslogSocket: path})
			t.Cleanup(end)
			for range 10_000 {
				log.Info("more than the socket and the queue have room for")
			}
			if text := <-said; !strings.Contains(text, "syslog accepts no lines") {
				t.Errorf("said %q", text)
			}
			d := newDaemon(t, 1, log, nil)
			d.start()
			return d
		},
		"the disk of the state file hangs": func(t *testing.T) *daemon {
			d := newDaemon(t, 2, quiet(), nil)
			d.diskIs(hungDisk{d.memory.file, forever(t)})
			d.start()
			d.until("served by the partner", heldBy("partner"))
			out, err := control.Dial(d.socket).Order(t.Context(), control.Order{Alias: netip.MustParseAddr("10.0.1.2"), Remove: true})
			if err != nil || len(out) != 1 || !out[0].Done || !strings.Contains(out[0].NotRemembered, "its disk does not answer") {
				t.Errorf("RemoveAlias answers %+v, %v", out, err)
			}
			s := d.until("known", func(control.Snapshot) bool { return true })
			if len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "its disk does not answer") {
				t.Errorf("the problems are %q", s.Problems)
			}
			_, err = control.Dial(d.socket).Order(t.Context(), control.Order{Alias: netip.MustParseAddr("10.0.1.2")})
			must(t, err)
			return d
		},
		"the disk of the files hangs at a reload": func(t *testing.T) *daemon {
			d := newDaemon(t, 1, quiet(), nil)
			never, loading := forever(t), make(chan struct{}, 1)
			d.load = func() (*config.Config, error) {
				loading <- struct{}{}
				<-never
				return nil, errors.New("never")
			}
			d.start()
			d.signals <- syscall.SIGHUP
			<-loading
			return d
		},
		"clients ask for 1,000 aliases and do not read": func(t *testing.T) *daemon {
			d := newDaemon(t, 1000, quiet(), nil)
			d.rhythm("1s") // this is one machine
			d.start()
			for range 8 {
				c, err := net.Dial("unix", d.socket)
				must(t, err)
				t.Cleanup(func() { c.Close() })
				_, err = io.WriteString(c, "GET /v1/status?journal=1 HTTP/1.1\r\nHost: x\r\n\r\n")
				must(t, err)
				_, err = c.Read(make([]byte, 1)) // it is being answered
				must(t, err)
			}
			return d
		},
		"the service manager does not read": func(t *testing.T) *daemon {
			f := sdnotifytest.Start(t, sdnotifytest.Path(t), time.Second)
			fill, err := net.Dial("unixgram", f.Path)
			must(t, err)
			defer fill.Close()
			must(t, fill.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
			for err == nil {
				_, err = fill.Write([]byte("X=1\n"))
			}
			n, err := sdnotify.FromEnvironment()
			must(t, err)
			d := newDaemon(t, 1, quiet(), n)
			d.start()
			return d
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := hang(t)
			d.until("served by the partner", func(s control.Snapshot) bool {
				return !slices.ContainsFunc(s.Aliases, func(a control.Alias) bool { return a.Reason != "served" })
			})
			d.host.mu.Lock()
			d.host.dead = true
			d.host.mu.Unlock()
			d.until("taken", heldBy("us"))
		})
	}
}
