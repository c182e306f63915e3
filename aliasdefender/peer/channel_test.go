package peer

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	addrA = netip.MustParseAddr("127.0.0.1")
	addrB = netip.MustParseAddr("127.0.0.2")
)

// freePort is one that nobody had a moment ago.
func freePort(t testing.TB) uint16 {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// talker is a running Channel and what it has heard.
type talker struct {
	t testing.TB
	*Channel
	heard    chan Heard
	readable chan bool
	stop     func()
}

// talk starts a Channel; it ends with the test.
func talk(t testing.TB, o Options) *talker {
	t.Helper()
	k := &talker{t: t, heard: make(chan Heard, 10000), readable: make(chan bool, 100)}
	o.Heard = func(h Heard) { k.heard <- h }
	o.Readable = func(_ netip.Addr, ok bool) { k.readable <- ok }
	var err error
	if k.Channel, err = New(o); err != nil {
		t.Fatal(err)
	}
	if err := k.Listen(); err != nil {
		t.Fatal(err)
	}
	k.run()
	return k
}

func (k *talker) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := k.Run(ctx); err != nil {
			k.t.Error(err)
		}
	})
	k.stop = func() { cancel(); done.Wait() }
	k.t.Cleanup(k.stop)
}

// hears waits for words that satisfy ok, passing over others.
func (k *talker) hears(what string, ok func(Heard) bool) Heard {
	k.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case h := <-k.heard:
			if ok(h) {
				return h
			}
		case <-late:
			k.t.Fatalf("%s: not heard; %+v", what, k.Status())
		}
	}
}

