package control

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func quick(context.Context, bool) (Snapshot, error) { return Snapshot{}, nil }

func TestAnOrderAndItsOutcomesArriveAsTheyWereSent(t *testing.T) {
	want := []Outcome{{Alias: "172.16.1.2", Done: true, Text: "this host has it", Next: "it stays", NotRemembered: "disk full"}}
	var got []Order
	socket, _ := serve(t, Handlers{Status: quick, Order: func(_ context.Context, o Order) ([]Outcome, error) {
		got = append(got, o)
		return want, nil
	}})
	sent := []Order{{}, {Alias: netip.MustParseAddr("172.16.1.2"), Remove: true, Force: true, DryRun: true},
		{Give: true, Within: 3 * time.Second}, {Maintenance: On}, {Maintenance: Off, DryRun: true}}
	for _, o := range sent {
		outcomes, err := Dial(socket).Order(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, outcomes); d != "" {
			t.Error(d)
		}
	}
	if d := cmp.Diff(sent, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Error(d)
	}
}

// TestAnOrderMayTakeLongerThanOtherAnswers: none of the deadlines that keep
// slow clients out may end it.
func TestAnOrderMayTakeLongerThanOtherAnswers(t *testing.T) {
	const deadline = time.Second
	var begun atomic.Bool
	socket, _ := serve(t, Handlers{Status: quick, Order: func(ctx context.Context, _ Order) ([]Outcome, error) {
		begun.Store(true)
		select {
		case <-time.After(2 * deadline):
			return []Outcome{{Done: true}}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}, func(s *Server) { s.reading, s.working, s.writing = deadline, deadline, deadline })
	out, err := reaching(&begun, func() ([]Outcome, error) { return Dial(socket).Order(t.Context(), Order{}) })
	if err != nil || len(out) != 1 {
		t.Errorf("%v, %v", out, err)
	}
}

func TestAnOrderOfAClientThatLeavesIsWithdrawn(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	socket, _ := serve(t, Handlers{Status: quick, Order: func(ctx context.Context, _ Order) ([]Outcome, error) {
		close(begun)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil, ctx.Err()
	}})
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-begun; leave() }()
	if _, err := Dial(socket).Order(ctx, Order{}); says(err) != socket+": interrupted" {
		t.Errorf("the client: %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler's context ended with %v", err)
	}
}

func TestAnOrderIsRefusedWithItsKind(t *testing.T) {
	refusal := &Refusal{KindAlias, "172.16.1.9 is no alias"}
	socket, _ := serve(t, Handlers{Status: quick, Order: func(context.Context, Order) ([]Outcome, error) { return nil, refusal }})
	_, err := Dial(socket).Order(t.Context(), Order{})
	if got := (*Refusal)(nil); !errors.As(err, &got) || *got != *refusal {
		t.Errorf("got %v", err)
	}
}

// TestAnOrderThatIsHalfUnderstoodIsNotCarriedOut: a later program may order
// what this Monitor does not know.
func TestAnOrderThatIsHalfUnderstoodIsNotCarriedOut(t *testing.T) {
	socket, _ := serve(t, Handlers{Status: quick, Order: func(context.Context, Order) ([]Outcome, error) {
		t.Error("it was carried out")
		return nil, nil
	}})
	for _, body := range []string{``, `{`, `{"alias": "x"}`, `{"alias": "10.0.0.1", "handover": true}`, `{"remove": true} {}`,
		`{"maintenance": "perhaps"}`, `{"maintenance": true}`, `{"give": true, "within_ns": -1}`, `{"give": true, "within_ns": 3600000000000}`} {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		req, _ := http.NewRequest(http.MethodPost, "http://monitor/v1/orders", strings.NewReader(body))
		req.Write(c)
		answer, _ := io.ReadAll(c)
		c.Close()
		if !strings.HasPrefix(string(answer), "HTTP/1.1 404") {
			t.Errorf("%q: %s", body, answer)
		}
	}
}
