package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// A browser that has shown the token has a session, which this Monitor knows: browsers send a
// cookie to every port of a host, so that another service there may see it. It must be of no
// use to that service for longer than its user wants.
const (
	sessionLasts = 12 * time.Hour
	sessionsMost = 256 // the oldest makes room: who has the token can begin as many as they like
)

// sessions are those that one token has begun. The zero value has none.
type sessions struct {
	mu   sync.Mutex
	open []session // oldest first
}

// session is one browser's. The number itself is kept nowhere but in its cookie.
type session struct {
	sum [sha256.Size]byte
	on  context.Context // for as long as the session lasts
	end context.CancelFunc
}

// begin begins a session, and returns its number. It ends with within at the latest.
func (s *sessions) begin(within context.Context) (number string, err error) {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	number = hex.EncodeToString(b[:])
	on, end := context.WithTimeout(within, sessionLasts)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = slices.DeleteFunc(s.open, func(o session) bool { return o.on.Err() != nil })
	for len(s.open) >= sessionsMost {
		s.open[0].end()
		s.open = slices.Delete(s.open, 0, 1)
	}
	s.open = append(s.open, session{sha256.Sum256([]byte(number)), on, end})
	return number, nil
}

// of is for as long as the session of that number lasts; nil: there is none.
func (s *sessions) of(number string) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(number); i >= 0 && s.open[i].on.Err() == nil {
		return s.open[i].on
	}
	return nil
}

// end ends the session of that number, and what it has opened.
func (s *sessions) end(number string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(number); i >= 0 {
		s.open[i].end()
		s.open = slices.Delete(s.open, i, i+1)
	}
}

// find is where the session of that number is; -1: nowhere. mu is held.
func (s *sessions) find(number string) int {
	sum := sha256.Sum256([]byte(number))
	return slices.IndexFunc(s.open, func(o session) bool { return subtle.ConstantTimeCompare(o.sum[:], sum[:]) == 1 })
}