// beat says m to a partner in a rhythm until what it is called for is over.
func (k *talker) beat(to netip.Addr, m Message, every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for k.Say(to, m, 0); ; k.Say(to, m, 0) {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	stop = func() { cancel(); done.Wait() }
	k.t.Cleanup(stop)
	return stop
}

func anything(Heard) bool { return true }

func onLoopback(t testing.TB, port uint16, own, partner netip.Addr) *talker {
	t.Helper()
	return talk(t, Options{Listen: own, Port: port, Keys: keysOf(t, 1), Partners: []Partner{{Addr: partner}}})
}

func TestTwoChannelsTalk(t *testing.T) {
	port := freePort(t)
	a, b := onLoopback(t, port, addrA, addrB), onLoopback(t, port, addrB, addrA)
	m := Message{Version: "1.2.3", Features: 1, Words: wordsOf(3)}
	a.beat(addrB, m, 10*time.Millisecond)
	first := b.hears("the first", anything)
	if !first.NewBoot || first.Partner != addrA || first.Path != addrA || first.Parts != 1 || first.At.IsZero() {
		t.Errorf("%+v", first)
	}
	if d := cmp.Diff(m, first.Message, compareAddr); d != "" {
		t.Errorf("-said +heard:\n%s", d)
	}
	if h := b.hears("the second", anything); h.NewBoot || h.Say <= first.Say {
		t.Errorf("after Say %d: %+v", first.Say, h)
	}
	b.beat(addrA, Message{Version: "9"}, 10*time.Millisecond)
	a.hears("b", func(h Heard) bool { return h.Version == "9" })

	// Another process in a's place.
	a.stop()
	a = onLoopback(t, port, addrA, addrB)
	a.beat(addrB, m, 10*time.Millisecond)
	if h := b.hears("the next process", func(h Heard) bool { return h.NewBoot }); h.Say > 5 {
		t.Errorf("its first word that is heard is Say %d", h.Say)
	}
	if h := a.hears("the old one, by the new", anything); !h.NewBoot {
		t.Errorf("%+v", h)
	}
	for _, p := range append(a.Status().Partners, b.Status().Partners...) {
		if !p.Proven || p.Unreadable || len(p.Paths) != 1 || p.Paths[0].Heard.IsZero() || p.Paths[0].Sent.IsZero() || p.Version == "" {
			t.Errorf("%+v", p)
		}
	}
}

func TestAChangeOfAThousandAliasesIsHeardAtOnce(t *testing.T) {
	port := freePort(t)
	a, b := onLoopback(t, port, addrA, addrB), onLoopback(t, port, addrB, addrA)
	m := Message{Words: wordsOf(1000)}
	stop := a.beat(addrB, Message{}, 10*time.Millisecond)
	b.hears("a heartbeat", anything)
	stop()
	a.Say(addrB, m, time.Hour) // never repeated within the test
	var words []Word
	for len(words) < 1000 {
		h := b.hears("a part", func(h Heard) bool { return h.Parts > 1 })
		words = append(words, h.Words...)
	}
	if d := cmp.Diff(m.Words, words, compareAddr); d != "" {
		t.Errorf("-said +heard:\n%s", d)
	}
}

// One machine is known by its number whichever of its addresses it is heard from,
// and a copy of our own machine by having ours.
func TestTheHostIsKnownByItsNumberAndACopyOfOursToo(t *testing.T) {
	none := [HostLen]byte{}
	for _, tt := range []struct {
		ours, theirs [HostLen]byte
		cloned       bool
	}{
		{none, none, false}, {[HostLen]byte{1}, none, false}, {none, [HostLen]byte{1}, false},
		{[HostLen]byte{1}, [HostLen]byte{2}, false}, {[HostLen]byte{1}, [HostLen]byte{1}, true},
	} {
		c, p := still(t, 1)
		c.o.Host = tt.ours
		b := newEnd(t, 1)
		now := time.Now()
		meets(t, c, p, b, now)
		e := encoder{host: tt.theirs}
		e.encode(&Message{}, room)
		b.Begin(1)
		h, _ := c.take(b.Seal(b.keys, nil, e.content(0), 0, false), portB, now)
		if s := c.Status().Partners[0]; h == nil || h.Host != tt.theirs || h.Cloned != tt.cloned || s.Host != tt.theirs || s.Cloned != tt.cloned {
			t.Errorf("%x hears %x: %+v, Status %+v", tt.ours, tt.theirs, h, s)
		}
	}
	// And said by whoever has one.
	c, err := New(Options{Port: testPort, Host: [HostLen]byte{7}, Keys: keysOf(t, 1), Partners: []Partner{{Addr: addrB}}})
	if err != nil {
		t.Fatal(err)
	}
	c.Say(addrB, Message{}, 0)
	p := c.partners[0]
	c.due(p, p.saidAt)
	if got, err := decode(p.enc.content(0), ""); err != nil || got.host != c.o.Host {
		t.Errorf("%x is said, %v", got.host, err)
	}
}

func TestAChannelNeedsAPort(t *testing.T) {
	if c, err := New(Options{Keys: keysOf(t, 1)}); err == nil {
		t.Errorf("%+v", c)
	}
}

// still is a Channel without a socket, for tests that give it the time.
func still(t testing.TB, key ...byte) (*Channel, *partner) {
	t.Helper()
	c, err := New(Options{Port: testPort, Keys: keysOf(t, key...), Partners: []Partner{{Addr: addrB, Paths: []netip.Addr{addrA}}}})
	if err != nil {
		t.Fatal(err)
	}
	return c, c.partners[0]
}

// testPort is the port of the Channels that need none of their own.
const testPort = 6940

var portB = netip.AddrPortFrom(addrB, testPort)

// proven is such a Channel and the other end, which have met.
func proven(t testing.TB, now time.Time) (*Channel, *partner, *end) {
	t.Helper()
	c, p := still(t, 1)
	b := newEnd(t, 1)
	datagram := b.says("x")
	for range 10 {
		c.take(datagram, portB, now)
		c.due(p, now)
		if len(c.send) == 0 {
			break
		}
		_, _, datagram = b.hears(c.send[0])
	}
	if !p.session.Proven() || !b.Proven() {
		t.Fatal("they have not met")
	}
	return c, p, b
}

func TestWhatIsNotAcknowledgedIsRepeatedEightTimes(t *testing.T) {
	now := time.Now()
	c, p, b := proven(t, now)
	c.Say(addrB, Message{Words: wordsOf(200)}, 25*time.Millisecond)
	next := c.due(p, now)
	parts := p.enc.parts()
	if len(c.send) != parts || parts < 3 || next.Sub(now) != 25*time.Millisecond {
		t.Fatalf("%d datagrams of %d parts, the next after %v", len(c.send), parts, next.Sub(now))
	}
	// The partner hears all but the second.
	var ack []byte
	for i, d := range c.send {
		if i != 1 {
			_, _, ack = b.hears(d)
		}
	}
	c.take(ack, portB, now)
	repeats := 0
	for ; !next.IsZero(); repeats++ {
		if c.due(p, next.Add(-time.Millisecond)); len(c.send) > 0 {
			t.Errorf("repeat %d comes early", repeats)
		}
		now = next
		if next = c.due(p, now); len(c.send) != 1 {
			t.Errorf("repeat %d has %d datagrams; 1 is missing", repeats, len(c.send))
		}
	}
	if repeats != 8 {
		t.Errorf("%d repeats", repeats)
	}
	// A heartbeat after a change takes its repeats over, and none of its own.
	c.Say(addrB, Message{}, time.Millisecond)
	c.due(p, now)
	c.Say(addrB, Message{}, 0)
	if next = c.due(p, now); next.Sub(now) != minRepeat {
		t.Errorf("the repeat comes after %v", next.Sub(now))
	}
	_, _, ack = b.hears(c.send[0])
	c.take(ack, portB, now)
	if next = c.due(p, next); len(c.send) > 0 || !next.IsZero() {
		t.Errorf("acknowledged, and %d datagrams, the next at %v", len(c.send), next)
	}
	c.Say(addrB, Message{}, 0)
	if next = c.due(p, now); len(c.send) != 1 || !next.IsZero() {
		t.Errorf("a heartbeat: %d datagrams, the next at %v", len(c.send), next)
	}
}

// A loop that hangs says nothing, and neither must its Channel for it.
func TestAnOldSayIsNotSaidAgainToAPartnerThatComesUp(t *testing.T) {
	for age, want := range map[time.Duration]bool{freshSay / 2: true, freshSay: false} {
		c, p := still(t, 1)
		b := newEnd(t, 1)
		c.Say(addrB, Message{Version: "old"}, 0)
		now := p.saidAt
		c.due(p, now)
		now = now.Add(age)
		heard := false
		for datagrams := [][]byte{b.says("x")}; len(datagrams) > 0; {
			var answers [][]byte
			for _, d := range datagrams {
				c.take(d, portB, now)
				c.due(p, now)
				for _, d := range c.send {
					words, _, answer := b.hears(d)
					heard = heard || words != ""
					if answer != nil {
						answers = append(answers, answer)
					}
				}
			}
			datagrams = answers
		}
		if heard != want {
			t.Errorf("said %v before: heard %v", age, heard)
		}
	}
}

func TestOtherKeysAreReportedOnceAndWhenTheyFitAgain(t *testing.T) {
	now := time.Now()
	c, p, b := proven(t, now)
	b.keys = keysOf(t, 2)
	var changes []string
	hear := func() {
		if _, e := c.take(b.says("x"), portB, now); e.readable != nil {
			changes = append(changes, fmt.Sprint(*e.readable, " ", e.partner))
		}
	}
	for range 2 { // the second time for the same reason
		for range 40 {
			now = now.Add(100 * time.Millisecond)
			hear()
			if len(changes) > 0 != p.unreadable && len(changes)%2 == 1 {
				t.Errorf("reported %v, status %v", changes, p.unreadable)
			}
		}
		b.keys = keysOf(t, 1)
		hear()
		b.keys = keysOf(t, 2)
	}
	want := []string{"false 127.0.0.2", "true 127.0.0.2", "false 127.0.0.2", "true 127.0.0.2"}
	if d := cmp.Diff(want, changes); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	// Garbage between readable packets is no other key.
	for range 100 {
		now = now.Add(100 * time.Millisecond)
		hear()
		hear()
		b.keys = keysOf(t, 1)
		hear()
		b.keys = keysOf(t, 2)
	}
	if len(changes) != 4 {
		t.Errorf("%v", changes)
	}
}

func TestPacketsAreCountedByKind(t *testing.T) {
	now := time.Now()
	c, p, b := proven(t, now)
	p.counts = Counts{}
	other := newEnd(t, 2)
	words := func() []byte {
		var e encoder
		e.encode(&Message{}, room)
		b.Begin(1)
		return b.Seal(b.keys, nil, e.content(0), 0, false)
	}
	with := func(d []byte, at int, v byte) []byte { d[at] = v; return d }
	from := func(d []byte, at netip.AddrPort) {
		t.Helper()
		c.take(d, at, now)
	}
	first := words()
	late := words()
	from(words(), portB)
	from(first, portB)
	from(late, netip.AddrPortFrom(addrA, testPort)) // another address of the same partner
	from(late, portB)
	from(late, portB)
	from(words(), netip.MustParseAddrPort("127.0.0.3:6940"))
	from(words(), netip.MustParseAddrPort("127.0.0.2:6941"))
	from([]byte("GET / HTTP/1.0\r\n\r\n"), portB)
	from(with(words(), versionAt, 0), portB)
	from(with(words(), versionAt, 2), portB)
	from(words()[:overhead-1], portB)
	from(b.says("no content"), portB)
	from(other.says("x"), portB)
	from(with(words(), toAt, 0xff), portB)
	c.Say(addrB, Message{}, 0)
	c.due(p, now)
	from(c.send[0], portB)
	got := map[string]uint64{}
	for _, k := range Kinds() {
		if p.counts[k] > 0 {
			got[k.String()] = p.counts[k]
		}
	}
	want := map[string]uint64{"taken": 1, "late": 2, "duplicate": 1, "replayed": 1, "foreign": 1, "old version": 1, "new version": 1,
		"malformed": 2, "unreadable": 2, "own": 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if s := c.Status(); s.Foreign != 2 {
		t.Errorf("%d foreign", s.Foreign)
	}
}

// Whoever does not know our boot gets little time, and whoever does as much as
// leaves the partner its place.
func TestGarbageIsBounded(t *testing.T) {
	now := time.Now()
	c, p, b := proven(t, now)
	stranger := append(append(append(magic[:], version), make([]byte, 200)...), 1)
	stranger[toAt] = 1
	flood := func(d []byte, n int) (flooded int) {
		for range n {
			now = now.Add(10 * time.Microsecond) // 100,000 a second
			if _, e := c.take(d, portB, now); e.flooded {
				flooded++
			}
		}
		return flooded
	}
	p.counts = Counts{}
	if n := flood(stranger, 100_000); n > 0 {
		t.Errorf("100,000 a second are too many %d times", n)
	}
	if opened := p.counts[Unreadable]; opened > doubtfulRate+doubtfulBurst || p.counts[Unchecked] != 100_000-opened {
		t.Errorf("%d opened, %d not", opened, p.counts[Unchecked])
	}
	forged := b.says("x")
	forged[len(forged)-1] ^= 1
	if n := flood(forged, 100_000); n > 0 {
		t.Errorf("100,000 a second are too many %d times", n)
	}
	if h, _ := c.take(b.says("\x00\x00\x00\x01"), portB, now); h == nil {
		t.Error("after that the partner is not heard")
	}
	n := 0
	for range 1_000_000 {
		now = now.Add(time.Microsecond) // a million a second
		if _, e := c.take(forged, portB, now); e.flooded {
			n++
		}
	}
	if n < 700_000 {
		t.Errorf("of a million a second %d are too many", n)
	}
}

func TestOtherPartnersAndKeysLeaveTheOtherSessionsAlone(t *testing.T) {
	now := time.Now()
	c, p, b := proven(t, now)
	if err := c.SetPartners([]Partner{{Addr: netip.MustParseAddr("127.0.0.4")}, {Addr: addrB, Paths: []netip.Addr{netip.MustParseAddr("127.0.0.5")}}}); err != nil {
		t.Fatal(err)
	}
	c.SetKeys(keysOf(t, 2, 1))
	if h, _ := c.take(b.says("\x00\x00\x00\x01"), netip.MustParseAddrPort("127.0.0.5:6940"), now); h == nil || h.NewBoot && h.Say == 0 {
		t.Errorf("over the new path: %+v", h)
	}
	if h, _ := c.take(b.says("\x00\x00\x00\x01"), netip.AddrPortFrom(addrA, testPort), now); h != nil {
		t.Error("heard over the old path")
	}
	if c.partners[1] != p || c.partners[0].session.Proven() {
		t.Error("the sessions are not as they were")
	}
	bad := map[string][]Partner{
		"IPv6":        {{Addr: netip.MustParseAddr("::1")}},
		"nothing":     {{}},
		"the same":    {{Addr: addrB}, {Addr: addrB}},
		"shared path": {{Addr: addrA, Paths: []netip.Addr{netip.MustParseAddr("127.0.0.5")}}, {Addr: addrB, Paths: []netip.Addr{netip.MustParseAddr("127.0.0.5")}}},
	}
	for name, partners := range bad {
		if err := c.SetPartners(partners); err == nil || len(c.partners) != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSayToNobodyIsNothing(t *testing.T) {
	c, p := still(t, 1)
	c.Say(netip.MustParseAddr("127.0.0.9"), Message{}, time.Second)
	if p.said != 0 {
		t.Error("somebody else is told")
	}
}
