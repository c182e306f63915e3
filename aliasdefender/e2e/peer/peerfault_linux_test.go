package peer

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

const unreadable = "event=partner_unreadable"

// takeover is how long a silent alias may go without service at a rhythm: until it is
// known whether it is silent, and whether partner and router are, which are asked at
// its first miss; and then the take.
func takeover(interval time.Duration) time.Duration {
	r := config.Rhythm{Interval: interval, Timeout: config.DefaultTimeout(interval), Misses: 3}
	return r.Detect() + r.Timeout + slack
}

// rewrite gives a host another table of aliases.
func rewrite(t *testing.T, p *pair.Pair, h *lab.Host, rows string) {
	t.Helper()
	stage.Must(t, os.WriteFile(p.File(h, "hostname.alias"), []byte(rows), 0o644))
}

// crashed has A crash: B takes the alias and announces it, and the client is served.
func crashed(t *testing.T, p *pair.Pair, interval time.Duration) {
	t.Helper()
	sniff, err := p.User.Port().Sniff()
	stage.Must(t, err)
	crash := time.Now()
	stage.Must(t, p.A.Crash())
	stage.Served(t, p, "b")
	stage.Crashed(t, p, sniff, crash, p.A, p.B)
	figure := stage.NewFigures(t, fmt.Sprintf("the client's gap at a crash, at %v", interval), takeover(interval))
	figure.Add(p.Asker.Gap(crash).Length(), stage.Stillness(p.Asker, p.Control, crash, time.Now()))
}

func TestDifferentKeysAreSaidOnceAndTheOriginalsRulesApply(t *testing.T) {
	t.Parallel()
	const interval = 200 * time.Millisecond
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Rhythm(interval), Keys: []string{stage.NewKey()}})
	p.SetKeys(p.B, stage.NewKey())
	stage.Must(t, p.Write(p.B, pair.OwnA.Addr(), false, stage.Rhythm(interval)))
	stage.Must(t, p.Begin(stage.Patience))
	for _, h := range []*lab.Host{p.A, p.B} {
		stage.Said(t, p.Monitor(h), unreadable)
	}
	stage.Unchanged(t, p, 5*time.Second)
	for _, h := range []*lab.Host{p.A, p.B} {
		if n := strings.Count(p.Monitor(h).Output(), unreadable); n != 1 {
			t.Errorf("%s says it %d times:\n%s", h.Name, n, p.Monitor(h).Output())
		}
		stage.Until(t, p, h, "unreadable packets", func(s control.Snapshot, _ control.Alias) bool {
			return strings.Contains(strings.Join(s.Problems, "\n"), "different keys?")
		})
	}
	crashed(t, p, interval)
}

// wall drops only the channel's packets to or from a host, until it is undone.
func wall(t *testing.T, h *lab.Host, hook *nftables.ChainHook) (undo func()) {
	t.Helper()
	var conn *nftables.Conn
	var table *nftables.Table
	stage.Must(t, h.Do(func() (err error) {
		if conn, err = nftables.New(nftables.AsLasting()); err != nil {
			return err
		}
		table = conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "wall"})
		chain := conn.AddChain(&nftables.Chain{Name: "wall", Table: table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityFilter})
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_UDP}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(config.DefaultPort)},
			&expr.Verdict{Kind: expr.VerdictDrop},
		}})
		return conn.Flush()
	}))
	t.Cleanup(func() { conn.CloseLasting() })
	return func() {
		t.Helper()
		conn.DelTable(table)
		stage.Must(t, conn.Flush())
	}
}

