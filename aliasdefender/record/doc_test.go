package record

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestThePageHasTheKindsAndTheLines: docs/events.md lists the kinds of event.go that
// are written, and its lines are such as the Log writes.
func TestThePageHasTheKindsAndTheLines(t *testing.T) {
	page, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	find := func(text, pattern string) (all []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			if Kind(m[1]) != Lasts {
				all = append(all, m[1])
			}
		}
		return all
	}
	_, table, _ := strings.Cut(string(page), "| `event` | |")
	table, _, _ = strings.Cut(table, "\n\n")
	if d := cmp.Diff(find(string(source), `Kind += "(\w+)"`), find(table, "(?m)^\\| `(\\w+)` \\|")); d != "" {
		t.Errorf("kinds, program (-) and page (+):\n%s", d)
	}
	_, table, _ = strings.Cut(string(page), "| field |")
	table, _, _ = strings.Cut(table, "\n\n")
	var fields []string
	for _, m := range regexp.MustCompile(`(?m)^\| ([^|]+) \|`).FindAllStringSubmatch(table, -1) {
		fields = append(fields, find(m[1], "`(\\w+)`")...)
	}
	_, lineType, _ := strings.Cut(string(source), "type line struct {")
	lineType, _, _ = strings.Cut(lineType, "\n}")
	names := find(lineType, `json:"(\w+)`)
	for _, f := range append(fields, names...) {
		if !strings.Contains(strings.Join(names, " "), f) || !strings.Contains(strings.Join(fields, " "), f) {
			t.Errorf("the field %s is not in both", f)
		}
	}
	lines := find(string(page), "(?m)^(\\{.*\\})$")
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, text := range lines {
		e, ok := parse([]byte(text))
		if d := cmp.Diff(text+"\n", encoded(e)); !ok || d != "" {
			t.Errorf("page (-) and program (+):\n%s", d)
		}
	}
}
