package stage

import "testing"

func TestWhatAMachineHinderedProvesNothingUnlessItWentRight(t *testing.T) {
	var wrong Wrong
	if !wrong.Judged(t, false) || !wrong.Judged(t, true) {
		t.Error("a play in which nothing was wrong does not count")
	}
	wrong.Add("nobody had the alias for %v", GapLimit())
	if wrong.Judged(t, true) {
		t.Error("a play in which the machine made something go wrong counts")
	}
}
