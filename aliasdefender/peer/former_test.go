package peer

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// formerWord is the word i of those in testdata/first-form.txt.
func formerWord(i int) Word {
	w := Word{
		Alias: netip.AddrFrom4([4]byte{10, 77, byte(i >> 8), byte(i)}), Bits: uint8(i % 33), Primary: i%2 == 0,
		Standing: Standing(i % 7), Step: Step(i % 6), Handover: uint32(i) * 0x01020304, Facts: Facts(0).With(FactService, Value(i%3)), Why: uint8(i % 54),
		HW: [6]byte{2, 0, 0, 0, 0, byte(i / 60)}, Interval: time.Duration(100+i/60) * time.Millisecond, Timeout: 25 * time.Millisecond, Misses: 3,
	}
	if i%7 == 3 {
		w.Text = "the service fails: 503"
	}
	return w
}

func formerWords(n int) (all []Word) {
	for i := range n {
		all = append(all, formerWord(i))
	}
	return all
}

// formerMessages are what the encoder of commit 3a94028 was given for
// testdata/first-form.txt, and what is heard of it where that is not the same.
func formerMessages() map[string]struct{ said, heard Message } {
	long := formerWord(3)
	long.Text, long.Interval = strings.Repeat("ü", 80), 2*time.Hour
	cut := long
	cut.Text, cut.Interval = strings.Repeat("ü", 50), time.Hour
	all := map[string]struct{ said, heard Message }{
		"a text that is cut": {
			Message{Version: strings.Repeat("v", 50), Words: []Word{long}},
			Message{Version: strings.Repeat("v", maxVersion), Words: []Word{cut}},
		},
	}
	for name, m := range map[string]Message{
		"no words":                        {Version: "1.2.3"},
		"one word":                        {Version: "v0.0.0-20261121171730-3a940289194e", Words: formerWords(1)},
		"each standing, step and service": {Version: "1.2.3", Features: 0x80000002, Words: formerWords(42)},
		"two groups over several parts":   {Version: "1.2.3", Words: formerWords(120)},
	} {
		all[name] = struct{ said, heard Message }{m, m}
	}
	return all
}

