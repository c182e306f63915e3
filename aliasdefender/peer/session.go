package peer

import (
	"crypto/rand"
	"encoding/binary"
)

// A datagram, version 1:
//
//	 0  3  "ADp"
//	 3  1  version
//	 4 16  to: the boot of the receiver as last known; zero: a hello
//	20 24  nonce, random                           (all before is associated data)
//	44 16  from: the boot of the sender                  (from here on encrypted)
//	60  8  challenge: for a receiver that is not proven; else zero
//	68  8  response: the receiver's last challenge, or zero
//	76  8  number, from 1, one more with each datagram
//	84  8  ack: the highest number of the receiver's that was heard
//	92  8  which of the 64 up to ack were heard, bit i: ack-i
//	100 8  say: which of the sender's Says the content is of
//	108 1  flags: 1 answer at once, 2 has a content, 4 understands the second form of words
//	109    content
//	       tag, 16
//
// A boot is 16 random bytes that name one run of one end. To makes a replay useless:
// words are taken only if it is our boot, which nobody knew before this run. From proves
// once that it is the partner's present process, and not an earlier one whose datagrams
// somebody kept back: it answers a challenge that is made for it alone.
const (
	version     = 1
	versionAt   = 3
	toAt        = 4
	nonceAt     = toAt + bootLen
	sealedAt    = nonceAt + nonceLen
	bootLen     = 16
	nonceLen    = 24
	innerLen    = bootLen + 6*8 + 1
	tagLen      = 16
	overhead    = sealedAt + innerLen + tagLen
	maxDatagram = 1199
	room        = maxDatagram - overhead // for a content

	flagUrgent  = 1
	flagContent = 2
	// A program that has only the first form of words ignores this flag. It is in every
	// datagram, so each end knows which form the other understands before it says its
	// first word.
	flagSecond = 4
)

var magic = [versionAt]byte{'A', 'D', 'p'}

type boot [bootLen]byte

// remote is one process of the partner's.
type remote struct {
	boot       boot
	ours       uint64 // our challenge to it
	theirs     uint64 // its challenge to us; 0: none
	heard      window
	highestSay uint64
	second     bool // it understands the second form of words

	left  int  // how many answers it may still get from the share of new processes
	fresh bool // the last answer came from that share
}

// unproven is how many processes of the partner's are remembered that have not proven
// that they are alive.
const unproven = 4

// numbers is how many of our own datagrams are remembered until they are
// acknowledged.
const numbers = 256

// Session is one end of the talk with one partner. It has no clock, and is used by one
// goroutine at a time.
type Session struct {
	boot    boot
	speaks  byte   // the flag of the form that we understand
	number  uint64 // of the last datagram sealed
	current *remote
	others  [unproven]remote
	oldest  [2]int   // among the others: of those seen before, and of those not
	paths   []window // what came over each path from current

	owed *remote // the process that has to be answered; nil: none

	strangers strangers
	// admit tells whether a process that is not proven may be answered. It is given the
	// path that the process came over, and whether it is new. nil: each may.
	admit func(path int, isNew bool) bool

	sent    [numbers]sent
	say     uint64 // the last one that was begun
	acked   []bool // which parts of that Say the partner has heard
	missing int    // how many of them it has not heard

	key   int // the key that opened the last datagram
	plain []byte
}

// sent is what one of our numbers carried.
type sent struct {
	number, say uint64
	part        int
}

// NewSession makes a Session with a boot of its own, for a partner that is reached over
// that many paths.
func NewSession(paths int) *Session {
	s := &Session{speaks: flagSecond, paths: make([]window, paths), plain: make([]byte, 0, maxDatagram)}
	s.renew()
	return s
}

// renew begins a new boot. From then on nothing that was sealed for the old one is taken.
func (s *Session) renew() {
	rand.Read(s.boot[:]) // never fails, crypto/rand says
	s.number, s.sent = 0, [numbers]sent{}
}

// setPaths tells how many paths there are now; their order has changed.
func (s *Session) setPaths(n int) { s.paths = make([]window, n) }

// Proven says whether the partner's present process is known, so that it can be sent
// words.
func (s *Session) Proven() bool { return s.current != nil }

