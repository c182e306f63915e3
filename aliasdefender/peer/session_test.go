package peer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTwoMeetAndUnderstandEachOther(t *testing.T) {
	a, b := newEnd(t, 1), newEnd(t, 1)
	hello := a.says("lost")
	challenge := b.wants("a hello carries no words", hello, "", Taken)
	response := a.wants("nor does the answer to it", challenge, "", Taken)
	if a.Proven() || b.Proven() {
		t.Error("somebody is proven by a hello or by an answer to one")
	}
	again := b.wants("nor the proof", response, "", Taken)
	if !b.Proven() {
		t.Error("a has answered b's challenge, and is not proven")
	}
	if more := a.wants("nor the proof back", again, "", Taken); more != nil {
		t.Error("the answers do not end")
	}
	b.wants("then words are taken", a.says("one"), "one", Taken)
	a.wants("both ways", b.says("two"), "two", Taken)
}

// Wherever the hellos cross, and whichever are lost, both are proven after
// each has spoken twice.
func TestTheyMeetHoweverTheirHellosCross(t *testing.T) {
	for lost := range 16 {
		t.Run(fmt.Sprintf("lost %04b", lost), func(t *testing.T) {
			a, b := newEnd(t, 1), newEnd(t, 1)
			n := 0
			deliver := func(to *end, d []byte) [][]byte {
				if n++; n <= 4 && lost>>(n-1)&1 == 1 {
					return nil
				}
				if _, _, answer := to.hears(d); answer != nil {
					return [][]byte{answer}
				}
				return nil
			}
			for range 4 {
				fromA, fromB := [][]byte{a.says("x")}, [][]byte{b.says("y")}
				for len(fromA)+len(fromB) > 0 {
					var toA, toB [][]byte
					for _, d := range fromA {
						toA = append(toA, deliver(b, d)...)
					}
					for _, d := range fromB {
						toB = append(toB, deliver(a, d)...)
					}
					fromA, fromB = toB, toA
				}
			}
			b.wants("at last", a.says("one"), "one", Taken)
			a.wants("at last", b.says("two"), "two", Taken)
		})
	}
}

func TestAReplayedCaptureIsDroppedAndCounted(t *testing.T) {
	a, b := newEnd(t, 1), newEnd(t, 1)
	var capture [][]byte
	record := func(d []byte) []byte {
		if d != nil {
			capture = append(capture, slices.Clone(d))
		}
		return d
	}
	_, _, d := b.hears(record(a.says("x")))
	_, _, d = a.hears(d)
	_, _, d = b.hears(record(d))
	a.hears(d)
	for i := range 200 {
		b.wants("as it was said", record(a.says(fmt.Sprint(i))), fmt.Sprint(i), Taken)
	}
	for i, d := range capture {
		b.wants(fmt.Sprintf("datagram %d of the capture", i), d, "", Replayed)
	}
	b.wants("the live one after it", a.says("live"), "live", Taken)

	// A b that was started anew has no memory of it.
	b = newEnd(t, 1)
	for i, d := range capture[1:] {
		b.wants(fmt.Sprintf("datagram %d, after a restart", i+1), d, "", Former)
	}
	meet(t, b, a)
	for i, d := range capture[1:] {
		b.wants(fmt.Sprintf("datagram %d, after they met again", i+1), d, "", Former)
	}
}

func TestPacketsOfAPartnersFormerBootAreDropped(t *testing.T) {
	a, b := pairOf(t)
	heard, keptBack := a.says("heard"), a.says("kept back")
	b.wants("in time", heard, "heard", Taken)

	again := newEnd(t, 1)
	meet(t, again, b)
	b.wants("heard before", heard, "", Former)
	b.wants("kept back on the way", keptBack, "", Former)
	b.wants("the present one", again.says("present"), "present", Taken)
}

// One whose words were all kept back, so that it was never the present one,
// cannot come back later, not by its hello and its proof either.
func TestABootThatWasNeverHeardCannotComeBack(t *testing.T) {
	var dead, b, live *end
	var hellos [][]byte
	var proof []byte
	// One hello in a thousand is remembered in the place of another, which is forgotten then.
	place := func(hello []byte) *uint64 { at, _ := b.strangers.place(hello, 0); return at }
	for first := false; !first; first = b.strangers.again(hellos[0], 0) {
		dead, b, live = newEnd(t, 1), newEnd(t, 1), newEnd(t, 1)
		hellos = [][]byte{dead.says("x")}
		for len(hellos) < 1+2*unproven {
			if hello := dead.says("x"); place(hello) != place(hellos[0]) {
				hellos = append(hellos, hello)
			}
		}
		challenge := b.wants("its hello", hellos[0], "", Taken)
		_, _, proof = dead.hears(challenge)
		meet(t, live, b)
	}
	for _, hello := range hellos[1:] {
		b.wants("its first hello again", hellos[0], "", Replayed)
		b.wants("a hello of it, kept back", hello, "", Taken)
		b.wants("its proof, kept back", proof, "", Taken)
		b.wants("the live one's", live.says("live"), "live", Taken)
	}
}

