package convert

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mostShown is how much of a word is shown in a message, in bytes.
const mostShown = 80

// show shows a word of the file: short, on one line, and quoted where it is empty or
// strange.
func show(s string) string { return showPath(clip(s)) }

// showPath shows a path: whole, because the user has to find it.
func showPath(s string) string {
	if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == '"' }) {
		return strconv.Quote(s)
	}
	return s
}

// clip shortens a text, at the end of a character.
func clip(s string) string {
	if len(s) <= mostShown {
		return s
	}
	end := mostShown
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
