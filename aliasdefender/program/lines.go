package hook

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

const (
	// longestLine is how many bytes of a line are logged.
	longestLine = 4 << 10
	// mostOutput is how many bytes of a run are logged.
	mostOutput = 64 << 10
	// mostLines is how many lines of a run are logged: the log's queue is for ours too.
	mostLines = 200
)

// output passes on what a program writes, a line at a time. What is too much is counted
// and said at the end: a program that floods is read on, or it would wait for us.
type output struct {
	out  func(string)
	line []byte // begun, and at most longestLine long
	said int    // bytes passed on, or in line
	n    int    // lines passed on
	lost int    // bytes that were too much
}

// Write takes in the next bytes.
func (o *output) Write(text []byte) (int, error) {
	n := len(text)
	o.take(text)
	return n, nil
}

// close passes on what is left, and says how much was too much.
func (o *output) close() {
	o.end()
	if o.lost > 0 {
		o.out(fmt.Sprintf("(and %d bytes more)", o.lost))
	}
}

// take takes in the next bytes.
func (o *output) take(text []byte) {
	for len(text) > 0 {
		part, rest, ends := bytes.Cut(text, []byte("\n"))
		room := max(0, min(longestLine-len(o.line), mostOutput-o.said, len(part)))
		if o.n == mostLines {
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
func (o *output) end() {
	if len(o.line) > 0 {
		o.out(clean(string(o.line)))
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
