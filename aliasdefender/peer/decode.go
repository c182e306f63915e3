package peer

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// content is what decode reads.
type content struct {
	Message
	host        [HostLen]byte // zero: not said
	part, parts int
}

// decode reads a content. like is a version heard before: if it is the same, its string
// is used again.
func decode(b []byte, like string) (content, error) {
	var c content
	if len(b) < contentHead {
		return c, errContent
	}
	c.part, c.parts = int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[2:]))
	if c.part >= c.parts {
		return c, errContent
	}
	// The words are counted first, so that memory is asked for once, and never for more
	// words than there are.
	words := 0
	for rest := b[contentHead:]; len(rest) > 0; {
		kind, _, more, ok := record(rest)
		if !ok {
			return c, errContent
		}
		if kind == recordFirst || kind == recordWord {
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
		case recordHost:
			ok = len(body) >= HostLen && copy(c.host[:], body) == HostLen
		case recordFirst:
			w := shared
			ok = grouped && w.readFirst(body)
			c.Words = append(c.Words, w)
		case recordWord:
			w := shared
			ok = grouped && w.readSecond(body)
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

// readFirst reads a word in the first form.
func (w *Word) readFirst(b []byte) bool {
	if len(b) < firstLen || len(b) < firstLen+int(b[13]) || b[4] > 32 {
		return false
	}
	w.Alias, w.Bits = netip.AddrFrom4([4]byte(b)), b[4]
	w.readCommon(b[5:])
	if v := Value(b[5] >> serviceShift & serviceMask); v < values {
		w.Facts = w.Facts.With(FactService, v)
	}
	w.Text = printable(b[firstLen:firstLen+int(b[13])], MaxText)
	return true
}

// readSecond reads a word in the second form.
func (w *Word) readSecond(b []byte) bool {
	if len(b) < wordLen {
		return false
	}
	bits, flags, octets := b[0], b[1], 4
	w.readCommon(b[1:])
	if flags&flagWide != 0 {
		octets = 16
	}
	if b = b[wordLen:]; len(b) < octets {
		return false
	}
	alias, ok := prefix(b[:octets], bits)
	if !ok {
		return false
	}
	w.Alias, w.Bits = alias.Addr(), uint8(alias.Bits())
	facts, b, ok := sized(b[octets:])
	if !ok {
		return false
	}
	text, b, ok := sized(b)
	if !ok {
		return false
	}
	w.Facts, w.Text = factsOf(facts), printable(text, MaxText)
	if flags&flagLink != 0 {
		link, rest, ok := sized(b)
		if !ok || len(link) == 0 {
			return false
		}
		if w.Link, ok = prefix(link[1:], link[0]); !ok {
			return false
		}
		w.Link, b = w.Link.Masked(), rest
	}
	if flags&flagGroup != 0 {
		if len(b) < groupMark {
			return false
		}
		w.Group, b = binary.BigEndian.Uint32(b), b[groupMark:]
	}
	if flags&flagDrill != 0 {
		if len(b) < drillLen {
			return false
		}
		w.Drill = readDrill(b)
	}
	return true
}

// groupMark is how many bytes a word has for its group.
const groupMark = 4

// sized is the field that follows its own length, and whatever comes after it.
func sized(b []byte) (field, rest []byte, ok bool) {
	if len(b) < 1 || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	end := 1 + int(b[0])
	return b[1:end], b[end:], true
}

// readCommon reads the fields from flags to why, which both forms have in the same order.
func (w *Word) readCommon(b []byte) {
	w.Primary = b[0]&flagPrimary != 0
	if w.Standing = Standing(b[1]); w.Standing >= standings {
		w.Standing = Unknown
	}
	if w.Step = Step(b[2]); w.Step >= steps {
		w.Step = NoStep
	}
	w.Handover, w.Why = binary.BigEndian.Uint32(b[3:]), b[7]
}

// prefix is an address of 4 or 16 bytes with the length of its prefix.
func prefix(octets []byte, bits uint8) (netip.Prefix, bool) {
	addr, ok := netip.AddrFromSlice(octets)
	p := unmapped(netip.PrefixFrom(addr, int(bits)))
	return p, ok && p.IsValid()
}

// printable is the text, safe for a log and a terminal.
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
