package convert

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/files"
)

// The bounds of what is read. They are far above any configuration that a pair of hosts
// can have: a larger one is some other file.
const (
	maxFile     = 1 << 20 // bytes of one file
	maxAll      = 4 << 20 // bytes of all files together
	maxFiles    = 256
	maxIncludes = 16      // files that include each other
	maxLine     = 4096    // bytes, also after what $NAME stands for has been put in
	maxLines    = 100_000 // of all files, with definitions and sequences expanded
	maxDepth    = 16      // blocks within blocks, and definitions within definitions
	maxReplaced = 1000    // definitions put into one line
)

// Place is a line of a file, from 1.
type Place struct {
	File string
	Line int
}

// String shows a place on one line, whatever the file is called: it stands in comments.
func (p Place) String() string { return fmt.Sprintf("%s:%d", showPath(p.File), p.Line) }

// refuse is the error for something that cannot be read.
func refuse(at Place, format string, args ...any) error {
	return config.Mistakes{{File: showPath(at.File), Line: at.Line, Text: fmt.Sprintf(format, args...)}}
}

// node is one statement: its words, and the block that may follow them.
type node struct {
	at       Place
	words    []string // the first is the keyword; double quotes are gone
	rest     string   // what follows the keyword, as it is written
	block    []*node
	hasBlock bool
}

// word is the nth word behind the keyword; empty if there is none.
func (n *node) word(i int) string {
	if i+1 < len(n.words) {
		return n.words[i+1]
	}
	return ""
}

// reader reads a configuration into a tree.
type reader struct {
	id     string // the config-id, which a line with @ asks for
	remark func(at Place, text string, todo bool)

	defs map[string]*definition

	top  node
	open []*node // the blocks that are not closed yet, the innermost last
	last *node   // the statement that a { would belong to

	including    []os.FileInfo
	bytes, files int
	lines        int
}

// read reads a file, with all that it includes.
func read(path, id string, remark func(Place, string, bool)) ([]*node, error) {
	r := &reader{id: id, remark: remark, defs: map[string]*definition{}}
	if err := r.file(path, Place{File: path}); err != nil {
		return nil, err
	}
	if n := len(r.open); n > 0 {
		at := r.open[n-1]
		return nil, refuse(at.at, "the block of %s is not closed: a } is missing; is the file cut short?", show(at.words[0]))
	}
	return r.top.block, nil
}

