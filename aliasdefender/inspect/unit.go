package inspect

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Unit is the systemd unit that starts the Monitor, with its drop-ins. It has only
// what concerns the Monitor's files.
type Unit struct {
	Name    string              // "aliasdefender.service"
	service map[string][]string // the settings of [Service]: all values of each, in their order
}

// UnitName is the name of the unit that make install installs.
const UnitName = "aliasdefender.service"

// ParseUnit reads a unit file and then its drop-ins, in systemd's order.
func ParseUnit(texts ...string) *Unit {
	u := &Unit{Name: UnitName, service: map[string][]string{}}
	for _, text := range texts {
		in := ""
		for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
			line = strings.TrimSpace(line)
			name, value, is := strings.Cut(line, "=")
			switch name = strings.TrimSpace(name); {
			case line == "" || line[0] == '#' || line[0] == ';':
			case line[0] == '[':
				in = line
			case !is || in != "[Service]":
			case strings.TrimSpace(value) == "":
				u.service[name] = []string{""} // an empty value resets the list
			default:
				u.service[name] = append(u.service[name], strings.TrimSpace(value))
			}
		}
	}
	return u
}

// words are all words of a list setting.
func (u *Unit) words(name string) []string {
	return strings.Fields(strings.Join(u.service[name], " "))
}

// Last is the last value of a setting, for settings of which only that counts; empty:
// the unit does not have it.
func (u *Unit) Last(name string) string {
	if all := u.service[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// on tells whether a yes-or-no setting is on. Values such as "strict" and "tmpfs" are
// more than yes, and count too.
func (u *Unit) on(name string) bool {
	return !slices.Contains([]string{"", "no", "false", "off", "0"}, strings.ToLower(u.Last(name)))
}

// option is the value of an option such as "--settings" on the Monitor's command
// line, or byDefault.
func (u *Unit) option(name, byDefault string) string {
	return Option(u.words("ExecStart"), byDefault, name)
}

// Option is the value of an option on a command line, under any of its names, or byDefault.
func Option(words []string, byDefault string, names ...string) string {
	for i, w := range words {
		for _, name := range names {
			if value, is := strings.CutPrefix(w, name+"="); is {
				return value
			}
			if w == name && i+1 < len(words) {
				return words[i+1]
			}
		}
	}
	return byDefault
}

// isRoot tells whether the Monitor runs as root there.
func (u *Unit) isRoot() bool {
	return slices.Contains([]string{"", "root", "0"}, u.Last("User"))
}

// has tells whether the Monitor keeps one of root's capabilities.
func (u *Unit) has(capability string) bool {
	// As systemd does it: the first line, or the first after an empty one or a lone
	// ~, sets the list; a later line adds to it, and one with ~ removes from it.
	all, kept := true, true
	for _, line := range u.service["CapabilityBoundingSet"] {
		but, less := strings.CutPrefix(line, "~")
		names := strings.Fields(but)
		switch named := slices.Contains(names, capability); {
		case all || len(names) == 0:
			kept = named != less
		case named:
			kept = !less
		}
		all = less && len(names) == 0
	}
	return kept
}

// below tells whether a path is a directory or lies in it.
func below(name string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool {
		return dir == "/" || name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
	})
}

// hides is the setting of the unit that hides a path from the Monitor; empty: none.
func (u *Unit) hides(name string) string {
	switch {
	case u.on("PrivateTmp") && below(name, "/tmp", "/var/tmp"):
		return "PrivateTmp"
	case u.on("ProtectHome") && u.Last("ProtectHome") != "read-only" && below(name, "/root", "/home", "/run/user"):
		return "ProtectHome"
	}
	return ""
}

// writable tells whether the unit lets the Monitor write below a directory.
func (u *Unit) writable(dir string) bool {
	if u.Last("ProtectSystem") != "strict" {
		return true
	}
	var dirs []string
	for _, s := range []struct{ setting, above string }{{"RuntimeDirectory", "/run"}, {"StateDirectory", "/var/lib"}, {"LogsDirectory", "/var/log"}} {
		for _, name := range u.words(s.setting) {
			dirs = append(dirs, path.Join(s.above, name))
		}
	}
	for _, name := range u.words("ReadWritePaths") {
		dirs = append(dirs, strings.TrimLeft(name, "-+"))
	}
	return below(dir, dirs...)
}

// judged is the unit if it starts a Monitor with exactly these files; otherwise nil.
func (s *Subject) judged() *Unit {
	u := s.Unit
	if u == nil || u.option("--aliases", DefaultAliases) != s.Aliases || u.option("--settings", DefaultSettings) != s.Settings {
		return nil
	}
	return u
}

// edit is the advice that adds a line to the unit.
func edit(line string) string {
	return fmt.Sprintf("systemctl edit aliasdefender, and there, below [Service]: %s", line)
}
