package peer

import "encoding/binary"

// Processes of the partner's that say hello, and have not proven that they live, may
// be former ones, of which somebody has kept datagrams. Each hello costs an answer.
// So answers to those that have said hello before are few, and cannot take the share
// of one that has not: the partner's next process is answered in the midst of any
// number of replayed hellos.
const (
	// seenBoots is how many processes of the partner's are remembered that said
	// hello. A former one beyond counts as new when it is replayed.
	seenBoots = 256

	// seenNonces is how many hellos are remembered, so that a repeated one is known
	// without being opened.
	seenNonces = 1024

	// newAnswers is how many answers a new process gets out of the share of the new
	// ones: the first may be lost.
	newAnswers = 8
)

// Answers a second to processes that are not proven, for each path: to those not seen
// before, and to all others together.
const (
	newRate, newBurst     = 50, 4 * newAnswers
	againRate, againBurst = 20, 5
)

// strangers is what is remembered of hellos, in a fixed room.
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

// place is where the nonce of a datagram is remembered that came over a path, and as
// what. Nonces are random, and no two sealed datagrams have the same; but one goes
// over all paths.
func (s *strangers) place(datagram []byte, path int) (at *uint64, as uint64) {
	nonce := datagram[nonceAt:sealedAt]
	return &s.nonces[(binary.LittleEndian.Uint64(nonce)+uint64(path))%seenNonces], binary.LittleEndian.Uint64(nonce[8:])
}

// again tells whether a datagram is a hello that was opened before, and came over the
// same path.
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

// ask is a process that has not proven that it lives, remembered with a challenge of
// its own, if it is to be answered; nil if it is not. Those not seen before have places
// of their own among the last that asked, so that no others displace them.
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

// place is where a process is remembered that is not yet: one half of the places is
// for those not seen before.
func (s *Session) place(isNew bool) *remote {
	half := 0
	if isNew {
		half = 1
	}
	i := &s.oldest[half]
	*i = (*i + 1) % (unproven / 2)
	return &s.others[half*unproven/2+*i]
}

// owe has a process answered. The present one comes first, and then one that is new: an
// answer that is owed is not displaced by one that matters less.
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
