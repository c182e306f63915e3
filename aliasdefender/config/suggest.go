package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// unknownKey says what a key that its table does not have may have been meant to be: one
// that is spelt alike, one of another table, or any.
func unknownKey(table, name string) string {
	known := slices.Sorted(maps.Keys(tables[table]))
	if near, ok := nearest(name, known); ok {
		return fmt.Sprintf("unknown; did you mean %s?", near)
	}
	// TOML has no way back to the top: a key below the first header belongs to that
	// header's table, wherever it was meant to be.
	if table != "" && tables[""][name] != nil {
		return "unknown here; write it above the first [table]"
	}
	for _, other := range slices.Sorted(maps.Keys(tables)) {
		if other != "alias" && tables[other][name] != nil {
			switch other {
			case "check", "group":
				other += ".NAME"
			case recoverTable:
				other = "alias.\"ALIAS\".recover"
			}
			return fmt.Sprintf("unknown here; it belongs under [%s]", other)
		}
	}
	return "unknown; known here: " + strings.Join(known, ", ")
}

// unknownTable does the same for a table.
func unknownTable(table, name string) string {
	if tables[table][name] != nil {
		return fmt.Sprintf("is a setting and not a table; write %s = …", name)
	}
	if table != "" {
		return fmt.Sprintf("unknown; [%s] has no tables of this name", table)
	}
	known := slices.DeleteFunc(slices.Sorted(maps.Keys(tables)), func(s string) bool { return s == "" || s == recoverTable })
	if near, ok := nearest(name, known); ok {
		return fmt.Sprintf("unknown; did you mean %s?", tableHeader(near))
	}
	for i := range known {
		known[i] = tableHeader(known[i])
	}
	return "unknown; the tables are " + strings.Join(known, ", ")
}

// tableHeader is how a table is begun.
func tableHeader(name string) string {
	if name == "route" { // there may be many
		return "[[route]]"
	}
	return "[" + name + "]"
}

// nearest finds the known word that is most like the given one, if there is one.
func nearest(word string, known []string) (near string, ok bool) {
	word = plainKey(word)
	best := 3 // with more edits it is another word
	for _, k := range known {
		// In a short word two edits leave nothing.
		if d := distance(word, plainKey(k)); d < best && d*2 < len(k) {
			near, best = k, d
		}
	}
	return near, near != ""
}

// distance counts the letters to insert, delete or replace to turn a into b
// (Levenshtein). A long word is far from everything that we know.
func distance(a, b string) int {
	if len(a) > 2*len(b)+2 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
