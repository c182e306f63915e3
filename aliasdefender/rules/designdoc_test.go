package rules

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const designFile = "../../docs/design.md"

// designRow is one line of the design's table: all rows with one ID.
type designRow struct{ id, facts, decision string }

// designRows are the lines of the table below that heading in the design.
func designRows(t *testing.T, heading string) (all []designRow) {
	t.Helper()
	b, err := os.ReadFile(designFile)
	if err != nil {
		t.Fatal(err)
	}
	_, below, ok := strings.Cut(string(b), "\n### "+heading+"\n")
	if !ok {
		t.Fatalf("%s: no heading %q", designFile, heading)
	}
	for line := range strings.SplitSeq(strings.TrimLeft(below, "\n"), "\n") {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 3 {
			t.Fatalf("%s: %d cells in %q", designFile, len(cells), line)
		}
		all = append(all, designRow{strings.TrimSpace(cells[0]), cells[1], strings.ReplaceAll(cells[2], "**", "")})
	}
	return all[2:] // without the head
}

// TestDesignHasTheRows: the design's table has a line for each ID, in order. The line
// names each action and reason of its rows, and says so if they do not stand
// together. Those that stand together are tried in the order of their numbers.
func TestDesignHasTheRows(t *testing.T) {
	for _, half := range []struct {
		heading string
		holding bool
	}{
		{"Not holding", false},
		{"Holding", true},
	} {
		t.Run(half.heading, func(t *testing.T) {
			var ids, want []string
			elsewhere := map[string]bool{} // the design says where they stand
			for _, line := range designRows(t, half.heading) {
				ids = append(ids, line.id)
				elsewhere[line.id] = strings.Contains(line.decision, "stand after ")
				for _, what := range lacks(line, rowsOf(line.id)) {
					t.Errorf("%s: %s", line.id, what)
				}
			}
			last := 0
			for _, r := range Rows() {
				if r.Holding != half.holding {
					continue
				}
				if !slices.Contains(want, r.ID) {
					want = append(want, r.ID)
				}
				if split(rowsOf(r.ID)) || elsewhere[r.ID] {
					continue
				}
				if number(r.ID) < last {
					t.Errorf("%s %s stands behind row %d", r.ID, r.When, last)
				}
				last = number(r.ID)
			}
			slices.SortFunc(want, func(a, b string) int { return number(a) - number(b) })
			if diff := cmp.Diff(want, ids); diff != "" {
				t.Errorf("(-wanted +in the design):\n%s", diff)
			}
		})
	}
}

// lacks is what the design's line fails to say about its rows.
func lacks(line designRow, rows []int) (missing []string) {
	if len(rows) == 0 {
		return []string{"the table has no such row"}
	}
	text := line.facts + line.decision
	for _, i := range rows {
		r := Rows()[i]
		if !strings.Contains(text, r.Reason.String()) {
			missing = append(missing, fmt.Sprintf("the reason %q is not named", r.Reason))
		}
		if !strings.Contains(text, r.Action.String()) {
			missing = append(missing, fmt.Sprintf("the action %q is not named", r.Action))
		}
	}
	if split(rows) && !strings.Contains(text, "stands") {
		missing = append(missing, "its rows do not stand together, and it does not say so")
	}
	return missing
}

// rowsOf are the rows of an ID, by their places in the table.
func rowsOf(id string) (all []int) {
	for i, r := range Rows() {
		if r.ID == id {
			all = append(all, i)
		}
	}
	return all
}

// split tells whether other rows stand between these.
func split(rows []int) bool { return rows[len(rows)-1]-rows[0] != len(rows)-1 }

// number is that of a row's ID.
func number(id string) (n int) {
	_, _ = fmt.Sscanf(id[1:], "%d", &n)
	return n
}
