package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestPackagesWithoutTheRaceDetectorAreAlone: a package that make test leaves out of it starts
// no goroutine, and does without what goroutines share.
func TestPackagesWithoutTheRaceDetectorAreAlone(t *testing.T) {
	for _, dir := range strings.Fields(variable(t, "ALONE")) {
		files, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: %d files, %v", dir, len(files), err)
		}
		for _, name := range files {
			if !strings.HasSuffix(name, "_test.go") {
				alone(t, name)
			}
		}
	}
}

// TestWhatMakeTestSetsApartIsThere: a test that was renamed would be played by no target any
// more, or by the wrong one, and nobody would see it.
func TestWhatMakeTestSetsApartIsThere(t *testing.T) {
	for _, set := range []struct{ in, apart string }{
		{"rules", variable(t, "LONG")},
		{"defender", variable(t, "STORY")},
		{"defender", "ThreeEvents"}, // the other line of make search
	} {
		files, err := filepath.Glob(filepath.Join(set.in, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		var tests []byte
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tests = append(tests, text...)
		}
		for word := range strings.SplitSeq(set.apart, "|") {
			if !regexp.MustCompile(`(?m)^func Test\w*` + word).Match(tests) {
				t.Errorf("%s has no test with %q in its name", set.in, word)
			}
		}
	}
}

// variable is the value of a variable of the Makefile.
func variable(t *testing.T, name string) string {
	t.Helper()
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^` + name + ` *= *(.+)$`).FindSubmatch(makefile)
	if row == nil {
		t.Fatalf("the Makefile has no %s", name)
	}
	return string(row[1])
}

func alone(t *testing.T, name string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range file.Imports {
		if path, err := strconv.Unquote(i.Path.Value); err != nil || path == "sync" || path == "sync/atomic" {
			t.Errorf("%s imports %s", name, i.Path.Value)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.GoStmt, *ast.ChanType:
			t.Errorf("%s: a goroutine, or a channel", name)
		}
		return true
	})
}
