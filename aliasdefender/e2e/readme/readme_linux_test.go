package readme

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// The names and addresses of the README's hosts, as its drawing shows them.
var (
	readmeAlias  = netip.MustParseAddr("172.16.1.2")
	readmeRouter = netip.MustParseAddr("172.16.1.254")
	readmeOwn    = map[string]string{"a": "172.16.1.4/24", "b": "172.16.1.5/24"}
)

// readme is the README as its reader has it.
func readme(t *testing.T) string {
	t.Helper()
	return stage.Read(t, "../../../README.md")
}

// shown is what a page prints below a command: up to the next command, or to the
// end of the fenced block. A prompt is a host and a dollar, "b$ ", or for root "b# ".
func shown(t *testing.T, text, prompt string) string {
	t.Helper()
	var blocks []string
	for i, block := range strings.Split(text, "\n```") {
		if i%2 == 1 {
			blocks = append(blocks, block[strings.Index(block, "\n")+1:])
		}
	}
	for _, block := range blocks {
		lines := strings.Split(block, "\n")
		at := slices.Index(lines, prompt)
		if at < 0 {
			continue
		}
		lines = lines[at+1:]
		if end := slices.IndexFunc(lines, func(l string) bool { return anyPrompt.MatchString(l) }); end >= 0 {
			lines = lines[:end]
		}
		return strings.Trim(strings.Join(lines, "\n"), "\n")
	}
	t.Errorf("the page does not show %q", prompt)
	return ""
}

var anyPrompt = regexp.MustCompile(`^([a-z]*\$|[a-z]+#) `)

// Only these differ from run to run: if a column, a word or a row of the rules
// differs, the README has a mistake.
var varying = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b`), "MAC"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "DATE"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d(\.\d+)?\b`), "CLOCK"},
	{regexp.MustCompile(`\basked \d+(\.\d+)?(ms|s) before\b`), "asked AGE before"},
	{regexp.MustCompile(`(\s)(\d+m\d\ds|\d+s)(\s)`), "${1}AGE$3"},
	{regexp.MustCompile(`  \d+ ms  `), "  GAP  "},
	{regexp.MustCompile(`(?m)^\d+s: `), "AGE: "},
	{regexp.MustCompile(`(?m)^note: \S+ was played again: .*\n`), ""}, // the machine stood still
	{regexp.MustCompile(`, and \d+ ms for which this machine kept the Monitors waiting`), ""},
	{regexp.MustCompile(`, in \d+ s\.`), ", in AGE."},
	{regexp.MustCompile(`\bin \d+(\.\d+)? ms\b`), "in TIME"},
	{regexp.MustCompile(`\bversion [\w.]+`), "version VERSION"},
	{regexp.MustCompile(`\bPID \d+`), "PID NUMBER"},
	{regexp.MustCompile(`\bthere and back(, but [^:]+)?: `), "there and back: "}, // a busy machine
	{regexp.MustCompile(`\bmeasured: [^;\n]+`), "measured: FIGURES"},
	// The cells stay; the table chooses its own widths.
	{regexp.MustCompile(`(\S) {2,}`), "$1  "},
	{regexp.MustCompile(`(?m) +$`), ""},
}

func normal(text string) string {
	text = strings.Trim(text, "\n")
	for _, v := range varying {
		text = v.what.ReplaceAllString(text, v.as)
	}
	return text
}

// alike compares what was said with what the README shows.
func alike(t *testing.T, prompt, said string) {
	t.Helper()
	t.Logf("%s\n%s", prompt, said)
	if want, got := normal(shown(t, readme(t), prompt)), normal(said); got != want {
		t.Errorf("the README shows below %q:\n%s\nthe program says:\n%s", prompt, want, got)
	}
}

// readmeStage is the hosts of the README's drawing, with the README's file.
type readmeStage struct {
	t     *testing.T
	dir   string
	hosts map[string]*lab.Host
	watch *lab.Watch
	prog  []string
}