// TestTwoThatLiveTakeTurns: a Partner's two addresses may be of two machines. Each of them
// proves again that it lives, and is heard again.
func TestTwoThatLiveTakeTurns(t *testing.T) {
	us := newEnd(t, 1)
	two := []*end{newEnd(t, 1), newEnd(t, 1)}
	for turn := range 6 {
		one := two[turn%2]
		meet(t, one, us)
		us.wants("its words", one.says("it lives"), "it lives", Taken)
	}
}

func TestOurOwnComeBackToNoEffect(t *testing.T) {
	a, b := newEnd(t, 1), newEnd(t, 1)
	a.wants("a hello", a.says("x"), "", Own)
	meet(t, a, b)
	a.wants("words", a.says("x"), "", Own)
	if a.Names(a.says("x")) {
		t.Error("our own words name our boot")
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	a, b := pairOf(t)
	d := a.says("some words")
	for i := range len(d) * 8 {
		bad := slices.Clone(d)
		bad[i/8] ^= 1 << (i % 8)
		want := Unreadable
		if i/8 < versionAt {
			want = Foreign
		} else if i/8 == versionAt {
			want = NewVersion
			if bad[versionAt] < version {
				want = OldVersion
			}
		}
		b.wants(fmt.Sprintf("bit %d", i), bad, "", want)
	}
	b.wants("the whole one", d, "some words", Taken)
}

func TestEveryTruncationIsNoticed(t *testing.T) {
	a, b := pairOf(t)
	d := a.says("some words")
	for n := range d {
		want := Unreadable
		if n < sealedAt {
			want = Foreign
		} else if n < overhead {
			want = Malformed
		}
		b.wants(fmt.Sprintf("%d bytes", n), d[:n], "", want)
	}
	b.wants("one byte more", append(slices.Clone(d), 0), "", Unreadable)
	b.wants("too many bytes", append(slices.Clone(d), make([]byte, maxDatagram)...), "", Malformed)
	b.wants("the whole one", d, "some words", Taken)
}

func TestOverTwoPathsADatagramIsTakenOnce(t *testing.T) {
	a, b := pairOf(t)
	type got struct {
		Words string
		Kind  Kind
	}
	var all []got
	for _, i := range []int{0, 1, 1, 0} {
		d := a.says(fmt.Sprint(len(all)))
		for _, path := range []int{i, 1 - i, i} {
			words, kind, _ := b.hearsOver(path, d)
			all = append(all, got{words, kind})
		}
	}
	var want []got
	for i := range 4 {
		want = append(want, got{fmt.Sprint(i * 3), Taken}, got{"", Duplicate}, got{"", Replayed})
	}
	if d := cmp.Diff(want, all); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestReorderedWordsNeverGoBack(t *testing.T) {
	a, b := pairOf(t)
	older, newer := a.says("older"), a.says("newer")
	b.wants("the newer first", newer, "newer", Taken)
	b.wants("the older then", older, "", Late)
	b.wants("and again", older, "", Replayed)

	// The parts of one Say are of one age.
	a.Begin(3)
	var parts [][]byte
	for i := range 3 {
		parts = append(parts, a.Seal(a.keys, nil, []byte{byte('a' + i)}, i, false))
	}
	for _, i := range []int{2, 0, 1} {
		b.wants(fmt.Sprintf("part %d", i), parts[i], string(rune('a'+i)), Taken)
	}

	// Of what is older than the window it cannot be told whether it is new.
	old := a.says("old")
	for range 64 {
		b.hears(a.says("x"))
	}
	if _, kind, _ := b.hearsOver(1, old); kind != Replayed {
		t.Errorf("just behind the window, over a path that it never came over: %v, want it taken for a replay, and so no sign of life", kind)
	}
	b.wants("behind the window", old, "", Replayed)
}

func TestAcknowledgementsTellWhichPartsWereHeard(t *testing.T) {
	a, b := pairOf(t)
	a.Begin(3)
	var parts [][]byte
	for i := range 3 {
		parts = append(parts, a.Seal(a.keys, nil, nil, i, true))
	}
	b.hears(parts[0])
	_, _, ack := b.hears(parts[2])
	if ack == nil {
		t.Fatal("an urgent datagram is not answered")
	}
	if more := a.wants("an acknowledgement", ack, "", Taken); more != nil {
		t.Error("an acknowledgement is acknowledged")
	}
	if d := cmp.Diff([]bool{true, false, true}, a.acked); d != "" || a.missing != 1 {
		t.Errorf("%d missing; -want +got:\n%s", a.missing, d)
	}
	// The second, sent again; a datagram with words acknowledges as well.
	b.hears(a.Seal(a.keys, nil, nil, 1, false))
	a.hears(b.says("x"))
	if a.missing != 0 {
		t.Errorf("%d missing", a.missing)
	}
}

// Of our numbers the last 256 are remembered, each in the place of one before.
func TestALateAcknowledgementIsNoneOfANewerDatagram(t *testing.T) {
	a, b := pairOf(t)
	b.wants("the first", a.says("first"), "first", Taken)
	late := b.says("it acknowledges the first, and is on its way for long")
	for range numbers {
		a.says("not heard")
	}
	a.hears(late)
	if a.missing != 1 {
		t.Errorf("%d parts of the last Say are not heard, want 1", a.missing)
	}
}

// Whoever has said hello just before the partner's present process proves that it is
// alive has to ask again.
func TestNothingIsOwedToAProcessThatIsForgotten(t *testing.T) {
	a, b, x := newEnd(t, 1), newEnd(t, 1), newEnd(t, 1)
	_, _, challenge := b.hears(a.says("hello"))
	_, _, proof := a.hears(challenge)
	_, _, answer := b.hears(proof)
	if o, _ := a.Open(a.keys, x.says("hello"), 0); !o.Answer {
		t.Fatal("a hello is not answered")
	}
	if o, kind := a.Open(a.keys, answer, 0); !o.NewBoot || kind != Taken || o.Answer {
		t.Errorf("%+v, %v: want the partner known, and nothing owed to anybody", o, kind)
	}
}

func TestKeysAreRotatedOneHostAfterTheOther(t *testing.T) {
	a, b := pairOf(t)
	talk := func(what string) {
		t.Helper()
		b.wants(what, a.says("one"), "one", Taken)
		a.wants(what, b.says("two"), "two", Taken)
	}
	talk("old, old")
	a.keys = keysOf(t, 1, 2)
	talk("old new, old")
	b.keys = keysOf(t, 2, 1)
	talk("old new, new old")
	a.keys = keysOf(t, 2)
	talk("new, new old")
	b.keys = keysOf(t, 2)
	talk("new, new")
	a.keys = keysOf(t, 3)
	b.wants("another", a.says("one"), "", Unreadable)
	a.wants("another", b.says("two"), "", Unreadable)
}

func TestAnotherVersionIsCountedAsOne(t *testing.T) {
	a, b := pairOf(t)
	for v, want := range map[byte]Kind{0: OldVersion, 2: NewVersion, 255: NewVersion} {
		d := a.says("x")
		d[versionAt] = v
		b.wants(fmt.Sprint(v), d, "", want)
		b.wants(fmt.Sprint(v, " and short"), d[:sealedAt], "", want)
	}
}

// A process that is put back to a state before, as a virtual machine is by its
// snapshot, would take again what it took since. It notices by the partner's
// having heard what it has not sent yet, and becomes another.
func TestAProcessThatIsPutBackInTimeBecomesAnother(t *testing.T) {
	a, b := pairOf(t)
	snapshot := *a.Session
	current := *a.current
	snapshot.current, snapshot.paths = &current, slices.Clone(a.paths)
	b.hears(a.says("said and forgotten"))
	words := b.says("words")
	a.wants("at first", words, "words", Taken)

	a.Session = &snapshot
	was := a.boot
	answer := a.wants("put back", words, "", Former)
	if a.boot == was {
		t.Error("it is the same")
	}
	_, _, challenge := b.hears(answer)
	_, _, proof := a.hears(challenge)
	b.hears(proof)
	b.wants("then on", a.says("anew"), "anew", Taken)
	a.wants("then on", b.says("anew"), "anew", Taken)
	a.wants("the replay", words, "", Former)
}

func TestAWindowRemembersTheLast64Numbers(t *testing.T) {
	var w window
	for _, n := range []uint64{1, 3, 70} {
		if w.has(n) {
			t.Errorf("%d is heard before it was", n)
		}
		w.add(n)
	}
	for n, want := range map[uint64]bool{70: true, 69: false, 7: false, 6: true, 3: true, 71: false} {
		if w.has(n) != want {
			t.Errorf("%d was heard: %v; want %v", n, w.has(n), want)
		}
	}
	w.add(1000)
	if !w.has(1000) || w.has(999) || !w.has(70) {
		t.Errorf("after a long leap: %+v", w)
	}
}

func TestNoKeyIsNoChannel(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("accepted")
	}
}
