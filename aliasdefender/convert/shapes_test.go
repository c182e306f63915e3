package convert

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A host of the tests has eth0 in 172.16.1.0/24 and 2001:db8:1::/64 and eth1 in
// 10.0.0.0/24, some programs, and a key if the path says so.
var testHost = Host{
	Subnets: func(nic string) []netip.Prefix {
		return map[string][]netip.Prefix{
			"eth0": {netip.MustParsePrefix("172.16.1.0/24"), netip.MustParsePrefix("2001:db8:1::/64"), netip.MustParsePrefix("172.16.1.2/32")},
			"eth1": {netip.MustParsePrefix("10.0.0.0/24")},
		}[nic]
	},
	Find: func(program string) string {
		if program == "killall" {
			return "/usr/bin/killall"
		}
		return ""
	},
	Program: func(path string) string {
		for _, good := range []string{"/bin/sh", "/usr/bin/killall", "/usr/local/bin/notify", "/usr/local/bin/check", "/hook"} {
			if path == good {
				return ""
			}
		}
		return "does not exist; name a program that does"
	},
	Key: func(path string) (bool, string) {
		if path == "/locked" {
			return false, "may not be read"
		}
		return path == "/key", ""
	},
	User: func(string) bool { return false },
}

// options are those of a test with a file.
func options(t *testing.T, text string) Options {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keepalived.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Options{Path: path, ConfigID: "main", Key: "/key", Hook: "/hook", Host: testHost}
}

// bare are the lines of a file without comments, blank lines and the name of the directory.
func bare(text []byte) (lines []string) {
	for l := range strings.Lines(string(text)) {
		if l = strings.TrimRight(l, "\n"); l != "" && l[0] != '#' {
			lines = append(lines, l)
		}
	}
	return lines
}

// shape is one kind of keepalived.conf, and all that has to come of it.
type shape struct {
	name    string
	conf    string
	change  func(*Options)
	rows    []string
	set     []string // the lines of aliasdefender.toml, comments aside
	remarks []string // without the directory
}

var shapes = slices.Concat(commonShapes, remarkedShapes)

func TestTenShapesHaveTheRightValues(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			o := options(t, s.conf)
			if s.change != nil {
				s.change(&o)
			}
			got, err := Convert(o)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(s.rows, bare(got.Aliases)); d != "" {
				t.Errorf("hostname.alias, wanted (-) and made (+):\n%s", d)
			}
			if d := cmp.Diff(s.set, bare(got.Settings)); d != "" {
				t.Errorf("aliasdefender.toml, wanted (-) and made (+):\n%s", d)
			}
			for i, r := range got.Remarks {
				r = strings.TrimPrefix(r, filepath.Dir(o.Path)+"/")
				if !strings.Contains(string(got.Aliases)+string(got.Settings), r) {
					t.Errorf("the remark is in neither file: %s", r)
				}
				if i >= len(s.remarks) || !strings.HasPrefix(r, s.remarks[i]) {
					t.Errorf("remark: %s", r)
				}
			}
			if len(got.Remarks) < len(s.remarks) {
				t.Errorf("%d remarks, and %d are wanted", len(got.Remarks), len(s.remarks))
			}
			if got.Rows != len(s.rows) {
				t.Errorf("%d rows are counted", got.Rows)
			}
		})
	}
}
