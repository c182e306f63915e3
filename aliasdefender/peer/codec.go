package peer

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"
	"unicode/utf8"
)

// A content is part and parts (two bytes each, big-endian like all numbers), then
// records: type, length of the body, body. A reader skips a record of an unknown type,
// and whatever follows the known fields of a known one: so the words can grow within a
// version.
//
// A word has two forms. The first is that of the programs before flagSecond: it has an
// IPv4 address and one fact. It is said to a partner that understands no other; then what
// does not fit into it is not said. Both forms are understood. An address of the second
// form has 4 bytes or 16; an IPv4 address is never mapped.
const (
	recordProgram = 1 // features (4), length of the version, version
	recordGroup   = 2 // what the words after it share: HW (6), interval (4) and timeout (4) in µs, misses
	recordFirst   = 3 // a word: alias (4), bits, flags, standing, step, hand-over (4), why, length of the text, text
	recordHost    = 4 // the number of the sender's machine (16)
	// A word: bits, flags, standing, step, hand-over (4), why, alias (4, or 16 by a
	// flag), length of the facts, facts, length of the text, text; by a flag:
	// length of the link, its bits and its address (4 or 16); by a flag: group (4); by
	// a flag: a drill (21).
	recordWord = 5
)

const (
	contentHead  = 4
	recordHead   = 2
	groupLen     = 15
	firstLen     = 14
	wordLen      = 9 // up to the alias
	programLen   = 5
	maxVersion   = 40
	flagPrimary  = 1
	flagWide     = 2  // second form: the alias has 16 bytes
	flagLink     = 4  // second form: it has a link
	flagGroup    = 8  // second form: it is in a group
	flagDrill    = 16 // second form: a drill of it is under way
	serviceShift = 1
	serviceMask  = 3
)

// lastReason is the highest Why that programs with the first form know. They look up any
// number that they are told, and would crash over a higher one.
const lastReason = 53

var errContent = errors.New("cannot understand the words of a datagram")

// encoder turns a Message into contents, and keeps their memory.
type encoder struct {
	host  [HostLen]byte // it is said in each content; zero: it is not
	first bool          // the words have the first form

	text   []byte
	starts []int  // where each content begins in text
	record []byte // of one word
}

// encode forgets what it had encoded, and cuts m into contents of at most room bytes.
func (e *encoder) encode(m *Message, room int) {
	e.text, e.starts = e.text[:0], e.starts[:0]
	var shared Word
	for i := range m.Words {
		w := &m.Words[i]
		word := e.word(w)
		if word == nil {
			continue
		}
		grouped := len(e.starts) > 0 && sameGroup(&shared, w)
		size := len(word)
		if !grouped {
			size += recordHead + groupLen
		}
		if len(e.starts) == 0 || len(e.text)-e.starts[len(e.starts)-1]+size > room {
			e.begin(m)
			grouped = false
		}
		if !grouped {
			shared = *w
			e.group(w)
		}
		e.text = append(e.text, word...)
	}
	if len(e.starts) == 0 {
		e.begin(m)
	}
	for i, at := range e.starts {
		binary.BigEndian.PutUint16(e.text[at:], uint16(i))
		binary.BigEndian.PutUint16(e.text[at+2:], uint16(len(e.starts)))
	}
}

func sameGroup(a, b *Word) bool {
	return a.HW == b.HW && a.Interval == b.Interval && a.Timeout == b.Timeout && a.Misses == b.Misses
}

// content is the i-th of the contents that were encoded last.
func (e *encoder) content(i int) []byte {
	if i+1 < len(e.starts) {
		return e.text[e.starts[i]:e.starts[i+1]]
	}
	return e.text[e.starts[i]:]
}

func (e *encoder) parts() int { return len(e.starts) }

