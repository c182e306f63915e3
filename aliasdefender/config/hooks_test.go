package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHooksReachTheAliasesTheyAreFor(t *testing.T) {
	usual := Hooks{Timeout: 10 * time.Second, BeforeTimeout: time.Second}
	with := func(h Hooks, change func(*Hooks)) Hooks {
		change(&h)
		return h
	}
	run := Program{"/bin/run", "", "b c"}
	for name, tt := range map[string]struct {
		text           string
		primary, other Hooks
	}{
		"none":        {"[hooks]\ntake = []", usual, usual},
		"for all":     {"[hooks]\ntake = [\"/bin/run\", \"\", \"b c\"]", with(usual, func(h *Hooks) { h.Programs = map[HookName]Program{"take": run} }), with(usual, func(h *Hooks) { h.Programs = map[HookName]Program{"take": run} })},
		"for one":     {"[alias.\"172.16.1.3\".hooks]\nalarm = [\"/bin/run\", \"\", \"b c\"]\nexit_after = \"take\"", usual, with(usual, func(h *Hooks) { h.Programs, h.ExitAfter = map[HookName]Program{"alarm": run}, AfterTake })},
		"but for one": {"[hooks]\ntake = [\"/bin/run\", \"\", \"b c\"]\nveto = true\nexit_after = \"take\"\n[alias.\"172.16.1.3\"]\nhooks = { take = [], veto = false, exit_after = \"\" }", with(usual, func(h *Hooks) { h.Programs, h.Veto, h.ExitAfter = map[HookName]Program{"take": run}, true, AfterTake }), usual},
		"times":       {"[hooks]\ntimeout = \"500ms\"\n[alias.\"172.16.1.3\".hooks]\ntimeout = \"1m\"\nbefore_timeout = \"30s\"", Hooks{Timeout: 500 * time.Millisecond, BeforeTimeout: 500 * time.Millisecond}, Hooks{Timeout: time.Minute, BeforeTimeout: 30 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := joined(t, tt.text)
			if diff := cmp.Diff([]Hooks{tt.primary, tt.other}, []Hooks{cfg.Aliases[0].Hooks, cfg.Aliases[1].Hooks}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// What a Monitor runs, it runs as root: nobody else may be able to put another program in
// its place.
func TestAHookIsAProgramThatOnlyRootCanChange(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "a", exampleRow)
	at, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if at, err = filepath.EvalSymlinks(at); err != nil {
		t.Fatal(err)
	}
	make := func(name string, dirMode, mode os.FileMode) {
		dir := filepath.Dir(filepath.Join(at, name))
		for _, err := range []error{os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(at, name), nil, mode), os.Chmod(filepath.Join(at, name), mode), os.Chmod(dir, dirMode)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	make("safe/run", 0o755, 0o755)
	make("safe/plain", 0o755, 0o644)
	make("safe/open", 0o755, 0o757)
	make("open/run", 0o777, 0o755)
	make("far/near/run", 0o755, 0o755)
	make("far/run", 0o755, 0o757) // in place of which safe/up/../run would be looked at if its name were cleaned
	make("sticky/run", os.ModeSticky|0o777, 0o755)
	for link, to := range map[string]string{"safe/link": "run", "safe/out": "../open/run", "open/in": at + "/safe/run", "safe/loop": "loop", "safe/dir": "/", "safe/up": "../far/near", "safe/above": "up/..", "safe/back": "up/../../safe//./run"} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"safe/run":         "",
		"safe/plain":       "", // it is recorded that it cannot be run
		"safe/link":        "",
		"sticky/run":       "",
		"safe/../safe/run": "",
		"safe//./run":      "",
		"safe/up/run":      "",
		"safe/back":        "",
		"safe/up/../run":   "AT/safe/up/../run root runs it, and others can change it: it has mode 0757; 'chown root AT/far/run' and 'chmod go-w AT/far/run'",
		"safe/above/run":   "AT/safe/above/run root runs it, and others can change it: it has mode 0757; 'chown root AT/far/run' and 'chmod go-w AT/far/run'",
		"safe/above":       "AT/safe/above is a directory; name the program in it",
		"safe/up/..":       "AT/safe/up/.. is a directory; name the program in it",
		"safe/run/":        "AT/safe/run/ is a directory; name the program in it",
		"safe/no":          "AT/safe/no does not exist; name a program that does",
		"no/run":           "AT/no/run does not exist; name a program that does",
		"safe/open":        "AT/safe/open root runs it, and others can change it: it has mode 0757; 'chown root AT/safe/open' and 'chmod go-w AT/safe/open'",
		"open/run":         "AT/open/run root runs it, and others can replace it: the directory AT/open has mode 0777; 'chown root AT/open' and 'chmod go-w AT/open'",
		"safe/out":         "AT/safe/out root runs it, and others can replace it: the directory AT/open has mode 0777; 'chown root AT/open' and 'chmod go-w AT/open'",
		"open/in":          "AT/open/in root runs it, and others can replace it: the directory AT/open has mode 0777; 'chown root AT/open' and 'chmod go-w AT/open'",
		"safe/loop":        "AT/safe/loop cannot be looked at: too many symbolic links",
		"safe/dir":         "AT/safe/dir is a directory; name the program in it",
		"safe":             "AT/safe is a directory; name the program in it",
		"safe/run/x":       "AT/safe/run/x does not exist; name a program that does",
	} {
		t.Run(path, func(t *testing.T) {
			for _, head := range []string{"[hooks]\n", "[alias.\"172.16.1.2\".hooks]\n"} {
				write(t, "s", fmt.Sprintf("%salarm = [\"%s/%s\"]", head, at, path))
				if _, err := Load("a", "s", true); err != nil {
					t.Errorf("Load looks at the disk: %v", err)
				}
				_, err := LoadWithKeys("a", "s", true)
				got := ""
				if err != nil {
					got = err.Error()
				}
				field := strings.Trim(strings.TrimSpace(head), "[]") + ".alarm: "
				if want != "" && !strings.HasPrefix(got, "s:2: "+field) {
					t.Errorf("%q is not at s:2: %s", got, field)
				}
				got = strings.ReplaceAll(strings.TrimPrefix(got, "s:2: "+field), at, "AT")
				if got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}