// formerContents reads testdata/first-form.txt: a name, and a line of hexadecimal
// digits for each content that the encoder of commit 3a94028 made of the message.
func formerContents(t testing.TB) map[string][][]byte {
	t.Helper()
	f, err := os.Open("testdata/first-form.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, name := map[string][][]byte{}, ""
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if content, err := hex.DecodeString(lines.Text()); err == nil {
			all[name] = append(all[name], content)
			continue
		}
		name = lines.Text()
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTheFirstFormIsToTheByteWhatFormerProgramsSayAndHear(t *testing.T) {
	messages, contents := formerMessages(), formerContents(t)
	if len(messages) != len(contents) {
		t.Errorf("%d messages and %d recordings", len(messages), len(contents))
	}
	for name, m := range messages {
		t.Run(name, func(t *testing.T) {
			e := encoder{first: true}
			e.encode(&m.said, room)
			if e.parts() != len(contents[name]) {
				t.Errorf("%d parts; the former program made %d", e.parts(), len(contents[name]))
			}
			var heard Message
			for i, want := range contents[name] {
				if got := e.content(i); !bytes.Equal(got, want) {
					t.Errorf("part %d:\n%x; the former program made\n%x", i, got, want)
				}
				c, err := decode(want, "")
				if err != nil || c.part != i || c.parts != len(contents[name]) {
					t.Fatalf("part %d is read as %d of %d, %v", i, c.part, c.parts, err)
				}
				heard.Version, heard.Features = c.Version, c.Features
				heard.Words = append(heard.Words, c.Words...)
			}
			if d := cmp.Diff(m.heard, heard, compareAddr); d != "" {
				t.Errorf("-said +heard:\n%s", d)
			}
		})
	}
}

// What the first form has no place for is left out, and must not be another word
// there.
func TestWhatTheFirstFormCannotSayIsNotSaidInIt(t *testing.T) {
	plain := formerWord(1)
	wide, linked, reasoned, factual, mapped := plain, plain, plain, plain, plain
	wide.Alias, wide.Bits = netip.MustParseAddr("2001:db8::1"), 64
	linked.Alias, linked.Link = netip.MustParseAddr("169.254.0.1"), netip.MustParsePrefix("10.0.0.0/8")
	reasoned.Why, reasoned.Text = lastReason+1, "a reason that came later"
	factual.Facts = factual.Facts.With(0, Yes).With(MaxFact, No)
	mapped.Alias, mapped.Bits = netip.MustParseAddr("::ffff:10.77.0.1"), 96+plain.Bits
	noReason := reasoned
	noReason.Why = 0
	e := encoder{first: true}
	e.encode(&Message{Words: []Word{wide, plain, linked, reasoned, {}, factual, mapped, wide}}, room)
	c, err := decode(e.content(0), "")
	if err != nil || e.parts() != 1 {
		t.Fatalf("%d parts, %v", e.parts(), err)
	}
	if d := cmp.Diff([]Word{plain, noReason, plain, plain}, c.Words, compareAddr); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	e.encode(&Message{Words: []Word{wide}}, room)
	if c, err := decode(e.content(0), ""); err != nil || len(c.Words) != 0 {
		t.Errorf("of an IPv6 alias alone %v is said, %v", c.Words, err)
	}
}

// former is an end as programs before the second form were.
func former(t testing.TB, key ...byte) *end {
	e := newEnd(t, key...)
	e.speaks = 0
	return e
}

// meets carries datagrams between a Channel and the end of a partner's new process
// until nobody answers any more. It returns the words that the end heard.
func meets(t *testing.T, c *Channel, p *partner, b *end, now time.Time) (heard []Word) {
	t.Helper()
	for datagrams := [][]byte{b.says("x")}; len(datagrams) > 0; {
		var answers [][]byte
		for _, d := range datagrams {
			c.take(d, portB, now)
			c.due(p, now)
			for _, d := range c.send {
				words, _, answer := b.hears(d)
				if words != "" {
					heard = append(heard, wordsIn(t, words)...)
				}
				if answer != nil {
					answers = append(answers, answer)
				}
			}
		}
		datagrams = answers
	}
	if !p.session.Proven() || !b.Proven() {
		t.Fatal("they have not met")
	}
	return heard
}

func wordsIn(t *testing.T, contents string) []Word {
	t.Helper()
	c, err := decode([]byte(contents), "")
	if err != nil {
		t.Fatal(err)
	}
	return c.Words
}

// A partner is upgraded, downgraded and upgraded again under one Say: each process
// of it hears at once what it understands, and all of it when it understands all.
func TestEachProcessOfAPartnerIsToldInItsOwnForm(t *testing.T) {
	c, p := still(t, 1)
	wide := formerWord(2)
	wide.Alias, wide.Bits, wide.Facts = netip.MustParseAddr("fe80::1"), 64, Facts(0).With(5, Yes)
	wide.Link = netip.MustParsePrefix("2001:db8:10::/64")
	m := Message{Words: []Word{formerWord(1), wide}}
	c.Say(addrB, m, 25*time.Millisecond)
	now := p.saidAt
	c.due(p, now)
	for i, old := range []bool{true, false, true, true, false, false} {
		b, want := newEnd(t, 1), m.Words
		if old {
			b, want = former(t, 1), m.Words[:1]
		}
		if d := cmp.Diff(want, meets(t, c, p, b, now), compareAddr); d != "" {
			t.Errorf("process %d, former %v: -want +heard:\n%s", i, old, d)
		}
		if s := c.Status().Partners[0]; s.FirstForm != old {
			t.Errorf("process %d: Status says first form %v", i, s.FirstForm)
		}
		if p.session.say != 1 {
			t.Errorf("process %d: saying it again has become Say %d, a newer sign of life", i, p.session.say)
		}
		h, _ := c.take(b.says("\x00\x00\x00\x01"), portB, now)
		if h == nil || h.FirstForm != old || !h.NewBoot {
			t.Errorf("process %d is heard as %+v", i, h)
		}
		if p.session.missing != 0 {
			t.Errorf("process %d: %d parts are not acknowledged", i, p.session.missing)
		}
	}
}

// A change that was said long ago is repeated in the new process's form too.
func TestRepeatsGoInTheFormOfThePresentProcess(t *testing.T) {
	now := time.Now()
	c, p, _ := proven(t, now)
	c.Say(addrB, Message{Words: []Word{formerWord(1)}}, time.Hour)
	now = p.saidAt
	next := c.due(p, now)
	b := former(t, 1)
	if heard := meets(t, c, p, b, now.Add(freshSay)); len(heard) != 0 {
		t.Fatalf("an old Say is said again: %v", heard)
	}
	c.due(p, next)
	if len(c.send) != 1 {
		t.Fatalf("%d datagrams are repeated", len(c.send))
	}
	words, _, _ := b.hears(c.send[0])
	if !strings.Contains(words, string([]byte{recordFirst, firstLen})) {
		t.Errorf("the repeat is %x", words)
	}
	if d := cmp.Diff([]Word{formerWord(1)}, wordsIn(t, words), compareAddr); d != "" {
		t.Errorf("-said +repeated:\n%s", d)
	}
}
