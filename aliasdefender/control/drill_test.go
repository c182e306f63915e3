package control

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestADrillArrivesAsItWasDoneAndMayTakeItsTime(t *testing.T) {
	const deadline = time.Second
	var begun atomic.Bool
	want := Drill{At: time.Unix(1795971600, 0).UTC(), TookMS: 2345, Outcome: DrillGap, Text: "with a gap", Next: "see Why", BoundMS: 100, Aliases: []Drilled{
		{Alias: "fe80::1%eth0", Us: &Measure{Asked: 300, Lost: 12, GapMS: 130.5, PauseMS: 10}, PartnerWhy: "it cannot"},
	}}
	socket, _ := serve(t, Handlers{Drill: func(_ context.Context, alias string) (Drill, error) {
		begun.Store(true)
		if alias != "fe80::1%eth0" {
			return Drill{}, &Refusal{KindDrill, alias + " is parked"}
		}
		time.Sleep(2 * deadline)
		return want, nil
	}}, func(s *Server) { s.reading, s.working, s.writing = deadline, deadline, deadline })
	ask := func(alias string) (Drill, error) {
		return reaching(&begun, func() (Drill, error) { return Dial(socket).Drill(t.Context(), alias) })
	}
	got, err := ask("fe80::1%eth0")
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	_, err = ask("10.0.0.1")
	if refusal := (*Refusal)(nil); !errors.As(err, &refusal) || *refusal != (Refusal{KindDrill, "10.0.0.1 is parked"}) {
		t.Errorf("%v", err)
	}
}

// reaching asks again if a deadline of the server's has passed before the handler had begun:
// then the machine was busy, and nothing is known of what the deadlines do to an answer.
func reaching[T any](begun *atomic.Bool, ask func() (T, error)) (answer T, err error) {
	begun.Store(false)
	for range 100 {
		if answer, err = ask(); begun.Load() {
			break
		}
	}
	return answer, err
}
