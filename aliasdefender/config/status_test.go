package config

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const exampleSecret = "correct-horse-battery-staple"

func TestAnAddressThatOnlyThisHostReachesNeedsNoToken(t *testing.T) {
	for _, at := range []string{"127.0.0.1:9720", "127.8.8.8:80", "[::1]:9720", "[::ffff:127.0.0.1]:9720"} {
		keyed(t, fmt.Sprintf("[status]\nlisten = %q\n", at))
		cfg, err := LoadWithKeys("a", "s", true)
		if err != nil {
			t.Errorf("%s: %v", at, err)
			continue
		}
		if got := cfg.Settings.Status; got.Listen != netip.MustParseAddrPort(at) || got.Token != "" {
			t.Errorf("%s: %+v", at, got)
		}
	}
}

func TestATokenIsReadFromItsFile(t *testing.T) {
	made := NewKey().File() // GenKey makes tokens too
	for text, want := range map[string]string{
		"# mine\n\n  " + exampleSecret + "  \r\n": exampleSecret,
		string(made): strings.Split(strings.TrimSpace(string(made)), "\n")[1],
	} {
		path := t.TempDir() + "/token"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		keyed(t, fmt.Sprintf("[status]\nlisten = \"0.0.0.0:9720\"\ntoken_file = %q\n", path))
		cfg, err := LoadWithKeys("a", "s", true)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(cfg.Settings.Status.Token); got != want {
			t.Errorf("read %q; want %q", got, want)
		}
		if cfg, err = Load("a", "s", true); err != nil || cfg.Settings.Status.Token != "" {
			t.Errorf("without secrets: %v, %v", cfg, err)
		}
	}
}

func TestATokenIsNotShown(t *testing.T) {
	s := Status{Token: exampleSecret}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, s); strings.Contains(got, "correct") || strings.Contains(got, fmt.Sprintf("%x", "correct")) {
			t.Errorf("%s: %s", verb, got)
		}
	}
}

func TestMistakesOfATokenFileSayWhatToDo(t *testing.T) {
	const anew = "; move it away and make a new one with 'aliasdefender GenKey PATH'"
	for name, tt := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"open to the group": {exampleSecret, 0o640, "has mode 0640, but only its owner may read it: 'chmod 600 PATH' or, if others have seen the token, " + strings.TrimPrefix(anew, "; ")},
		"empty":             {"# nothing\n", 0o600, "has no token in it" + anew},
		"two":               {exampleSecret + "\n" + exampleSecret, 0o600, "has more than one line besides comments; each token needs its own file" + anew},
		"short":             {"correct", 0o600, "has a token of 7 characters; it needs from 16 to 512" + anew},
		"with spaces":       {"correct horse battery staple", 0o600, "has a token with characters other than letters, digits and -._~+/=" + anew},
	} {
		path := t.TempDir() + "/token"
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		wantTokenMistake(t, name, path, tt.want)
	}
	wantTokenMistake(t, "none", "/none/token", "does not exist; make it with 'aliasdefender GenKey PATH'")
	wantTokenMistake(t, "a directory", t.TempDir(), "is a directory; name the file in it")
	path := t.TempDir() + "/token"
	write(t, path, exampleSecret)
	if os.Chmod(path, 0o600) == nil && os.Chown(path, 1234, -1) == nil { // only root can give a file away
		wantTokenMistake(t, "of somebody else", path, "belongs to user 1234, who can read and change it, but must belong to root or to the user that runs this: "+
			"'chown root PATH' or, if that user must not know the token, "+strings.TrimPrefix(anew, "; "))
	}
}

func wantTokenMistake(t *testing.T, name, path, want string) {
	t.Helper()
	keyed(t, fmt.Sprintf("[status]\nlisten = \"0.0.0.0:9720\"\ntoken_file = %q\n", path))
	_, err := LoadWithKeys("a", "s", true)
	if err == nil {
		t.Fatalf("%s: accepted", name)
	}
	if d := cmp.Diff("s:3: status.token_file: PATH "+want, strings.ReplaceAll(err.Error(), path, "PATH")); d != "" {
		t.Errorf("%s: -want +got:\n%s", name, d)
	}
}
