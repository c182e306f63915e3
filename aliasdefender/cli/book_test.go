package cli

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// index is the page that leads to all others.
const index = "docs/README.md"

// book is all that is read in a browser or a pager, by its path from the root.
func book(t *testing.T) (pages []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "etc/examples/*/README.md"} {
		pages = append(pages, matches(t, pattern)...)
	}
	return pages
}

// matches are the files of a pattern, by their paths from the root.
func matches(t *testing.T, pattern string) []string {
	t.Helper()
	root := filepath.Join("..", "..")
	files, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %q, %v", pattern, files, err)
	}
	for i, f := range files {
		f, err := filepath.Rel(root, f)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = filepath.ToSlash(f)
	}
	return files
}

// block is a fenced block of a page.
type block struct {
	page     string
	line     int
	language string
	lines    []string
}

var fence = regexp.MustCompile("^( *)```(.*)$")

// parts takes a page apart: its fenced blocks, and its text without them.
func parts(name, text string) (fenced []block, prose string) {
	var rest strings.Builder
	var open *block
	var indent string
	for i, line := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case m != nil && open == nil:
			open, indent = &block{page: name, line: i + 1, language: m[2]}, m[1]
		case m != nil:
			fenced, open = append(fenced, *open), nil
		case open != nil:
			open.lines = append(open.lines, strings.TrimPrefix(line, indent))
		default:
			rest.WriteString(line + "\n")
		}
	}
	return fenced, rest.String()
}

// blocks are all fenced blocks of the book.
func blocks(t *testing.T) (all []block) {
	t.Helper()
	for _, name := range book(t) {
		fenced, _ := parts(name, page(t, name))
		all = append(all, fenced...)
	}
	return all
}

// TestEveryBlockSaysWhatItIs, for by that the tests below choose how they look at it.
func TestEveryBlockSaysWhatItIs(t *testing.T) {
	known := []string{"alias", "console", "go", "ini", "json", "sh", "text", "toml"}
	for _, b := range blocks(t) {
		if !slices.Contains(known, b.language) {
			t.Errorf("%s:%d: a block of %q; say one of %q", b.page, b.line, b.language, known)
		}
	}
	for _, name := range book(t) {
		_, prose := parts(name, page(t, name))
		for _, line := range regexp.MustCompile(`(?m)^\n {4}.*$`).FindAllString(prose, -1) {
			t.Errorf("%s: a block that is only indented does not say what it is:%s", name, line)
		}
	}
}

// link is one that Markdown makes, to a page or a picture.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// linksOf are the links in a page's text, without what is code.
func linksOf(text string) (to []string) {
	_, prose := parts("", text)
	prose = regexp.MustCompile("`[^`]*`").ReplaceAllString(prose, "code")
	for _, m := range link.FindAllStringSubmatch(prose, -1) {
		to = append(to, m[1])
	}
	return to
}

// anchor is what a heading is called in a link.
func anchor(heading string) string {
	heading = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading, "$1")
	heading = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`).ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(strings.TrimSpace(heading), " ", "-")
}

// TestEveryLinkLeadsSomewhere: the file is there, and so is the heading.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	followed := 0
	for _, name := range book(t) {
		for _, to := range linksOf(page(t, name)) {
			if strings.Contains(to, "://") {
				continue
			}
			followed++
			file, heading, anchored := strings.Cut(to, "#")
			there := name
			if file != "" {
				there = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join("..", "..", there)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", name, to)
				continue
			}
			if !anchored {
				continue
			}
			_, prose := parts(there, page(t, there))
			var headings []string
			for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(prose, -1) {
				headings = append(headings, anchor(m[1]))
			}
			if !slices.Contains(headings, heading) {
				t.Errorf("%s: %s has no heading for the link %s", name, there, to)
			}
		}
	}
	if followed < 100 {
		t.Errorf("only %d links are found", followed)
	}
}

// TestEveryPathInTheBookIsThere: of this tree's files and of those that are installed.
func TestEveryPathInTheBookIsThere(t *testing.T) {
	ours := regexp.MustCompile(`^(?:etc/|docs/|init/|packaging/|aliasdefender/)[^:#, ]*|^/usr/local/share/doc/aliasdefender/examples/\S+`)
	looked := 0
	for _, name := range book(t) {
		fenced, prose := parts(name, page(t, name))
		words := spans(prose)
		for _, b := range fenced {
			words = append(words, strings.Fields(strings.Join(b.lines, " "))...)
		}
		for _, word := range words {
			file := strings.Replace(ours.FindString(word), "/usr/local/share/doc/aliasdefender/examples/", "etc/examples/", 1)
			if file == "" {
				continue
			}
			looked++
			if file == "etc/examples/hooks.conf" { // a sample that make install puts there
				file = "init/aliasdefender.service.d/hooks.conf"
			}
			if _, err := os.Stat(filepath.Join("..", "..", file)); err != nil {
				t.Errorf("%s: %s is not there", name, word)
			}
		}
	}
	if looked < 15 {
		t.Errorf("only %d paths are found", looked)
	}
}