func (e *encoder) begin(m *Message) {
	e.starts = append(e.starts, len(e.text))
	version := clip(m.Version, maxVersion)
	e.text = append(e.text, 0, 0, 0, 0, recordProgram, byte(programLen+len(version)))
	e.text = binary.BigEndian.AppendUint32(e.text, m.Features)
	e.text = append(append(e.text, byte(len(version))), version...)
	if e.host != [HostLen]byte{} {
		e.text = append(append(e.text, recordHost, HostLen), e.host[:]...)
	}
}

func (e *encoder) group(w *Word) {
	e.text = append(e.text, recordGroup, groupLen)
	e.text = append(e.text, w.HW[:]...)
	e.text = binary.BigEndian.AppendUint32(e.text, micros(w.Interval))
	e.text = binary.BigEndian.AppendUint32(e.text, micros(w.Timeout))
	e.text = append(e.text, w.Misses)
}

// word is the record of a word, until the next call; nil for a word that cannot be said.
func (e *encoder) word(w *Word) []byte {
	alias := unmapped(netip.PrefixFrom(w.Alias, int(w.Bits)))
	switch b := e.record[:0]; {
	case !alias.IsValid():
		return nil // the partner would refuse the whole datagram, with the words beside it
	case !e.first:
		e.record = w.appendSecond(append(b, recordWord, 0), alias)
	case !alias.Addr().Is4() || w.Link.IsValid():
		return nil // the partner would take it for another alias
	default:
		e.record = w.appendFirst(append(b, recordFirst, 0), alias)
	}
	e.record[1] = byte(len(e.record) - recordHead)
	return e.record
}

// appendFirst appends the body of a word in the first form.
func (w *Word) appendFirst(b []byte, alias netip.Prefix) []byte {
	flags := w.flags() | byte(w.Facts.Value(FactService))<<serviceShift
	why := w.Why
	if why > lastReason {
		why = 0 // the text says it
	}
	b = append(appendAddr(b, alias.Addr()), byte(alias.Bits()), flags, byte(w.Standing), byte(w.Step))
	b = binary.BigEndian.AppendUint32(b, w.Handover)
	return appendText(append(b, why), w.Text)
}

// appendSecond appends the body of a word in the second form.
func (w *Word) appendSecond(b []byte, alias netip.Prefix) []byte {
	flags, link := w.flags(), unmapped(w.Link)
	if alias.Addr().Is6() {
		flags |= flagWide
	}
	if link.IsValid() {
		link, flags = link.Masked(), flags|flagLink
	}
	if w.Group != 0 {
		flags |= flagGroup
	}
	if w.Drill.Number != 0 {
		flags |= flagDrill
	}
	b = append(b, byte(alias.Bits()), flags, byte(w.Standing), byte(w.Step))
	b = binary.BigEndian.AppendUint32(b, w.Handover)
	b = appendAddr(append(b, w.Why), alias.Addr())
	at := len(b)
	b = w.Facts.appendTo(append(b, 0))
	b[at] = byte(len(b) - at - 1)
	b = appendText(b, w.Text)
	if link.IsValid() {
		b = appendAddr(append(b, byte(1+link.Addr().BitLen()/8), byte(link.Bits())), link.Addr())
	}
	if w.Group != 0 {
		b = binary.BigEndian.AppendUint32(b, w.Group)
	}
	if w.Drill.Number != 0 {
		b = w.Drill.appendTo(b)
	}
	return b
}

func (w *Word) flags() byte {
	if w.Primary {
		return flagPrimary
	}
	return 0
}

// appendText appends the length of a text and as much of it as is sent.
func appendText(b []byte, text string) []byte {
	text = clip(text, MaxText)
	return append(append(b, byte(len(text))), text...)
}

// appendAddr appends 4 or 16 bytes.
func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		octets := a.As4()
		return append(b, octets[:]...)
	}
	octets := a.As16()
	return append(b, octets[:]...)
}

func micros(d time.Duration) uint32 {
	return uint32(min(max(d, 0), time.Hour).Microseconds())
}

// clip is as much of s as fits, without half a letter at its end.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
