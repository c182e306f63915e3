package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mistake is one thing in a file with which the daemon must not run.
type Mistake struct {
	File  string // the path as it was given
	Line  int    // from 1; 0 if it is about the whole file
	Field string // "netmask", "log.level"; empty if it is about the whole line
	Text  string // what is wrong and, unless that is plain, what to write instead
}

// Error is the mistake as an administrator reads it:
// "hostname.alias:12: netmask: 255.0.255.0 has gaps".
func (m Mistake) Error() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d", m.Line)
	}
	if m.Field != "" {
		b.WriteString(": " + m.Field)
	}
	b.WriteString(": " + m.Text)
	return b.String()
}

// Mistakes is every mistake of both files, sorted by file and line. It is the
// only type of error that this package returns, and is then never empty.
type Mistakes []Mistake

// Error joins the mistakes, one to a line.
func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// err returns the sorted mistakes, or a nil error if there are none: a nil Mistakes
// inside an error interface would not compare equal to nil.
func (ms Mistakes) err() error {
	if len(ms) == 0 {
		return nil
	}
	// Stable, because the fields of one line are found in the order in which they stand
	// there.
	slices.SortStableFunc(ms, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return ms.first(mostMistakes)
}

// A file with this many mistakes is some other file: further mistakes are counted and not
// shown, and after enoughMistakes the table of aliases is not read any further.
const (
	mostMistakes   = 100 // of a file
	enoughMistakes = 1000
)

// first are the first most mistakes of each file, sorted, and how many more were found.
func (ms Mistakes) first(most int) (short Mistakes) {
	for len(ms) > 0 {
		n := 0 // of this file
		for n < len(ms) && ms[n].File == ms[0].File {
			n++
		}
		short = append(short, ms[:min(n, most)]...)
		if n > most {
			short = append(short, Mistake{File: ms[0].File, Text: fmt.Sprintf("%d more mistakes were found; is it the right file?", n-most)})
		}
		ms = ms[n:]
	}
	return short
}

// show renders what the administrator wrote for an error message: as it is if
// it is plain, quoted if a space or a control character would mislead the
// reader or his terminal, and cut if it is long.
func show(s string) string {
	const most = 60
	cut := ""
	if len(s) > most {
		s, cut = strings.ToValidUTF8(s[:most], ""), "…"
	}
	plain := s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	})
	if plain {
		return s + cut
	}
	return strconv.Quote(s) + cut
}
