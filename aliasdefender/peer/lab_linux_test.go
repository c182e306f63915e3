package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/lab"
)

func TestMain(m *testing.M) { lab.Main(m.Run) }

// rig is two hosts with two cables between them, and a third that is nobody's
// partner.
type rig struct {
	*testing.T
	first, second *lab.Switch
	a, b, c       *lab.Host
}

var (
	firstA, firstB   = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	secondA, secondB = netip.MustParseAddr("10.9.9.1"), netip.MustParseAddr("10.9.9.2")
)

func newRig(t *testing.T) *rig {
	t.Helper()
	l := lab.ForTest(t)
	r := &rig{T: t}
	var err error
	r.first, err = l.Switch("first")
	r.must(err)
	r.second, err = l.Switch("second")
	r.must(err)
	host := func(name, first, second string) *lab.Host {
		h, err := l.Host(lab.HostSpec{Name: name, NICs: []lab.NICSpec{
			{Switch: r.first, Addrs: []netip.Prefix{netip.MustParsePrefix(first + "/24")}},
			{Switch: r.second, Addrs: []netip.Prefix{netip.MustParsePrefix(second + "/24")}},
		}})
		r.must(err)
		return h
	}
	r.a, r.b, r.c = host("a", "10.0.0.1", "10.9.9.1"), host("b", "10.0.0.2", "10.9.9.2"), host("c", "10.0.0.3", "10.9.9.3")
	return r
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// on runs a Channel on a host.
func (r *rig) on(h *lab.Host, partner Partner) (k *talker) {
	r.Helper()
	r.must(h.Do(func() error {
		k = talk(r, Options{Port: testPort, Keys: keysOf(r, 1), Partners: []Partner{partner}})
		return nil
	}))
	return k
}

func (r *rig) pair() (a, b *talker) {
	r.Helper()
	a = r.on(r.a, Partner{Addr: firstB, Paths: []netip.Addr{secondB}})
	b = r.on(r.b, Partner{Addr: firstA, Paths: []netip.Addr{secondA}})
	return a, b
}

func overPath(addr netip.Addr) func(Heard) bool { return func(h Heard) bool { return h.Path == addr } }

func TestAnyOfTwoPathsCounts(t *testing.T) {
	r := newRig(t)
	a, b := r.pair()
	m := Message{Version: "1", Words: wordsOf(2)}
	a.beat(firstB, m, 5*time.Millisecond)
	b.hears("over any", anything)

	r.must(r.a.NIC("eth0").Port.Mute())
	cut := time.Now()
	b.hears("over the second cable", overPath(secondA))
	r.must(r.a.NIC("eth0").Port.Unmute())
	r.must(r.a.NIC("eth1").Port.Down())
	b.hears("over the first", func(h Heard) bool { return h.Path == firstA && h.At.After(cut) })
	for _, p := range b.Status().Partners[0].Paths {
		if p.Heard.IsZero() {
			t.Errorf("over %v nothing was heard", p.Addr)
		}
	}
	counts := b.Status().Partners[0].Counts
	if counts[Duplicate] == 0 || counts[Replayed]+counts[Unreadable]+counts[Foreign]+counts[Former] > 0 {
		t.Errorf("%v", counts)
	}
}

// awaitPath says m until the status of a path is as wanted.
func (k *talker) awaitPath(what string, path int, ok func(PathStatus) bool) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		k.Say(k.o.Partners[0].Addr, Message{}, 0)
		select {
		case <-ctx.Done():
			k.t.Fatalf("%s: %+v", what, k.Status().Partners[0].Paths)
		case <-tick.C:
		}
		if ok(k.Status().Partners[0].Paths[path]) {
			return
		}
	}
}

func isErr(want error) func(PathStatus) bool {
	return func(p PathStatus) bool { return errors.Is(p.Err, want) }
}

