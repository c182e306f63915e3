package ipv6

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

const (
	stormFor  = 3 * time.Second
	stormEach = 60 // frames a millisecond, if this machine comes to that
	lagLimit  = 250 * time.Millisecond
)

// lags asks a Monitor for its Status until ctx is done, and adds how long each answer took:
// the loop gives it between two of its deeds.
func lags(ctx context.Context, t *testing.T, p *pair.Pair, h *lab.Host, lag *stage.Figures) {
	t.Helper()
	for tick := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-tick.C {
		began := time.Now()
		if _, err := control.Dial(p.File(h, "sock")).Status(stage.Patiently(t), false); err != nil {
			t.Errorf("%s: %v", h.Name, err)
			return
		}
		lag.Add(time.Since(began), stage.Stillness(p.Asker, p.Control, began, time.Now()))
	}
}

// TestAStormOfNeighbourDiscoveryMovesNothing has a third host send as much as it can: first
// what concerns nobody here, then claims of the alias, which the holder has to answer and
// must not believe.
func TestAStormOfNeighbourDiscoveryMovesNothing(t *testing.T) {
	t.Parallel()
	served(t, func(t *testing.T, p *pair.Pair) {
		foreign := third(t, p).NIC("eth0")
		others := func(i int) lab.Frame {
			b := p.Foreign.Addr().As16()
			binary.BigEndian.PutUint32(b[12:], rand.Uint32()|1<<31) // nobody's
			f := lab.Gratuitous(netip.AddrFrom16(b), foreign.MAC)
			if i%2 == 0 { // a question, whose asker tells where it is itself
				f.SenderIP, f.EthDst = p.Foreign.Addr(), net.HardwareAddr{0x33, 0x33, 0xff, b[13], b[14], b[15]}
			}
			return f
		}
		claims := func(i int) lab.Frame {
			f := lab.Gratuitous(p.Alias, foreign.MAC)
			if f.Weak = i%2 == 0; i%3 == 0 {
				f.SenderHW = net.HardwareAddr{0x02, 0xad, 0x66, byte(i >> 16), byte(i >> 8), byte(i)}
			}
			return f
		}
		from := time.Now()
		for _, storm := range []struct {
			name  string
			frame func(int) lab.Frame
		}{{"of nothing", nil}, {"of others", others}, {"of claims", claims}} {
			ctx, end := context.WithTimeout(t.Context(), stormFor)
			lagA := stage.NewFigures(t, "the holder's Status in a storm "+storm.name, lagLimit)
			lagB := stage.NewFigures(t, "the standby's Status in a storm "+storm.name, lagLimit)
			both := make(chan bool, 2)
			for h, lag := range map[*lab.Host]*stage.Figures{p.A: lagA, p.B: lagB} {
				go func() { defer func() { both <- true }(); lags(ctx, t, p, h, lag) }()
			}
			if storm.frame != nil {
				began := time.Now()
				sent, err := foreign.Flood(ctx, stormEach, storm.frame)
				t.Logf("figure: a storm %s: %d frames, %.0f a second", storm.name, sent, float64(sent)/time.Since(began).Seconds())
				stage.Must(t, err)
			}
			<-both
			<-both
			end()
		}
		stage.Said(t, p.Monitor(p.A), `reason="foreign host claims`)
		// It tells the segment again, no more often than the limit on defences allows.
		stage.Served(t, p, "a")
		stage.Unchanged(t, p, time.Second)
		quiet(t, p, from)
	})
}

// quiet fails if the alias was not with A alone since a moment, or if a Monitor has ended.
func quiet(t *testing.T, p *pair.Pair, since time.Time) {
	t.Helper()
	if n := p.Holders.Tenure(since, time.Time{}); n.Takes != 0 || n.Nobody > 0 || !slices.Equal(p.Holders.Holders(), []string{"a"}) {
		t.Errorf("held by %v: %+v", p.Holders.Holders(), n)
	}
	for _, h := range []*lab.Host{p.A, p.B} {
		select {
		case <-p.Monitor(h).Done():
			t.Errorf("the Monitor of %s has ended", h.Name)
		default:
		}
	}
}

