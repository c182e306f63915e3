package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// example is one case for one row. It begins with nobody() or holder(), depending on
// the half of the row.
type example struct {
	row, when string // as in Rows()
	but       string // what is special, if a row has several examples
	given     func(c *instance)
	action    Action
	reason    Reason
	again     time.Duration // from noon; zero: never
}

// tooOld is when a question of noon no longer counts.
const tooOld = 43 * time.Second

func TestEveryRowDecides(t *testing.T) {
	reached := map[int]bool{}
	for _, tt := range append(waitingExamples(), holdingExamples()...) {
		name := tt.row + " " + tt.when
		if tt.but != "" {
			name += ": " + tt.but
		}
		t.Run(name, func(t *testing.T) {
			c := nobody()
			if tt.row[0] == 'H' {
				c = holder()
			}
			tt.given(&c)
			want := Decision{Row: tt.row, Action: tt.action, Reason: tt.reason}
			if tt.again != 0 {
				want.Again = noon.Add(tt.again)
			}
			if diff := cmp.Diff(want, Decide(c.p, c.s, c.f)); diff != "" {
				t.Error(diff)
			}
			i := decidedBy(c)
			if i < 0 || Rows()[i].When != tt.when {
				t.Fatalf("row %d decides, want %q", i, tt.when)
			}
			reached[i] = true
		})
	}
	for i, r := range Rows() {
		if !reached[i] {
			t.Errorf("no example for %s %s", r.ID, r.When)
		}
	}
}

func TestWithoutARowItIsADefect(t *testing.T) {
	c := nobody()
	if diff := cmp.Diff(Decision{Action: Wait, Reason: NoRow}, c.decide(nil)); diff != "" {
		t.Error(diff)
	}
	if NoRow.Level() != Alarm {
		t.Error("a missing row is no alarm")
	}
}

func TestEveryWordIsSpelled(t *testing.T) {
	for a := Wait; a <= Reorder; a++ {
		if a.String() == "" {
			t.Errorf("action %d has no name", a)
		}
	}
	for r := NoRow; r < reasonCount; r++ {
		if r.String() == "" || r.Text() == "" {
			t.Errorf("reason %d has no name or text", r)
		}
	}
	if len(reasons) != int(NotKnownHere)+1 || len(actions) != int(Reorder)+1 {
		t.Errorf("%d reasons and %d actions are spelled", len(reasons), len(actions))
	}
	got := []string{Unknown.String(), No.String(), Yes.String(), Unknown.Answer(), Silent.Answer(), Answered.Answer()}
	if diff := cmp.Diff([]string{"unknown", "no", "yes", "unknown", "silent", "answered"}, got); diff != "" {
		t.Error(diff)
	}
}

// decidedBy is the index of the row that decides: the first for which the rows up to
// it decide something.
func decidedBy(c instance) int {
	for i := range Rows() {
		if c.decide(Rows()[:i+1]).Reason != NoRow {
			return i
		}
	}
	return -1
}

// fencedFor: the partner was fenced so long ago.
func fencedFor(c *instance, d time.Duration) {
	c.f.Fenced = Fact{Value: Yes, Since: noon.Add(-d), Asked: noon.Add(-d), Lives: 365 * 24 * time.Hour}
}
