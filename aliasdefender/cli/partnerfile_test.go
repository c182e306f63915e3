package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckComparesWithThePartnersFile(t *testing.T) {
	const us = "eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true\n"
	for _, c := range []struct {
		name, theirs string
		code         int
		want         string
	}{
		{"a pair", "iprb0:3 | 172.16.1.2 | 255.255.255.0 | 172.16.1.4 | false", 0, "fit together"},
		{"an alias of the partner's name", "eth0:1 | 172.16.1.2 | /24 | host-a | false", 0, "fit together"},
		{"another alias", "eth0:1 | 172.16.1.3 | /24 | 172.16.1.4 | false", 1, "THEIRS:1: alias 172.16.1.3 is not in OURS"},
		{"our alias missing", "eth0:1 | 172.16.1.3 | /24 | 172.16.1.4 | false", 1, "OURS:1: alias 172.16.1.2 is not in THEIRS: no other host takes it over"},
		{"another mask", "eth0:1 | 172.16.1.2 | /25 | 172.16.1.4 | false", 1, "OURS:1 and THEIRS:1: alias 172.16.1.2: netmask /24 here and /25 there"},
		{"the same partner", "eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | false", 1, "both rows name 172.16.1.5 as the partner"},
		{"a partner far away", "eth0:1 | 172.16.1.2 | /24 | 10.0.0.4 | false", 1, "partner 10.0.0.4 is outside the alias's subnet, but the other partner is inside"},
		{"two primaries", "eth0:1 | 172.16.1.2 | /24 | 172.16.1.4 | true", 1, "Primary is true in both"},
		{"a file with mistakes", "eth0:1 | 172.16.1.2 | /24 | 172.16.1.4 | maybe", 3, "THEIRS:1: primary: maybe is neither"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			ours, theirs := filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")
			place(t, ours, us)
			place(t, theirs, c.theirs+"\n")
			var out bytes.Buffer
			code := run(t, &out, "Check", "--aliases", ours, "--partner-file", theirs)
			want := strings.NewReplacer("OURS", ours, "THEIRS", theirs).Replace(c.want)
			if code != c.code || !strings.Contains(out.String(), want) {
				t.Errorf("exit %d, want %d and %q:\n%s", code, c.code, want, out.String())
			}
			if c.code == 1 && c.name != "another alias" && c.name != "our alias missing" && strings.Count(out.String(), "aliasdefender: ") != 1 {
				t.Errorf("one mistake is said once:\n%s", out.String())
			}
		})
	}
	t.Run("no primary", func(t *testing.T) {
		dir := t.TempDir()
		ours, theirs := filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")
		place(t, ours, strings.Replace(us, "true", "false", 1))
		place(t, theirs, "eth0:1 | 172.16.1.2 | /24 | 172.16.1.4 | false\n")
		var out bytes.Buffer
		code := run(t, &out, "Check", "--aliases", ours, "--partner-file", theirs)
		if code != 1 || !strings.Contains(out.String(), "Primary is true in neither") {
			t.Errorf("exit %d:\n%s", code, out.String())
		}
	})
}

func place(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