func TestWhatStandsInTheWayOfAPathIsSaidOfThatPath(t *testing.T) {
	r := newRig(t)
	a := r.on(r.a, Partner{Addr: firstB, Paths: []netip.Addr{secondB}})
	a.awaitPath("nobody listens", 0, isErr(syscall.ECONNREFUSED))
	a.awaitPath("nobody listens", 1, isErr(syscall.ECONNREFUSED))

	b := r.on(r.b, Partner{Addr: firstA, Paths: []netip.Addr{secondA}})
	b.beat(firstA, Message{}, 5*time.Millisecond)
	a.hears("b", anything)
	well := func(p PathStatus) bool { return p.Err == nil && !p.Heard.IsZero() && !p.Sent.IsZero() }
	a.awaitPath("b listens", 0, well)
	a.awaitPath("b listens", 1, well)

	r.must(r.a.NIC("eth0").SetUp(false))
	a.awaitPath("no route", 0, isErr(syscall.ENETUNREACH))
	a.awaitPath("no route", 1, well)
	a.hears("b over the second cable", overPath(secondB))
	r.must(r.a.NIC("eth0").SetUp(true))
	a.awaitPath("the route is back", 0, well)

	undo := firewall(r, r.a, nftables.ChainHookOutput)
	a.awaitPath("our firewall", 0, isErr(syscall.EPERM))
	a.awaitPath("our firewall", 1, isErr(syscall.EPERM))
	undo()
	a.awaitPath("no firewall", 0, well)
	a.awaitPath("no firewall", 1, well)
}

// A firewall of the partner's lets its host be pinged, and tells nothing: the
// path is not heard any more.
func TestBehindAFirewallNothingIsHeardUntilItIsOpened(t *testing.T) {
	r := newRig(t)
	a, b := r.pair()
	undo := firewall(r, r.b, nftables.ChainHookInput)
	b.beat(firstA, Message{Version: "b"}, 5*time.Millisecond)
	a.beat(firstB, Message{Version: "a"}, 5*time.Millisecond)
	// b says hello, and the answers do not reach it.
	a.hearsOf("b's hello", func(s Status) bool { return s.Partners[0].Counts[Taken] > 3 })
	for _, k := range []*talker{a, b} {
		if p := k.Status().Partners[0]; p.Proven || !p.Paths[0].Heard.IsZero() {
			t.Errorf("%+v", p)
		}
	}
	undo()
	a.hears("b", anything)
	b.hears("a", anything)
}

// hearsOf waits until the status is as wanted.
func (k *talker) hearsOf(what string, ok func(Status) bool) {
	k.t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok(k.Status()) {
		select {
		case <-late:
			k.t.Fatalf("%s: %+v", what, k.Status())
		case <-tick.C:
		}
	}
}

// firewall drops the channel's packets on a host until it is undone.
func firewall(r *rig, h *lab.Host, hook *nftables.ChainHook) (undo func()) {
	r.Helper()
	var conn *nftables.Conn
	var table *nftables.Table
	r.must(h.Do(func() (err error) {
		if conn, err = nftables.New(nftables.AsLasting()); err != nil {
			return err
		}
		table = conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "wall"})
		chain := conn.AddChain(&nftables.Chain{Name: "wall", Table: table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityFilter})
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_UDP}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(testPort)},
			&expr.Verdict{Kind: expr.VerdictDrop},
		}})
		return conn.Flush()
	}))
	r.Cleanup(func() { conn.CloseLasting() })
	return func() {
		r.Helper()
		conn.DelTable(table)
		r.must(conn.Flush())
	}
}

// forge sends UDP packets to a with any source, in bursts at a rate, until so
// many of them have come through to a's UDP: a machine that is busy loses some on
// their way. It returns how many were sent, and how many datagrams came through,
// those of others included.
func forge(r *rig, from *lab.Host, source netip.Addr, payload []byte, n, rate int) (sent, came int) {
	r.Helper()
	var fd int
	r.must(from.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	}))
	defer unix.Close(fd)
	packet := make([]byte, 28, 28+len(payload))
	packet[0], packet[8], packet[9] = 0x45, 64, unix.IPPROTO_UDP
	source4, to := source.As4(), firstA.As4()
	copy(packet[12:], source4[:])
	copy(packet[16:], to[:])
	binary.BigEndian.PutUint16(packet[20:], testPort)
	binary.BigEndian.PutUint16(packet[22:], testPort)
	binary.BigEndian.PutUint16(packet[24:], uint16(8+len(payload)))
	packet = append(packet, payload...)
	begin, first := time.Now(), arrivals(r, r.a)
	for came < n {
		if time.Since(begin) > patience {
			r.Fatalf("of %d packets only %d came through", sent, came)
		}
		due := min(int(time.Since(begin).Seconds()*float64(rate)), sent+burst)
		if sent >= due {
			<-time.After(time.Millisecond)
			continue
		}
		for ; sent < due; sent++ {
			if err := unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: to}); err != nil {
				r.Fatal(err)
			}
		}
		came = arrivals(r, r.a) - first
	}
	return sent, came
}