// Second says whether the partner's present process understands the second form of words;
// false if that process is not known yet.
func (s *Session) Second() bool { return s.current != nil && s.current.second }

// Begin starts a Say of that many parts. Parts of the previous Say that were not
// acknowledged no longer matter.
func (s *Session) Begin(parts int) {
	s.say++
	s.Recut(parts)
}

// Recut divides the last Say into parts anew, for a process of the partner's that
// understands another form of words. It is the same Say, and so no newer sign of life.
// That process acknowledges nothing that was sealed for the previous process.
func (s *Session) Recut(parts int) {
	s.acked = append(s.acked[:0], make([]bool, parts)...)
	s.missing = parts
}

// Seal appends to dst the datagram with one part of the last Say or, where the
// partner is not proven yet, a hello, which carries no words.
func (s *Session) Seal(k *Keys, dst, content []byte, part int, urgent bool) []byte {
	if s.current == nil {
		return s.seal(k, dst, &remote{}, nil, 0)
	}
	if s.owed != nil && s.owed.boot == s.current.boot {
		s.owed = nil // this datagram acknowledges as well
	}
	flags := byte(flagContent)
	if urgent {
		flags |= flagUrgent
	}
	dst = s.seal(k, dst, s.current, content, flags)
	s.sent[s.number%numbers] = sent{s.number, s.say, part}
	return dst
}

// Answer appends to dst the answer that we owe the partner, if there is one: a datagram
// without words.
func (s *Session) Answer(k *Keys, dst []byte) []byte {
	if s.owed == nil {
		return dst
	}
	to := s.owed
	s.owed = nil
	return s.seal(k, dst, to, nil, 0)
}

func (s *Session) seal(k *Keys, dst []byte, to *remote, content []byte, flags byte) []byte {
	s.number++
	challenge := to.ours
	if s.current != nil && to.boot == s.current.boot {
		challenge = 0
	}
	p := append(s.plain[:0], s.boot[:]...)
	for _, n := range [...]uint64{challenge, to.theirs, s.number, to.heard.highest, to.heard.seen, s.say} {
		p = binary.BigEndian.AppendUint64(p, n)
	}
	p = append(append(p, flags|s.speaks), content...)
	s.plain = p

	at := len(dst)
	dst = append(append(dst, magic[:]...), version)
	dst = append(dst, to.boot[:]...)
	var nonce [nonceLen]byte
	rand.Read(nonce[:])
	dst = append(dst, nonce[:]...)
	return k.seal(dst, dst[at+nonceAt:at+sealedAt], p, dst[at:at+nonceAt])
}

// Outer checks what can be checked in a datagram without a key. Only for a datagram that
// it calls Taken do the other methods make sense.
func Outer(datagram []byte) Kind {
	switch {
	case len(datagram) < sealedAt || [versionAt]byte(datagram) != magic:
		return Foreign
	case datagram[versionAt] < version:
		return OldVersion
	case datagram[versionAt] > version:
		return NewVersion
	case len(datagram) < overhead || len(datagram) > maxDatagram:
		return Malformed
	}
	return Taken
}

// Names says whether a datagram names our boot, or no boot, as a hello does. A datagram
// that names another boot is of no use, whatever is in it.
func (s *Session) Names(datagram []byte) bool {
	to := boot(datagram[toAt:])
	return to == s.boot || to == boot{}
}

// Opened is what we know after we opened a datagram.
type Opened struct {
	Authentic bool   // one of our keys opened it
	Live      bool   // the partner's present process sent it, and it is no replay
	Content   []byte // its words, until the Session is used again; nil: none, or not to be taken
	Say       uint64 // of the content
	NewBoot   bool   // the partner's present process is known now, and is another than before
	Answer    bool   // it has to be answered at once
}

// Open opens a datagram that came over a path and that Outer has taken.
func (s *Session) Open(k *Keys, datagram []byte, path int) (Opened, Kind) {
	if s.strangers.again(datagram, path) {
		return Opened{Authentic: true}, Replayed
	}
	plain, ok := k.open(s.plain[:0], datagram[nonceAt:sealedAt], datagram[sealedAt:], datagram[:nonceAt], &s.key)
	if !ok {
		return Opened{}, Unreadable
	}
	s.plain = plain
	s.strangers.opened(datagram, path)
	o, kind := s.take(boot(datagram[toAt:]), plain, path)
	o.Authentic = true
	if kind != Taken {
		o.Content = nil
	}
	o.Answer = s.owed != nil
	return o, kind
}

