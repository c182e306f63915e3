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
	const local = "eth0:1 | fe80::1 | 64 | fe80::5 | true\neth1:1 | fe80::1 | 64 | fe80::6 | true\n"
	for name, c := range map[string]struct {
		ours, theirs string
		code         int
		want         string
	}{
		"a pair of IPv6":                {"eth0:1 | 2001:db8::2 | 64 | fe80::5 | true\n", "ens3:1 | 2001:DB8::0:2 | /64 | 2001:db8::4 | false\n", 0, "fit together"},
		"a link-local alias":            {"eth0:1 | fe80::1 | 64 | fe80::5 | true\n", "ens3:1 | fe80::1 | 64 | fe80::4 | false\n", 0, "fit together"},
		"of two NICs, the other way up": {local, "eth1:1 | fe80::1 | 64 | fe80::4 | false\neth0:1 | fe80::1 | 64 | fe80::3 | false\n", 0, "fit together"},
		"the same partner there":        {local, "eth1:1 | fe80::1 | 64 | fe80::6 | false\neth0:1 | fe80::1 | 64 | fe80::4 | false\n", 1, "alias fe80::1%eth1: both rows name fe80::6%eth1 as the partner"},
		"shared with others too":        {us + "lo:1 | 192.0.2.33 | /32 | - | true\n", "lo:1 | 192.0.2.33 | /32 | - | true\nlo:2 | 192.0.2.34 | /32 | - | true\neth0:1 | 172.16.1.2 | /24 | 172.16.1.4 | false\n", 0, "fit together"},
		"one NIC less there":            {local, "eth0:1 | fe80::1 | 64 | fe80::4 | false\n", 1, "alias fe80::1%eth1 is not in THEIRS"},
		"one NIC more there":            {"eth0:1 | fe80::1 | 64 | fe80::5 | false\n", local, 1, "THEIRS:2: alias fe80::1%eth1 is not in OURS"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ours, theirs := filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")
			place(t, ours, c.ours)
			place(t, theirs, c.theirs)
			var out bytes.Buffer
			code := run(t, &out, "Check", "--files", "--aliases", ours, "--partner-file", theirs)
			if want := strings.NewReplacer("OURS", ours, "THEIRS", theirs).Replace(c.want); code != c.code || !strings.Contains(out.String(), want) {
				t.Errorf("exit %d, want %d and %q:\n%s", code, c.code, want, out.String())
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
