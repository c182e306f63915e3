package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Defaults of a check.
const (
	DefaultCheckInterval = 5 * time.Second
	DefaultCheckTimeout  = 2 * time.Second // the interval, if that is shorter
	DefaultRise          = 2
	DefaultFall          = 3
)

// The bounds of a check's settings.
const (
	// Sixteen questions may be under way at a time: with more checks than this some would
	// always be late.
	maxChecks = 64

	minCheckInterval, maxCheckInterval = 100 * time.Millisecond, time.Hour
	minCheckTimeout, maxCheckTimeout   = 10 * time.Millisecond, time.Minute
	maxInARow                          = 100
)

// CheckKind is how a check asks.
type CheckKind string

// The kinds of checks, by the key that chooses them.
const (
	CheckHTTP    CheckKind = "http"
	CheckTCP     CheckKind = "tcp"
	CheckCommand CheckKind = "command"
	CheckProcess CheckKind = "process"
	CheckLink    CheckKind = "link"
)

// Check is one question to a service, [check.NAME]. The Monitor asks it once, however
// many aliases use it.
type Check struct {
	Name string // letters, digits, - and _
	Line int    // of its table in the file, from 1
	Kind CheckKind

	Interval time.Duration // one question per interval
	Timeout  time.Duration // how long the whole question may take; at most Interval
	Rise     int           // so many good answers in a row make it good
	Fall     int           // and so many failing ones make it failing

	// Holding: the Monitor asks only while this host has one of the aliases that use the
	// check, and not before Settle has passed since the first of them came here.
	Holding bool
	Settle  time.Duration

	HTTP     HTTP     // of kind http
	Address  string   // of kind tcp, as written: "127.0.0.1:5432"
	Send     string   // of kind tcp: sent once it is connected
	Contains string   // of kinds http and tcp: what the answer must have; empty: anything
	Command  []string // of kind command: a program by its absolute path, and its arguments
	Process  string   // of kind process: its name
	Link     string   // of kind link: the interface
}

// HTTP has the settings that only a check of kind http has.
type HTTP struct {
	URL       string
	Method    string
	Host      string            // for the header Host and the name in TLS; empty: that of URL
	Headers   map[string]string // nil: none
	Status    []StatusRange     // the statuses that are good
	Matches   string            // a regular expression that the body must match; empty: none
	Redirects bool              // they are followed
	VerifyTLS bool
	CAFile    string // a file of certificates to trust in place of the system's; empty: none
	CA        []byte // what is in it; only LoadWithKeys reads it
}

// StatusRange is the statuses of HTTP from First to Last.
type StatusRange struct{ First, Last int }

// OnServiceFailure says what a holder without a channel does when its service is failing.
type OnServiceFailure string

// What the setting on_service_failure accepts.
const (
	ServiceKeep    OnServiceFailure = "keep"
	ServiceRelease OnServiceFailure = "release"
)

// checkTable is one [check.NAME] as it is read.
//
// fields: each is a key of the table, with its place.
type checkTable struct {
	place
	name string
	kind given[CheckKind] // the first one that is given

	http, host, method, matches, address, send, contains, process, link, caFile given[string]
	headers                                                                     map[string]string
	status                                                                      given[[]StatusRange]
	redirects, verifyTLS, holding                                               given[bool]
	command                                                                     given[Program]
	interval, timeout, settle                                                   given[time.Duration]
	rise, fall                                                                  given[int]

	ca     []byte            // what is in caFile
	target given[netip.Addr] // the address in http or tcp; the zero Addr: a name
	bound  []ofKind          // keys that only some kinds know
	broken bool              // a mistake in the choice of the kind was reported
}

// ofKind is a key that not every kind of check knows.
type ofKind struct {
	key   string
	place place
	kinds []CheckKind
}

