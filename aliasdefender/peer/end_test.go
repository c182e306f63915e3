package peer

import (
	"testing"
)

func keysOf(t testing.TB, first ...byte) *Keys {
	t.Helper()
	var all [][KeySize]byte
	for _, b := range first {
		all = append(all, [KeySize]byte{b})
	}
	return NewKeys(all[0], all[1:]...)
}

// end is one end of a talk that a test carries by hand.
type end struct {
	t testing.TB
	*Session
	keys *Keys
}

func newEnd(t testing.TB, key ...byte) *end {
	return &end{t, NewSession(2), keysOf(t, key...)}
}

// says is one Say of one part.
func (e *end) says(text string) []byte { return e.saysUrgently(text, false) }

func (e *end) saysUrgently(text string, urgent bool) []byte {
	e.Begin(1)
	return e.Seal(e.keys, nil, []byte(text), 0, urgent)
}

// hears delivers a datagram over the first path; what comes back is the words
// that were taken, what became of it, and the answer.
func (e *end) hears(datagram []byte) (string, Kind, []byte) { return e.hearsOver(0, datagram) }

func (e *end) hearsOver(path int, datagram []byte) (string, Kind, []byte) {
	if kind := Outer(datagram); kind != Taken {
		return "", kind, nil
	}
	o, kind := e.Open(e.keys, datagram, path)
	words := string(o.Content)
	var answer []byte
	if o.Answer {
		answer = e.Answer(e.keys, nil)
	}
	return words, kind, answer
}

// wants delivers a datagram and asks what becomes of it. It returns the answer.
func (e *end) wants(what string, datagram []byte, words string, kind Kind) []byte {
	e.t.Helper()
	w, k, answer := e.hears(datagram)
	if w != words || k != kind {
		e.t.Errorf("%s: words %q, %v; want %q, %v", what, w, k, words, kind)
	}
	return answer
}

// meet carries datagrams to and fro until nobody answers any more.
func meet(t testing.TB, a, b *end) {
	t.Helper()
	from, to, datagram := a, b, a.says("hello")
	for range 10 {
		_, _, answer := to.hears(datagram)
		if answer == nil {
			break
		}
		from, to, datagram = to, from, answer
	}
	if !a.Proven() || !b.Proven() {
		t.Fatalf("after meeting a has proven its partner: %v, b: %v", a.Proven(), b.Proven())
	}
}

func pairOf(t testing.TB) (a, b *end) {
	t.Helper()
	a, b = newEnd(t, 1), newEnd(t, 1)
	meet(t, a, b)
	return a, b
}
