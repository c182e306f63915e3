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
	other := aWord(10)
	other.HW[5], other.Text = 2, "the service fails: 503"
	for name, m := range map[string]Message{
		"nothing":        {},
		"no words":       {Version: "1.2.3", Features: 0x80000001},
		"one word":       {Version: "1.2.3", Words: wordsOf(1)},
		"every standing": {Words: wordsOf(int(standings))},
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

// FuzzContent: what can be read is said again as the same, and nothing can
// make the reader fall over.
func FuzzContent(f *testing.F) {
	var e encoder
	for _, m := range []Message{{}, {Version: "1.2.3", Words: wordsOf(3)}, {Words: wordsOf(200)}} {
		e.encode(&m, room)
		for i := range e.parts() {
			f.Add(bytes.Clone(e.content(i)))
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
