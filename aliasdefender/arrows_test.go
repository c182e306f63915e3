package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// arrows says for each package of the house which others of ours it may import: no
// more than these. The packages below e2e are tests of whole programs, and may
// import everything.
var arrows = map[string]string{
	"":          "cli",
	"cli":       "config control convert daemon defender files host inspect lab logs look probe record rehearse rules",
	"daemon":    "check config control defender drill hook host logs metrics page peer probe record recovery route rules sdnotify store",
	"route":     "agenda check config control detect hearing host probe record rules",
	"defender":  "agenda config control count detect hearing host peer probe record rules",
	"detect":    "agenda count host probe rules",
	"record":    "files rules",
	"rehearse":  "config host lab timeline",
	"agenda":    "",
	"check":     "config logs program",
	"config":    "files",
	"convert":   "config files",
	"control":   "count",
	"count":     "",
	"drill":     "control peer probe record rules",
	"hook":      "config defender host program record rules",
	"program":   "",
	"recovery":  "check config defender host program record rules store",
	"host":      "hearing",
	"inspect":   "config control host",
	"lab":       "",
	"look":      "config control files host inspect probe",
	"lab/bench": "lab timeline",
	"lab/pair":  "lab",
	"logs":      "host",
	"metrics":   "control count record rules",
	"page":      "control record rules timeline",
	"peer":      "",
	"probe":     "hearing",
	"hearing":   "",
	"rules":     "",
	"sdnotify":  "",
	"store":     "files",
	"timeline":  "record rules",
	"files":     "",

	"host/hosttest":         "host",
	"host/nstest":           "",
	"host/solaristest":      "host",
	"sdnotify/sdnotifytest": "",

	"host/solaristest/programs": "host/solaristest",
}

const house = "alias-defender/aliasdefender"

// TestImportsAreTheArrowsOfTheHouse holds the imports of every system's files to the
// table. It asks the tool, which knows what is compiled.
func TestImportsAreTheArrowsOfTheHouse(t *testing.T) {
	for _, system := range []string{"linux", "solaris"} {
		cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
		cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, errs.String())
		}
		found := 0
		for all := json.NewDecoder(strings.NewReader(string(out))); ; found++ {
			var p struct {
				ImportPath string
				Imports    []string
			}
			if err := all.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			for _, wrong := range strangeArrows(p.ImportPath, p.Imports) {
				t.Errorf("on %s: %s", system, wrong)
			}
		}
		if found < 10 {
			t.Errorf("on %s only %d packages are found", system, found)
		}
	}
}

// strangeArrows are the imports of a package that the table does not have.
func strangeArrows(path string, imports []string) (wrong []string) {
	name := strings.TrimPrefix(strings.TrimPrefix(path, house), "/")
	if strings.HasPrefix(name, "e2e/") {
		return nil
	}
	allowed, known := arrows[name]
	if !known {
		return []string{fmt.Sprintf("%s is not in the table: say there what it may import", path)}
	}
	for _, i := range imports {
		other, ours := strings.CutPrefix(i, house+"/")
		if ours && !slices.Contains(strings.Fields(allowed), other) {
			wrong = append(wrong, fmt.Sprintf("%s imports %s, which the house does not have", path, i))
		}
	}
	return wrong
}

func TestStrangeArrowsAreSeen(t *testing.T) {
	if wrong := strangeArrows(house+"/rules", []string{"fmt", house + "/host"}); len(wrong) != 1 {
		t.Errorf("rules with host: %q", wrong)
	}
	if wrong := strangeArrows(house+"/attic", nil); len(wrong) != 1 {
		t.Errorf("a package that nobody has told of: %q", wrong)
	}
	if wrong := strangeArrows(house+"/store", []string{"os"}); len(wrong) != 0 {
		t.Errorf("a package of the table: %q", wrong)
	}
}

// What a file and a struct may have. A struct with more has a reason, in a comment
// with the word "fields:" that stands directly above it.
const (
	mostLines  = 400
	mostFields = 20
	reason     = "fields:"
)

// TestNothingIsTooLarge looks at each file of the repository but tests.
func TestNothingIsTooLarge(t *testing.T) {
	files := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		wrong, err := tooLarge(path, text)
		for _, w := range wrong {
			t.Error(w)
		}
		return err
	})
	if err != nil || files < 100 {
		t.Errorf("%d files seen, %v", files, err)
	}
}

// tooLarge says what of a file is too large.
func tooLarge(path string, text []byte) (wrong []string, err error) {
	if n := strings.Count(string(text), "\n"); n > mostLines {
		wrong = append(wrong, fmt.Sprintf("%s has %d lines, more than %d", path, n, mostLines))
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		decl, ok := n.(*ast.GenDecl)
		if !ok {
			return true
		}
		for _, spec := range decl.Specs {
			s, ok := spec.(*ast.TypeSpec)
			if !ok || strings.Contains(decl.Doc.Text()+s.Doc.Text(), reason) {
				continue
			}
			if fields := fieldsOf(s.Type); fields > mostFields {
				wrong = append(wrong, fmt.Sprintf("%s: struct %s has %d fields, more than %d, and no comment above it gives the reason (%q)",
					files.Position(s.Pos()), s.Name.Name, fields, mostFields, reason))
			}
		}
		return true
	})
	return wrong, nil
}

// fieldsOf counts the fields of a struct; an embedded one is one.
func fieldsOf(e ast.Expr) (n int) {
	s, ok := e.(*ast.StructType)
	if !ok {
		return 0
	}
	for _, f := range s.Fields.List {
		n += max(1, len(f.Names))
	}
	return n
}

func TestWhatIsTooLargeIsSeen(t *testing.T) {
	fields := "a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t int\n"
	for _, c := range []struct {
		name, text string
		want       int
	}{
		{"as much as may be", "package p\ntype x struct { " + fields + "}\n", 0},
		{"a field more", "package p\ntype x struct { " + fields + "u int\n}\n", 1},
		{"an embedded one more", "package p\ntype (\n\tx struct { " + fields + "error\n}\n)\n", 1},
		{"with its reason", "package p\n\n// x is large.\n//\n// fields: each is an answer of the kernel.\ntype x struct { " + fields + "u int\n}\n", 0},
		{"inside a function", "package p\nfunc f() {\n\ttype x struct { " + fields + "u int\n}\n}\n", 1},
		{"a long file", "package p\n" + strings.Repeat("\n", mostLines), 1},
		{"a file of the most lines", "package p\n" + strings.Repeat("\n", mostLines-1), 0},
	} {
		if wrong, err := tooLarge("x.go", []byte(c.text)); err != nil || len(wrong) != c.want {
			t.Errorf("%s: %q, %v", c.name, wrong, err)
		}
	}
}
