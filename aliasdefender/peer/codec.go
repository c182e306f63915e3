package peer

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A content is part and parts (two bytes each, big-endian as all numbers), then
// records: type, length of the body, body. A record of an unknown type is
// skipped, and so is what a known one has behind the fields that we know: that
// is how the words grow within a version.
const (
	recordProgram = 1 // features (4), length of the version, version
	recordGroup   = 2 // what the words behind it share: HW (6), interval (4) and timeout (4) in µs, misses
	recordWord    = 3 // alias (4), bits, flags, state, step, hand-over (4), why, length of the text, text
)

const (
	contentHead  = 4
	recordHead   = 2
	groupLen     = 15
	wordLen      = 14
	programLen   = 5
	maxVersion   = 40
	flagPrimary  = 1
	serviceShift = 1
	serviceMask  = 3
)

var errContent = errors.New("the words of a datagram cannot be understood")

// encoder turns a Message into contents, and keeps their memory.
type encoder struct {
	text   []byte
	starts []int // where each content begins in text
}

// encode forgets what it had, and cuts m into contents of at most room bytes.
func (e *encoder) encode(m *Message, room int) {
	e.text, e.starts = e.text[:0], e.starts[:0]
	var shared Word
	for i := range m.Words {
		w := &m.Words[i]
		grouped := len(e.starts) > 0 && sameGroup(&shared, w)
		size := recordHead + wordLen + len(clip(w.Text, MaxText))
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
		e.word(w)
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

// content is one of those that were encoded last.
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
}

func (e *encoder) group(w *Word) {
	e.text = append(e.text, recordGroup, groupLen)
	e.text = append(e.text, w.HW[:]...)
	e.text = binary.BigEndian.AppendUint32(e.text, micros(w.Interval))
	e.text = binary.BigEndian.AppendUint32(e.text, micros(w.Timeout))
	e.text = append(e.text, w.Misses)
}

func (e *encoder) word(w *Word) {
	text := clip(w.Text, MaxText)
	e.text = append(e.text, recordWord, byte(wordLen+len(text)))
	var alias [4]byte
	if w.Alias.Is4() {
		alias = w.Alias.As4()
	}
	flags := byte(w.Service&serviceMask) << serviceShift
	if w.Primary {
		flags |= flagPrimary
	}
	e.text = append(e.text, alias[0], alias[1], alias[2], alias[3], w.Bits, flags, byte(w.State), byte(w.Step))
	e.text = binary.BigEndian.AppendUint32(e.text, w.Handover)
	e.text = append(append(e.text, w.Why, byte(len(text))), text...)
}

func micros(d time.Duration) uint32 {
	return uint32(min(max(d, 0), time.Hour).Microseconds())
}

// clip is as much of s as fits, and no half of a letter.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// content is what decode reads.
type content struct {
	Message
	part, parts int
}

// decode reads a content. like is a version that was heard before: the usual
// one need not be made anew.
func decode(b []byte, like string) (content, error) {
	var c content
	if len(b) < contentHead {
		return c, errContent
	}
	c.part, c.parts = int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[2:]))
	if c.part >= c.parts {
		return c, errContent
	}
	// Counted first, so that the memory is asked for once, and never for more
	// than is there.
	words := 0
	for rest := b[contentHead:]; len(rest) > 0; {
		kind, _, more, ok := record(rest)
		if !ok {
			return c, errContent
		}
		if kind == recordWord {
			words++
		}
		rest = more
	}
	if words > 0 {
		c.Words = make([]Word, 0, words)
	}
	var shared Word
	grouped := false
	for rest := b[contentHead:]; len(rest) > 0; {
		kind, body, more, _ := record(rest)
		rest = more
		ok := true
		switch kind {
		case recordProgram:
			ok = c.program(body, like)
		case recordGroup:
			ok = shared.readGroup(body)
			grouped = true
		case recordWord:
			w := shared
			ok = grouped && w.read(body)
			c.Words = append(c.Words, w)
		}
		if !ok {
			return content{}, errContent
		}
	}
	return c, nil
}

func record(b []byte) (kind byte, body, rest []byte, ok bool) {
	if len(b) < recordHead || len(b) < recordHead+int(b[1]) {
		return 0, nil, nil, false
	}
	end := recordHead + int(b[1])
	return b[0], b[recordHead:end], b[end:], true
}

func (c *content) program(b []byte, like string) bool {
	if len(b) < programLen || len(b) < programLen+int(b[4]) {
		return false
	}
	c.Features = binary.BigEndian.Uint32(b)
	version := b[programLen : programLen+int(b[4])]
	if c.Version = like; string(version) != like {
		c.Version = printable(version, maxVersion)
	}
	return true
}

func (w *Word) readGroup(b []byte) bool {
	if len(b) < groupLen {
		return false
	}
	copy(w.HW[:], b)
	w.Interval = time.Duration(binary.BigEndian.Uint32(b[6:])) * time.Microsecond
	w.Timeout = time.Duration(binary.BigEndian.Uint32(b[10:])) * time.Microsecond
	w.Misses = b[14]
	return w.Interval <= time.Hour && w.Timeout <= time.Hour
}

func (w *Word) read(b []byte) bool {
	if len(b) < wordLen || len(b) < wordLen+int(b[13]) || b[4] > 32 {
		return false
	}
	w.Alias, w.Bits = netip.AddrFrom4([4]byte(b)), b[4]
	w.Primary = b[5]&flagPrimary != 0
	if w.Service = Service(b[5] >> serviceShift & serviceMask); w.Service > ServiceFailing {
		w.Service = ServiceUnknown
	}
	if w.State = State(b[6]); w.State >= states {
		w.State = Unknown
	}
	if w.Step = Step(b[7]); w.Step >= steps {
		w.Step = NoStep
	}
	w.Handover, w.Why = binary.BigEndian.Uint32(b[8:]), b[12]
	w.Text = printable(b[wordLen:wordLen+int(b[13])], MaxText)
	return true
}

// printable is a text that may go into a log and onto a terminal.
func printable(b []byte, most int) string {
	if len(b) == 0 {
		return ""
	}
	s := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, string(b))
	return clip(s, most)
}