// checkKeys are the keys of [check.NAME]. The kinds that know a key stand beside it; none
// means all.
func checkKeys() map[string]key {
	keys := map[string]key{}
	add := func(name string, set func(*checkTable, value) Mistakes, kinds ...CheckKind) {
		keys[name] = func(f *SettingsFile, _ *scope, v value) Mistakes {
			c := f.checkTable(v)
			if len(kinds) > 0 {
				c.bound = append(c.bound, ofKind{name, place{v.line, v.field()}, kinds})
			}
			return set(c, v)
		}
	}
	for _, kind := range []CheckKind{CheckHTTP, CheckTCP, CheckCommand, CheckProcess, CheckLink} {
		add(string(kind), func(c *checkTable, v value) Mistakes { return c.choose(kind, v) })
	}
	add("method", func(c *checkTable, v value) Mistakes { return fill(&c.method, v, method) }, CheckHTTP)
	add("host", func(c *checkTable, v value) Mistakes { return fill(&c.host, v, hostHeader) }, CheckHTTP)
	add("headers", func(_ *checkTable, v value) Mistakes {
		return wrong(v, `is a table; write headers = { Accept = "text/html" }`)
	}, CheckHTTP)
	add("status", func(c *checkTable, v value) Mistakes { return fill(&c.status, v, statusList) }, CheckHTTP)
	add("matches", func(c *checkTable, v value) Mistakes { return fill(&c.matches, v, expression) }, CheckHTTP)
	add("redirects", func(c *checkTable, v value) Mistakes { return fill(&c.redirects, v, truth) }, CheckHTTP)
	add("verify_tls", func(c *checkTable, v value) Mistakes { return fill(&c.verifyTLS, v, truth) }, CheckHTTP)
	add("ca_file", func(c *checkTable, v value) Mistakes {
		return fill(&c.caFile, v, absolute("/etc/ssl/certs/own.pem", maxPath))
	}, CheckHTTP)
	add("send", func(c *checkTable, v value) Mistakes { return fill(&c.send, v, anyText) }, CheckTCP)
	add("contains", func(c *checkTable, v value) Mistakes { return fill(&c.contains, v, anyText) }, CheckHTTP, CheckTCP)
	add("interval", func(c *checkTable, v value) Mistakes {
		return fill(&c.interval, v, duration(minCheckInterval, maxCheckInterval))
	})
	add("timeout", func(c *checkTable, v value) Mistakes {
		return fill(&c.timeout, v, duration(minCheckTimeout, maxCheckTimeout))
	})
	add("rise", func(c *checkTable, v value) Mistakes { return fill(&c.rise, v, whole(1, maxInARow)) })
	add("fall", func(c *checkTable, v value) Mistakes { return fill(&c.fall, v, whole(1, maxInARow)) })
	add("when", func(c *checkTable, v value) Mistakes {
		when, mistakes := oneOf("always", "holding")(v)
		c.holding = given[bool]{value: when == "holding", line: v.line, field: v.field(), bad: mistakes != nil}
		return mistakes
	})
	add("settle", func(c *checkTable, v value) Mistakes { return fill(&c.settle, v, duration(0, maxCheckInterval)) })
	return keys
}

// choose takes in the key that says how the check asks.
func (c *checkTable) choose(kind CheckKind, v value) (mistakes Mistakes) {
	if c.kind.isSet() {
		c.broken = true
		return wrong(v, "%s asks by %s already (line %d); a check asks in one way: write another check, and both names into checks", c.field, c.kind.value, c.kind.line)
	}
	switch kind {
	case CheckHTTP:
		mistakes = fill(&c.http, v, c.parseURL)
	case CheckTCP:
		mistakes = fill(&c.address, v, c.parseAddress)
	case CheckCommand:
		mistakes = fill(&c.command, v, commandLine)
	case CheckProcess:
		mistakes = fill(&c.process, v, processName)
	case CheckLink:
		mistakes = fill(&c.link, v, linkName)
	}
	c.kind = given[CheckKind]{value: kind, line: v.line, field: v.field(), bad: mistakes != nil}
	return mistakes
}

// checkTable finds the table of a key or header, or makes it when it is first mentioned.
func (f *SettingsFile) checkTable(v value) *checkTable {
	name := v.path[1]
	for _, c := range f.checks {
		if c.name == name {
			return c
		}
	}
	c := &checkTable{place: place{v.line, joinPath(v.path[:2])}, name: name}
	f.checks = append(f.checks, c)
	f.named(c.place, name, "web", len(f.checks), maxChecks)
	return c
}

// named looks at a new table of a kind that has names, the nth of most; like is such a name.
func (f *SettingsFile) named(at place, name, like string, n, most int) {
	kind, _, _ := strings.Cut(at.field, ".")
	switch {
	case n == most+1:
		f.mistake(at.line, at.field, fmt.Sprintf("is one %s more than the %d that there may be", kind, most))
	case !plainName(name):
		f.mistake(at.line, at.field, fmt.Sprintf("%s is no plain name; write up to %d letters, digits, - and _, such as [%s.%s]", show(name), maxCheckName, kind, like))
	}
}

// takeCheck files what stands in a table of [check]. It leaves to others what is no such
// thing.
func (f *SettingsFile) takeCheck(v value, rest []string) bool {
	c := f.checkTable(v)
	if len(rest) < 1 || rest[0] != "headers" {
		return false
	}
	c.bound = append(c.bound, ofKind{"headers", place{v.line, joinPath(v.path[:3])}, []CheckKind{CheckHTTP}})
	switch {
	case len(rest) == 1:
		return v.kind == unstable.Table
	case len(rest) > 2:
		f.refuse(v, v.path[:3], `has a table within; write headers = { Accept = "text/html" }, and quotes around a name with dots`)
	default:
		s, mistakes := header(rest[1], v)
		for _, m := range mistakes {
			f.mistake(m.Line, v.field(), m.Text)
		}
		if c.headers == nil {
			c.headers = map[string]string{}
		}
		if c.headers[rest[1]] = s; len(c.headers) == maxHeaders+1 {
			f.mistake(v.line, v.field(), fmt.Sprintf("too many headers: there may be %d", maxHeaders))
		}
	}
	return true
}

// finishChecks finds what contradicts itself within a check.
func (f *SettingsFile) finishChecks() {
	for _, c := range f.checks {
		if !f.refused[c.field] {
			f.finishCheck(c)
		}
	}
}

