package config

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/files"
)

// keyed is a directory with a good table and settings that name a key.
func keyed(t *testing.T, settings string) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "a", exampleRow)
	write(t, "s", settings)
}

func TestAKeyIsReadAsItWasMade(t *testing.T) {
	k := NewKey()
	if k == NewKey() || k == (Key{}) {
		t.Fatal("it is not random")
	}
	dir := t.TempDir()
	newer, older := dir+"/new.key", dir+"/old.key"
	if err := os.WriteFile(newer, k.File(), 0o600); err != nil {
		t.Fatal(err)
	}
	by := Key{1}
	byHand := "\xef\xbb\xbf# by hand\r\n\r\n  " + base64.StdEncoding.EncodeToString(by[:]) + "  \r\n# end"
	if err := os.WriteFile(older, []byte(byHand), 0o400); err != nil {
		t.Fatal(err)
	}
	keyed(t, fmt.Sprintf("[peer]\nkey_file = [%q, %q]", newer, older))
	cfg, err := LoadWithKeys("a", "s", true)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Key{k, by}, cfg.Settings.Peer.Keys); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if cfg, err = Load("a", "s", true); err != nil || cfg.Settings.Peer.Keys != nil || len(cfg.Settings.Peer.KeyFiles) != 2 {
		t.Errorf("without its keys: %+v, %v", cfg, err)
	}
}

func TestAKeyIsNotShown(t *testing.T) {
	k := NewKey()
	for _, verb := range []string{"%v", "%+v", "%s", "%x", "%d", "%q"} {
		if got := fmt.Sprintf(verb, []Key{k}); got != "[(a key)]" {
			t.Errorf("%s: %s", verb, got)
		}
	}
	if got := fmt.Sprintf("%#v", k); got != "(a key)" {
		t.Errorf("%%#v: %s", got)
	}
}

func TestMistakesOfAKeyFileSayWhatToDo(t *testing.T) {
	good := string(Key{1}.File())
	of := func(n int) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n))) }
	anew := "; move it away, make a new one with 'aliasdefender GenKey PATH', and copy that to the partner"
	for name, tt := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"open to the group": {good, 0o640, "has mode 0640, but only its owner may read it: 'chmod 600 PATH' or, if others have seen the key, move it away, make a new one with 'aliasdefender GenKey PATH', and copy that to the partner"},
		"open to all":       {good, 0o644, "has mode 0644, but only its owner may read it: 'chmod 600 PATH' or, if others have seen the key, move it away, make a new one with 'aliasdefender GenKey PATH', and copy that to the partner"},
		"empty":             {"", 0o600, "has no key in it" + anew},
		"only comments":     {"# one\n\n#" + of(32), 0o600, "has no key in it" + anew},
		"too short":         {of(31), 0o600, "has a key of 31 bytes, but needs 32" + anew},
		"too long":          {of(33), 0o600, "has a key of 33 bytes, but needs 32" + anew},
		"no base64":         {"correct horse battery staple\n", 0o600, "has no key in base64" + anew},
		"two":               {good + good, 0o600, "has more than one line besides comments; each key needs its own file" + anew},
		"zeros":             {string(Key{}.File()), 0o600, "has a key of zeros, which anybody can guess" + anew},
		"some other file":   {strings.Repeat("x", maxKeyFile+1), 0o600, "is larger than 4096 bytes; is it the right file?"},
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir() + "/key"
			write(t, path, tt.text)
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			wantKeyMistake(t, path, tt.want)
		})
	}
	dir := t.TempDir()
	wantKeyMistake(t, dir+"/none", "does not exist; make it with 'aliasdefender GenKey PATH' and copy it to the partner, or copy the partner's")
	wantKeyMistake(t, dir, "is a directory; name the file in it")
	wantKeyMistake(t, "/dev/null", "is not a regular file"+anew)
	wantKeyMistake(t, "/dev/null/key", "cannot be opened: not a directory")
}

// Whoever owns a key file can read it and put another key in its place, whatever its
// mode says: a key of theirs would let them speak for the partner.
func TestAKeyFileOfSomebodyElseIsRefused(t *testing.T) {
	const want = "belongs to user 1234, who can read and change it, but must belong to root or to the user that runs this: " +
		"'chown root PATH' or, if that user must not know the key, move it away, make a new one with 'aliasdefender GenKey PATH', and copy that to the partner"
	got := strangeSecret(&files.Error{Problem: files.Foreign, Owner: 1234}, "PATH", "the key",
		"move it away, make a new one with 'aliasdefender GenKey PATH', and copy that to the partner")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	path := t.TempDir() + "/key"
	write(t, path, string(Key{1}.File()))
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 1234, -1); err != nil {
		return // only root can give a file away
	}
	wantKeyMistake(t, path, want)
}

func wantKeyMistake(t *testing.T, path, want string) {
	t.Helper()
	keyed(t, fmt.Sprintf("# first\n[peer]\nkey_file = %q\n", path))
	_, err := LoadWithKeys("a", "s", true)
	if err == nil {
		t.Fatalf("%s: accepted", path)
	}
	want = "s:3: peer.key_file: PATH " + want
	if d := cmp.Diff(want, strings.ReplaceAll(err.Error(), path, "PATH")); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestMistakesOfAKeyAreAmongTheOthers(t *testing.T) {
	keyed(t, "misses = 0\n[peer]\nkey_file = [\"/none/a\", \"/none/b\"]\nport = 0")
	_, err := LoadWithKeys("a", "s", true)
	var at []int
	for _, m := range err.(Mistakes) {
		at = append(at, m.Line)
	}
	if d := cmp.Diff([]int{1, 3, 3, 4}, at); d != "" {
		t.Errorf("%v\n-want +got lines:\n%s", err, d)
	}
}

// FuzzKey: what is read as a key is written as the same.
func FuzzKey(f *testing.F) {
	f.Add(Key{1}.File())
	f.Add([]byte("# nothing\n\n"))
	f.Add([]byte("AAAA\nBBBB"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, problem := ParseKey(text)
		if problem != "" {
			return
		}
		if again, problem := ParseKey(k.File()); again != k || problem != "" {
			t.Errorf("read, written and read again: %s", problem)
		}
	})
}
