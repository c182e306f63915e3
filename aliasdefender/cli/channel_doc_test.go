package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources are the texts of a package's program files, one after the other.
func sources(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	var all strings.Builder
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// aboutChannel finds lines of the log about the channel, or about contradictions
// between the two files.
var aboutChannel = regexp.MustCompile(`partner|channel|\bpair\b|hand-over|\bfiles?\b|rhythms`)

// aboutAddress are lines that name the partner but are only about its address.
var aboutAddress = []string{"this cannot be the partner", "the partner's name does not resolve"}

// TestChannelPageHasTheLogsLines: docs/channel.md lists only lines that the program
// logs, and none of the defender's lines about the channel is missing.
func TestChannelPageHasTheLogsLines(t *testing.T) {
	text := page(t, "docs/channel.md")
	_, table, _ := strings.Cut(text, "\n| line |")
	program := sources(t, "aliasdefender/defender/*.go") + sources(t, "aliasdefender/cli/*.go") + sources(t, "aliasdefender/daemon/*.go") + sources(t, "aliasdefender/rules/*.go")
	lines := 0
	for row := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(row, "|"), " | ")
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			lines++
			line := strings.TrimPrefix(m[1], "the pair does not fit: ")
			for _, lead := range []string{"hand over: ", "ask for hand-over: ", "release: "} { // an action and its reason
				if rest, is := strings.CutPrefix(line, lead); is {
					line = rest
				}
			}
			for _, part := range strings.Split(line, "…") {
				if part = strings.TrimSpace(part); !strings.Contains(program, part) {
					t.Errorf("the page has %q, the program has no %q", m[1], part)
				}
			}
		}
	}
	if lines < 20 {
		t.Errorf("only %d lines found in the page", lines)
	}
	said := regexp.MustCompile(`(?:Info|Warn|Error|Text:\s*|rules\.[A-Z][a-z]+, |append\(wrong, |\[\]string\{)\(?(?:fmt\.Sprintf\()?"([^"]+)"`)
	found := 0
	for _, m := range said.FindAllStringSubmatch(sources(t, "aliasdefender/defender/*.go"), -1) {
		begin := regexp.MustCompile(`[:;?.]|%`).Split(m[1], 2)[0]
		if begin = strings.TrimSpace(begin); !aboutChannel.MatchString(m[1]) || slices.Contains(aboutAddress, begin) {
			continue
		}
		if found++; !strings.Contains(table, begin) {
			t.Errorf("the program logs %q, and the page does not say what that means", m[1])
		}
	}
	if found < 15 {
		t.Errorf("only %d lines found in the program", found)
	}
}
