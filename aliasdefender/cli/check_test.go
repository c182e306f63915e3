package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/inspect"
)

// checked is an app with a good table and good settings, on a host that cannot be
// read.
func checked(t *testing.T, settings string) (args []string, o Options, out *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	table, set := filepath.Join(dir, "hostname.alias"), filepath.Join(dir, "aliasdefender.toml")
	for path, text := range map[string]string{table: "eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true\n", set: settings} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out = &bytes.Buffer{}
	o = Options{Version: "test", Stdin: strings.NewReader(""), Stdout: out, Stderr: out,
		Open: func() (daemon.System, error) { return daemon.System{}, errors.New("not here") }}
	return []string{"Check", "--aliases", table, "--settings", set}, o, out
}

const noGroup = "[control]\nreaders = \"no-such-group\"\n"

func TestCheckSaysWhatWhyAndMend(t *testing.T) {
	args, o, out := checked(t, noGroup)
	if code := Run(t.Context(), args, o); code != exitConfig {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		`aliasdefender.toml:2: mistake: control.readers: no group "no-such-group"`,
		"    why: only the Monitor's own user may ask", "    mend: groupadd --system no-such-group\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

// A finding about this host must not keep a script from a restart that would work.
func TestCheckOfTheFilesAloneLooksAtNothingElse(t *testing.T) {
	args, o, out := checked(t, noGroup)
	if code := Run(t.Context(), append(args, "--files"), o); code != exitDone || strings.Contains(out.String(), "mistake") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	args, o, out = checked(t, "[control]\nreader = 1\n")
	if code := Run(t.Context(), append(args, "--files"), o); code != exitConfig {
		t.Errorf("a mistake in a file: exit code %d:\n%s", code, out)
	}
}

func TestChecksFindingsAreJSON(t *testing.T) {
	for settings, want := range map[string]int{noGroup: 1, "": 0} {
		args, o, out := checked(t, "[control]\nsocket = \"/nowhere/sock\"\n"+strings.TrimPrefix(settings, "[control]\n"))
		Run(t.Context(), append(args, "--json"), o)
		var found []map[string]string
		err := json.Unmarshal(out.Bytes(), &found)
		found = slices.DeleteFunc(found, func(f map[string]string) bool { return f["severity"] == inspect.Unknown.String() })
		if err != nil || len(found) != want || found == nil {
			t.Errorf("%v: %s", err, out)
		}
		if want > 0 && (found[0]["severity"] != inspect.Mistake.String() || found[0]["mend"] == "") {
			t.Errorf("%v", found)
		}
	}
}

func TestChecksJSONStandsAloneBesideAPartnersFile(t *testing.T) {
	args, o, out := checked(t, "")
	theirs := filepath.Join(t.TempDir(), "partner.alias")
	if err := os.WriteFile(theirs, []byte("eth0:1 | 172.16.1.2 | /24 | 172.16.1.4 | false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := Run(t.Context(), append(args, "--json", "--partner-file", theirs), o); code != exitDone || !json.Valid(out.Bytes()) {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// The unit may keep the Monitor from a check's certificates, as from a key: they are among
// the files that Check judges.
func TestACheckReadsWhatTheMonitorReads(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	key, ca := filepath.Join(dir, "key"), filepath.Join(dir, "ca.pem")
	for _, path := range []string{key, ca} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &app{aliases: "none", settings: "none", open: func() (daemon.System, error) { return daemon.System{}, errors.New("not here") }}
	cfg := &config.Config{Settings: config.Settings{Peer: config.Peer{KeyFiles: []string{key}}},
		Checks: []config.Check{{Name: "web", HTTP: config.HTTP{CAFile: ca}}, {Name: "own", Command: []string{"/x"}}}}
	var got []string
	read, _ := a.subject(t.Context(), cfg)
	for _, f := range read.Files {
		got = append(got, f.Path)
	}
	if !slices.Equal(got, []string{key, ca}) {
		t.Errorf("%q, want %s and %s", got, key, ca)
	}
}

func TestFilesAndSocketsAgreeOnTheReaders(t *testing.T) {
	if config.ReadersSuffix != control.ReadersSuffix {
		t.Errorf("%q and %q", config.ReadersSuffix, control.ReadersSuffix)
	}
}
