package main

import (
	"encoding/binary"
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
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

const unreadableText = "the partner's packets cannot be read: different keys?"

// rewrite gives a host another table of aliases.
func rewrite(t *testing.T, p *pair.Pair, h *lab.Host, rows string) {
	t.Helper()
	must(t, os.WriteFile(p.File(h, "hostname.alias"), []byte(rows), 0o644))
}

// crashed measures what a crash of A costs the client.
func crashed(t *testing.T, p *pair.Pair, interval time.Duration) {
	t.Helper()
	crash := time.Now()
	must(t, p.A.Crash())
	served(t, p, 20*time.Second, "b")
	gap, most := p.Asker.Gap(crash).Length(), takeover(config.Rhythm{Interval: interval, Timeout: config.DefaultTimeout(interval), Misses: 3})
	still := stillness(p.Asker, p.Control, crash, time.Now())
	t.Logf("the client's gap at a crash: %v", gap)
	if gap > most+still {
		t.Errorf("the client's gap at a crash was %v, want at most %v", gap, most)
	}
}

func TestDifferentKeysAreSaidOnceAndTheOriginalsRulesApply(t *testing.T) {
	const interval = 200 * time.Millisecond
	p := stage(t, pair.Spec{PrimaryA: true, Settings: rhythm(interval), Keys: []string{newKey()}})
	p.SetKeys(p.B, newKey())
	must(t, p.Write(p.B, pair.OwnA.Addr(), false, rhythm(interval)))
	must(t, p.Begin(20*time.Second))
	for _, h := range []*lab.Host{p.A, p.B} {
		must(t, p.Monitor(h).WaitOutput(within(t, 15*time.Second), unreadableText))
	}
	unchanged(t, p, 5*time.Second)
	for _, h := range []*lab.Host{p.A, p.B} {
		if n := strings.Count(p.Monitor(h).Output(), unreadableText); n != 1 {
			t.Errorf("%s says it %d times:\n%s", h.Name, n, p.Monitor(h).Output())
		}
		until(t, p, h, "unreadable packets", 5*time.Second, func(s control.Snapshot, _ control.Alias) bool {
			return strings.Contains(strings.Join(s.Problems, "\n"), "different keys?")
		})
	}
	crashed(t, p, interval)
}

// wall drops the channel's packets to or from a host, and nothing else, until it
// is undone.
func wall(t *testing.T, h *lab.Host, hook *nftables.ChainHook) (undo func()) {
	t.Helper()
	var conn *nftables.Conn
	var table *nftables.Table
	must(t, h.Do(func() (err error) {
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
		must(t, conn.Flush())
	}
}

func TestChannelBehindAFirewallIsSaidAndTheOriginalsRulesApply(t *testing.T) {
	const interval = 200 * time.Millisecond
	for _, tt := range []struct {
		name string
		of   func(p *pair.Pair) []*lab.Host // who hear nothing
	}{
		{"both ways", func(p *pair.Pair) []*lab.Host { return []*lab.Host{p.A, p.B} }},
		{"to the standby", func(p *pair.Pair) []*lab.Host { return []*lab.Host{p.B} }},
		{"to the holder", func(p *pair.Pair) []*lab.Host { return []*lab.Host{p.A} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Run("from the start", func(t *testing.T) {
				p := stage(t, pair.Spec{PrimaryA: true, Settings: rhythm(interval), Keys: []string{newKey()}})
				for _, h := range tt.of(p) {
					wall(t, h, nftables.ChainHookInput)
				}
				must(t, p.Begin(20*time.Second))
				for _, h := range tt.of(p) {
					must(t, p.Monitor(h).WaitOutput(within(t, 10*time.Second), "has not been heard since our start"))
				}
				unchanged(t, p, 3*time.Second)
				crashed(t, p, interval)
			})
			t.Run("all at once", func(t *testing.T) {
				p := talking(t, interval)
				since := time.Now()
				var undo []func()
				for _, h := range tt.of(p) {
					undo = append(undo, wall(t, h, nftables.ChainHookInput))
				}
				for _, h := range tt.of(p) {
					must(t, p.Monitor(h).WaitOutput(within(t, 5*time.Second), "has fallen silent on the channel"))
				}
				unchanged(t, p, 3*time.Second)
				for _, f := range undo {
					f()
				}
				hears(t, p, p.A, "able")
				hears(t, p, p.B, "holding")
				unchanged(t, p, time.Second)
				if g := gaps(p.Asker, p.Control, since); len(g) > 0 {
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
	const interval = 200 * time.Millisecond
	p := stage(t, pair.Spec{PrimaryA: true, Settings: rhythm(interval), Keys: []string{newKey()}, SecondCable: true})
	begin(t, p)
	fresh := func(h *lab.Host, what, state string) {
		t.Helper()
		since := time.Now()
		until(t, p, h, what, 10*time.Second, func(_ control.Snapshot, a control.Alias) bool {
			return a.Says != nil && a.Says.Daemon == "heard" && a.Says.At.After(since) && strings.HasPrefix(a.Says.State, state)
		})
	}
	must(t, p.B.Port().Mute())
	unchanged(t, p, 3*time.Second)
	fresh(p.B, "A, over the second cable", "holding")
	fresh(p.A, "B cannot serve", "cannot serve")
	for _, h := range []*lab.Host{p.A, p.B} {
		if strings.Contains(p.Monitor(h).Output(), "fallen silent on the channel") {
			t.Errorf("%s did not hear the partner over the second cable:\n%s", h.Name, p.Monitor(h).Output())
		}
	}
	must(t, p.B.Port().Unmute())
	fresh(p.A, "B is back", "able")

	pulled := time.Now()
	must(t, p.A.Port().Down())
	served(t, p, 10*time.Second, "b")
	t.Logf("the client's gap with the holder's first cable pulled: %v", p.Asker.Gap(pulled).Length())
	held(t, p, 5*time.Second, "b")
	fresh(p.B, "A says why", "cannot serve")
}

// flood sends garbage to both hosts' port in the name of their partner, as fast
// as it goes, until it is stopped; stop returns how much that was each second.
func flood(t *testing.T, p *pair.Pair) (stop func() int) {
	t.Helper()
	from, err := p.Lab.Host(lab.HostSpec{Name: "flood", NICs: []lab.NICSpec{{Name: "eth0", Switch: p.Switch, Addrs: prefixes("10.77.0.66/24")}}})
	must(t, err)
	var fd int
	must(t, from.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	}))
	// Of two packets one is no datagram of the channel at all; the other begins as
	// one, and can be told only by trying to open it.
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
		must(t, <-ended)
		return int(float64(sent.Load()) / time.Since(began).Seconds())
	}
}

func TestFloodOfGarbageHidesNoCrashAndMakesNone(t *testing.T) {
	const interval = time.Second
	p := talking(t, interval)
	stop := flood(t, p)
	unchanged(t, p, 5*time.Second)
	crashed(t, p, interval)
	t.Logf("%d packets of garbage a second", stop())
}

// TestKeysAreReloaded brings a key in, replaces it on one host after the other,
// and takes it out: nobody ever finds the other unreadable, and nothing moves.
func TestKeysAreReloaded(t *testing.T) {
	const interval = 200 * time.Millisecond
	settings := rhythm(interval) + "\nlease = \"3s\""
	p := stage(t, pair.Spec{PrimaryA: true, Settings: settings})
	must(t, p.Begin(20*time.Second))
	held(t, p, 10*time.Second, "a")
	must(t, p.Monitor(p.B).WaitOutput(within(t, 10*time.Second), "row=W6"))
	since := time.Now()
	with := func(h *lab.Host, keys ...string) {
		t.Helper()
		p.SetKeys(h, keys...)
		partner := pair.OwnB.Addr()
		if h == p.B {
			partner = pair.OwnA.Addr()
		}
		must(t, p.Write(h, partner, h == p.A, settings))
		must(t, reload(p, h))
	}
	both := func() {
		t.Helper()
		hears(t, p, p.A, "able")
		hears(t, p, p.B, "holding")
	}
	older, newer := newKey(), newKey()
	with(p.A, older)
	with(p.B, older)
	both()
	for _, keys := range [][]string{{older, newer}, {newer, older}, {newer}} {
		with(p.A, keys...)
		unchanged(t, p, time.Second)
		with(p.B, keys...)
		unchanged(t, p, time.Second)
		both()
	}
	// Who has no key any more holds for ever what it holds.
	with(p.B)
	with(p.A)
	unchanged(t, p, leaseOver+time.Second)
	for _, h := range []*lab.Host{p.A, p.B} {
		until(t, p, h, "no channel", 5*time.Second, func(s control.Snapshot, a control.Alias) bool { return a.Says == nil && len(s.Problems) == 0 })
		for _, bad := range []string{unreadableText, "fallen silent on the channel"} {
			if out := p.Monitor(h).Output(); strings.Contains(out, bad) {
				t.Errorf("%s says %q:\n%s", h.Name, bad, out)
			}
		}
	}
	if g := gaps(p.Asker, p.Control, since); len(g) > 0 {
		t.Errorf("the client's gaps: %v", g)
	}
}