// burst is how many packets forge sends before it looks for how many came.
const burst = 1000

// arrivals is how many datagrams have come to a host's UDP: those that were read,
// and those that its sockets had no room for or did not want (InErrors,
// /proc/net/snmp).
func arrivals(r *rig, h *lab.Host) (n int) {
	r.Helper()
	var text []byte
	r.must(h.Do(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/snmp")
		return err
	}))
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		switch {
		case fields[0] != "Udp:":
		case names == nil:
			names = fields
		default:
			for i, name := range names {
				if name == "InDatagrams" || name == "InErrors" {
					v, err := strconv.Atoi(fields[i])
					r.must(err)
					n += v
				}
			}
		}
	}
	return n
}

// words is how many datagrams of a partner's were no garbage.
func words(s Status) uint64 { c := s.Partners[0].Counts; return c[Taken] + c[Late] + c[Duplicate] }

// says is how often k has said something to its first partner.
func (k *talker) says() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return int(k.partners[0].said)
}

// While garbage comes in, a heartbeat of 10 ms goes on being heard, and all of
// the garbage that came is counted.
func TestAHeartbeatIsHeardThroughAFloodOfGarbage(t *testing.T) {
	// The flood and the reader each have a thread. If they took turns on one, in Go's own
	// slices of time, the reader would be late by far more than the kernel has room for.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	n := 100_000
	if testing.Short() {
		n = 20_000
	}
	for _, tt := range []struct {
		name   string
		source netip.Addr
		head   []byte
		count  func(Status) uint64
	}{
		{"from a stranger", netip.MustParseAddr("10.0.0.3"), nil, func(s Status) uint64 { return uint64(s.Refused) }},
		{"in the partner's name, no datagram", firstB, nil, func(s Status) uint64 { return uint64(s.Refused) }},
		{"in the partner's name, to another boot", firstB, append(magic[:], version, 1), func(s Status) uint64 {
			return s.Partners[0].Counts[Unchecked] + s.Partners[0].Counts[Unreadable] + uint64(s.Refused)
		}},
		{"in the partner's name, a hello", firstB, append(magic[:], version), func(s Status) uint64 {
			// What the kernel had no room for is counted there.
			return s.Partners[0].Counts[Unreadable] + uint64(s.Refused)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			a := r.on(r.a, Partner{Addr: firstB})
			b := r.on(r.b, Partner{Addr: firstA})
			b.beat(firstA, Message{Words: wordsOf(3)}, 10*time.Millisecond)
			a.hears("b", anything)
			payload := make([]byte, 200)
			copy(payload, tt.head)
			var before, after unix.Rusage
			r.must(unix.Getrusage(unix.RUSAGE_SELF, &before))
			begin, first, was := time.Now(), b.says(), a.Status()
			sent, came := forge(r, r.c, tt.source, payload, n, 100_000)
			took, said := time.Since(begin), b.says()-first
			r.must(unix.Getrusage(unix.RUSAGE_SELF, &after))

			var counted uint64
			a.hearsOf("all that came is counted", func(s Status) bool {
				counted = tt.count(s) - tt.count(was)
				return counted+words(s)-words(was) >= uint64(came)
			})
			longest, last, heard := time.Duration(0), begin, 0
			for len(a.heard) > 0 {
				h := <-a.heard
				if h.At.After(begin) && h.At.Before(begin.Add(took)) {
					longest, last, heard = max(longest, h.At.Sub(last)), h.At, heard+1
				}
			}
			cpu := time.Duration(after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano())
			t.Logf("%d sent in %v, %d came, %d counted, %d of %d Says heard, the longest pause %v; %v CPU of sender, kernel and both ends", sent, took.Round(time.Millisecond), came, counted, heard, said, longest.Round(time.Millisecond), cpu.Round(time.Millisecond))
			// While a busy machine lets nobody read, the kernel's room fills up,
			// and the partner's packets are lost with the others; so they are
			// on their way where that loses many.
			if said = said * min(came, sent) / sent; heard < said/4 {
				t.Errorf("%d were heard, of %d Says that the way should have left", heard, said)
			}
		})
	}
}
