package rules

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// source parses the files that are not tests, by name.
func source(t *testing.T, mode parser.Mode) map[string]*ast.File {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	files, set := map[string]*ast.File{}, token.NewFileSet()
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if files[name], err = parser.ParseFile(set, name, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestPackageImportsTimeAndFmtOnly(t *testing.T) {
	files := source(t, parser.ImportsOnly)
	if len(files) < 5 {
		t.Fatalf("%d files found", len(files))
	}
	for name, f := range files {
		for _, i := range f.Imports {
			if path, err := strconv.Unquote(i.Path.Value); err != nil || path != "time" && path != "fmt" {
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
		}
	}
}

func TestPackageAsksNoClock(t *testing.T) {
	for name, f := range source(t, 0) {
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && clock[s.Sel.Name] {
					t.Errorf("%s uses time.%s: time comes in with the facts", name, s.Sel.Name)
				}
			}
			return true
		})
	}
}

var clock = map[string]bool{
	"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "AfterFunc": true,
	"Tick": true, "NewTicker": true, "NewTimer": true,
}

// TestPackageCommentShowsTheTable compares the comment with Rows(). With -update it
// writes the lines that it expects.
func TestPackageCommentShowsTheTable(t *testing.T) {
	if *update {
		writeTable(t, "Not holding", false)
		writeTable(t, "Holding", true)
	}
	for _, half := range []struct {
		heading string
		holding bool
	}{
		{"Not holding", false},
		{"Holding", true},
	} {
		t.Run(half.heading, func(t *testing.T) {
			if diff := cmp.Diff(table(half.holding), shown(t, half.heading)); diff != "" {
				t.Errorf("(-wanted +in the comment):\n%s", diff)
			}
		})
	}
}

// table spells one half of the rows.
func table(holding bool) []string {
	var lines []string
	for _, r := range Rows() {
		if r.Holding == holding {
			lines = append(lines, fmt.Sprintf("%-4s%s\n      -> %s: %s", r.ID, r.When, r.Action, r.Reason))
		}
	}
	return strings.Split(strings.Join(lines, "\n"), "\n")
}

// writeTable puts one half of the rows below its heading of the package comment.
func writeTable(t *testing.T, heading string, holding bool) {
	t.Helper()
	b, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	above, below, ok := strings.Cut(string(b), "\n// # "+heading+"\n//\n")
	if !ok {
		t.Fatalf("no heading %q in the package comment", heading)
	}
	for strings.HasPrefix(below, "//\t") {
		_, below, _ = strings.Cut(below, "\n")
	}
	lines := "//\t" + strings.Join(table(holding), "\n//\t") + "\n"
	if err := os.WriteFile("doc.go", []byte(above+"\n// # "+heading+"\n//\n"+lines+below), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shown is the preformatted block below that heading of the package comment.
func shown(t *testing.T, heading string) []string {
	t.Helper()
	comment := source(t, parser.ParseComments)["doc.go"].Doc.Text()
	_, below, ok := strings.Cut(comment, "\n# "+heading+"\n")
	if !ok {
		t.Fatalf("no heading %q in the package comment", heading)
	}
	var lines []string
	for line := range strings.SplitSeq(strings.TrimLeft(below, "\n"), "\n") {
		text, inside := strings.CutPrefix(line, "\t")
		if !inside {
			break
		}
		lines = append(lines, text)
	}
	return lines
}
