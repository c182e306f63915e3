package peer

import "testing"

// A later program may know more stages; an earlier one must not take them for another.
func TestAStageOfALaterProgramIsNoDrill(t *testing.T) {
	for _, d := range []Drill{{Number: 5, Stage: drillStages}, {Number: 5, Stage: 255}, {Number: 5, Stage: NoDrill}, {Stage: DrillMeasure}} {
		if got := readDrill(d.appendTo(nil)); got != (Drill{}) {
			t.Errorf("%+v is heard as %+v", d, got)
		}
	}
}
