package program

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// What Lines passes on at most. A log's queue is for our own lines too.
const (
	LongestLine = 4 << 10  // bytes of a line
	MostOutput  = 64 << 10 // bytes of a run
	MostLines   = 200      // lines of a run
)

// Lines is a Command's Output that passes on what a program writes, a line at a time, in a
// form that cannot be taken for a line of our log. What is too much is counted and said at
// the end: a program that floods is read on, or it would wait for us.
type Lines struct {
	Out  func(line string)
	line []byte // begun, and at most LongestLine long
	said int    // bytes passed on, or in line
	n    int    // lines passed on
	lost int    // bytes that were too much
}

// Write takes in the next bytes.
func (o *Lines) Write(text []byte) (int, error) {
	n := len(text)
	o.take(text)
	return n, nil
}

// Close passes on what is left, and says how much was too much.
func (o *Lines) Close() {
	o.end()
	if o.lost > 0 {
		o.Out(fmt.Sprintf("(and %d bytes more)", o.lost))
	}
}

// take takes in the next bytes.
func (o *Lines) take(text []byte) {
	for len(text) > 0 {
		part, rest, ends := bytes.Cut(text, []byte("\n"))
		room := max(0, min(LongestLine-len(o.line), MostOutput-o.said, len(part)))
		if o.n == MostLines {
			room = 0
		}
		o.line = append(o.line, part[:room]...)
		o.said += room
		o.lost += len(part) - room
		if ends {
			o.end()
		}
		text = rest
	}
}

// end passes on the line that was begun.
func (o *Lines) end() {
	if len(o.line) > 0 {
		o.Out(clean(string(o.line)))
		o.n++
	}
	o.line = o.line[:0]
}

// clean makes a line of a program's printable, and unlike ours: filters look for
// "event=", which every line of ours has.
func clean(line string) string {
	line = strings.ReplaceAll(strings.ToValidUTF8(line, "\uFFFD"), "\t", " ")
	if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
		line = strings.ReplaceAll(strings.Trim(strconv.Quote(line), `"`), `\"`, `"`)
	}
	return strings.ReplaceAll(line, "event=", "event =")
}