func newReadmeStage(t *testing.T) *readmeStage {
	t.Helper()
	l := lab.ForTest(t)
	dir, err := os.MkdirTemp("", "ad") // t.TempDir is too long for a socket
	stage.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &readmeStage{t: t, dir: dir, hosts: map[string]*lab.Host{}, prog: []string{lab.Self()}}
	lan, err := l.Switch("lan")
	stage.Must(t, err)
	_, err = l.Host(lab.HostSpec{Name: "router", Forward: true, NICs: []lab.NICSpec{{Name: "eth0", Switch: lan, Addrs: stage.Prefixes(readmeRouter.String() + "/24")}}})
	stage.Must(t, err)
	for _, name := range []string{"a", "b"} {
		s.hosts[name], err = l.Host(lab.HostSpec{Name: name, Gateway: readmeRouter, NICs: []lab.NICSpec{{Name: "eth0", Switch: lan, Addrs: stage.Prefixes(readmeOwn[name])}}})
		stage.Must(t, err)
		stage.Must(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
		stage.Must(t, os.WriteFile(s.file(name, "hostname.alias"), []byte(readmeRow(t, name)+"\n"), 0o644))
		settings := "interval = \"1s\"\n[control]\nsocket = \"" + s.file(name, "sock") + "\"\n[state]\ndir = \"" + s.file(name, "state") + "\"\n[log]\nto = \"stderr\"\n"
		stage.Must(t, os.WriteFile(s.file(name, "aliasdefender.toml"), []byte(settings), 0o644))
	}
	s.watch, err = l.Watch(readmeAlias)
	stage.Must(t, err)
	return s
}

// readmeRow is a host's row in the README's sample of hostname.alias.
func readmeRow(t *testing.T, host string) string {
	t.Helper()
	row := regexp.MustCompile(`(?m)^eth0:1 .*# on host ` + host + `$`).FindString(readme(t))
	if row == "" {
		t.Fatalf("the README has no row of hostname.alias for host %s", host)
	}
	return row
}

func (s *readmeStage) file(host, name string) string { return filepath.Join(s.dir, host, name) }

func (s *readmeStage) command(host, verb string, args ...string) lab.Command {
	argv := slices.Concat(s.prog, []string{verb, "--aliases", s.file(host, "hostname.alias"), "--settings", s.file(host, "aliasdefender.toml")}, args)
	return lab.Command{Name: verb, Argv: argv, Env: []string{stage.RunMain + "=1"}}
}

func (s *readmeStage) start(host, until string) {
	s.t.Helper()
	m, err := s.hosts[host].StartCommand(s.command(host, "Monitor"))
	stage.Must(s.t, err)
	stage.Must(s.t, m.WaitOutput(stage.Patiently(s.t), until))
}

func (s *readmeStage) held(host string) {
	s.t.Helper()
	if err := s.watch.Wait(stage.Patiently(s.t), host); err != nil {
		s.t.Fatalf("want the alias held by %s: %v (held by %v)", host, err, s.watch.Holders())
	}
}

// until repeats a command until it prints something.
func (s *readmeStage) until(host, words, verb string) {
	s.t.Helper()
	ctx := stage.Patiently(s.t)
	for {
		out, _, _ := s.hosts[host].RunCommand(ctx, s.command(host, verb))
		if strings.Contains(out, words) {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("%s on %s does not say %q:\n%s", verb, host, words, out)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// alike runs a command on a host and compares its output with the README.
func (s *readmeStage) alike(host, verb string, args ...string) {
	s.t.Helper()
	c := s.command(host, verb, args...)
	out, errs, code := s.hosts[host].RunCommand(stage.Patiently(s.t), c)
	if code != stage.Done {
		s.t.Errorf("%s exits with %d", verb, code)
	}
	alike(s.t, host+"$ "+strings.Join(append([]string{"aliasdefender", verb}, args...), " "), out+errs)
}

// excerpt runs a command until it says what a page shows of it. There "…" stands for what the
// page leaves out of a line, and a line may be left out: what else a host is told differs from
// machine to machine.
func (s *readmeStage) excerpt(host, page, verb string, args ...string) {
	s.t.Helper()
	prompt := host + "# " + strings.Join(append([]string{"aliasdefender", verb}, args...), " ")
	want := excerpted(shown(s.t, stage.Read(s.t, "../../../"+page), prompt))
	ctx := stage.Patiently(s.t)
	for {
		out, errs, _ := s.hosts[host].RunCommand(ctx, s.command(host, verb, args...))
		said := strings.ReplaceAll(out+errs, filepath.Join(s.dir, host), "/etc")
		if want.MatchString(normal(said)) {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("%s shows below %q what the program does not say:\n%s\nwanted: %s", page, prompt, said, want)
		case <-time.After(50 * time.Millisecond):
		}
		if verb == "Drill" { // on a busy machine it may end half way
			s.hosts[host].RunCommand(ctx, s.command(host, "AddAlias", args...))
		}
	}
}

// excerpted matches whatever has an excerpt's lines, in their order.
func excerpted(text string) *regexp.Regexp {
	var lines []string
	for _, line := range strings.Split(normal(text), "\n") {
		if line != "…" {
			lines = append(lines, strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*"))
		}
	}
	return regexp.MustCompile(`(?m)^` + strings.Join(lines, `\n(?:.*\n)*?`) + `$`)
}

// TestReadmeShowsWhatTheProgramSays plays the story that begins on the README's first
// screen: a serves, a crashes, b takes over, a is back, b gives the alias up.
func TestReadmeShowsWhatTheProgramSays(t *testing.T) {
	t.Parallel()
	s := newReadmeStage(t)
	s.start("a", "row=W10")
	s.held("a")
	s.start("b", "row=W6")
	s.alike("a", "Status")
	stage.Must(t, s.hosts["a"].Crash())
	s.held("b")
	s.until("b", "(H9)", "Why")
	s.alike("b", "Why", "--last", "2")
	stage.Must(t, s.hosts["a"].Boot())
	s.start("a", "row=W6")
	s.alike("b", "RemoveAlias", "172.16.1.2")
	s.held("a")
}

// TestReadmeShowsTheChannel plays the README's part about the channel: a hands over
// to b, and b goes into maintenance. Before that it plays what two pages of docs show.
func TestReadmeShowsTheChannel(t *testing.T) {
	t.Parallel()
	s := newReadmeStage(t)
	key := stage.NewKey()
	for host := range s.hosts {
		settings, err := os.ReadFile(s.file(host, "aliasdefender.toml"))
		stage.Must(t, err)
		stage.Must(t, os.WriteFile(s.file(host, "key"), []byte(key), 0o600))
		stage.Must(t, os.WriteFile(s.file(host, "aliasdefender.toml"), []byte(string(settings)+"[peer]\nkey_file = \""+s.file(host, "key")+"\"\n"), 0o644))
	}
	s.start("a", "row=W10")
	s.held("a")
	s.start("b", "row=W6")
	s.until("a", "the partner says: able", "Status")
	s.until("b", "  ready ", "Status")
	s.excerpt("b", "docs/check.md", "Check")
	s.excerpt("a", "docs/drill.md", "Drill", "172.16.1.2")
	s.held("a")
	s.alike("a", "Handover")
	s.held("b")
	s.until("b", "the partner says: able", "Status")
	s.until("b", "we hold the alias", "Status")
	s.until("b", "  ready ", "Status")
	s.alike("b", "Status")
	s.alike("b", "Maintenance", "on")
	s.held("a")
}

func TestReadmeShowsARehearsal(t *testing.T) {
	t.Parallel()
	lab.ForTest(t) // says where there can be no namespaces
	absent := filepath.Join(t.TempDir(), "hostname.alias")
	var out, errs bytes.Buffer
	for tries := 3; tries > 0; tries-- {
		out.Reset()
		errs.Reset()
		cmd := exec.Command(lab.Self(), "Rehearse", "--only", "crash,partition")
		cmd.Env = append(os.Environ(), stage.RunMain+"=1", stage.DefaultAliases+"="+absent)
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		if busy := strings.Contains(out.String(), "\nnote: "); busy && tries > 1 {
			continue // what a busy machine has spoiled was played again, from where it ended
		}
		if err != nil {
			t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
		}
		break
	}
	alike(t, "$ aliasdefender Rehearse --only crash,partition", strings.Replace(out.String(), absent, "/etc/hostname.alias", 1))
}

// TestReadmeComparisonSeesWordsAndColumns tests the comparison itself: another time
// is no difference, another word or column is one.
func TestReadmeComparisonSeesWordsAndColumns(t *testing.T) {
	t.Parallel()
	base := "ALIAS          HOLDER  SINCE  WHY\n172.16.1.2/24  us      3s     alias silent (asked 12ms before), by 02:00:00:00:00:01"
	for _, tt := range []struct {
		name, text string
		same       bool
	}{
		{"other time", strings.Replace(base, "3s ", "41s", 1), true},
		{"other age", strings.Replace(base, "12ms", "1.2s", 1), true},
		{"other hardware address", strings.Replace(base, "00:01", "0a:ff", 1), true},
		{"other word", strings.Replace(base, "silent", "unknown", 1), false},
		{"other holder", strings.Replace(base, "us ", "partner ", 1), false},
		{"other address", strings.Replace(base, "172.16.1.2/24", "172.16.1.3/24", 1), false},
		{"other column", strings.Replace(base, "SINCE", "FOR", 1), false},
		{"column missing", strings.Replace(base, "HOLDER  ", "", 1), false},
		{"line missing", base[:strings.Index(base, "\n")], false},
		{"no age", strings.Replace(base, " (asked 12ms before)", "", 1), false},
	} {
		if same := normal(tt.text) == normal(base); same != tt.same {
			t.Errorf("%s: alike %v, want %v", tt.name, same, tt.same)
		}
	}
}

// TestAnExcerptIsOfWhatIsSaid tests the comparison with a page that leaves lines out.
func TestAnExcerptIsOfWhatIsSaid(t *testing.T) {
	t.Parallel()
	want := excerpted("one, …\n…\nthree in 0.3 ms\nfour")
	for said, is := range map[string]bool{
		"one, two\nthree in 41 ms\nfour\n":           true,
		"one, two\n2\nthree in 0.1 ms\nnote\nfour":   true,
		"one, two\nthree in 41 ms\n":                 false,
		"four\none, two\nthree in 41 ms":             false,
		"one, two\nthree in 41 ms, and more\nfour\n": false,
	} {
		if got := want.MatchString(normal(said)); got != is {
			t.Errorf("%q: %v", said, got)
		}
	}
}

// TestReadmeShowsNothingElse finds output in the README and in the pages of docs that
// no test compares, and a first screen that has become too long.
func TestReadmeShowsNothingElse(t *testing.T) {
	t.Parallel()
	compared := []string{
		"b# aliasdefender Check", "a# aliasdefender Drill 172.16.1.2",
		"a$ aliasdefender Status", "b$ aliasdefender Why --last 2",
		"$ aliasdefender Rehearse --only crash,partition", "b$ aliasdefender RemoveAlias 172.16.1.2",
		"a$ aliasdefender Handover", "b$ aliasdefender Status", "b$ aliasdefender Maintenance on",
	}
	pages, err := filepath.Glob("../../../docs/*.md")
	stage.Must(t, err)
	var found []string
	for _, page := range append(pages, "../../../README.md") {
		text, err := os.ReadFile(page)
		stage.Must(t, err)
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); anyPrompt.MatchString(line) {
				found = append(found, line)
			}
		}
	}
	if !slices.Equal(found, compared) {
		t.Errorf("the pages show the output of %q, the tests compare that of %q", found, compared)
	}
	if screen, _, _ := strings.Cut(readme(t), "\nNo data is copied"); strings.Count(screen, "\n") > 40 {
		t.Errorf("the first screen of the README has %d lines, more than 40", strings.Count(screen, "\n"))
	}
}