func (f *SettingsFile) finishCheck(c *checkTable) {
	kind := c.kind.value
	if !c.kind.isSet() {
		f.mistake(c.line, c.field, "says nothing about how to ask; write http, tcp, command, process or link")
		return
	}
	said := map[place]bool{}
	for _, b := range c.bound {
		if !c.broken && !slices.Contains(b.kinds, kind) && !said[b.place] {
			said[b.place] = true
			f.mistake(b.place.line, b.place.field, fmt.Sprintf("is for %s, and %s asks by %s (line %d)", kindsOf(b.kinds), c.field, kind, c.kind.line))
		}
	}
	if kind == CheckProcess && !seesProcesses {
		f.mistake(c.kind.line, c.kind.field, fmt.Sprintf("processes can be looked for on Linux only; write command = [\"/usr/bin/pgrep\", \"-x\", %q]", c.process.value))
	}
	if !c.interval.bad && !c.timeout.bad {
		if k := c.check(); k.Timeout > k.Interval {
			f.mistake(c.timeout.line, c.timeout.field, fmt.Sprintf("the timeout of %s is longer than the interval of %s: the next question would be put before the answer is due", Tidy(k.Timeout), Tidy(k.Interval)))
		}
	}
	if c.settle.value > 0 && !c.holding.value && !c.holding.bad {
		f.mistake(c.settle.line, c.settle.field, `needs when = "holding": it is how long a service that starts with the alias takes to come up`)
	}
	if secure := strings.HasPrefix(strings.ToLower(c.http.value), "https:"); kind == CheckHTTP && !c.http.bad {
		switch {
		case c.caFile.isSet() && !secure && !c.redirects.orDefault(true):
			f.mistake(c.caFile.line, c.caFile.field, "is for https, and "+joinPath([]string{"check", c.name, "http"})+" is not")
		case c.caFile.isSet() && !c.verifyTLS.orDefault(true):
			f.mistake(c.caFile.line, c.caFile.field, fmt.Sprintf("has no effect: verify_tls is false (line %d)", c.verifyTLS.line))
		}
	}
}

// kindsOf names kinds for a message.
func kindsOf(kinds []CheckKind) string {
	if len(kinds) == 1 {
		return string(kinds[0])
	}
	return fmt.Sprintf("%s and %s", kinds[0], kinds[1])
}

// check is the table with the defaults filled in.
func (c *checkTable) check() Check {
	k := Check{
		Name: c.name, Line: c.line, Kind: c.kind.value,
		Interval: c.interval.orDefault(DefaultCheckInterval),
		Rise:     c.rise.orDefault(DefaultRise), Fall: c.fall.orDefault(DefaultFall),
		Holding: c.holding.value, Settle: c.settle.value,
		Address: c.address.value, Send: c.send.value, Contains: c.contains.value,
		Command: c.command.value, Process: c.process.value, Link: c.link.value,
	}
	k.Timeout = c.timeout.orDefault(min(DefaultCheckTimeout, k.Interval))
	if k.Kind == CheckHTTP {
		k.HTTP = HTTP{
			URL: c.http.value, Method: c.method.orDefault("GET"), Host: c.host.value, Headers: c.headers,
			Status: c.status.orDefault([]StatusRange{{200, 399}}), Matches: c.matches.value,
			Redirects: c.redirects.orDefault(true), VerifyTLS: c.verifyTLS.orDefault(true), CAFile: c.caFile.value,
		}
	}
	return k
}

// parseURL reads the URL of a check.
func (c *checkTable) parseURL(v value) (string, Mistakes) {
	const example = "http://127.0.0.1/health"
	s, mistakes := text(v, example)
	if mistakes != nil {
		return "", mistakes
	}
	asked, mistakes := anyHop(v, s)
	if mistakes != nil {
		return "", mistakes
	}
	u, err := url.Parse(asked)
	switch {
	case err != nil || !printable(s):
		return "", wrong(v, "%s is no URL, such as %q", show(s), example)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", wrong(v, "%s does not begin with http:// or https://", show(s))
	case u.User != nil:
		return "", wrong(v, "has a user or password in it, which anybody could read in Status; write a header, headers = { Authorization = \"Basic …\" }")
	}
	if mistakes := c.aim(v, u.Hostname(), u.Port()); mistakes != nil {
		return "", mistakes
	}
	if asked != s {
		c.target = given[netip.Addr]{} // it asks whatever hop is meant
	}
	return s, nil
}

// parseAddress reads "address:port" or "name:port".
func (c *checkTable) parseAddress(v value) (string, Mistakes) {
	const example = "127.0.0.1:5432"
	s, mistakes := text(v, example)
	if mistakes != nil {
		return "", mistakes
	}
	asked, mistakes := anyHop(v, s)
	if mistakes != nil {
		return "", mistakes
	}
	host, port, ok := splitPort(asked)
	if !ok || port == "" {
		return "", wrong(v, "%s is no address with a port, such as %q or \"[::1]:5432\"", show(s), example)
	}
	if mistakes := c.aim(v, host, port); mistakes != nil || asked == s {
		return s, mistakes
	}
	c.target = given[netip.Addr]{} // it asks whatever hop is meant
	return s, nil
}
