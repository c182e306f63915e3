package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ours is the program on a line of a shell, of a unit, or of a comment.
var ours = regexp.MustCompile("(^|[\\s/='\"(])aliasdefender ((?:[A-Za-z]|--)[^&|;>#`}\n]*)")

// standsFor is what is written in the place of an alias and of a prefix, and what a shell or
// a template puts there.
var standsFor = strings.NewReplacer("[ip]", "172.16.1.2", "PREFIX", "192.0.2.32/27", "${AD_ALIAS-}", "172.16.1.2", "{{ $labels.alias }}", "172.16.1.2")

// commandsIn are the words behind the program's name in a text. What was begun in quotes
// ends with them.
func commandsIn(text string) (all []string) {
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		for _, m := range ours.FindAllStringSubmatch(standsFor.Replace(line), -1) {
			words := m[2]
			if m[1] == `"` || m[1] == "'" {
				words, _, _ = strings.Cut(words, m[1])
			}
			all = append(all, strings.TrimSpace(words))
		}
	}
	return all
}

// accepted says what the command line has against words, without carrying them out.
func accepted(words string) error {
	var args []string
	for _, arg := range regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(words, -1) {
		args = append(args, strings.Trim(arg, `'"`))
	}
	root := newApp(Options{Version: "test", Stdout: io.Discard, Stderr: io.Discard}).root()
	c, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if c == root && !strings.HasPrefix(args[0], "-") {
		return fmt.Errorf("%q is not a verb", args[0])
	}
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	return c.ValidateArgs(c.Flags().Args())
}

// verbsOf are the names of the verbs.
func verbsOf() (names []string) {
	for _, c := range newApp(Options{Version: "test", Stdout: io.Discard, Stderr: io.Discard}).root().Commands() {
		names = append(names, c.Name())
	}
	return names
}

// spans are the pieces of code within a page's text. One may be broken over two lines.
func spans(prose string) (all []string) {
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(prose, -1) {
		all = append(all, strings.Join(strings.Fields(m[1]), " "))
	}
	return all
}

// TestEveryCommandInTheBookIsOne: whatever the pages have typed, and whatever the examples
// run, has a verb, options and a number of arguments that the command line accepts.
func TestEveryCommandInTheBookIsOne(t *testing.T) {
	seen := map[string]bool{}
	try := func(where, words string) {
		t.Helper()
		seen[words] = true
		if err := accepted(words); err != nil {
			t.Errorf("%s: aliasdefender %s: %v", where, words, err)
		}
	}
	within := func(where, text string) {
		t.Helper()
		for _, words := range commandsIn(text) {
			try(where, words)
		}
	}
	// Text calls a verb with its options by its own name too. There an option that is only
	// named needs no value.
	named := regexp.MustCompile(`^(?:aliasdefender ([A-Za-z-].*)|((?:` + strings.Join(verbsOf(), "|") + `) .+))$`)
	names := regexp.MustCompile(` --partner-file$`)
	for _, name := range book(t) {
		fenced, prose := parts(name, page(t, name))
		for _, b := range fenced {
			within(fmt.Sprintf("%s:%d", name, b.line), strings.Join(b.lines, "\n"))
		}
		for _, code := range spans(prose) {
			for _, part := range strings.Split(code, " && ") {
				if m := named.FindStringSubmatch(part); m != nil && !strings.HasPrefix(m[1], "VERB ") {
					try(name, names.ReplaceAllString(standsFor.Replace(m[1]+m[2]), "$0 FILE"))
				}
			}
		}
	}
	for _, file := range append(matches(t, "etc/examples/*/*"), matches(t, "init/*.service")...) {
		if !strings.HasSuffix(file, ".md") {
			within(file, page(t, file))
		}
	}
	for _, verb := range verbsOf() {
		if !slices.ContainsFunc(keys(seen), func(words string) bool { return strings.EqualFold(strings.Fields(words)[0], verb) }) && verb != "completion" {
			t.Errorf("no page has the verb %s", verb)
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d commands are found", len(seen))
	}
}

func keys(of map[string]bool) (all []string) {
	for k := range of {
		all = append(all, k)
	}
	return all
}

// TestWrongCommandsAreFound tests the test above.
func TestWrongCommandsAreFound(t *testing.T) {
	for words, want := range map[string]bool{
		"Check --files": true, "status": true, "Why --last 2": true, "--version": true, "GenKey /etc/k": true,
		"Maintenance on": true, "Stauts": false, "Check --fiels": false, "Why --last two": false,
		"Status now": false, "Maintenance maybe yes": false, "Why 172.16.1.2 172.16.1.3": false,
	} {
		if err := accepted(words); (err == nil) != want {
			t.Errorf("%s: %v", words, err)
		}
	}
	for text, want := range map[string]string{
		"a$ aliasdefender Why --last 2 >x":                    "Why --last 2",
		"ExecStart=/usr/sbin/aliasdefender Monitor":           "Monitor",
		"aliasdefender Check \\\n  --files && echo":           "Check    --files",
		"# run \"aliasdefender GenKey /etc/k\", then copy it": "GenKey /etc/k",
	} {
		if got := commandsIn(text); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q", text, got)
		}
	}
	if got := commandsIn("systemctl restart aliasdefender && echo  # and aliasdefender  too"); got != nil {
		t.Errorf("%q", got)
	}
}

