package logs

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Printable escapes what could drive a terminal or hide what stands beside it: control
// characters, also those of eight bits, marks that turn the direction of text, and bytes
// that are no UTF-8. Ends of lines and tabs stay. The name of a NIC, for one, may have
// any byte but a few, and whoever may add a NIC is not always root.
//
// What it writes for a character is as JSON escapes it within a string, so that JSON
// stays JSON.
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

// hides tells whether a terminal would not just show the character.
func hides(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }

// Escaped writes all that it is given as Printable has it.
type Escaped struct{ raw io.Writer }

// Escape makes what is written to w printable. A character must not be written in
// parts.
func Escape(w io.Writer) *Escaped {
	if e, is := w.(*Escaped); is {
		return e
	}
	return &Escaped{raw: w}
}

// Write writes p, escaped. It counts the bytes of p.
func (e *Escaped) Write(p []byte) (int, error) {
	if _, err := io.WriteString(e.raw, Printable(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Raw is the writer below an Escaped, for a program that drives the terminal itself;
// any other writer is as it was.
func Raw(w io.Writer) io.Writer {
	if e, is := w.(*Escaped); is {
		return e.raw
	}
	return w
}
