package peer

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

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

	// Another process in a's place counts from the beginning. On a busy machine the two know
	// each other only after some words.
	a.stop()
	a = onLoopback(t, port, addrA, addrB)
	a.beat(addrB, m, 10*time.Millisecond)
	if h := b.hears("the next process", func(h Heard) bool { return h.NewBoot }); h.Say > a.said.Load() {
		t.Errorf("its first word that is heard is Say %d, after %d words", h.Say, a.said.Load())
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
		"IPv4 in IPv6":           {{Addr: netip.MustParseAddr("::ffff:127.0.0.9")}},
		"on which NIC?":          {{Addr: netip.MustParseAddr("fe80::2")}},
		"a zone without a sense": {{Addr: netip.MustParseAddr("2001:db8::2%eth0")}},
		"nothing":                {{}},
		"the same":               {{Addr: addrB}, {Addr: addrB}},
		"shared path":            {{Addr: addrA, Paths: []netip.Addr{netip.MustParseAddr("127.0.0.5")}}, {Addr: addrB, Paths: []netip.Addr{netip.MustParseAddr("127.0.0.5")}}},
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

// What this host itself refused to send stands in Status until it sends again, also where
// nothing is heard. What the network refused stands there until something is heard.
func TestAnErrorStandsUntilTheContraryIsKnown(t *testing.T) {
	now := time.Now()
	c, p, b := proven(t, now)
	at := &p.paths[0]
	refused := errors.New("operation not permitted")
	c.note(addrB, refused, now)
	if at.err != refused {
		t.Errorf("after a datagram that was not sent: %v", at.err)
	}
	c.note(addrB, nil, now)
	if at.err != nil {
		t.Errorf("after one that was: %v", at.err)
	}
	at.err = errors.New("connection refused")
	c.note(addrB, nil, now)
	if at.err == nil {
		t.Error("that a datagram has gone does not tell that somebody listens")
	}
	c.take(b.says("y"), portB, now)
	if at.err != nil {
		t.Errorf("after something was heard: %v", at.err)
	}
}