// TestEveryPageThatIsNamedIsThere: remarks of Convert, comments of the samples and the
// changelog name pages without a link.
func TestEveryPageThatIsNamedIsThere(t *testing.T) {
	files := []string{"CHANGELOG.md", "Makefile"}
	for _, pattern := range []string{"aliasdefender/*/*.go", "etc/*", "etc/examples/*/*", "init/*"} {
		files = append(files, matches(t, pattern)...)
	}
	named := 0
	for _, file := range files {
		if is, err := os.Stat(filepath.Join("..", "..", file)); err != nil || is.IsDir() {
			continue
		}
		for _, name := range regexp.MustCompile(`docs/[\w/-]+\.md`).FindAllString(page(t, file), -1) {
			named++
			if _, err := os.Stat(filepath.Join("..", "..", name)); err != nil {
				t.Errorf("%s names %s, which is not there", file, name)
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d pages are named", named)
	}
}

// TestTheIndexHasEveryPage: whoever starts at the README comes to each page of docs, and to
// the files of each example. An entry says in a sentence what its page is for.
func TestTheIndexHasEveryPage(t *testing.T) {
	start, _, _ := strings.Cut(page(t, "README.md"), "\n## ")
	if !slices.Contains(linksOf(start), index) {
		t.Errorf("the README's first part does not lead to %s", index)
	}
	text := page(t, index)
	var listed []string
	for _, to := range linksOf(text) {
		file, _, _ := strings.Cut(to, "#")
		listed = append(listed, path.Join(path.Dir(index), file))
	}
	want := matches(t, "docs/*.md")
	for _, readme := range matches(t, "etc/examples/*/README.md") {
		want = append(want, path.Dir(readme))
	}
	for _, name := range want {
		if name != index && !slices.Contains(listed, name) {
			t.Errorf("%s does not lead to %s", index, name)
		}
	}
	for _, row := range regexp.MustCompile(`(?m)^\| \[.*$`).FindAllString(text, -1) {
		if cells := strings.Split(row, "|"); len(cells) < 4 || len(strings.Fields(cells[2])) < 4 {
			t.Errorf("%s does not say what the page is for: %s", index, row)
		}
	}
}

// TestTheReadmesCostsAreTheBenchmarks: make bench writes the page anew, and its first figure
// in each of these rows is that of a holder.
func TestTheReadmesCostsAreTheBenchmarks(t *testing.T) {
	_, costs, _ := strings.Cut(page(t, "docs/benchmarks.md"), "\n## What it costs\n")
	costs, _, _ = strings.Cut(costs, "\n## ")
	start, _, _ := strings.Cut(page(t, "README.md"), "\n## ")
	start = strings.Join(strings.Fields(start), " ")
	figures := func(rhythm string) (all []string) {
		for _, m := range regexp.MustCompile(`(?m)^\| 1 alias, `+rhythm+` \| [^|]+ \| ([\d.,]+) `).FindAllStringSubmatch(costs, -1) {
			all = append(all, m[1])
		}
		if len(all) != 2 {
			t.Fatalf("%s: %q", rhythm, all)
		}
		return all
	}
	slow, fast := figures(`the default \(20 s\)`), figures("1 s")
	for _, says := range []string{
		slow[1] + " MB of memory and " + slow[0] + " ms of processor time a minute",
		"every second, " + fast[1] + " MB and " + fast[0] + " ms",
	} {
		if !strings.Contains(start, says) {
			t.Errorf("the README's first part does not say %q", says)
		}
	}
}
