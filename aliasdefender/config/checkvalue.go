package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

// The bounds of what a check is made of.
const (
	maxCheckName = 32   // bytes: the name stands in every line of the log about it
	maxHeaders   = 32   // of one question
	maxText      = 1024 // bytes of send, contains, matches and of a header
	maxStatus    = 16   // ranges
	maxComm      = 255  // bytes of a process's name: that of its file
)

// plainName tells whether a name is good for a check.
func plainName(s string) bool {
	return s != "" && len(s) <= maxCheckName && joinPath([]string{s}) == s
}

// printable tells whether a text has no character that could end a line or drive a
// terminal, and no space.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

// named is a name in a list, with its line.
type named struct {
	name string
	line int
}

// checkList reads a list of names of checks. Whether there are such checks is found at
// the end of the file.
func checkList(v value) (list []named, all Mistakes) {
	const example = "web"
	if v.kind != unstable.Array {
		return nil, wrong(v, "%s; write a list of names of checks, such as [%q]", v.is(), example)
	}
	for _, item := range v.items {
		s, mistakes := text(item, example)
		if mistakes == nil && slices.ContainsFunc(list, func(n named) bool { return n.name == s }) {
			mistakes = wrong(item, "%s is listed twice", show(s))
		}
		if all = append(all, mistakes...); mistakes == nil {
			list = append(list, named{s, item.line})
		}
	}
	return list, all
}

// anyText reads a string of sane length.
func anyText(v value) (string, Mistakes) {
	s, mistakes := text(v, "OK")
	switch {
	case mistakes != nil:
		return "", mistakes
	case len(s) > maxText:
		return "", wrong(v, "has %d bytes, more than %d", len(s), maxText)
	}
	return s, nil
}

// expression reads a regular expression.
func expression(v value) (string, Mistakes) {
	s, mistakes := anyText(v)
	if mistakes != nil {
		return "", mistakes
	}
	if _, err := regexp.Compile(s); err != nil {
		return "", wrong(v, "%s is no regular expression: %s; see https://pkg.go.dev/regexp/syntax", show(s), show(strings.TrimPrefix(err.Error(), "error parsing regexp: ")))
	}
	return s, nil
}

// token is a method or the name of a header: RFC 9110, 5.6.2.
var token = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]{1,64}$")

// method reads a method of HTTP, such as "GET".
func method(v value) (string, Mistakes) {
	s, mistakes := text(v, "GET")
	switch {
	case mistakes != nil:
		return "", mistakes
	case !token.MatchString(s) || s != strings.ToUpper(s):
		return "", wrong(v, "%s is no method of HTTP, such as \"GET\" or \"HEAD\"", show(s))
	}
	return s, nil
}

// hostHeader reads a name or an address, with a port or without: RFC 9110, 7.2.
func hostHeader(v value) (string, Mistakes) {
	s, mistakes := text(v, "www.example.org")
	switch {
	case mistakes != nil || s == "":
		return "", mistakes
	case !printable(s) || strings.ContainsAny(s, "/@?#") || len(s) > maxText:
		return "", wrong(v, "%s is no host of HTTP, such as \"www.example.org\"", show(s))
	}
	return s, nil
}

// header reads one header.
func header(name string, v value) (string, Mistakes) {
	s, mistakes := anyText(v)
	switch {
	case mistakes != nil:
		return "", mistakes
	case strings.EqualFold(name, "host"):
		return "", wrong(v, "has a setting of its own; write host = %q", s)
	case !token.MatchString(name):
		return "", wrong(v, "%s is no name of a header, such as Accept", show(name))
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", wrong(v, "%s has a control character", show(s))
	}
	return s, nil
}

// statusList reads a list of statuses and ranges of them.
func statusList(v value) (list []StatusRange, all Mistakes) {
	const example = "200-399"
	if v.kind != unstable.Array {
		return nil, wrong(v, "%s; write a list, such as [%q]", v.is(), example)
	}
	if len(v.items) == 0 || len(v.items) > maxStatus {
		return nil, wrong(v, "has %d entries; write 1 to %d, such as [%q]", len(v.items), maxStatus, example)
	}
	for _, item := range v.items {
		if item.kind != unstable.String && item.kind != unstable.Integer {
			all = append(all, wrong(item, "%s; write a status or a range of them, such as %q", item.is(), example)...)
			continue
		}
		first, last, isRange := strings.Cut(item.text, "-")
		if !isRange {
			last = first
		}
		r := StatusRange{number(first), number(last)}
		if r.First < 100 || r.Last > 599 || r.First > r.Last {
			all = append(all, wrong(item, "%s is neither a status from 100 to 599 nor a range of them, such as %q", show(item.text), example)...)
			continue
		}
		list = append(list, r)
	}
	return list, all
}

