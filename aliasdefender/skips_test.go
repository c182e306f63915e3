package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// skippers are the functions that may skip a test. Each says what is missing, and fails
// the test where CI=true: a test that nobody runs proves nothing.
var skippers = []string{
	"lab/fortest_linux.go: Skip",
	"host/nstest/nstest_linux.go: New",
	"e2e/stage/wanted.go: Wanted",
	"e2e/stage/wanted.go: WantedFile",
}

// TestNothingIsSkippedInSilence: go test shows no skip of a package that passes, so a
// bare t.Skip is a test that is gone.
func TestNothingIsSkippedInSilence(t *testing.T) {
	var found []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			name := ""
			if f, ok := decl.(*ast.FuncDecl); ok {
				name = f.Name.Name
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && skips(s) {
					found = append(found, filepath.ToSlash(path)+": "+name)
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if !slices.Contains(skippers, f) {
			t.Errorf("%s skips a test by itself: lab.Skip or stage.Wanted says what is missing, and fails where CI=true", f)
		}
	}
	for _, s := range skippers {
		if !slices.Contains(found, s) {
			t.Errorf("%s skips nothing any more", s)
		}
	}
}

// skips tells whether it is a method of testing.T that skips; lab.Skip is a function.
func skips(s *ast.SelectorExpr) bool {
	x, ok := s.X.(*ast.Ident)
	return slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, s.Sel.Name) && !(ok && x.Name == "lab")
}
