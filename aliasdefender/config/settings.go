package config

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"unicode"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Defaults of the daemon's own settings.
const (
	DefaultStateDir = "/var/lib/aliasdefender"
	DefaultLogLevel = "info"

	DefaultEventsSize = 10 << 20 // bytes
)

// MaxSocket is the longest path of a socket that the system takes (sun_path, unix(7)).
const MaxSocket = 107

// maxStateDir is the longest path that the system takes, less room for the names of the
// files in the directory.
const maxStateDir = 4000

// SettingsFile is aliasdefender.toml, read and checked as far as possible without the
// aliases. Join joins the two.
type SettingsFile struct {
	Settings // the daemon's own, with defaults filled in

	file     string
	onExit   given[OnExit]
	keyFiles given[[]string]
	listen   given[[]netip.Addr]

	statusListen given[netip.AddrPort]
	tokenFile    given[string]

	paths    []partnerPaths
	all      scope
	aliases  []*scope // in the order of the file
	checks   []*checkTable
	groups   []*groupTable
	routes   routeReader
	mistakes Mistakes

	scopes  map[string]*scope // the aliases by the name of their table
	refused map[string]bool   // tables that were reported as a whole: their keys are not reported too
}

// ParseSettings reads an aliasdefender.toml from r; messages call the file name. The
// error is of type Mistakes.
func ParseSettings(r io.Reader, name string) (*SettingsFile, error) {
	f := readSettings(read(r, name))
	if err := f.mistakes.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// recoverTable is the one table that only an alias has.
const recoverTable = "recover"

// key is one setting that a table knows: where its value goes.
type key func(f *SettingsFile, s *scope, v value) Mistakes

// tables are all tables of the file and their keys; "" is the top. It is the only list of
// what may be written; suggestions for anything else come from it.
var tables = map[string]map[string]key{
	"": aliasKeys(map[string]key{
		"on_exit": func(f *SettingsFile, _ *scope, v value) Mistakes {
			return fill(&f.onExit, v, oneOf(ExitKeep, ExitRelease, ExitHandover))
		},
	}),
	"control": {
		"socket": func(f *SettingsFile, _ *scope, v value) Mistakes {
			return fillPlain(&f.Socket, v, absolute(DefaultSocket, MaxSocket))
		},
		"readers": func(f *SettingsFile, _ *scope, v value) Mistakes {
			return fillPlain(&f.Readers, v, readers)
		},
	},
	"state": {
		"dir": func(f *SettingsFile, _ *scope, v value) Mistakes {
			return fillPlain(&f.StateDir, v, absolute(DefaultStateDir, maxStateDir))
		},
	},
	"events": {
		"size": func(f *SettingsFile, _ *scope, v value) Mistakes {
			return fillPlain(&f.Events.Size, v, byteSize(minEvents, maxEvents))
		},
	},
	"status": {
		"listen": func(f *SettingsFile, _ *scope, v value) Mistakes { return fill(&f.statusListen, v, listenAt) },
		"token_file": func(f *SettingsFile, _ *scope, v value) Mistakes {
			return fill(&f.tokenFile, v, orNoFile(exampleToken))
		},
	},
	"log": {
		"to": func(f *SettingsFile, _ *scope, v value) Mistakes {
			return fillPlain(&f.LogTo, v, oneOf(LogAuto, LogSyslog, LogStderr))
		},
		// logrus has fatal and panic too, but a daemon that logged only those could not
		// say why it did anything.
		"level": func(f *SettingsFile, _ *scope, v value) Mistakes {
			return fillPlain(&f.LogLevel, v, oneOf("error", "warning", "info", "debug", "trace"))
		},
	},
	"peer": {
		"key_file": func(f *SettingsFile, _ *scope, v value) Mistakes { return fill(&f.keyFiles, v, keyFileList) },
		"port":     func(f *SettingsFile, _ *scope, v value) Mistakes { return fillPlain(&f.Peer.Port, v, udpPort) },
		"listen":   func(f *SettingsFile, _ *scope, v value) Mistakes { return fill(&f.listen, v, listenAddrs) },
		"paths": func(_ *SettingsFile, _ *scope, v value) Mistakes {
			return wrong(v, "is a table; write [peer.paths], and below it \"172.16.1.5\" = [\"10.9.9.5\"]")
		},
	},
	"alias":      aliasKeys(map[string]key{}),
	"hooks":      hookKeys(), // also in the table of an alias
	"check":      checkKeys(),
	"group":      groupKeys(),
	recoverTable: recoverKeys(), // in the table of an alias only
	"route":      {},            // [[route]], which routeReader reads
}

// aliasKeys adds the keys that may stand at the top, for all aliases, and in a table, for
// one.
func aliasKeys(keys map[string]key) map[string]key {
	wait := duration(minInterval, maxWait)
	for name, set := range map[string]func(*scope, value) Mistakes{
		"interval":       func(s *scope, v value) Mistakes { return fill(&s.interval, v, duration(minInterval, maxInterval)) },
		"timeout":        func(s *scope, v value) Mistakes { return fill(&s.timeout, v, duration(minTimeout, maxTimeout)) },
		"misses":         func(s *scope, v value) Mistakes { return fill(&s.misses, v, missCount) },
		"router":         func(s *scope, v value) Mistakes { return fill(&s.router, v, addrOr("auto")) },
		"witnesses":      func(s *scope, v value) Mistakes { return fill(&s.witnesses, v, addrList("172.16.1.254")) },
		"on_isolation":   func(s *scope, v value) Mistakes { return fill(&s.onIsolation, v, isolation) },
		"isolated_after": func(s *scope, v value) Mistakes { return fill(&s.isolatedAfter, v, wait) },
		"max_takes":      func(s *scope, v value) Mistakes { return fill(&s.maxTakes, v, whole(minTakes, maxTakes)) },
		"failback":       func(s *scope, v value) Mistakes { return fill(&s.failback, v, truth) },
		"failback_after": func(s *scope, v value) Mistakes { return fill(&s.failbackAfter, v, wait) },
		"lease":          func(s *scope, v value) Mistakes { return fill(&s.lease, v, leaseTime) },
		"checks":         func(s *scope, v value) Mistakes { return fill(&s.checks, v, checkList) },

		"on_service_failure": func(s *scope, v value) Mistakes {
			return fill(&s.onServiceFailure, v, oneOf(ServiceKeep, ServiceRelease))
		},
	} {
		keys[name] = func(_ *SettingsFile, s *scope, v value) Mistakes { return set(s, v) }
	}
	return keys
}

// fillPlain reads a setting that exists only once, so its place need not be kept.
func fillPlain[T any](to *T, v value, parse parser[T]) Mistakes {
	x, mistakes := parse(v)
	*to = x
	return mistakes
}

// missCount reads misses, and says why one is not enough: see minMisses.
func missCount(v value) (int, Mistakes) {
	if v.kind == unstable.Integer && v.text == "1" {
		return 0, wrong(v, "1 is not enough: a blink of the link would move the alias; from %d to %d", minMisses, maxMisses)
	}
	return whole(minMisses, maxMisses)(v)
}

var isolation = oneOf(IsolationKeep, IsolationRelease)

// readSettings reads every value, whatever is wrong with the others.
func readSettings(in input) *SettingsFile {
	f := &SettingsFile{
		Settings: Settings{
			OnExit:   ExitKeep,
			Socket:   DefaultSocket,
			StateDir: DefaultStateDir,
			Events:   Events{Size: DefaultEventsSize},
			LogTo:    LogAuto,
			LogLevel: DefaultLogLevel,
			Peer:     Peer{Port: DefaultPort},
		},
		file:     in.file,
		routes:   routeReader{file: in.file},
		mistakes: in.mistakes,
		scopes:   map[string]*scope{},
		refused:  map[string]bool{},
	}
	values, mistakes := parseTOML(in)
	f.mistakes = append(f.mistakes, mistakes...)
	for _, v := range values {
		f.take(v)
	}
	f.finishPeer()
	f.finishReaders()
	f.finishStatus()
	f.routes.finish()
	f.mistakes = append(f.mistakes, f.routes.mistakes...)
	f.finishChecks()
	f.mistakes = append(f.mistakes, f.all.checkTimes(f.file, scope{})...)
	f.mistakes = append(f.mistakes, f.all.hooks.check(f.file, hookScope{})...)
	for _, s := range f.aliases {
		f.mistakes = append(f.mistakes, s.checkTimes(f.file, f.all)...)
		f.mistakes = append(f.mistakes, s.hooks.check(f.file, f.all.hooks)...)
	}
	return f
}

// maxDepth is the length of the longest name that is refused as a whole:
// peer.paths.172.16.1.5, which lacks quotes.
const maxDepth = 6

// take files one value or header under its name.
func (f *SettingsFile) take(v value) {
	for n := 1; n < len(v.path) && n <= maxDepth; n++ {
		if f.refused[joinPath(v.path[:n])] {
			return
		}
	}
	if v.path[0] == "route" {
		f.routes.take(v)
		return
	}
	table, rest, s := "", v.path, &f.all
	if _, known := tables[v.path[0]]; known && v.path[0] != "" {
		table, rest = v.path[0], v.path[1:]
	}
	if table == "alias" && len(rest) > 0 {
		if addr, ok := unquotedAddr(rest); ok {
			f.refuse(v, v.path[:5], fmt.Sprintf("an address needs quotes here; write [alias.%q]", addr))
			return
		}
		s, rest = f.aliasScope(v), rest[1:]
		if len(rest) > 0 && rest[0] == "hooks" {
			table, rest = "hooks", rest[1:]
		} else if len(rest) > 0 && rest[0] == recoverTable {
			if table, rest = recoverTable, rest[1:]; len(rest) == 0 {
				s.recover.mention(v)
			}
		}
	}
	if table == "peer" && len(rest) > 0 && rest[0] == "paths" && f.takePaths(v, rest[1:]) {
		return
	}
	if table == "check" && len(rest) > 0 {
		if rest = rest[1:]; f.takeCheck(v, rest) {
			return
		}
	}
	if table == "group" && len(rest) > 0 {
		f.takeGroup(v)
		rest = rest[1:]
	}
	isTable := v.kind == unstable.Table || v.kind == unstable.ArrayTable
	switch {
	case v.path[0] == recoverTable:
		f.refuse(v, v.path[:1], "is of one alias always; write [alias.\"172.16.1.2\".recover]")
	case len(rest) == 0 && v.kind == unstable.Table: // a header, nothing else
	case len(rest) == 0 && v.field() == "alias":
		f.refuse(v, v.path, "is a table for each alias; write [alias.\"172.16.1.2\"], and its keys below")
	case len(rest) == 0 && v.field() == "check":
		f.refuse(v, v.path, "is a table for each check; write [check.web], and its keys below")
	case len(rest) == 0 && v.field() == "group":
		f.refuse(v, v.path, "is a table for each group; write [group.firewall], and its keys below")
	case len(rest) == 0 && table == "check" && tables[table][v.path[1]] != nil:
		f.refuse(v, v.path, "is a key of one check; write it below a table with a name, such as [check.web]")
	case len(rest) == 0 && table == "group" && tables[table][v.path[1]] != nil:
		f.refuse(v, v.path, "is a key of one group; write it below a table with a name, such as [group.firewall]")
	case len(rest) == 0:
		f.refuse(v, v.path, fmt.Sprintf("is a single table; write [%s], and its keys below", v.field()))
	case len(rest) > 1 || tables[table][rest[0]] == nil:
		if len(rest) == 1 && !isTable {
			f.mistake(v.line, v.field(), unknownKey(table, rest[0]))
		} else {
			f.refuse(v, v.path[:len(v.path)-len(rest)+1], unknownTable(table, rest[0]))
		}
	case isTable:
		f.refuse(v, v.path, unknownTable(table, rest[0]))
	default:
		for _, m := range tables[table][rest[0]](f, s, v) {
			f.mistake(m.Line, v.field(), m.Text)
		}
	}
}

// aliasScope finds the scope of an [alias."..."], or makes it when it is first mentioned.
// Even one with a bad address gets a scope, so that its keys are checked.
func (f *SettingsFile) aliasScope(v value) *scope {
	field := joinPath(v.path[:2])
	if s := f.scopes[field]; s != nil {
		return s
	}
	s := &scope{place: place{v.line, field}}
	f.scopes[field] = s
	f.aliases = append(f.aliases, s)
	var problem string
	if s.addr, problem = parseHost(v.path[1]); problem == "" {
		problem = withNIC(s.addr)
	}
	if problem != "" {
		s.addr = netip.Addr{}
		f.mistake(v.line, "alias", problem)
	}
	for _, other := range f.aliases { // an address of IPv6 may be spelt in many ways
		if other != s && s.addr.IsValid() && other.addr == s.addr {
			f.mistake(v.line, field, fmt.Sprintf("is the alias of the table in line %d already; write all its keys there", other.line))
		}
	}
	return s
}

// unquotedAddr recognises [alias.172.16.1.2], which is TOML for a table within
// a table within a table.
func unquotedAddr(path []string) (string, bool) {
	if len(path) < 4 {
		return "", false
	}
	addr := strings.Join(path[:4], ".")
	_, problem := parseAddr(addr)
	return addr, problem == ""
}

func (f *SettingsFile) mistake(line int, field, text string) {
	f.mistakes = append(f.mistakes, Mistake{File: f.file, Line: line, Field: field, Text: text})
}

// refuse reports a table once and skips what is in it.
func (f *SettingsFile) refuse(v value, table []string, text string) {
	f.mistake(v.line, joinPath(table), text)
	f.refused[joinPath(table)] = true
}

// plainKey is a key without what misspellings change: case and separators.
func plainKey(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}
