package hook

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/program"
	"alias-defender/aliasdefender/record"
)

// said is what a hook is told of an event, besides what the files say of the alias.
type said struct {
	event            config.HookName
	alias            record.Alias
	label            string
	row, reason, why string
	seq              uint64 // 0: the event log does not have it
	at               time.Time
}

// environment is the whole environment of a hook.
func environment(a config.Alias, s said) []string {
	role := "secondary"
	switch {
	case a.Loopback():
		role = "shared"
	case a.Primary:
		role = "primary"
	}
	return environmentOf([]variable{
		{"EVENT", string(s.event)},
		{"ALIAS", idOf(s.alias).String()},
		{"PREFIX", strconv.Itoa(a.Prefix.Bits())},
		{"NIC", s.alias.NIC},
		{"LABEL", s.label},
		{"ROW", s.row},
		{"REASON", s.reason},
		{"WHY", s.why},
		{"PARTNER", a.Partner.Name},
		{"ROLE", role},
		{"SEQ", strconv.FormatUint(s.seq, 10)},
		{"TIME", s.at.UTC().Format(time.RFC3339Nano)},
	})
}

// variable is one that a hook is given, without the AD_ before its name.
type variable struct{ name, value string }

// environmentOf is the whole environment of a hook that is given these.
func environmentOf(all []variable) []string {
	env := []string{"PATH=" + program.SearchPath}
	for _, v := range all {
		env = append(env, "AD_"+v.name+"="+onOneLine(v.value))
	}
	return env
}

// onOneLine replaces whatever ends a line or drives a terminal: hooks write what they are
// told into files, and send it by mail.
func onOneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
}
