package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAChecksSettingsAndDefaults(t *testing.T) {
	cfg := joined(t, `checks = ["web", "db"]
on_service_failure = "release"
[check.web]
http = "https://127.0.0.1:8443/health"
host = "www.example.org"
status = [204, "200-299"]
headers = { Accept = "text/html", "X-a" = "b" }
matches = "</html>\\s*$"
[check.db]
tcp = "[::1]:5432"
send = "PING\n"
contains = "PONG"
interval = "500ms"
rise = 1
fall = 2
when = "holding"
settle = "3s"
[check.own]
command = ["/usr/local/lib/own", "--fast"]
[alias."172.16.1.2"]
checks = []
`)
	if diff := cmp.Diff([]Check{
		{Name: "web", Line: 3, Kind: CheckHTTP, Interval: 5 * time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3,
			HTTP: HTTP{URL: "https://127.0.0.1:8443/health", Method: "GET", Host: "www.example.org", Headers: map[string]string{"Accept": "text/html", "X-a": "b"},
				Status: []StatusRange{{204, 204}, {200, 299}}, Matches: `</html>\s*$`, Redirects: true, VerifyTLS: true}},
		{Name: "db", Line: 9, Kind: CheckTCP, Interval: 500 * time.Millisecond, Timeout: 500 * time.Millisecond, Rise: 1, Fall: 2,
			Holding: true, Settle: 3 * time.Second, Address: "[::1]:5432", Send: "PING\n", Contains: "PONG"},
		{Name: "own", Line: 18, Kind: CheckCommand, Interval: 5 * time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3,
			Command: []string{"/usr/local/lib/own", "--fast"}},
	}, cfg.Checks); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	one := cfg.Aliases[0]
	if len(one.Checks) != 0 || one.OnServiceFailure != ServiceRelease {
		t.Errorf("the alias's own list must win: %q, %q", one.Checks, one.OnServiceFailure)
	}
	if used := cfg.Used(); len(cfg.Aliases) == 1 && len(used) != 0 {
		t.Errorf("used: %v", used)
	}
}

// Programs of checks run as root: what others could change is refused, wherever on the
// way it is.
func TestAProgramThatOthersCouldChangeIsRefused(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	under := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	mode := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"good", "open", "sticky"} {
		if err := os.Mkdir(under(name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, under(name, "own"), "#!/bin/sh\n")
		mode(under(name, "own"), 0o755)
	}
	mode(under("open"), 0o777)
	mode(under("sticky"), 0o777|os.ModeSticky)
	for name, m := range map[string]os.FileMode{"changed": 0o757, "plain": 0o644} {
		write(t, under("good", name), "#!/bin/sh\n")
		mode(under("good", name), m)
	}
	for from, to := range map[string]string{"link": "own", "leads": "../open/own", "loop": "loop", "dangling": "nothing"} {
		if err := os.Symlink(to, under("good", from)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"good/own":      "",
		"good/link":     "",
		"sticky/own":    "",
		"good/changed":  "root runs it, and others can change it: it has mode 0757",
		"open/own":      "/open has mode 0777",
		"good/leads":    "/open has mode 0777",
		"good/plain":    "is not executable; 'chmod 755",
		"good/loop":     "too many symbolic links",
		"good/dangling": "does not exist",
		"good/own/x":    "does not exist",
		"good":          "is a directory; name the program in it",
		"nowhere/own":   "does not exist",
	} {
		got := LookAtCommand(under(path))
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(under("good", "own"), 1, 1); err != nil {
			t.Fatal(err)
		}
		if got := LookAtCommand(under("good", "own")); !strings.Contains(got, "root runs it, and others can change it: it belongs to user 1") {
			t.Errorf("another user's program: %q", got)
		}
	}
}

// Load is pure; what a Monitor needs of the disk is looked at with the keys.
func TestWhatChecksNeedOfTheDiskIsSaidWithItsLine(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "a", exampleRow)
	write(t, "bad.pem", "nothing\n")
	pem, err := filepath.Abs("bad.pem")
	if err != nil {
		t.Fatal(err)
	}
	write(t, "s", "[check.own]\ncommand = [\"/nowhere/own\"]\n[check.web]\nhttp = \"https://[::1]/\"\nca_file = \""+pem+"\"\n[check.x]\nhttp = \"https://[::1]/\"\nca_file = \"/nowhere/ca.pem\"\n")
	if _, err := Load("a", "s", true); err != nil {
		t.Errorf("without the disk: %v", err)
	}
	_, err = LoadWithKeys("a", "s", true)
	want := "s:2: check.own.command: /nowhere/own does not exist; name a program that does\n" +
		"s:5: check.web.ca_file: " + pem + " has no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----\n" +
		"s:8: check.x.ca_file: /nowhere/ca.pem does not exist; name a file of certificates in PEM"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
