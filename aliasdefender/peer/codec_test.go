package peer

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var compareAddr = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func aWord(i int) Word {
	return Word{
		Alias: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Bits: 24, Primary: i%2 == 0,
		Standing: Standing(i % int(standings)), Step: Step(i % int(steps)), Handover: uint32(i) << 20, Facts: Facts(0).With(FactService, Value(i%3)).With(uint8(i%12), Value(i%3)), Why: byte(i),
		HW: [6]byte{2, 0, 0, 0, 0, 1}, Interval: 100 * time.Millisecond, Timeout: 25 * time.Millisecond, Misses: 3,
	}
}

func wordsOf(n int) (all []Word) {
	for i := range n {
		all = append(all, aWord(i))
	}
	return all
}

// said is what is heard of m, over all its parts.
func said(t *testing.T, m Message, room int) (Message, int) {
	t.Helper()
	var e encoder
	e.encode(&m, room)
	var all Message
	for i := range e.parts() {
		if n := len(e.content(i)); n > room {
			t.Errorf("part %d of %d has %d bytes; there is room for %d", i, e.parts(), n, room)
		}
		c, err := decode(e.content(i), "")
		if err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		if c.part != i || c.parts != e.parts() {
			t.Errorf("part %d of %d is read as %d of %d", i, e.parts(), c.part, c.parts)
		}
		all.Version, all.Features = c.Version, c.Features
		all.Words = append(all.Words, c.Words...)
	}
	return all, e.parts()
}

func TestAMessageIsHeardAsItWasSaid(t *testing.T) {
	slow := aWord(9)
	slow.Interval, slow.Timeout, slow.Misses = time.Hour, time.Second, 100
	grouped := aWord(11)
	grouped.Group = 0x80000001
	linked := grouped
	linked.Link = netip.MustParsePrefix("10.0.8.0/21")
	drilled := linked
	drilled.Drill = Drill{Number: 0xfffffffe, Stage: DrillMeasured, Asked: 300, Lost: 2, Gap: 12345 * time.Microsecond, Pause: time.Hour}
	asked := aWord(12)
	asked.Drill = Drill{Number: 7, Stage: DrillMeasure}
	other := aWord(10)
	other.HW[5], other.Text = 2, "the service fails: 503"
	for name, m := range map[string]Message{
		"nothing":        {},
		"no words":       {Version: "1.2.3", Features: 0x80000001},
		"one word":       {Version: "1.2.3", Words: wordsOf(1)},
		"every standing": {Words: wordsOf(int(standings))},
		"a group":        {Words: []Word{aWord(0), grouped, linked}},
		"a drill":        {Features: FeatureDrill, Words: []Word{asked, drilled, aWord(0)}},
		"other rhythm":   {Words: []Word{aWord(0), slow, aWord(1), other}},
	} {
		t.Run(name, func(t *testing.T) {
			got, parts := said(t, m, room)
			if d := cmp.Diff(m, got, compareAddr); d != "" || parts != 1 {
				t.Errorf("%d parts; -want +got:\n%s", parts, d)
			}
		})
	}
}

func TestAThousandAliasesAreSpreadOverDatagrams(t *testing.T) {
	m := Message{Version: "1.2.3", Words: wordsOf(1000)}
	m.Words[500].Text = strings.Repeat("w", MaxText)
	got, parts := said(t, m, room)
	if d := cmp.Diff(m, got, compareAddr); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if parts < 2 || parts > 20 {
		t.Errorf("%d datagrams", parts)
	}
	a, b := pairOf(t)
	var e encoder
	e.encode(&m, room)
	a.Begin(e.parts())
	for i := range e.parts() {
		d := a.Seal(a.keys, nil, e.content(i), i, true)
		if len(d) >= 1200 {
			t.Errorf("datagram %d has %d bytes", i, len(d))
		}
		b.wants("a part", d, string(e.content(i)), Taken)
	}
}

