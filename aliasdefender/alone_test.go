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
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^ALONE *= *(.+)$`).FindSubmatch(makefile)
	if row == nil {
		t.Fatal("the Makefile has no ALONE")
	}
	for _, dir := range strings.Fields(string(row[1])) {
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
