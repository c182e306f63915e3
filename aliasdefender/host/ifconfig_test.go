package host_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/solaristest"
)

var update = flag.Bool("update", false, "write the transcripts anew, to be read before they are committed")

var (
	ownAddr  = netip.MustParsePrefix("172.16.1.4/24")
	router   = netip.MustParseAddr("172.16.1.254")
	theAlias = host.Placement{NIC: "iprb1", Label: "iprb1:1", Prefix: netip.MustParsePrefix("172.16.1.2/24")}
)

// transcript is what was asked of a machine and what it said.
type transcript struct {
	*solaristest.Machine
	h   *host.Ifconfig
	log strings.Builder
	mu  sync.Mutex
}

func (tr *transcript) run(_ context.Context, name string, args ...string) (string, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	stdout, stderr, code := tr.Run(name, args...)
	fmt.Fprintf(&tr.log, "# %s\n%s%s", strings.Join(append([]string{name}, args...), " "), stdout, stderr)
	if code != 0 {
		return stdout, errors.New(strings.TrimSpace(stderr))
	}
	return stdout, nil
}

func newTranscript(t *testing.T, release string) *transcript {
	t.Helper()
	tr := &transcript{Machine: solaristest.New(release, "iprb1", ownAddr, router)}
	h, err := host.NewIfconfig(tr.run)
	if err != nil {
		t.Fatal(err)
	}
	tr.h = h
	return tr
}

func (tr *transcript) say(format string, args ...any) { fmt.Fprintf(&tr.log, format+"\n", args...) }

func (tr *transcript) add(o host.Placement) error { return tr.does("take", tr.h.Add, o) }

func (tr *transcript) remove(o host.Placement) error { return tr.does("release", tr.h.Remove, o) }

func (tr *transcript) does(what string, f func([]host.Placement) []error, o host.Placement) error {
	tr.say("-- %s %s on %s", what, o.Prefix, o.Label)
	err := f([]host.Placement{o})[0]
	if err == nil {
		tr.say("-- done")
	} else {
		tr.say("-- %v", err)
	}
	return err
}

// stories are played on each release.
var stories = []struct {
	name string
	play func(*transcript)
}{
	{"take, repeat, release, repeat", func(tr *transcript) {
		_ = tr.add(theAlias)
		_ = tr.add(theAlias)
		_ = tr.remove(theAlias)
		_ = tr.remove(theAlias)
		_ = tr.add(theAlias)
	}},
	{"another host has it when it is taken", func(tr *transcript) {
		tr.Elsewhere = []netip.Addr{theAlias.Prefix.Addr()}
		_ = tr.add(theAlias)
	}},
	{"another host claims it later", func(tr *transcript) {
		_ = tr.add(theAlias)
		tr.Conflict(theAlias.Prefix.Addr())
		s, err := tr.h.Read()
		tr.say("-- DUPLICATE: %v; addresses of the NIC: %d; %v", s.Duplicates, len(s.NICs[1].Addrs), err)
		_ = tr.remove(theAlias)
	}},
	{"the alias is on another unit", func(tr *transcript) {
		tr.Run("ifconfig", "iprb1:3", "plumb")
		tr.Run("ifconfig", "iprb1:3", "172.16.1.2", "netmask", "255.255.255.0", "broadcast", "+", "up")
		_ = tr.add(theAlias)
		_ = tr.remove(theAlias)
	}},
	{"the unit has another address", func(tr *transcript) {
		tr.Run("ifconfig", "iprb1:1", "plumb")
		tr.Run("ifconfig", "iprb1:1", "172.16.1.9", "netmask", "255.255.255.0", "broadcast", "+", "up")
		_ = tr.add(theAlias)
		_ = tr.remove(theAlias)
	}},
	{"the unit is plumbed and empty", func(tr *transcript) {
		tr.Run("ifconfig", "iprb1:1", "plumb")
		_ = tr.add(theAlias)
	}},
	{"the NIC is not plumbed", func(tr *transcript) {
		tr.Units = nil
		_ = tr.add(theAlias)
		_ = tr.remove(theAlias)
	}},
	{"the address of the NIC itself", func(tr *transcript) {
		_ = tr.remove(host.Placement{NIC: "iprb1", Label: "iprb1", Prefix: ownAddr})
	}},
}

