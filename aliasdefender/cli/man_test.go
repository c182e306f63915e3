package cli

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section is the text below a heading of a manual page.
func section(text, heading string) string {
	_, rest, _ := strings.Cut(text, "\n.Sh "+heading+"\n")
	body, _, _ := strings.Cut(rest, "\n.Sh ")
	return body
}

// option is one option as page and program both have it.
type option struct {
	Verb, Name string
	Value      bool // it takes a value
}

// paged lists the options in a part of the page.
func paged(verb, text string) (all []option) {
	for _, m := range regexp.MustCompile(`(?m)^\.It Fl -(\S+)( Ar .+)?$`).FindAllStringSubmatch(text, -1) {
		all = append(all, option{verb, m[1], m[2] != ""})
	}
	return all
}

// TestManualPageHasTheCommandLine: aliasdefender(8) has every verb and every option,
// with its default, and no others.
func TestManualPageHasTheCommandLine(t *testing.T) {
	text := page(t, "docs/man/aliasdefender.8")
	root := newApp(Options{Version: "test", Stdout: io.Discard, Stderr: io.Discard}).root()

	options := func(verb, text string, flags *pflag.FlagSet) {
		t.Helper()
		want, got := map[option]bool{}, map[option]bool{}
		flags.VisitAll(func(f *pflag.Flag) {
			want[option{verb, f.Name, f.Value.Type() != "bool"}] = true
			if f.Value.Type() != "bool" && f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "0s" && !strings.Contains(text, f.DefValue) {
				t.Errorf("%s --%s: the default %s is not said", verb, f.Name, f.DefValue)
			}
		})
		for _, o := range paged(verb, text) {
			got[o] = true
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("options, program (-) and page (+): %s", d)
		}
	}
	common := *root.PersistentFlags()
	common.Bool("help", false, "")
	options("", section(text, "OPTIONS"), &common)

	verbs := map[string]*cobra.Command{}
	for _, c := range root.Commands() {
		verbs[c.Name()] = c
	}
	parts := regexp.MustCompile(`(?m)^\.It Cm `).Split(section(text, "VERBS"), -1)[1:]
	for _, part := range parts {
		name, _, _ := strings.Cut(strings.Fields(part)[0], " ")
		c := verbs[name]
		if c == nil {
			t.Errorf("the page has a verb %s, the program has none, or the page has it twice", name)
			continue
		}
		delete(verbs, name)
		options(name, part, c.LocalNonPersistentFlags())
		if takesIP := strings.Contains(c.Use, "[ip]"); takesIP != strings.HasPrefix(part, name+" Op Ar ip\n") {
			t.Errorf("%s: whether it takes an alias is not as in the program", name)
		}
	}
	for name := range verbs {
		t.Errorf("the verb %s is not in the page", name)
	}
}

// TestEveryVerbHasAnExampleOfItself also checks that the examples use only verbs and
// options that exist.
func TestEveryVerbHasAnExampleOfItself(t *testing.T) {
	for _, c := range newApp(Options{Version: "test", Stdout: io.Discard, Stderr: io.Discard}).root().Commands() {
		if !strings.Contains(c.Example, "aliasdefender "+c.Name()) {
			t.Errorf("%s has no example", c.Name())
		}
		for _, m := range regexp.MustCompile(`aliasdefender (\w+)([^&|>\n]*)`).FindAllStringSubmatch(c.Example, -1) {
			root := c.Root()
			verb, rest, err := root.Find(append([]string{m[1]}, strings.Fields(m[2])...))
			if err == nil && verb == root {
				t.Errorf("%s: its example has %q, which is no verb", c.Name(), m[1])
			} else if err = verb.ParseFlags(rest); err != nil {
				t.Errorf("%s: its example %q: %v", c.Name(), m[0], err)
			}
		}
	}
}

// TestManualPageHasTheSettings: config's tests see to it that the sample names every
// setting with its default; aliasdefender.toml(5) has the same settings and defaults.
func TestManualPageHasTheSettings(t *testing.T) {
	find := func(text, pattern, table string) map[string]string {
		all := map[string]string{}
		in := ""
		for _, m := range regexp.MustCompile(`(?m)^(?:`+pattern+`|`+table+`)$`).FindAllStringSubmatch(text, -1) {
			if m[1] == "" {
				in = m[3] + "."
			} else {
				all[in+m[1]] = m[2]
			}
		}
		return all
	}
	sample := find(page(t, "etc/aliasdefender.toml"), `#(\w+) = (.*)`, `#\[(\w+)\]`)
	if len(sample) < 15 {
		t.Fatalf("the sample has only %v", sample)
	}
	text := strings.ReplaceAll(page(t, "docs/man/aliasdefender.toml.5"), `\(dq`, `"`)
	if d := cmp.Diff(sample, find(text, `\.It Ic (\w+) = (.*)`, `\.Ss \[(\w+)\](?:\\&)?`)); d != "" {
		t.Errorf("sample (-) and page (+): %s", d)
	}

	// The end of the sample, and the page, list the settings that one alias may have.
	_, per, _ := strings.Cut(page(t, "etc/aliasdefender.toml"), "What it may have:")
	per, _, _ = strings.Cut(per, ".\n")
	_, own, _ := strings.Cut(text, "It may have\n")
	own, _, _ = strings.Cut(own, "\n.Sh ")
	words := func(s string) []string { return regexp.MustCompile(`[a-z_]{4,}`).FindAllString(s, -1) }
	if d := cmp.Diff(words(per), words(own)); d != "" {
		t.Errorf("of one alias, sample (-) and page (+): %s", d)
	}
}

// TestManualPageHasTheFields: hostname.alias(5) has the five fields of the sample's
// head in their order, and its examples are read without a mistake.
func TestManualPageHasTheFields(t *testing.T) {
	text := page(t, "docs/man/hostname.alias.5")
	var fields []string
	for _, m := range regexp.MustCompile(`(?m)^\.It Ic (.+)$`).FindAllStringSubmatch(text, -1) {
		fields = append(fields, m[1])
	}
	var head []string
	for line := range strings.Lines(page(t, "etc/hostname.alias")) {
		if strings.HasPrefix(line, "# Nic") {
			for _, f := range strings.Split(strings.TrimPrefix(line, "#"), "|") {
				head = append(head, strings.TrimSpace(f))
			}
		}
	}
	if d := cmp.Diff(head, fields); d != "" {
		t.Errorf("sample (-) and page (+): %s", d)
	}
	dir := t.TempDir()
	var files []string
	for i, m := range regexp.MustCompile(`(?s)\.Bd -literal[^\n]*\n(.*?)\.Ed`).FindAllStringSubmatch(text, -1) {
		files = append(files, filepath.Join(dir, string(rune('a'+i))))
		place(t, files[i], m[1])
	}
	var out strings.Builder
	args := []string{"Check", "--aliases", files[0], "--partner-file", files[1]}
	if code := run(t, &out, args...); len(files) != 3 || code != 0 {
		t.Fatalf("the two examples of a pair: exit %d\n%s", code, out.String())
	}
	if code := run(t, &out, "Check", "--files", "--aliases", files[2]); code != 0 {
		t.Errorf("the example of a loopback interface: exit %d\n%s", code, out.String())
	}
}
