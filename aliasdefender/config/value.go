package config

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// given is one setting as a scope of the file gives it. The zero given is a setting that
// the scope does not mention.
type given[T any] struct {
	value T
	line  int    // 0 if not given
	field string // its full name, for mistakes that are found in it later
	bad   bool   // a mistake in it was reported: nothing may be concluded from value
}

func (g given[T]) isSet() bool { return g.line > 0 }

// or is the nearer of the two: g if it is given, otherwise wider.
func (g given[T]) or(wider given[T]) given[T] {
	if g.isSet() {
		return g
	}
	return wider
}

// orDefault is the value if it is given and good.
func (g given[T]) orDefault(d T) T {
	if g.isSet() && !g.bad {
		return g.value
	}
	return d
}

func (g given[T]) place() place { return place{g.line, g.field} }

// parser reads one type of value. Its mistakes have line and text; fill adds the rest.
type parser[T any] func(value) (T, Mistakes)

// fill reads v into a setting.
func fill[T any](g *given[T], v value, parse parser[T]) Mistakes {
	x, mistakes := parse(v)
	*g = given[T]{value: x, line: v.line, field: v.field(), bad: len(mistakes) > 0}
	return mistakes
}

// wrong is one mistake about a value.
func wrong(v value, format string, args ...any) Mistakes {
	return Mistakes{{Line: v.line, Text: fmt.Sprintf(format, args...)}}
}

// is names what the administrator wrote, for a message about a value of the wrong type.
func (v value) is() string {
	switch v.kind {
	case unstable.String:
		return strconv.Quote(v.text) + " is a string"
	case unstable.Integer, unstable.Float:
		return show(v.text) + " is a number"
	case unstable.Bool:
		return v.text + " is a truth value"
	case unstable.Array:
		return "is a list"
	case unstable.Table, unstable.ArrayTable, unstable.InlineTable:
		return "is a table"
	default:
		return show(v.text) + " is a date or time"
	}
}

// text reads a string.
func text(v value, example string) (string, Mistakes) {
	if v.kind != unstable.String {
		return "", wrong(v, "%s; write a string, such as %q", v.is(), example)
	}
	return v.text, nil
}

// duration reads a string such as "1m30s", at least least and at most most.
func duration(least, most time.Duration) parser[time.Duration] {
	return func(v value) (time.Duration, Mistakes) {
		s, mistakes := text(v, "20s")
		if mistakes != nil {
			return 0, mistakes
		}
		d, err := time.ParseDuration(s)
		if err != nil {
			if _, err := strconv.ParseFloat(s, 64); err == nil {
				return 0, wrong(v, "%s has no unit; write one, such as %ss or %sms", show(s), show(s), show(s))
			}
			return 0, wrong(v, "%s is not a duration, such as \"20s\", \"100ms\" or \"1m30s\"", show(s))
		}
		if d < least || d > most {
			return 0, wrong(v, "%s is out of range: from %s to %s", show(s), Tidy(least), Tidy(most))
		}
		return d, nil
	}
}

// Tidy prints a duration as an administrator would write it: 1h, not 1h0m0s.
func Tidy(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// whole reads a whole number, at least least and at most most.
func whole(least, most int) parser[int] {
	return func(v value) (int, Mistakes) {
		if v.kind != unstable.Integer {
			return 0, wrong(v, "%s; write a whole number, such as %d, without quotes", v.is(), least)
		}
		n, err := strconv.ParseInt(v.text, 0, 64)
		if err != nil || n < int64(least) || n > int64(most) {
			return 0, wrong(v, "%s is out of range: from %d to %d", show(v.text), least, most)
		}
		return int(n), nil
	}
}

// truth reads true or false.
func truth(v value) (bool, Mistakes) {
	if v.kind != unstable.Bool {
		return false, wrong(v, "%s; write true or false, without quotes", v.is())
	}
	return v.text == "true", nil
}

// oneOf reads one of a few words.
func oneOf[T ~string](words ...T) parser[T] {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(string(w))
	}
	choice := strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
	return func(v value) (T, Mistakes) {
		s, mistakes := text(v, string(words[0]))
		if mistakes != nil {
			return "", mistakes
		}
		if !slices.Contains(words, T(s)) {
			return "", wrong(v, "%s is unknown; write %s", strconv.Quote(s), choice)
		}
		return T(s), nil
	}
}

// addrOr reads a word, which is the zero Addr, or an address.
func addrOr(word string) parser[netip.Addr] {
	return func(v value) (netip.Addr, Mistakes) {
		s, mistakes := text(v, word)
		if mistakes != nil || s == word {
			return netip.Addr{}, mistakes
		}
		if !addressLike(s) {
			return netip.Addr{}, wrong(v, "%s is neither %q nor an address", show(s), word)
		}
		addr, problem := parseHost(s)
		if problem != "" {
			return netip.Addr{}, wrong(v, "%s", problem)
		}
		return addr, nil
	}
}

// witness is an address and its line: a list may have many.
type witness struct {
	addr netip.Addr
	line int
}

// addrList reads a list of addresses.
func addrList(example string) parser[[]witness] {
	return func(v value) (list []witness, mistakes Mistakes) {
		if v.kind != unstable.Array {
			return nil, wrong(v, "%s; write a list, such as [%q]", v.is(), example)
		}
		for _, item := range v.items {
			s, wrongType := text(item, example)
			if wrongType != nil {
				mistakes = append(mistakes, wrongType...)
				continue
			}
			addr, problem := parseHost(s)
			twice := slices.ContainsFunc(list, func(w witness) bool { return w.addr == addr })
			switch {
			case problem != "":
				mistakes = append(mistakes, wrong(item, "%s", problem)...)
			case twice:
				mistakes = append(mistakes, wrong(item, "%s is listed twice", addr)...)
			default:
				list = append(list, witness{addr, item.line})
			}
		}
		return list, mistakes
	}
}

// absolute reads a path that does not depend on where the daemon was started,
// of at most most bytes.
func absolute(example string, most int) parser[string] {
	return func(v value) (string, Mistakes) {
		s, mistakes := text(v, example)
		switch {
		case mistakes != nil:
			return "", mistakes
		case !path.IsAbs(s):
			return "", wrong(v, "%s is not an absolute path, such as %s", show(s), example)
		case strings.ContainsRune(s, 0):
			return "", wrong(v, "%s has a NUL byte", show(s))
		case len(s) > most:
			return "", wrong(v, "has %d bytes; the system takes at most %d", len(s), most)
		}
		return s, nil
	}
}