func TestWhatIsTooLongIsCutAndWhatCannotBeShownIsReplaced(t *testing.T) {
	w := aWord(1)
	w.Text = strings.Repeat("ü", MaxText)
	m := Message{Version: strings.Repeat("v", 100), Words: []Word{w, w}}
	m.Words[1].Text = "red \x1b[31m\xff\n"
	m.Words[1].Interval = 2 * time.Hour
	got, _ := said(t, m, room)
	want := Message{Version: strings.Repeat("v", maxVersion), Words: []Word{w, w}}
	want.Words[0].Text = strings.Repeat("ü", MaxText/2)
	want.Words[1].Text = "red ?[31m??"
	want.Words[1].Interval = time.Hour
	if d := cmp.Diff(want, got, compareAddr); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// A later program may say more: records that we do not know, fields behind
// those that we know, states and services that we have no word for.
func TestWhatALaterProgramSaysBesidesIsSkipped(t *testing.T) {
	b := []byte{0, 0, 0, 1,
		recordProgram, 10, 0, 0, 0, 7, 3, '9', '.', '9', 1, 2,
		200, 3, 1, 2, 3,
		recordGroup, 17, 2, 0, 0, 0, 0, 1, 0, 0, 0x27, 0x10, 0, 0, 0x13, 0x88, 3, 0xff, 0xff,
		recordFirst, 18, 10, 0, 0, 1, 24, 0xff, 250, 250, 0, 0, 0, 5, 99, 2, 'n', 'o', 1, 1,
		200, 0}
	got, err := decode(b, "")
	if err != nil {
		t.Fatal(err)
	}
	want := Message{Version: "9.9", Features: 7, Words: []Word{{
		Alias: netip.AddrFrom4([4]byte{10, 0, 0, 1}), Bits: 24, Primary: true, Standing: Unknown, Handover: 5, Why: 99, Text: "no",
		HW: [6]byte{2, 0, 0, 0, 0, 1}, Interval: 10 * time.Millisecond, Timeout: 5 * time.Millisecond, Misses: 3,
	}}}
	if d := cmp.Diff(want, got.Message, compareAddr); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestAContentWithoutSenseIsRefusedWhole(t *testing.T) {
	group := "\x02\x0f" + strings.Repeat("\x00", groupLen)
	word := "\x03\x0e" + strings.Repeat("\x00", firstLen)
	if _, err := decode([]byte("\x00\x00\x00\x01"+group+word), ""); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	second := func(body string) string {
		return "\x00\x00\x00\x01" + group + "\x05" + string(rune(len(body))) + body
	}
	const zeros = "\x00\x00\x00\x00\x00\x00\x00" // from standing to why
	const wide = "0123456789abcdef"
	for _, good := range []string{"\x20\x00" + zeros + "\x0a\x00\x00\x01\x00\x00", "\x80\x06" + zeros + wide + "\x00\x00\x11\x40" + wide} {
		if _, err := decode([]byte(second(good)), ""); err != nil {
			t.Fatalf("the good %q: %v", good, err)
		}
	}
	for name, b := range map[string]string{
		"nothing":                 "",
		"half a head":             "\x00\x00\x00",
		"no parts":                "\x00\x00\x00\x00",
		"part 1 of 1, from 0":     "\x00\x01\x00\x01",
		"half a record":           "\x00\x00\x00\x01\x03",
		"a record beyond the end": "\x00\x00\x00\x01\x03\x0d",
		"a word without a group":  "\x00\x00\x00\x01" + word,
		"a short word":            "\x00\x00\x00\x01" + group + "\x03\x01\x00",
		"a short group":           "\x00\x00\x00\x01\x02\x01\x00",
		"a short program":         "\x00\x00\x00\x01\x01\x01\x00",
		"a version that is cut":   "\x00\x00\x00\x01\x01\x05\x00\x00\x00\x00\x01",
		"a text that is cut":      "\x00\x00\x00\x01" + group + word[:len(word)-1] + "\x01",
		"a prefix of 33":          "\x00\x00\x00\x01" + group + word[:6] + "\x21" + word[7:],
		"a short second word":     second("\x20\x00" + zeros[1:]),
		"a short drill":           second("\x20\x10" + zeros + "\x0a\x00\x00\x01\x00\x00" + strings.Repeat("\x01", drillLen-1)),
		"an alias of 3 bytes":     second("\x20\x00" + zeros + "\x0a\x00\x00"),
		"a wide alias of 4 bytes": second("\x20\x02" + zeros + "\x0a\x00\x00\x01\x00\x00"),
		"an IPv4 prefix of 33":    second("\x21\x00" + zeros + "\x0a\x00\x00\x01\x00\x00"),
		"an IPv6 prefix of 129":   second("\x81\x02" + zeros + wide + "\x00\x00"),
		"no facts":                second("\x20\x00" + zeros + "\x0a\x00\x00\x01"),
		"facts that are cut":      second("\x20\x00" + zeros + "\x0a\x00\x00\x01\x02\x00"),
		"no text":                 second("\x20\x00" + zeros + "\x0a\x00\x00\x01\x00"),
		"a second text cut":       second("\x20\x00" + zeros + "\x0a\x00\x00\x01\x00\x02x"),
		"no link":                 second("\x20\x04" + zeros + "\x0a\x00\x00\x01\x00\x00"),
		"an empty link":           second("\x20\x04" + zeros + "\x0a\x00\x00\x01\x00\x00\x00"),
		"a link of 3 bytes":       second("\x20\x04" + zeros + "\x0a\x00\x00\x01\x00\x00\x04\x08\x0a\x00\x00"),
		"a link of 33 bits":       second("\x20\x04" + zeros + "\x0a\x00\x00\x01\x00\x00\x05\x21\x0a\x00\x00\x00"),
		"a short host":            "\x00\x00\x00\x01\x04\x0f" + strings.Repeat("h", 15),
		"an interval of 70 min":   "\x00\x00\x00\x01" + group[:8] + "\xfa" + group[9:] + word,
	} {
		if c, err := decode([]byte(b), ""); err == nil {
			t.Errorf("%s: accepted as %+v", name, c)
		}
	}
}

func TestStandingsAndKindsHaveWords(t *testing.T) {
	seen := map[string]bool{}
	for i := range standings {
		seen["standing "+i.String()] = true
	}
	for i := range steps {
		seen["step "+i.String()] = true
	}
	for _, k := range Kinds() {
		seen["kind "+k.String()] = true
	}
	if len(seen) != int(standings)+int(steps)+int(kinds) || seen["standing "] || seen["kind "] {
		t.Errorf("%v", seen)
	}
	if got := fmt.Sprint(Standing(200), Step(200)); got != "unknown " {
		t.Error(got)
	}
}

func wideWord(i int) Word {
	w := aWord(i)
	w.Alias, w.Bits = netip.AddrFrom16([16]byte{0xfe, 0x80, 15: byte(i)}), uint8(i%129)
	w.Facts = Facts(0).With(uint8(i%(MaxFact+1)), Yes)
	switch i % 3 {
	case 1:
		w.Link = netip.MustParsePrefix("2001:db8:10::/64")
	case 2:
		w.Link = netip.MustParsePrefix("10.0.8.0/21")
	}
	return w
}

func TestAWordNamesAnAliasOfEitherFamilyAndTheLinkThatItIsOn(t *testing.T) {
	m := Message{Version: "1.2.3"}
	for i := range 200 {
		m.Words = append(m.Words, wideWord(i), aWord(i))
	}
	m.Words[7].Text = strings.Repeat("w", MaxText)
	got, _ := said(t, m, room)
	if d := cmp.Diff(m, got, compareAddr); d != "" {
		t.Errorf("-said +heard:\n%s", d)
	}
	// On the wire there is neither a zone nor a mapped address, nor a host in a link.
	w, want := aWord(0), aWord(0)
	w.Alias, w.Bits, w.Link = netip.MustParseAddr("::ffff:169.254.0.1"), 96+16, netip.MustParsePrefix("10.0.8.7/21")
	want.Alias, want.Bits, want.Link = netip.MustParseAddr("169.254.0.1"), 16, netip.MustParsePrefix("10.0.8.0/21")
	zoned, unzoned := wideWord(0), wideWord(0)
	zoned.Alias = zoned.Alias.WithZone("eth0")
	// Of what cannot be said nothing is: it would cost the words beside it.
	wrong := aWord(1)
	wrong.Bits = 33
	got, _ = said(t, Message{Words: []Word{{}, w, wrong, zoned}}, room)
	if d := cmp.Diff([]Word{want, unzoned}, got.Words, compareAddr); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestTheHostsNumberIsInEachPart(t *testing.T) {
	for _, first := range []bool{false, true} {
		e := encoder{host: [HostLen]byte{1, 15: 2}, first: first}
		for _, m := range []Message{{}, {Words: wordsOf(200)}} {
			e.encode(&m, room)
			for i := range e.parts() {
				if c, err := decode(e.content(i), ""); err != nil || c.host != e.host || len(e.content(i)) > room {
					t.Errorf("part %d of %d: %x, %v", i, e.parts(), c.host, err)
				}
			}
		}
	}
}

func TestFactsGoByTheirNumber(t *testing.T) {
	f := Facts(0).With(0, Yes).With(FactService, No).With(MaxFact, Yes).With(3, No).With(3, Yes).With(4, 3).With(MaxFact+1, Yes)
	want := map[uint8]Value{0: Yes, FactService: No, MaxFact: Yes, 3: Yes}
	for n := range uint8(255) {
		if got := f.Value(n); got != want[n] {
			t.Errorf("fact %d: %d", n, got)
		}
	}
	if got := factsOf(append(f.appendTo(nil), 0xff, 1)); got != f {
		t.Errorf("%x after %x", got, f)
	}
	if b := Facts(0).With(4, No).appendTo(nil); !bytes.Equal(b, []byte{0, 2}) {
		t.Errorf("%x", b)
	}
}

// FuzzContent: what can be read is said again as the same, and nothing can
// make the reader fall over.
func FuzzContent(f *testing.F) {
	var e encoder
	for i, m := range []Message{{}, {Version: "1.2.3", Words: wordsOf(3)}, {Words: wordsOf(200)}, {Words: []Word{wideWord(1), wideWord(2), aWord(1)}}, {Words: formerWords(9)}} {
		e.first = i == 4
		e.encode(&m, room)
		for i := range e.parts() {
			f.Add(bytes.Clone(e.content(i)))
		}
	}
	for _, contents := range formerContents(f) {
		for _, b := range contents {
			f.Add(b)
		}
	}
	f.Add([]byte("\x00\x00\x00\x01\xc8\x00\x03\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > room {
			return
		}
		c, err := decode(b, "1.2.3")
		if err != nil {
			return
		}
		again, _ := said(t, c.Message, room)
		if d := cmp.Diff(c.Message, again, compareAddr); d != "" {
			t.Errorf("-read +said again and read:\n%s", d)
		}
	})
}

// FuzzDatagram: what no key of ours has sealed is never taken, and what one has
// never makes anything fall over, whatever is inside.
func FuzzDatagram(f *testing.F) {
	from, to := newEnd(f, 2), newEnd(f, 2)
	_, _, challenge := to.hears(from.says("x"))
	f.Add(bytes.Clone(challenge), uint8(0))
	f.Add(from.says("x"), uint8(1))
	f.Add(append(magic[:], make([]byte, maxDatagram)...), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, path uint8) {
		a, e := pairOf(t)
		// As it came from the wire.
		if words, kind, answer := e.hearsOver(int(path)%2, b); words != "" || answer != nil || kind == Taken {
			t.Errorf("from the wire: words %q, %v, answer %d bytes", words, kind, len(answer))
		}
		// The same bytes as the inside of a datagram that a key has sealed.
		if len(b) < innerLen || len(b) > innerLen+room {
			return
		}
		e.take(e.boot, b, int(path)%2)
		e.take(boot{}, b, int(path)%2)
		e.take(boot{1}, b, int(path)%2)
		b = append(bytes.Clone(e.current.boot[:]), b[bootLen:]...)
		e.take(e.boot, b, int(path)%2)
		for range 2 { // it may have lost its place, but not its wits
			meet(t, e, a)
			meet(t, a, e)
		}
		a.wants("what is said then", e.says("well"), "well", Taken)
	})
}
