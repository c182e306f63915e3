package logs

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Printable escapes characters that could drive a terminal or hide the text beside
// them: control characters, also those of eight bits, marks that change the direction
// of text, and bytes that are not UTF-8. Ends of lines and tabs stay. For example,
// the name of a NIC may contain almost any byte, and a user who can add a NIC is not
// always root.
//
// The escapes are those of JSON strings, so that JSON stays JSON.
func Printable(s string) string {
	if !strings.ContainsFunc(s, hides) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case !hides(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return b.String()
}

// hides tells whether a terminal would do more than show the character.
func hides(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }

// Escaped escapes everything that is written to it, as Printable does.
type Escaped struct {
	raw  io.Writer
	lost atomic.Pointer[error] // why something could not be written
}

// Escape wraps w so that everything written to it is printable. Each Write must have
// whole characters.
func Escape(w io.Writer) *Escaped {
	if e, is := w.(*Escaped); is {
		return e
	}
	return &Escaped{raw: w}
}

// Write writes p, escaped. It returns the number of bytes of p.
func (e *Escaped) Write(p []byte) (int, error) {
	if _, err := io.WriteString(e.raw, Printable(string(p))); err != nil {
		e.lost.CompareAndSwap(nil, &err)
		return 0, err
	}
	return len(p), nil
}

// Lost is why something that was written to it first went lost; nil: nothing did.
func (e *Escaped) Lost() error {
	if err := e.lost.Load(); err != nil {
		return *err
	}
	return nil
}

// Raw is the writer below an Escaped, for a program that drives the terminal itself;
// it returns any other writer unchanged.
func Raw(w io.Writer) io.Writer {
	if e, is := w.(*Escaped); is {
		return e.raw
	}
	return w
}
