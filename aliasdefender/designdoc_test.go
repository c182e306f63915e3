package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const designFile = "../docs/design.md"

// below is what the design has below a heading, up to the next one.
func below(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile(designFile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", designFile, heading)
	}
	body, _, _ := strings.Cut(rest, "\n#")
	return body
}

// arrowRow is a line of the design's table of packages.
var arrowRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|[^|]+\\| ?([^|]*)\\|$")

// TestTheDesignHasTheArrows: its table of packages is the one that the imports are
// held to.
func TestTheDesignHasTheArrows(t *testing.T) {
	inDesign := map[string]string{}
	for _, m := range arrowRow.FindAllStringSubmatch(below(t, "### Packages, and who imports whom"), -1) {
		name := m[1]
		if name == "aliasdefender" {
			name = ""
		}
		if _, twice := inDesign[name]; twice {
			t.Errorf("%s is listed twice", m[1])
		}
		inDesign[name] = strings.TrimSpace(m[2])
	}
	if diff := cmp.Diff(arrows, inDesign); diff != "" {
		t.Errorf("arrows_test.go (-) and %s (+):\n%s", designFile, diff)
	}
}

// stop is a file of the house and a function in it, as the design writes them.
var stop = regexp.MustCompile("`([a-z0-9_/]+\\.go):\\s([A-Za-z0-9_.]+)`")

// TestTheWalkLeadsThroughTheHouse: each stop of the walk from a ping's answer to
// Status is there, and none comes twice.
func TestTheWalkLeadsThroughTheHouse(t *testing.T) {
	stops := stop.FindAllStringSubmatch(below(t, "### From a ping's answer to Status"), -1)
	been := map[string]bool{}
	for _, m := range stops {
		if been[m[0]] {
			t.Errorf("%s comes twice", m[0])
		}
		been[m[0]] = true
		if !slices.Contains(functions(t, m[1]), m[2]) {
			t.Errorf("%s is not there", m[0])
		}
	}
	if len(stops) < 30 {
		t.Errorf("only %d stops are found", len(stops))
	}
}

// functions are the names of those in a file, with their receiver's type.
func functions(t *testing.T, file string) (names []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Error(err)
		return nil
	}
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := f.Name.Name
		if f.Recv != nil {
			of := f.Recv.List[0].Type
			if pointer, is := of.(*ast.StarExpr); is {
				of = pointer.X
			}
			name = of.(*ast.Ident).Name + "." + name
		}
		names = append(names, name)
	}
	return names
}

// goFile is a file of the house that the design names.
var goFile = regexp.MustCompile("`([a-z0-9_/]+\\.go)`")

// TestTheDesignNamesFilesThatAreThere: no file has moved since it was named. Section
// 2 is about rules, and names its files without a folder.
func TestTheDesignNamesFilesThatAreThere(t *testing.T) {
	text, err := os.ReadFile(designFile)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range goFile.FindAllStringSubmatch(string(text), -1) {
		file := m[1]
		if !strings.Contains(file, "/") {
			file = "aliasdefender/rules/" + file
		}
		named[strings.TrimPrefix(file, "aliasdefender/")] = true
	}
	for _, file := range slices.Sorted(maps.Keys(named)) {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s names it: %v", designFile, err)
		}
	}
	if len(named) < 15 {
		t.Errorf("only %d files are named", len(named))
	}
}

// TestTheTestsOfTheFaultsAreThere: docs/faults.md names a test for each promise.
func TestTheTestsOfTheFaultsAreThere(t *testing.T) {
	text, err := os.ReadFile("../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) == 0 {
		t.Fatal("docs/faults.md names no test")
	}
	there := map[string]bool{}
	err = fs.WalkDir(os.DirFS("."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(source), -1) {
			there[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range named {
		if !there[m[1]] {
			t.Errorf("docs/faults.md: there is no %s", m[1])
		}
	}
}
