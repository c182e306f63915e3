package convert

import (
	"path/filepath"
	"regexp"
	"strings"
)

// programOf takes a command out of what follows its keyword, as keepalived does: it is one
// word, which mostly is quoted. In it the backslashes are gone that stood before a character,
// and what it consists of is found by splitting it once more. others are the words behind it.
func programOf(rest string) (command string, others []string) {
	words, ok := unquote(rest, "")
	if !ok || len(words) == 0 {
		return rest, nil
	}
	return words[0], words[1:]
}

// forShell is what only a shell understands.
const forShell = "|&;<>()$`*?~\n"

// arguments splits a command. Not ok: it is one for a shell, or a quote is not closed.
func arguments(command string) (args []string, ok bool) {
	args, ok = unquote(command, forShell)
	return args, ok && len(args) > 0
}

// unquote splits a text as keepalived does: by blanks outside of quotes, with \ before a
// character that is to be taken as it is. Not ok: outside of quotes it has one of the
// characters that it must not have, or a quote is not closed.
func unquote(text, not string) (words []string, ok bool) {
	var b strings.Builder
	within, quote := false, byte(0)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
			within = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote, within = c, true
		case c == ' ' || c == '\t':
			if within {
				words = append(words, b.String())
			}
			b.Reset()
			within = false
		case strings.IndexByte(not, c) >= 0:
			return nil, false
		default:
			b.WriteByte(c)
			within = true
		}
	}
	if within {
		words = append(words, b.String())
	}
	return words, quote == 0
}

// resolve makes of a command a program by its absolute path, with arguments. The problem
// says why this host could not run it; empty: it could.
func (c *converter) resolve(command string) (argv []string, problem string) {
	argv, ok := arguments(command)
	if !ok {
		argv = []string{"/bin/sh", "-c", command}
	}
	if !filepath.IsAbs(argv[0]) {
		path := c.host.Find(argv[0])
		if path == "" {
			return argv, show(argv[0]) + " is not found on this host"
		}
		argv[0] = path
	}
	if problem := c.host.Program(argv[0]); problem != "" {
		return argv, show(argv[0]) + " " + strings.TrimSuffix(problem, "; name a program that does")
	}
	return argv, ""
}

// connects is a command of bash's that says whether a port can be reached.
var connects = regexp.MustCompile(`^\s*(?:bash -c ')?<\s*/dev/tcp/([A-Za-z0-9.:-]+)/([0-9]+)'?\s*$`)

// running is a question whether a process runs, in the forms that nearly all write, and its
// name. A pattern, or more than one name, is none of these.
var running = regexp.MustCompile(`^\s*(?:/[^\s]*/)?(?:killall(?:\s+-q)?\s+(?:-0|-s\s*0)(?:\s+-q)?|pidof(?:\s+-[sqx])*|pgrep(?:\s+-x)?)` +
	`\s+((?:/[^\s]*/)?([A-Za-z0-9_][A-Za-z0-9_+-]*(?:\.[A-Za-z0-9_+-]+)*))\s*(?:>\s*/dev/null\s*(?:2>\s*(?:&1|/dev/null)\s*)?)?$`)

// processOf is the name of the process that a command asks for; empty: it asks something else.
func processOf(command string) string {
	if m := running.FindStringSubmatch(command); m != nil && len(m[2]) <= mostComm {
		return m[2]
	}
	return ""
}

// mostComm is how long the name of a process may be, as package config has it.
const mostComm = 255

// plainly are the characters that a shell takes as they are.
const plainly = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:=@%+,-"

// quoted writes arguments so that a shell reads them as they are.
func quoted(argv []string) string {
	var words []string
	for _, a := range argv {
		if a != "" && strings.Trim(a, plainly) == "" {
			words = append(words, a)
			continue
		}
		words = append(words, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(words, " ")
}