// inner is what stands before the content.
type inner struct {
	from                                              boot
	challenge, response, number, ack, ackedBits, says uint64
	flags                                             byte
	content                                           []byte
}

func readInner(b []byte) (in inner) {
	in.from = boot(b)
	for i, n := range [...]*uint64{&in.challenge, &in.response, &in.number, &in.ack, &in.ackedBits, &in.says} {
		*n = binary.BigEndian.Uint64(b[bootLen+8*i:])
	}
	in.flags, in.content = b[innerLen-1], b[innerLen:]
	return in
}

// take is the part of Open that follows once a key fits.
func (s *Session) take(to boot, plain []byte, path int) (o Opened, kind Kind) {
	in := readInner(plain)
	switch {
	case in.from == s.boot:
		return o, Own
	case in.from == boot{} || in.number == 0:
		return o, Malformed
	case to != s.boot && to != boot{}:
		return o, Former
	}
	from := s.current
	if from == nil || from.boot != in.from {
		from = s.asked(in.from)
		if from == nil || to != s.boot || in.response != from.ours {
			// It may be an old process: ask it to prove that it is alive.
			if from = s.ask(in.from, path); from == nil {
				return o, Unchecked
			}
			from.second = in.flags&flagSecond != 0 // a process never learns: its oldest datagram says the same
			if in.challenge != 0 {
				from.theirs = in.challenge
			}
			s.owe(from)
			if to == s.boot && in.flags&flagContent != 0 {
				return o, Former
			}
			return o, Taken
		}
		o.NewBoot = true
		s.promote(from)
		from = s.current
	}
	if to != s.boot {
		s.owe(from) // it says hello: it does not know us yet
		return o, Taken
	}
	if in.ack > s.number {
		// It has heard what we have not sent yet. So this process was put back to an
		// earlier state, as a virtual machine is by its snapshot: what it has taken since
		// then could be replayed.
		s.renew()
		s.owe(from)
		return o, Former
	}
	kind = s.first(from, in.number, path)
	o.Live = kind != Replayed
	if kind != Taken {
		return o, kind
	}
	s.acknowledged(in.ack, in.ackedBits)
	if in.challenge != 0 {
		from.theirs = in.challenge
	}
	if in.challenge != 0 || in.flags&flagUrgent != 0 {
		s.owe(from)
	}
	if in.flags&flagContent == 0 {
		return o, Taken
	}
	if in.says < from.highestSay {
		return o, Late
	}
	from.highestSay = in.says
	o.Content, o.Say = in.content, in.says
	return o, Taken
}

// challenge is never zero, because zero means none.
func challenge() uint64 {
	var b [8]byte
	for {
		rand.Read(b[:])
		if n := binary.BigEndian.Uint64(b[:]); n != 0 {
			return n
		}
	}
}

// promote makes a process that has proven that it is alive the present one. The previous
// one, and any that was asked and has not answered yet, can come back only by a new
// challenge.
func (s *Session) promote(r *remote) {
	now := *r
	s.others = [unproven]remote{}
	s.owed = nil
	s.current = &now
	clear(s.paths)
}

// first says whether a number is heard for the first time.
func (s *Session) first(from *remote, number uint64, path int) Kind {
	again := s.paths[path].has(number)
	s.paths[path].add(number)
	switch {
	case again:
		return Replayed
	case from.heard.highest >= 64 && number <= from.heard.highest-64:
		return Replayed // too old to tell
	case from.heard.has(number):
		return Duplicate
	}
	from.heard.add(number)
	return Taken
}

// acknowledged notes which of our numbers the partner has heard.
func (s *Session) acknowledged(highest, bits uint64) {
	for i := uint64(0); i < 64 && i < highest && bits != 0; i, bits = i+1, bits>>1 {
		e := s.sent[(highest-i)%numbers]
		if bits&1 == 0 || e.number != highest-i {
			continue
		}
		if e.say == s.say && e.part < len(s.acked) && !s.acked[e.part] {
			s.acked[e.part] = true
			s.missing--
		}
	}
}
