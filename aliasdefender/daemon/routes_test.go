package daemon

import (
	"strings"
	"testing"
	"testing/synctest"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/route"
)

// TestALoopOfRoutesThatHangsHidesOnlyTheRoutes: it is a problem, and not "no routes".
func TestALoopOfRoutesThatHangsHidesOnlyTheRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &monitor{routes: &routes{Keeper: route.New(route.Options{})}} // nobody runs it
		s := control.Snapshot{Aliases: []control.Alias{{Alias: "10.0.0.1"}}}
		if err := m.showRoutes(t.Context(), &s, false); err != nil {
			t.Fatal(err)
		}
		if len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "the loop of routes does not answer") || len(s.Aliases) != 1 {
			t.Errorf("%+v", s)
		}
	})
}