// raw sends frames as they are.
func raw(t *testing.T, n *lab.NIC, frames ...[]byte) {
	t.Helper()
	stage.Must(t, n.Host.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, f := range frames {
			if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: n.Index()}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// message is one of neighbour discovery from a NIC to all, with these options and the right
// checksum; spoil may change the packet, the Ethernet header before it aside, afterwards.
func message(n *lab.NIC, kind byte, from, about netip.Addr, options []byte, spoil func(packet []byte)) []byte {
	icmp := append(append([]byte{kind, 0, 0, 0, 0x20, 0, 0, 0}, about.AsSlice()...), options...)
	packet := []byte{0x60, 0, 0, 0, 0, 0, unix.IPPROTO_ICMPV6, 255}
	binary.BigEndian.PutUint16(packet[4:], uint16(len(icmp)))
	packet = append(append(packet, from.AsSlice()...), netip.MustParseAddr("ff02::1").AsSlice()...)
	sum := uint32(len(icmp)) + unix.IPPROTO_ICMPV6
	for _, b := range [][]byte{packet[8:], icmp} {
		for i, v := range b {
			sum += uint32(v) << (8 * (1 - i%2))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(icmp[2:], ^uint16(sum))
	packet = append(packet, icmp...)
	if spoil != nil {
		spoil(packet)
	}
	return slices.Concat(lab.AllNodes, n.MAC, []byte{0x86, 0xdd}, packet)
}

// TestWhatIsMalformedMovesNothing: the kernel drops it (RFC 4861, 7.1), and so has a Monitor.
func TestWhatIsMalformedMovesNothing(t *testing.T) {
	t.Parallel()
	p := six.Begun(t)
	stage.Said(t, p.Monitor(p.B), "row=W6")
	foreign := third(t, p).NIC("eth0")
	mac := []byte(foreign.MAC)
	const solicit, advertise = 135, 136
	option := func(kind, length byte, more ...byte) []byte {
		return append(append([]byte{kind, length}, mac...), more...)
	}
	var all [][]byte
	for _, about := range []netip.Addr{p.Alias, p.OwnA.Addr(), p.OwnB.Addr()} {
		for _, kind := range []byte{solicit, advertise} {
			own := byte(kind - solicit + 1) // 1: of the source, 2: of the target
			from := about
			if kind == solicit {
				from = p.Alias
			}
			for _, options := range [][]byte{
				option(own, 0),                          // no length
				option(own, 2),                          // longer than the packet
				option(own, 255),                        // much longer
				{own},                                   // cut short
				{own, 1, 2},                             // cut shorter than it says
				append(option(own, 1), option(9, 0)...), // a good one, and one of no length behind it
				append(option(own, 1), 7),               // and a byte behind it
			} {
				all = append(all, message(foreign, kind, from, about, options, nil))
			}
			for _, spoil := range []func([]byte){
				func(b []byte) { b[7] = 64 }, // forwarded
				func(b []byte) { b[42]++ },   // the checksum
				func(b []byte) { b[41] = 1; binary.BigEndian.PutUint16(b[42:], binary.BigEndian.Uint16(b[42:])-1) }, // a code, with its checksum
				func(b []byte) { binary.BigEndian.PutUint16(b[4:], 9000) },                                          // longer than the frame
				func(b []byte) { binary.BigEndian.PutUint16(b[4:], 20) },                                            // shorter than the message
				func(b []byte) { binary.BigEndian.PutUint16(b[4:], 0) },                                             // a jumbogram
				func(b []byte) { b[0] = 0x40 },                                                                      // of another version
			} {
				all = append(all, message(foreign, kind, from, about, option(own, 1), spoil))
			}
			good := message(foreign, kind, from, about, option(own, 1), nil)
			for n := 14; n < len(good); n++ {
				all = append(all, good[:n])
			}
		}
		all = append(all, message(foreign, solicit, netip.IPv6Unspecified(), about, option(1, 1), nil)) // a probe that tells a hardware address
	}
	group := netip.MustParseAddr("ff02::1")
	all = append(all, message(foreign, advertise, p.Alias, group, option(2, 1), nil), message(foreign, solicit, group, p.Alias, option(1, 1), nil))
	from := time.Now()
	for range 20 {
		raw(t, foreign, all...)
		stage.Unchanged(t, p, 100*time.Millisecond)
	}
	stage.Served(t, p, "a")
	quiet(t, p, from)
	for _, h := range []*lab.Host{p.A, p.B} {
		if out := p.Monitor(h).Output(); strings.Contains(out, "claims") {
			t.Errorf("%s has taken it for a claim:\n%s", h.Name, out)
		}
	}
	// The same without a fault is a claim, and the holder says so.
	raw(t, foreign, message(foreign, advertise, p.Alias, p.Alias, option(2, 1), nil))
	stage.Said(t, p.Monitor(p.A), "row=H7")
	stage.Must(t, p.A.Crash())
	stage.Served(t, p, "b")
}
