package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// title names a run in a line of progress.
func title(story, rate string, aliases int, r Run) string {
	t := fmt.Sprintf("%s %s", story, rate)
	if aliases > 1 {
		t += fmt.Sprintf(" %d aliases", aliases)
	}
	t += fmt.Sprintf(" run %d %s", r.Number, r.Program)
	if r.Variant != "" {
		t += " (" + r.Variant + ")"
	}
	return t
}

// line is a run in one line.
func line(g Group, r Run) string {
	var b strings.Builder
	b.WriteString(title(g.Story, g.Rate, g.Aliases, r) + ":")
	for i, name := range slices.Sorted(maps.Keys(r.Values)) {
		v, open, _ := r.value(name)
		if i > 0 {
			b.WriteByte(',')
		}
		words, unit := strings.ReplaceAll(name, "_", " "), ""
		for _, u := range []string{"ms", "kb"} {
			if w, ok := strings.CutSuffix(words, " "+u); ok {
				words, unit = w, " "+u
			}
		}
		more := ""
		if open {
			more = "> "
		}
		fmt.Fprintf(&b, " %s %s%s%s", words, more, number(v), strings.Replace(unit, "kb", "kB", 1))
	}
	if r.Failed != "" {
		b.WriteString(" FAILED: " + r.Failed)
	}
	return b.String()
}