// number is a plain number, 0 if it is none.
func number(s string) int {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || len(s) > 3 {
		return 0
	}
	return int(n)
}

// commandLine reads a program with its arguments. The program is looked at when the files
// are loaded for a Monitor.
func commandLine(v value) (Program, Mistakes) {
	const example = "/usr/local/lib/aliasdefender/own"
	p, mistakes := program(example)(v)
	if mistakes == nil && len(p) == 0 {
		mistakes = wrong(v, "is empty; write a program and its arguments, such as [%q]", example)
	}
	return p, mistakes
}

// processName reads the name of a process, as ps -e has it, or of its program's file.
func processName(v value) (string, Mistakes) {
	s, mistakes := text(v, "haproxy")
	switch {
	case mistakes != nil:
		return "", mistakes
	case s == "" || len(s) > maxComm || strings.ContainsAny(s, "/\x00"):
		return "", wrong(v, "%s is no name of a process, such as \"haproxy\": its program's file, without folders and arguments", show(s))
	}
	return s, nil
}

// linkName reads the name of an interface.
func linkName(v value) (string, Mistakes) {
	s, mistakes := text(v, "eth1")
	switch {
	case mistakes != nil:
		return "", mistakes
	case s == "" || len(s) > maxLabel || !printable(s) || strings.ContainsAny(s, "/:"):
		return "", wrong(v, "%s is no interface, such as \"eth1\"", show(s))
	}
	return s, nil
}

// splitPort splits "address:port", with an address of IPv6 in brackets.
func splitPort(s string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(s)
	return host, port, err == nil
}

// aim notes whom a check asks, and refuses what nobody can ask.
func (c *checkTable) aim(v value, host, port string) Mistakes {
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return wrong(v, "%s is no port: a number from 1 to 65535", show(port))
		}
	}
	if host == "" || len(host) > 253 || !printable(host) {
		return wrong(v, "%s has no host; write an address or a name", show(v.text))
	}
	if !addressLike(host) {
		return nil // a name
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return wrong(v, "%s is no address", show(host))
	}
	c.target = given[netip.Addr]{value: addr.Unmap(), line: v.line, field: v.field()}
	return nil
}

// checkChecks finds what in the checks does not fit the aliases.
func (j *joint) checkChecks() {
	f := j.settings
	for _, c := range f.checks {
		if t := c.target; t.isSet() {
			for _, a := range j.rows {
				if a.Addr.IsValid() && (a.Addr == t.value || a.Addr.WithZone("") == t.value) && !j.recovers(c.name) {
					j.mistake(t.place(), fmt.Sprintf("%s is the alias of hostname.alias, line %d: whoever has it would answer, and not this host; write an address that this host always has, such as 127.0.0.1", t.value, a.Line))
					break
				}
			}
		}
		if l := c.link; l.isSet() && !l.bad {
			for _, a := range j.rows {
				if a.NIC == l.value {
					j.mistake(l.place(), fmt.Sprintf("%s has the alias of hostname.alias, line %d: its carrier is watched already (rows W2 and H3)", l.value, a.Line))
					break
				}
			}
		}
	}
	j.named(f.all)
	for _, s := range f.aliases {
		j.named(*s)
	}
}

// named finds checks that a scope names and that are not there.
func (j *joint) named(s scope) {
	for _, n := range s.checks.value {
		if slices.ContainsFunc(j.settings.checks, func(c *checkTable) bool { return c.name == n.name }) {
			continue
		}
		j.mistake(place{n.line, s.checks.field}, j.noCheck(n.name))
	}
}

// noCheck says that there is no check of that name, and which one may be meant.
func (j *joint) noCheck(name string) string {
	known := make([]string, len(j.settings.checks))
	for i, c := range j.settings.checks {
		known[i] = c.name
	}
	if near, ok := nearest(name, known); ok {
		return fmt.Sprintf("there is no check %s; did you mean %s?", show(name), near)
	}
	return fmt.Sprintf("there is no check %s; write [check.%s], and below it how to ask", show(name), joinPath([]string{name}))
}

// names are the checks of a scope.
func (s scope) names() (all []string) {
	for _, n := range s.checks.value {
		all = append(all, n.name)
	}
	return all
}
