package peer

import "encoding/binary"

// A process of the partner's that says hello, and has not proven that it is alive, may be
// a former one whose datagrams somebody has kept. Each hello costs an answer. So
// processes that have said hello before get few answers, and cannot use up the share of
// those that have not: the partner's next process is answered in the midst of any number
// of replayed hellos.
const (
	// seenBoots is how many processes of the partner's are remembered that said hello. A
	// former process that is no longer remembered counts as new when its hello is
	// replayed.
	seenBoots = 256

	// seenNonces is how many hellos are remembered, so that a repeated one is known
	// without being opened.
	seenNonces = 1024

	// newAnswers is how many answers a new process gets from the share of the new ones:
	// the first may be lost.
	newAnswers = 8
)

// Answers a second to processes that are not proven, for each path: to those not seen
// before, and to all others together.
const (
	newRate, newBurst     = 50, 4 * newAnswers
	againRate, againBurst = 20, 5
)

// strangers is what is remembered of hellos; it does not grow.
type strangers struct {
	boots  [seenBoots]boot
	next   int // of boots
	nonces [seenNonces]uint64
}

// seen tells whether a process has said hello before.
func (s *strangers) seen(b boot) bool {
	for i := range s.boots {
		if s.boots[i] == b {
			return true
		}
	}
	return false
}

// note remembers a process that has said hello.
func (s *strangers) note(b boot) {
	s.boots[s.next] = b
	s.next = (s.next + 1) % seenBoots
}

// place is where the nonce of a datagram that came over a path is remembered, and in what
// form. Nonces are random, so no two sealed datagrams have the same one; but one datagram
// goes over all paths.
func (s *strangers) place(datagram []byte, path int) (at *uint64, as uint64) {
	nonce := datagram[nonceAt:sealedAt]
	return &s.nonces[(binary.LittleEndian.Uint64(nonce)+uint64(path))%seenNonces], binary.LittleEndian.Uint64(nonce[8:])
}

// again tells whether a datagram is a hello that came over the same path before and was
// opened then.
func (s *strangers) again(datagram []byte, path int) bool {
	if (boot(datagram[toAt:]) != boot{}) {
		return false
	}
	at, as := s.place(datagram, path)
	return *at == as && as != 0
}

// opened remembers a hello that was sealed with one of our keys.
func (s *strangers) opened(datagram []byte, path int) {
	if (boot(datagram[toAt:]) == boot{}) {
		at, as := s.place(datagram, path)
		*at = as
	}
}

// ask is a process that has not proven that it is alive, remembered with a challenge of
// its own, if it is to be answered; nil if it is not. Processes not seen before have
// their own places among the last that asked, so that no others displace them.
func (s *Session) ask(b boot, path int) *remote {
	r := s.asked(b)
	isNew := r == nil && !s.strangers.seen(b) || r != nil && r.left > 0
	if s.admit != nil && !s.admit(path, isNew) {
		return nil
	}
	if r == nil {
		r = s.place(isNew)
		if s.owed == r {
			s.owed = nil
		}
		*r = remote{boot: b, ours: challenge()}
		if isNew {
			s.strangers.note(b)
			r.left = newAnswers
		}
	}
	if r.fresh = r.left > 0; r.fresh {
		r.left--
	}
	return r
}

// asked finds a process among the last that asked; nil if it is not there.
func (s *Session) asked(b boot) *remote {
	for i := range s.others {
		if s.others[i].boot == b {
			return &s.others[i]
		}
	}
	return nil
}

// place is where a process is put that is not remembered yet: half of the places are for
// those not seen before.
func (s *Session) place(isNew bool) *remote {
	half := 0
	if isNew {
		half = 1
	}
	i := &s.oldest[half]
	*i = (*i + 1) % (unproven / 2)
	return &s.others[half*unproven/2+*i]
}

// owe notes that a process has to be answered. The present process comes first, then a
// new one: an answer that is owed gives way only to one that matters more.
func (s *Session) owe(r *remote) {
	if s.owed == nil || s.rank(r) >= s.rank(s.owed) {
		s.owed = r
	}
}

func (s *Session) rank(r *remote) int {
	switch {
	case s.current != nil && r.boot == s.current.boot:
		return 2
	case r.fresh:
		return 1
	}
	return 0
}