func TestChannelBehindAFirewallIsSaidAndTheOriginalsRulesApply(t *testing.T) {
	t.Parallel()
	const interval = 200 * time.Millisecond
	for _, tt := range []struct {
		name string
		of   func(p *pair.Pair) []*lab.Host // neither hears anything
	}{
		{"both ways", func(p *pair.Pair) []*lab.Host { return []*lab.Host{p.A, p.B} }},
		{"to the standby", func(p *pair.Pair) []*lab.Host { return []*lab.Host{p.B} }},
		{"to the holder", func(p *pair.Pair) []*lab.Host { return []*lab.Host{p.A} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			t.Run("from the start", func(t *testing.T) {
				p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Rhythm(interval), Keys: []string{stage.NewKey()}})
				for _, h := range tt.of(p) {
					wall(t, h, nftables.ChainHookInput)
				}
				stage.Must(t, p.Begin(stage.Patience))
				for _, h := range tt.of(p) {
					stage.Said(t, p.Monitor(h), "event=partner_silent")
				}
				stage.Unchanged(t, p, 3*time.Second)
				crashed(t, p, interval)
			})
			t.Run("all at once", func(t *testing.T) {
				t.Parallel()
				p := stage.Talking(t, interval)
				since := time.Now()
				var undo []func()
				for _, h := range tt.of(p) {
					undo = append(undo, wall(t, h, nftables.ChainHookInput))
				}
				for _, h := range tt.of(p) {
					stage.Said(t, p.Monitor(h), "event=partner_silent")
				}
				stage.Unchanged(t, p, 3*time.Second)
				for _, f := range undo {
					f()
				}
				stage.Hears(t, p, p.A, "able")
				stage.Hears(t, p, p.B, "holding")
				stage.Unchanged(t, p, time.Second)
				if g := stage.Gaps(p.Asker, p.Control, since); len(g) > 0 {
					t.Errorf("the client's gaps: %v", g)
				}
				wall(t, p.B, nftables.ChainHookInput)
				crashed(t, p, interval)
			})
		})
	}
}

// TestSecondCableKeepsTheChannel cuts the first, which the alias is on.
func TestSecondCableKeepsTheChannel(t *testing.T) {
	t.Parallel()
	const interval = 200 * time.Millisecond
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Rhythm(interval), Keys: []string{stage.NewKey()}, SecondCable: true})
	stage.Begin(t, p)
	fresh := func(h *lab.Host, what, state string) {
		t.Helper()
		since := time.Now()
		stage.Until(t, p, h, what, func(_ control.Snapshot, a control.Alias) bool {
			return a.Says != nil && a.Says.Daemon == "heard" && a.Says.At.After(since) && strings.HasPrefix(a.Says.State, state)
		})
	}
	stage.Must(t, p.B.Port().Mute())
	stage.Unchanged(t, p, 3*time.Second)
	fresh(p.B, "A, over the second cable", "holding")
	fresh(p.A, "B cannot serve", "cannot serve")
	for _, h := range []*lab.Host{p.A, p.B} {
		if strings.Contains(p.Monitor(h).Output(), "event=partner_silent") {
			t.Errorf("%s did not hear the partner over the second cable:\n%s", h.Name, p.Monitor(h).Output())
		}
	}
	stage.Must(t, p.B.Port().Unmute())
	fresh(p.A, "B is back", "able")

	pulled := time.Now()
	stage.Must(t, p.A.Port().Down())
	stage.Served(t, p, "b")
	t.Logf("the client's gap with the holder's first cable pulled: %v", p.Asker.Gap(pulled).Length())
	stage.Held(t, p, "b")
	fresh(p.B, "A says why", "cannot serve")
}

