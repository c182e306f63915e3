package files

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSeveralFilesAreReplacedTogetherOrNotAtAll: the second cannot be, at either step.
func TestSeveralFilesAreReplacedTogetherOrNotAtAll(t *testing.T) {
	for name, spoil := range map[string]func(second string) error{
		"it cannot be written":        func(second string) error { return os.Mkdir(second, 0o700) },
		"there is no directory of it": func(second string) error { return os.Remove(filepath.Dir(second)) },
		"it can be replaced":          nil,
	} {
		for _, old := range []string{"", "old"} {
			dir := t.TempDir()
			first, second := filepath.Join(dir, "first"), filepath.Join(dir, "sub", "second")
			if err := os.Mkdir(filepath.Dir(second), 0o700); err != nil {
				t.Fatal(err)
			}
			if old != "" {
				if err := os.WriteFile(first, []byte(old), 0o640); err != nil {
					t.Fatal(err)
				}
			}
			if spoil != nil {
				if err := spoil(second); err != nil {
					t.Fatal(err)
				}
			}
			err := ReplaceTogether([]New{{first, []byte("1"), 0o644}, {second, []byte("2"), 0o644}})
			if (err == nil) != (spoil == nil) {
				t.Errorf("%s: %v", name, err)
			}
			want := old
			if spoil == nil {
				want = "1"
			}
			got, _ := os.ReadFile(first)
			if d := cmp.Diff(want, string(got)); d != "" {
				t.Errorf("%s: the first file, wanted (-) and there (+):\n%s", name, d)
			}
			if info, err := os.Stat(first); err == nil && old != "" && info.Mode().Perm() != 0o640 {
				t.Errorf("%s: its mode is %v", name, info.Mode())
			}
			for _, d := range []string{dir, filepath.Dir(second)} {
				left, _ := filepath.Glob(filepath.Join(d, "*.new"))
				if len(left) > 0 {
					t.Errorf("%s: left behind: %q", name, left)
				}
			}
		}
	}
}

// TestAModeThatKeepsOthersOutStays, and a wider one is not kept.
func TestAModeThatKeepsOthersOutStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, c := range []struct{ was, want os.FileMode }{{0o600, 0o600}, {0o666, 0o644}, {0o444, 0o444}} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.was); err != nil {
			t.Fatal(err)
		}
		if err := ReplaceTogether([]New{{path, []byte("x"), 0o644}}); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != c.want {
			t.Errorf("%v became %v, want %v (%v)", c.was, info.Mode(), c.want, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
