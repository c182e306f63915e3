package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the .want files with what is said now")

// TestEveryMistakeIsSaidExactly loads each case of testdata/bad: NAME.alias or
// NAME.toml or both, and NAME.want with the whole error. Where a case has no
// table of its own it is joined with testdata/good.alias.
func TestEveryMistakeIsSaidExactly(t *testing.T) {
	t.Chdir(filepath.Join("testdata", "bad"))
	for _, name := range cases(t) {
		t.Run(name, func(t *testing.T) {
			aliases := name + ".alias"
			if !exists(aliases) {
				aliases = filepath.Join("..", "good.alias")
			}
			cfg, err := Load(aliases, name+".toml", false)
			if err == nil {
				t.Fatalf("accepted: %+v", cfg)
			}
			if cfg != nil {
				t.Error("a Config was returned beside the error")
			}
			if *update {
				if err := os.WriteFile(name+".want", []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, werr := os.ReadFile(name + ".want")
			if werr != nil {
				t.Fatal(werr)
			}
			if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// cases lists the names in testdata/bad, and fails on a golden file that no
// input is left for.
func cases(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names, wanted []string
	for _, e := range entries {
		name, ext, _ := strings.Cut(e.Name(), ".")
		if ext == "want" {
			wanted = append(wanted, name)
		} else if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if diff := cmp.Diff(names, wanted); diff != "" && !*update {
		t.Errorf("inputs and .want files differ: -inputs +wants\n%s", diff)
	}
	return names
}

func TestFilesThatCannotBeReadAreSaidToBe(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "good.alias", exampleRow)
	write(t, "big", strings.Repeat("# much\n", maxFile/7+1))
	if err := os.Mkdir("dir", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", "loop"); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		aliases, settings string
		required          bool
		want              string
	}{
		"both missing": {"no.alias", "no.toml", true, "no.alias: does not exist; create it, with a row for each alias: " + fieldNames +
			"\nno.toml: does not exist; every setting has a default, so an empty file will do"},
		"only the aliases missing": {"no.alias", "no.toml", false, "no.alias: does not exist; create it, with a row for each alias: " + fieldNames},
		"settings a directory":     {"good.alias", "dir", false, "dir: cannot be read: is a directory"},
		"aliases a directory":      {"dir", "no.toml", false, "dir: cannot be read: is a directory"},
		"a loop of links":          {"good.alias", "loop", false, "loop: cannot be opened: too many levels of symbolic links"},
		"too large":                {"big", "no.toml", false, "big: is larger than 1048576 bytes; is it the right file?"},
		"without an end":           {"good.alias", "/dev/zero", false, "/dev/zero: is larger than 1048576 bytes; is it the right file?"},
		"in a file":                {"good.alias/x", "no.toml", false, "good.alias/x: cannot be opened: not a directory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(tt.aliases, tt.settings, tt.required)
			if err == nil {
				t.Fatal("accepted")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A root user is never refused, so the system's answer is put in by hand.
func TestAReadErrorIsSaidInTheSystemsWords(t *testing.T) {
	_, err := ParseAliases(failing{errors.New("input/output error")}, "hostname.alias")
	if want := "hostname.alias: cannot be read: input/output error"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	in := unopened("hostname.alias", "", &os.PathError{Op: "open", Path: "hostname.alias", Err: os.ErrPermission})
	want := Mistakes{{File: "hostname.alias", Text: "permission denied; " + toRead(os.Geteuid(), "hostname.alias")}}
	if diff := cmp.Diff(want, in.mistakes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRootThatMayNotReadIsNotToldToBeRoot(t *testing.T) {
	if said := toRead(0, "/etc/a.key"); strings.Contains(said, "run as root") || !strings.Contains(said, "'chown root /etc/a.key'") {
		t.Errorf("root is told: %s", said)
	}
	if said := toRead(1000, "/etc/a.key"); said != "run as root, or as a user that may read it" {
		t.Errorf("another user is told: %s", said)
	}
}

func TestMistakesAreSortedByFileAndLineAndFoundByType(t *testing.T) {
	ms := Mistakes{
		{File: "b", Line: 1, Text: "4"},
		{File: "a", Line: 10, Field: "y", Text: "2"},
		{File: "a", Line: 10, Field: "x", Text: "3"},
		{File: "a", Line: 2, Text: "1"},
	}
	var got Mistakes
	if !errors.As(ms.err(), &got) {
		t.Fatal("errors.As finds no Mistakes")
	}
	if want := "a:2: 1\na:10: y: 2\na:10: x: 3\nb:1: 4"; got.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := (Mistakes{}).err(); err != nil {
		t.Errorf("no mistakes are the error %v", err)
	}
}

func TestWhatWasWrittenIsShownSoThatItCannotMislead(t *testing.T) {
	for in, want := range map[string]string{
		"":                       `""`,
		"eth0":                   "eth0",
		"Zürich":                 "Zürich",
		"a b":                    `"a b"`,
		"\x1b[2J":                `"\x1b[2J"`,
		"\xfc":                   `"\xfc"`,
		strings.Repeat("x", 61):  strings.Repeat("x", 60) + "…",
		strings.Repeat("ü", 100): strings.Repeat("ü", 30) + "…",
	} {
		if got := show(in); got != want {
			t.Errorf("show(%q) = %s, want %s", in, got, want)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