// TestEveryShellBlockIsShell, and every block of JSON is JSON, line by line.
func TestEveryShellBlockIsShell(t *testing.T) {
	looked := 0
	for _, b := range blocks(t) {
		switch b.language {
		case "sh":
			looked++
			cmd := exec.Command("sh", "-n")
			cmd.Stdin = strings.NewReader(strings.Join(b.lines, "\n") + "\n")
			// A here-document without its end is no error to every shell.
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s:%d: %v\n%s", b.page, b.line, err, out)
			}
			for _, line := range b.lines {
				if regexp.MustCompile(`^[a-z]*[$#] `).MatchString(line) && !strings.HasPrefix(line, "# ") {
					t.Errorf("%s:%d: a prompt makes it a console: %s", b.page, b.line, line)
				}
			}
		case "json":
			for _, line := range b.lines {
				if !json.Valid([]byte(line)) {
					t.Errorf("%s:%d: this is no JSON: %s", b.page, b.line, line)
				}
			}
		}
	}
	if looked < 30 {
		t.Errorf("only %d blocks are shell", looked)
	}
}

// makes says what is wrong with a command line of make.
func makes(makefile, words string) error {
	for _, word := range strings.Fields(regexp.MustCompile(`'[^']*'`).ReplaceAllString(words, "x")) {
		if name, _, set := strings.Cut(word, "="); set {
			if !strings.Contains(makefile, "$("+name+")") && !strings.Contains(makefile, name+" ") {
				return errors.New("the Makefile knows no " + name)
			}
		} else if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(word) + `:`).MatchString(makefile) {
			return errors.New("the Makefile has no target " + word)
		}
	}
	return nil
}

// TestEveryTargetInTheBookIsInTheMakefile: in the blocks and in the text.
func TestEveryTargetInTheBookIsInTheMakefile(t *testing.T) {
	makefile := page(t, "Makefile")
	target := regexp.MustCompile(`^g?make( [^#;&|]*)?(?:$|[#;&|])`)
	seen := map[string]bool{}
	for _, name := range book(t) {
		fenced, prose := parts(name, page(t, name))
		lines := spans(prose)
		for _, b := range fenced {
			if b.language == "sh" {
				lines = append(lines, b.lines...)
			}
		}
		for _, line := range lines {
			if m := target.FindStringSubmatch(line); m != nil {
				seen[m[1]] = true
				if err := makes(makefile, m[1]); err != nil {
					t.Errorf("%s: make%s: %v", name, m[1], err)
				}
			}
		}
	}
	if len(seen) < 15 {
		t.Errorf("only %q are found", keys(seen))
	}
	for words, want := range map[string]bool{"install INIT=none": true, "instal": false, "install INTI=none": false} {
		if err := makes(makefile, words); (err == nil) != want {
			t.Errorf("make %s: %v", words, err)
		}
	}
}

// goTests says what is wrong with a command line of go test: its package, a flag of the
// package's own, or a name that no test has.
func goTests(t *testing.T, words string) error {
	fields := strings.Fields(strings.ReplaceAll(words, "'", ""))
	source := ""
	for _, file := range matches(t, strings.TrimPrefix(fields[0], "./")+"/*_test.go") {
		source += page(t, file)
	}
	for i, word := range fields[1:] {
		name, is := strings.CutPrefix(word, "-")
		switch {
		case is && name == "run":
			top, _, _ := strings.Cut(fields[i+2], "/")
			if top == "^$" { // for its benchmarks alone
				break
			}
			for _, one := range strings.Split(top, "|") {
				if !regexp.MustCompile(`(?m)^func Test\w*` + one).MatchString(source) {
					return errors.New("no test is called " + one)
				}
			}
		case is && !slices.Contains([]string{"v", "timeout", "bench", "benchmem"}, name) && !strings.Contains(source, `("`+name+`", `):
			return errors.New("its tests have no flag " + word)
		}
	}
	return nil
}

// TestEveryGoTestInTheBookIsOne: those by which a reader plays a test again.
func TestEveryGoTestInTheBookIsOne(t *testing.T) {
	seen := 0
	for _, name := range book(t) {
		fenced, prose := parts(name, page(t, name))
		lines := spans(prose)
		for _, b := range fenced {
			lines = append(lines, b.lines...)
		}
		for _, line := range lines {
			if words, is := strings.CutPrefix(line, "go test "); is {
				seen++
				if err := goTests(t, words); err != nil {
					t.Errorf("%s: go test %s: %v", name, words, err)
				}
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d are found", seen)
	}
	for words, want := range map[string]bool{"./aliasdefender/cli -run 'Every|Wrong' -v": true, "./aliasdefender/cli -run Evry": false, "./aliasdefender/cli -day 1h": false} {
		if err := goTests(t, words); (err == nil) != want {
			t.Errorf("go test %s: %v", words, err)
		}
	}
}