// flood sends garbage to both hosts' port in their partner's name, as fast as it can,
// until it is stopped. stop returns how many packets that was each second.
func flood(t *testing.T, p *pair.Pair) (stop func() int) {
	t.Helper()
	from, err := p.Lab.Host(lab.HostSpec{Name: "flood", NICs: []lab.NICSpec{{Name: "eth0", Switch: p.Switch, Addrs: stage.Prefixes("10.77.0.66/24")}}})
	stage.Must(t, err)
	var fd int
	stage.Must(t, from.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	}))
	// One packet of two is not a datagram of the channel at all; the other begins
	// like one, and only an attempt to open it can tell.
	packet := func(source, to netip.Addr, head string) []byte {
		b := make([]byte, 28+200)
		b[0], b[8], b[9] = 0x45, 64, unix.IPPROTO_UDP
		copy(b[12:], source.AsSlice())
		copy(b[16:], to.AsSlice())
		binary.BigEndian.PutUint16(b[20:], config.DefaultPort)
		binary.BigEndian.PutUint16(b[22:], config.DefaultPort)
		binary.BigEndian.PutUint16(b[24:], 8+200)
		copy(b[28:], head)
		return b
	}
	a, b := pair.OwnA.Addr(), pair.OwnB.Addr()
	var sent atomic.Int64
	ended, end := make(chan error, 1), make(chan struct{})
	began := time.Now()
	go func() {
		defer unix.Close(fd)
		for {
			select {
			case <-end:
				ended <- nil
				return
			default:
			}
			for _, head := range []string{"", "ADp\x01"} {
				for _, way := range [][2]netip.Addr{{a, b}, {b, a}} {
					if err := unix.Sendto(fd, packet(way[0], way[1], head), 0, &unix.SockaddrInet4{Addr: way[1].As4()}); err == nil {
						sent.Add(1)
					}
				}
			}
		}
	}()
	return func() int {
		close(end)
		stage.Must(t, <-ended)
		return int(float64(sent.Load()) / time.Since(began).Seconds())
	}
}

func TestFloodOfGarbageHidesNoCrashAndMakesNone(t *testing.T) {
	t.Parallel()
	const interval = time.Second
	p := stage.Talking(t, interval)
	stop := flood(t, p)
	stage.Unchanged(t, p, 5*time.Second)
	crashed(t, p, interval)
	t.Logf("%d packets of garbage a second", stop())
}

// TestKeysAreReloaded brings a key in, replaces it on one host after the other, and
// takes it out: neither host ever fails to read the other, and nothing moves.
func TestKeysAreReloaded(t *testing.T) {
	t.Parallel()
	const interval = 200 * time.Millisecond
	settings := stage.Rhythm(interval) + "\nlease = \"3s\""
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: settings})
	stage.Must(t, p.Begin(stage.Patience))
	stage.Held(t, p, "a")
	stage.Said(t, p.Monitor(p.B), "row=W6")
	since := time.Now()
	with := func(h *lab.Host, keys ...string) {
		t.Helper()
		p.SetKeys(h, keys...)
		partner := pair.OwnB.Addr()
		if h == p.B {
			partner = pair.OwnA.Addr()
		}
		stage.Must(t, p.Write(h, partner, h == p.A, settings))
		stage.Must(t, stage.Reload(p, h))
	}
	both := func() {
		t.Helper()
		stage.Hears(t, p, p.A, "able")
		stage.Hears(t, p, p.B, "holding")
	}
	older, newer := stage.NewKey(), stage.NewKey()
	with(p.A, older)
	with(p.B, older)
	both()
	for _, keys := range [][]string{{older, newer}, {newer, older}, {newer}} {
		with(p.A, keys...)
		stage.Held(t, p, "a") // on a slow machine the lease may have ended; the client has seen it
		stage.Unchanged(t, p, time.Second)
		with(p.B, keys...)
		stage.Held(t, p, "a")
		stage.Unchanged(t, p, time.Second)
		both()
	}
	// A host without a key holds its aliases for ever.
	with(p.B)
	with(p.A)
	stage.Held(t, p, "a")
	stage.Unchanged(t, p, leaseOver+time.Second)
	for _, h := range []*lab.Host{p.A, p.B} {
		stage.Until(t, p, h, "no channel", func(s control.Snapshot, a control.Alias) bool { return a.Says == nil && len(s.Problems) == 0 })
		for _, bad := range []string{unreadable, "event=partner_silent"} {
			if out := p.Monitor(h).Output(); strings.Contains(out, bad) {
				t.Errorf("%s says %q:\n%s", h.Name, bad, out)
			}
		}
	}
	if g := stage.Gaps(p.Asker, p.Control, since); len(g) > 0 {
		t.Errorf("the client's gaps: %v", g)
	}
}
