package rules

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPackageCommentShowsTheSmallTables keeps the comment and the rows together.
func TestPackageCommentShowsTheSmallTables(t *testing.T) {
	var loopback, routes []string
	line := func(id, when string, action, reason fmt.Stringer) string {
		return fmt.Sprintf("//\t%-4s%s\n//\t      -> %s: %s\n", id, when, action, reason)
	}
	for _, r := range LoopbackRows() {
		loopback = append(loopback, line(r.ID, r.When, r.Action, r.Reason))
	}
	for _, r := range RouteRows() {
		routes = append(routes, line(r.ID, r.When, r.Action, r.Reason))
	}
	tableBelow(t, "On a loopback interface", strings.Join(loopback, ""))
	tableBelow(t, "Routes", strings.Join(routes, ""))
}

// tableBelow compares the first table below a heading of the package comment.
func tableBelow(t *testing.T, heading, want string) {
	t.Helper()
	b, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	head := "// # " + heading + "\n"
	above, below, ok := strings.Cut(string(b), head)
	at := strings.Index(below, "//\t")
	if !ok || at < 0 {
		t.Fatalf("no table below %q in the package comment", heading)
	}
	rest := below[at:]
	for strings.HasPrefix(rest, "//\t") {
		_, rest, _ = strings.Cut(rest, "\n")
	}
	got := below[at : len(below)-len(rest)]
	if got != want && *update {
		if err := os.WriteFile("doc.go", []byte(above+head+below[:at]+want+rest), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-wanted +in the comment):\n%s", diff)
	}
}

// TestDesignHasTheRouteRows does the same for the table of routes.
func TestDesignHasTheRouteRows(t *testing.T) {
	var ids []string
	for _, line := range designRows(t, "Routes") {
		ids = append(ids, line.id)
		for _, r := range RouteRows() {
			if r.ID == line.id && (!strings.Contains(line.decision, r.Action.String()) || !strings.Contains(line.decision, r.Reason.String())) {
				t.Errorf("%s: %q lacks %s: %s", r.ID, line.decision, r.Action, r.Reason)
			}
		}
	}
	if diff := cmp.Diff([]string{"R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12"}, ids); diff != "" {
		t.Error(diff)
	}
}

// TestDesignHasTheLoopbackRows: the design's table names each row, with its actions and
// reasons.
func TestDesignHasTheLoopbackRows(t *testing.T) {
	lines := designRows(t, "On a loopback interface")
	var ids []string
	for _, line := range lines {
		ids = append(ids, line.id)
		for _, r := range LoopbackRows() {
			if r.ID == line.id && (!strings.Contains(line.decision, r.Action.String()) || !strings.Contains(line.decision, r.Reason.String())) {
				t.Errorf("%s: %q lacks %s: %s", r.ID, line.decision, r.Action, r.Reason)
			}
		}
	}
	if diff := cmp.Diff([]string{"L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9"}, ids); diff != "" {
		t.Error(diff)
	}
}
