package store

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

const someID = "00112233445566778899aabbccddeeff"

func TestAHostKeepsItsNumber(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by us")
	first, err := HostID(dir)
	if err != nil || first == (ID{}) {
		t.Fatalf("%v, %v", first, err)
	}
	if again, err := HostID(dir); err != nil || again != first {
		t.Errorf("%v after %v, %v", again, first, err)
	}
	other, err := HostID(t.TempDir())
	if err != nil || other == first {
		t.Errorf("another host has %v after %v, %v", other, first, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, HostIDName))
	if err != nil || string(text) != hostIDHead+first.String()+"\n" {
		t.Errorf("%v:\n%s", err, text)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
		t.Errorf("%v, %v: more is left than the file", all, err)
	}
}

func TestProcessesThatStartAtOnceAgreeOnTheNumber(t *testing.T) {
	dir := t.TempDir()
	var all [16]ID
	var done sync.WaitGroup
	for i := range all {
		done.Go(func() {
			var err error
			if all[i], err = HostID(dir); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	for _, id := range all {
		if id != all[0] {
			t.Fatalf("%v", all)
		}
	}
}

func TestTheNumberIsReadAsItIsWritten(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, HostIDName)
	for text, want := range map[string]string{
		someID: someID, "# ours\n\n  " + strings.ToUpper(someID) + " # the first\n": someID,
		"": "", "# nothing\n": "", someID[1:]: "", someID + "0": "", someID + "\n" + someID: "", "g" + someID[1:]: "",
		strings.Repeat("0", 32):                              "",
		"#" + strings.Repeat("x", maxHostID) + "\n" + someID: "",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		id, err := HostID(dir)
		switch {
		case want != "" && (err != nil || id.String() != want):
			t.Errorf("%q is read as %v, %v", text, id, err)
		case want == "" && (err == nil || id == (ID{}) || !strings.Contains(err.Error(), name+": must have one line of 32 hexadecimal digits")):
			t.Errorf("%q is read as %v, %v", text, id, err)
		}
		if left, err := os.ReadFile(name); err != nil || string(left) != text {
			t.Errorf("%q became %q, %v", text, left, err)
		}
	}
}

// A disk that fails must not keep an alias from being served.
func TestWithoutItsFileAHostHasANumberForThisRun(t *testing.T) {
	for name, tt := range map[string]struct {
		stage func(dir string) error
		want  string
	}{
		"a file in the directory's place": {func(dir string) error { return os.WriteFile(dir, nil, 0o644) }, "not a directory"},
		"a directory in the file's place": {func(dir string) error { return os.MkdirAll(filepath.Join(dir, HostIDName), 0o755) }, "is not a file of ours; move it away"},
		"a FIFO in the file's place": {func(dir string) error {
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			return unix.Mkfifo(filepath.Join(dir, HostIDName), 0o644)
		}, "is not a file of ours; move it away"},
		"a directory that cannot be made": {func(dir string) error { return os.Symlink("/proc/self/none", dir) }, "cannot keep the host's number"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			if err := tt.stage(dir); err != nil {
				t.Fatal(err)
			}
			one, err := HostID(dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) ||
				!strings.Contains(err.Error(), "; until then this host has a new number at each start") {
				t.Errorf("%v", err)
			}
			if two, _ := HostID(dir); one == (ID{}) || one == two {
				t.Errorf("%v, then %v", one, two)
			}
		})
	}
}
