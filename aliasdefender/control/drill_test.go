package control

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestADrillArrivesAsItWasDoneAndMayTakeItsTime(t *testing.T) {
	const deadline = time.Second // a busy machine sends a request in less
	want := Drill{At: time.Unix(1795971600, 0).UTC(), TookMS: 2345, Outcome: DrillGap, Text: "with a gap", Next: "see Why", BoundMS: 100, Aliases: []Drilled{
		{Alias: "fe80::1%eth0", Us: &Measure{Asked: 300, Lost: 12, GapMS: 130.5, PauseMS: 10}, PartnerWhy: "it cannot"},
	}}
	socket, _ := serve(t, Handlers{Drill: func(_ context.Context, alias string) (Drill, error) {
		if alias != "fe80::1%eth0" {
			return Drill{}, &Refusal{KindDrill, alias + " is parked"}
		}
		time.Sleep(2 * deadline)
		return want, nil
	}}, func(s *Server) { s.reading, s.working, s.writing = deadline, deadline, deadline })
	got, err := Dial(socket).Drill(t.Context(), "fe80::1%eth0")
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	_, err = Dial(socket).Drill(t.Context(), "10.0.0.1")
	if refusal := (*Refusal)(nil); !errors.As(err, &refusal) || *refusal != (Refusal{KindDrill, "10.0.0.1 is parked"}) {
		t.Errorf("%v", err)
	}
}