func TestTranscripts(t *testing.T) {
	for name, release := range map[string]struct {
		number   string
		physical bool
	}{
		"solaris-2.6": {"5.6", false}, "solaris-7": {"5.7", false}, "solaris-8": {"5.8", false}, "solaris-9": {"5.9", false},
		"solaris-10": {"5.10", false}, "solaris-11": {"5.11", true}, "illumos": {"5.11", false},
	} {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			for _, s := range stories {
				tr := newTranscript(t, release.number)
				tr.Physical = release.physical
				tr.log.Reset()
				s.play(tr)
				fmt.Fprintf(&got, "== %s ==\n%s\n", s.name, tr.log.String())
			}
			path := filepath.Join("testdata/transcripts", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The NIC is never unplumbed and no address but the alias is touched, whatever
// story is played on whatever release.
func TestNothingButTheAliasIsTouched(t *testing.T) {
	for _, release := range []string{"5.6", "5.8", "5.10", "5.11"} {
		for _, s := range stories {
			tr := newTranscript(t, release)
			s.play(tr)
			for line := range strings.Lines(tr.log.String()) {
				f := strings.Fields(line)
				if len(f) < 3 || f[0] != "#" || f[1] != "ifconfig" || f[2] == "-a" {
					continue
				}
				if !strings.HasPrefix(f[2], "iprb1:") {
					t.Errorf("%s, %s: %s", release, s.name, line)
				}
			}
		}
	}
}

func TestAddGivesItsUnitToOneOrderOnly(t *testing.T) {
	tr := newTranscript(t, "5.11")
	second := theAlias
	second.Prefix = netip.MustParsePrefix("172.16.1.3/24")
	errs := tr.h.Add([]host.Placement{theAlias, second})
	if errs[0] != nil || errs[1] == nil {
		t.Errorf("%v", errs)
	}
	second.Label = "iprb1:2"
	before := strings.Count(tr.log.String(), "# ifconfig -a")
	if errs := tr.h.Add([]host.Placement{theAlias, second}); errs[0] != nil || errs[1] != nil {
		t.Errorf("%v", errs)
	}
	if n := strings.Count(tr.log.String(), "# ifconfig -a") - before; n != 2 {
		t.Errorf("read %d times for two orders, want once before and once after", n)
	}
	s, err := tr.h.Read()
	if err != nil {
		t.Fatal(err)
	}
	nic, _ := s.NIC("iprb1")
	want := []host.Address{
		{Prefix: ownAddr, Label: "iprb1"},
		{Prefix: theAlias.Prefix, Label: "iprb1:1", Ours: true},
		{Prefix: second.Prefix, Label: "iprb1:2", Ours: true},
	}
	if diff := cmp.Diff(want, nic.Addrs, comparePrefix); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

var comparePrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func TestAddRefuses(t *testing.T) {
	order := func(label, prefix string) host.Placement {
		nic, _, _ := strings.Cut(label, ":")
		return host.Placement{NIC: nic, Label: label, Prefix: netip.MustParsePrefix(prefix)}
	}
	for name, c := range map[string]struct {
		order host.Placement
		setUp func(*solaristest.Machine)
		want  string
	}{
		"no unit":               {order: order("iprb1", "172.16.1.2/24"), want: "write one such as iprb1:1"},
		"unit 0":                {order: order("iprb1:0", "172.16.1.2/24"), want: "write one such as iprb1:1"},
		"a word for a unit":     {order: order("iprb1:web", "172.16.1.2/24"), want: "write one such as iprb1:1"},
		"another prefix there":  {order: order("iprb1:1", "172.16.1.4/16"), want: "it is on iprb1 already, as 172.16.1.4/24"},
		"the unit of a zone":    {order: order("iprb1:1", "172.16.1.2/24"), setUp: zoned("172.16.1.9"), want: "that of zone web"},
		"the address of a zone": {order: order("iprb1:2", "172.16.1.2/24"), setUp: zoned("172.16.1.2"), want: "on iprb1:1 already, for zone web"},
		"a bare NIC": {order: order("iprb1:1", "172.16.1.2/24"), want: "no address of its own",
			setUp: func(m *solaristest.Machine) { m.Units = []solaristest.Unit{{Name: "iprb1"}} }},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTranscript(t, "5.10")
			if c.setUp != nil {
				c.setUp(tr.Machine)
			}
			before := fmt.Sprint(tr.Units)
			if err := tr.add(c.order); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v does not say %q", err, c.want)
			}
			if after := fmt.Sprint(tr.Units); after != before {
				t.Errorf("changed nevertheless: %s, before %s", after, before)
			}
		})
	}
}

func zoned(addr string) func(*solaristest.Machine) {
	return func(m *solaristest.Machine) {
		m.Run("ifconfig", "iprb1:1", "plumb")
		m.Run("ifconfig", "iprb1:1", addr, "netmask", "255.255.255.0", "broadcast", "+", "up")
		m.Units[len(m.Units)-1].Zone = "web"
	}
}

func TestZonesAddressIsNeitherSeenNorTaken(t *testing.T) {
	tr := newTranscript(t, "5.11")
	zoned("172.16.1.2")(tr.Machine)
	s, err := tr.h.Read()
	if err != nil {
		t.Fatal(err)
	}
	if nic, _, found := s.Find(theAlias.Prefix.Addr()); found {
		t.Errorf("found on %s", nic)
	}
	if err := tr.remove(theAlias); err != nil || tr.Units[len(tr.Units)-1].Zone != "web" {
		t.Errorf("%v; left: %v", err, tr.Units)
	}
}

func TestDuplicateIsAnErrorOfItsOwn(t *testing.T) {
	tr := newTranscript(t, "5.11")
	tr.Elsewhere = []netip.Addr{theAlias.Prefix.Addr()}
	if err := tr.add(theAlias); !errors.Is(err, host.ErrDuplicate) {
		t.Errorf("%v", err)
	}
	if len(tr.Units) != 1 {
		t.Errorf("left: %v", tr.Units)
	}
}

func TestRefreshTellsWhatIsThere(t *testing.T) {
	tr := newTranscript(t, "5.11")
	leased := theAlias
	leased.Lease = time.Minute
	if err := tr.h.Refresh([]host.Placement{leased})[0]; !errors.Is(err, host.ErrNotThere) {
		t.Errorf("before it is there: %v", err)
	}
	if err := tr.add(leased); err != nil {
		t.Fatal(err)
	}
	wide := leased
	wide.Prefix = netip.PrefixFrom(leased.Prefix.Addr(), 16)
	errs := tr.h.Refresh([]host.Placement{leased, wide})
	if errs[0] != nil || !errors.Is(errs[1], host.ErrNotThere) {
		t.Errorf("%v", errs)
	}
	tr.Conflict(leased.Prefix.Addr())
	if err := tr.h.Refresh([]host.Placement{leased})[0]; !errors.Is(err, host.ErrNotThere) {
		t.Errorf("taken down: %v", err)
	}
	s, err := tr.h.Read()
	if _, a, found := s.Find(ownAddr.Addr()); err != nil || !found || a.Lease != 0 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestReadFailsWhereNothingIsKnown(t *testing.T) {
	broken := errors.New("broken")
	for name, text := range map[string]string{"no output": "", "cut off": "lo0: flags=849<UP,LOOPB", "an error": "!"} {
		h, err := host.NewIfconfig(func(_ context.Context, name string, _ ...string) (string, error) {
			switch {
			case name == "uname":
				return "5.11\n", nil
			case text == "!":
				return "", broken
			}
			return text, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if s, err := h.Read(); err == nil {
			t.Errorf("%s: read as %+v", name, s)
		}
		if errs := h.Remove([]host.Placement{theAlias}); errs[0] == nil {
			t.Errorf("%s: not known, and yet removed", name)
		}
	}
}

func TestRouterAndNeighboursAreRead(t *testing.T) {
	for _, release := range []string{"5.6", "5.11"} {
		tr := newTranscript(t, release)
		tr.Known = []solaristest.Neighbour{{Addr: router, HW: "0:c:29:1:2:3"}}
		s, err := tr.h.Read()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]host.Route{{NIC: "iprb1", Gateway: router}}, s.Routes, compareAddr); diff != "" {
			t.Errorf("%s: routes (-want +got):\n%s", release, diff)
		}
		want := map[netip.Addr]host.HW{router: {0, 0x0c, 0x29, 1, 2, 3}}
		if diff := cmp.Diff(want, s.Neighbours, compareAddr); diff != "" {
			t.Errorf("%s: neighbours (-want +got):\n%s", release, diff)
		}
	}
}

var compareAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestRouteIsAskedWhereNetstatNamesNoRouter(t *testing.T) {
	tr := newTranscript(t, "5.11")
	h, err := host.NewIfconfig(func(ctx context.Context, name string, args ...string) (string, error) {
		if name == "netstat" {
			return "", errors.New("not here")
		}
		return tr.run(ctx, name, args...)
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.Read()
	if err != nil || len(s.Routes) != 1 || s.Routes[0] != (host.Route{NIC: "iprb1", Gateway: router}) {
		t.Errorf("%v, %v", s.Routes, err)
	}
}

func TestWatchWakesAtOnceAndOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript(t, "5.11")
		ctx, cancel := context.WithCancel(t.Context())
		var wakes atomic.Int32
		done := make(chan error)
		go func() { done <- tr.h.Watch(ctx, func() { wakes.Add(1) }) }()
		time.Sleep(time.Minute)
		if n := wakes.Load(); n != 1 {
			t.Errorf("woke %d times though nothing has changed, want once", n)
		}
		tr.mu.Lock()
		tr.NICs[0].Link = false
		tr.mu.Unlock()
		time.Sleep(3 * time.Second)
		if n := wakes.Load(); n != 2 {
			t.Errorf("woke %d times, want a second time for the cable", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