// file reads one file; at is where it is named.
func (r *reader) file(path string, at Place) error {
	text, info, err := r.load(path, at)
	if err != nil {
		return err
	}
	r.including = append(r.including, info)
	defer func() { r.including = r.including[:len(r.including)-1] }()

	var pending *definition // one whose lines go on
	for i, l := range strings.Split(string(text), "\n") {
		at := Place{path, i + 1}
		l = strings.TrimSuffix(l, "\r")
		if len(l) > maxLine {
			return refuse(at, "has %d bytes, more than %d; is it the right file?", len(l), maxLine)
		}
		if l == "" {
			pending = nil // as keepalived does
			continue
		}
		if l, err = decomment(l, at); err != nil {
			return err
		}
		if l == "" {
			continue
		}
		if pending != nil {
			more := strings.HasSuffix(l, `\`)
			if l = strings.TrimRight(strings.TrimSuffix(l, `\`), " \t"); l != "" {
				pending.lines = append(pending.lines, l)
			}
			if !more {
				pending = nil
			}
			continue
		}
		if pending, err = r.line(at, l, 0); err != nil {
			return err
		}
	}
	return nil
}

// load reads a file's bytes, if they can be a configuration.
func (r *reader) load(path string, at Place) ([]byte, os.FileInfo, error) {
	if r.files++; r.files > maxFiles {
		return nil, nil, refuse(at, "more than %d files are included", maxFiles)
	}
	info, err := os.Stat(path)
	if err == nil {
		switch {
		case slices.ContainsFunc(r.including, func(i os.FileInfo) bool { return os.SameFile(i, info) }):
			return nil, nil, refuse(at, "%s is being read already: it includes itself", showPath(path))
		case len(r.including) >= maxIncludes:
			return nil, nil, refuse(at, "%s: more than %d files include each other", showPath(path), maxIncludes)
		}
	}
	text, err := files.Read(path, files.Want{Most: maxFile})
	if err != nil {
		return nil, nil, refuse(at, "%s%s", naming(path, at), unread(err))
	}
	if r.bytes += len(text); r.bytes > maxAll {
		return nil, nil, refuse(at, "with %s the files have more than %d bytes together", showPath(path), maxAll)
	}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, nil, refuse(Place{path, 1}, "is UTF-16; save it as UTF-8 or plain ASCII")
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return nil, nil, refuse(Place{path, 1 + bytes.Count(text[:i], []byte("\n"))}, "has a NUL byte; is it the right file?")
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), info, nil
}

// naming names a file in a message about the place that includes it.
func naming(path string, at Place) string {
	if at.Line == 0 {
		return "" // the message begins with it
	}
	return showPath(path) + " "
}

// unread says why a file could not be read.
func unread(err error) string {
	strange := (*files.Error)(nil)
	switch {
	case errors.As(err, &strange) && strange.Problem == files.TooLarge:
		return fmt.Sprintf("is larger than %d bytes; is it the right file?", maxFile)
	case errors.As(err, &strange) && strange.Mode.IsDir():
		return "cannot be read: is a directory; name the file in it"
	case errors.As(err, &strange):
		return "is no regular file"
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist; name the keepalived.conf to convert"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied; run as a user that may read it"
	}
	if p := new(fs.PathError); errors.As(err, &p) {
		err = p.Err
	}
	return "cannot be read: " + err.Error()
}

// statement takes in a line that is not empty, with everything put in.
func (r *reader) statement(at Place, l string) error {
	if keyword, found := includes(l); keyword != "" {
		return r.include(at, keyword, found)
	}
	for l = strings.Trim(l, " \t"); l != ""; l = strings.Trim(l, " \t") {
		if l[0] == '{' || l[0] == '}' {
			if err := r.brace(at, l[0]); err != nil {
				return err
			}
			l = l[1:]
			continue
		}
		piece := l[:brace(l)]
		l = l[len(piece):]
		if err := r.words(at, strings.TrimRight(piece, " \t")); err != nil {
			return err
		}
	}
	return nil
}

// brace is where the first brace outside double quotes stands, or the length.
func brace(l string) int {
	quoted := false
	for i := range len(l) {
		switch c := l[i]; {
		case c == '"':
			quoted = !quoted
		case (c == '{' || c == '}') && !quoted:
			return i
		}
	}
	return len(l)
}

// brace opens the block of the last statement, or closes the innermost one.
func (r *reader) brace(at Place, b byte) error {
	switch {
	case b == '}' && len(r.open) == 0:
		return refuse(at, "this } closes no block: one } is too many, or a { is missing above")
	case b == '}':
		r.open = r.open[:len(r.open)-1]
	case r.last == nil:
		return refuse(at, "this { follows no keyword")
	case len(r.open) >= maxDepth:
		return refuse(at, "more than %d blocks stand within each other", maxDepth)
	default:
		r.last.hasBlock = true
		r.open = append(r.open, r.last)
	}
	r.last = nil
	return nil
}

// words takes in a statement without braces.
func (r *reader) words(at Place, l string) error {
	if strings.ContainsFunc(l, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return refuse(at, "has a control character; is it the right file?")
	}
	if !utf8.ValidString(l) {
		return refuse(at, "is not UTF-8; is it the right file?")
	}
	words, problem := split(l)
	if problem != "" {
		return refuse(at, "%s", problem)
	}
	n := &node{at: at, words: words, rest: strings.TrimLeft(strings.TrimPrefix(l, words[0]), " \t")}
	into := &r.top
	if k := len(r.open); k > 0 {
		into = r.open[k-1]
	}
	into.block = append(into.block, n)
	r.last = n
	return nil
}

// split splits a statement into words, of which one in double quotes may have blanks.
func split(l string) (words []string, problem string) {
	for {
		if l = strings.TrimLeft(l, " \t"); l == "" {
			return words, ""
		}
		if l[0] == '"' {
			word, rest, closed := strings.Cut(l[1:], `"`)
			if !closed {
				return nil, `a " is not closed`
			}
			words, l = append(words, word), rest
			continue
		}
		end := strings.IndexAny(l, " \t\"")
		if end < 0 {
			end = len(l)
		}
		words, l = append(words, l[:end]), l[end:]
	}
}

// decomment removes a comment, and the blanks around what is left.
func decomment(l string, at Place) (string, error) {
	var b strings.Builder
	quoted := false
	l = strings.TrimLeft(l, " \t")
loop:
	for i := 0; i < len(l); i++ {
		switch c := l[i]; {
		case c == '"':
			quoted = !quoted
			b.WriteByte(c)
		case c == '\\' && i+1 < len(l):
			if i++; quoted || l[i] != '#' && l[i] != '!' {
				b.WriteByte(c)
			}
			b.WriteByte(l[i])
		case (c == '#' || c == '!') && !quoted:
			break loop
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return "", refuse(at, `a " is not closed in this line`)
	}
	return strings.TrimRight(b.String(), " \t"), nil
}
