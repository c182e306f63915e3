package control

import (
	"context"
	"net"
	"testing"
	"time"
)

// TestWhoSaysNothingMakesRoom: clients that connect and say nothing, for ever as it
// seems, keep nobody from an answer, and take no more than the places that there are.
func TestWhoSaysNothingMakesRoom(t *testing.T) {
	socket, _ := serve(t,
		Handlers{Status: func(context.Context, bool) (Snapshot, error) { return Snapshot{}, nil }},
		func(s *Server) { s.reading = time.Hour; s.AtMost(2) })
	var idle []net.Conn
	for range 40 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		idle = append(idle, c)
	}
	for range 3 {
		if err := status(socket); err != nil {
			t.Fatalf("the one that asks gets no answer: %v", err)
		}
	}
	for i, c := range idle { // the last of them may have a place yet
		if i >= len(idle)-2 {
			break
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("client %d of 40 got something", i)
		}
	}
}

// TestWhoHasAskedKeepsItsPlace: it is not closed for the sake of the next.
func TestWhoHasAskedKeepsItsPlace(t *testing.T) {
	asked, release := make(chan struct{}, 2), make(chan struct{})
	socket, _ := serve(t, Handlers{Status: func(context.Context, bool) (Snapshot, error) {
		asked <- struct{}{}
		<-release
		return Snapshot{}, nil
	}}, func(s *Server) { s.AtMost(2) })
	answers := make(chan error, 3)
	for range 2 {
		go func() { answers <- status(socket) }()
		<-asked
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { answers <- status(socket) }()
	close(release)
	for range 3 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

func TestNoServerHasNoPlaces(t *testing.T) {
	for n, want := range map[int]int{-1: 1, 0: 1, 1: 1, 31: 31, 1000: maxClients} {
		s := NewServer(nil, "", Handlers{})
		if s.AtMost(n); s.clients != want {
			t.Errorf("AtMost(%d): %d", n, s.clients)
		}
	}
}
