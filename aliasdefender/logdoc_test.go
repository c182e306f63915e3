package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// logging are the packages that log while a Monitor runs.
var logging = []string{"daemon", "defender", "route"}

// TestThePageHasTheLogsNames: docs/log.md lists each name that a line of the log can
// have, and no other.
func TestThePageHasTheLogsNames(t *testing.T) {
	page, err := os.ReadFile("../docs/log.md")
	if err != nil {
		t.Fatal(err)
	}
	names := kinds(t)
	for _, pkg := range logging {
		files, err := filepath.Glob(filepath.Join(pkg, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pkg, files, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			named, wrong := logNames(t, file, text)
			names = append(names, named...)
			for _, w := range wrong {
				t.Error(w)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var paged []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(string(page), -1) {
		if m[1] != "event" {
			paged = append(paged, m[1])
		}
	}
	slices.Sort(paged)
	if diff := cmp.Diff(names, paged); diff != "" {
		t.Errorf("names, program (-) and page (+):\n%s", diff)
	}
}

// kinds are those of events, but for the one that stands on disk only.
func kinds(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile("record/event.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`Kind += "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
		if m[1] != "lost" {
			all = append(all, m[1])
		}
	}
	if len(all) < 10 {
		t.Fatalf("kinds of events: %q", all)
	}
	return all
}

// logNames finds the names that a file gives to lines of the log, and the lines
// without one: x.event("name"), x.log(loop, "name") and WithField("event", "name").
// A name that is no literal is a Kind, or the parameter of one of the first two.
func logNames(t *testing.T, file string, text []byte) (names, wrong []string) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	says := []string{"Debug", "Info", "Warn", "Error", "Debugf", "Infof", "Warnf", "Errorf", "WithError"}
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		var name ast.Expr
		switch args := call.Args; {
		case f.Sel.Name == "event" && len(args) == 1:
			name = args[0]
		case f.Sel.Name == "log" && len(args) == 2:
			name = args[1]
		case f.Sel.Name == "WithField" && literal(args[0]) == "event":
			name = args[1]
		case slices.Contains(says, f.Sel.Name) && isLog(f.X):
			wrong = append(wrong, set.Position(call.Pos()).String()+": a line of the log without a name")
		}
		if text := literal(name); text != "" {
			names = append(names, text)
		} else if name != nil && !isKind(name) {
			wrong = append(wrong, set.Position(call.Pos()).String()+": the name of the line is neither a literal nor a record.Kind")
		}
		return true
	})
	return names, wrong
}

// literal is the text of a literal; empty if it is none.
func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		text, _ := strconv.Unquote(l.Value)
		return text
	}
	return ""
}

// isKind tells whether a name is string(record.X), or the parameter "name".
func isKind(e ast.Expr) bool {
	if call, ok := e.(*ast.CallExpr); ok && len(call.Args) == 1 {
		e = call.Args[0]
	}
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "name"
	case *ast.SelectorExpr:
		of, ok := e.X.(*ast.Ident)
		return ok && of.Name == "record"
	}
	return false
}

// isLog tells whether lines are said by this without a name: log, or x.log.
func isLog(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "log"
	case *ast.SelectorExpr:
		return e.Sel.Name == "log"
	}
	return false
}

func TestNamesOfTheLogAreFound(t *testing.T) {
	for _, c := range []struct {
		name, body  string
		want, wrong int
	}{
		{"the loop's", `l.event("a").Warn("x")`, 1, 0},
		{"an alias's", `a.log(l, "a").WithError(err).Warn("x")`, 1, 0},
		{"a field", `log.WithField("event", "a").Error(err)`, 1, 0},
		{"a kind", `t.log(l, string(record.PairMisfit)).Error("x")`, 0, 0},
		{"one that is handed on", `l.event(name).WithField("partner", p)`, 0, 0},
		{"made up", `l.event("a" + b).Warn("x")`, 0, 1},
		{"none", `m.log.WithError(err).Warn("x")`, 0, 1},
		{"none, of a log", `log.Info("x")`, 0, 1},
	} {
		names, wrong := logNames(t, "x.go", []byte("package p\nfunc f() { "+c.body+" }"))
		if len(names) != c.want || len(wrong) != c.wrong {
			t.Errorf("%s: %q, %q", c.name, names, wrong)
		}
	}
}
