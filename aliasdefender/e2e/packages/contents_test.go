package packages

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/e2e/stage"
)

// places are where a format has what all have; "" where it does not have it. The first is
// the deb's.
var places = []struct{ deb, rpm, apk string }{
	{"/etc/init.d/AliasDefender", "/etc/rc.d/init.d/AliasDefender", "/etc/init.d/AliasDefender"},
	{"/etc/default/aliasdefender", "/etc/sysconfig/aliasdefender", "/etc/default/aliasdefender"},
	{"/usr/share/zsh/vendor-completions/_aliasdefender", "/usr/share/zsh/site-functions/_aliasdefender", "/usr/share/zsh/site-functions/_aliasdefender"},
	{"/usr/share/doc/aliasdefender/changelog.Debian.gz", "", ""},
	{"/usr/share/lintian/overrides/aliasdefender", "", ""},
}

func TestTheFormatsHaveTheSameInThemOfMadePackages(t *testing.T) {
	for _, arch := range []struct{ deb, other string }{{"amd64", "x86_64"}, {"arm64", "aarch64"}} {
		t.Run(arch.deb, func(t *testing.T) {
			deb := readDeb(t, stage.Package(t, *packagesDir, "_"+arch.deb+".deb"))
			rpm := readRpm(t, stage.Package(t, *packagesDir, "."+arch.other+".rpm"))
			apk := readApk(t, stage.Package(t, *packagesDir, "_"+arch.other+".apk"))
			wantRpm, wantApk := maps.Clone(deb.files), maps.Clone(deb.files)
			for _, p := range places {
				is, ok := deb.files[p.deb]
				if !ok {
					t.Errorf("the deb has no %s", p.deb)
				}
				for want, place := range map[*map[string]entry]string{&wantRpm: p.rpm, &wantApk: p.apk} {
					delete(*want, p.deb)
					if place != "" {
						(*want)[place] = is
					}
				}
			}
			for name, formats := range map[string][2]map[string]entry{"rpm": {wantRpm, rpm.files}, "apk": {wantApk, apk.files}} {
				if diff := cmp.Diff(formats[0], formats[1], cmp.AllowUnexported(entry{})); diff != "" {
					t.Errorf("%s (-what the deb has +what it has):\n%s", name, diff)
				}
			}
			judge(t, deb)
			if want := []string{places[1].deb, places[0].deb}; !cmp.Equal(want, slices.Sorted(slices.Values(deb.config))) {
				t.Errorf("the deb's conffiles are %v, want %v", deb.config, want)
			}
			if want := []string{places[0].rpm, places[1].rpm}; !cmp.Equal(want, slices.Sorted(slices.Values(rpm.config))) {
				t.Errorf("the rpm's configuration is %v, want %v", rpm.config, want)
			}
			// rpm orders what it installs at once, as a whole system, by what each needs.
			if !slices.Contains(rpm.needs, "/bin/sh") {
				t.Errorf("the rpm's scripts need /bin/sh, and it needs %q", rpm.needs)
			}
			for name, c := range map[string]content{"deb": deb, "rpm": rpm, "apk": apk} {
				scripts(t, name, c)
			}
			table(t, deb, rpm, apk)
		})
	}
}

// judge tells what every package has to have, and what none may.
func judge(t *testing.T, c content) {
	t.Helper()
	const doc = "/usr/share/doc/aliasdefender/"
	for name, mode := range map[string]int64{
		"/usr/sbin/aliasdefender": 0o755, "/usr/lib/systemd/system/aliasdefender.service": 0o644, "/etc/init.d/AliasDefender": 0o755,
		"/usr/share/man/man8/aliasdefender.8.gz": 0o644, "/usr/share/man/man5/hostname.alias.5.gz": 0o644, "/usr/share/man/man5/aliasdefender.toml.5.gz": 0o644,
		"/usr/share/bash-completion/completions/aliasdefender": 0o644, "/usr/share/fish/vendor_completions.d/aliasdefender.fish": 0o644,
		doc + "copyright": 0o644, doc + "changelog.gz": 0o644, doc + "third-party-licenses.gz": 0o644, doc + "README.md": 0o644,
		doc + "examples/hostname.alias": 0o644, doc + "examples/aliasdefender.toml": 0o644, doc + "examples/hooks.conf": 0o644, doc + "examples/mirror/mirror": 0o755,
	} {
		if got, ok := c.files[name]; !ok || got.mode != mode {
			t.Errorf("%s: there: %v, mode %o, want %o", name, ok, got.mode, mode)
		}
	}
	if got := c.files["/usr/lib/systemd/system/AliasDefender.service"].is; got != "-> aliasdefender.service" {
		t.Errorf("systemd would make a unit of the script beside ours: %q", got)
	}
	for name := range c.files {
		if strings.HasPrefix(name, "/usr/local/") || name == "/etc/hostname.alias" || name == "/etc/aliasdefender.toml" {
			t.Errorf("%s is the administrator's", name)
		}
	}
}

// scripts tells whether each is the one text, with its own words.
func scripts(t *testing.T, format string, c content) {
	t.Helper()
	place := "/etc/init.d/AliasDefender"
	if format == "rpm" {
		place = "/etc/rc.d/init.d/AliasDefender"
	}
	text := stage.Read(t, "../../../packaging/script")
	for when, got := range c.scripts {
		want := strings.NewReplacer("@format@", format, "@when@", when, "@script@", place).Replace(text)
		if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); diff != "" {
			t.Errorf("%s of %s (-want +got):\n%s", when, format, diff)
		}
	}
}

// table writes where each format has what: docs/packages.md.
func table(t *testing.T, deb, rpm, apk content) {
	t.Helper()
	var b strings.Builder
	elsewhere := map[string][2]string{}
	for _, p := range places {
		elsewhere[p.deb] = [2]string{p.rpm, p.apk}
	}
	for _, name := range slices.Sorted(maps.Keys(deb.files)) {
		in := [2]string{name, name}
		if other, ok := elsewhere[name]; ok {
			in = other
		}
		fmt.Fprintf(&b, "%04o %-62s %-5v %v\n", deb.files[name].mode, name, rpm.files[in[0]].is != "", apk.files[in[1]].is != "")
	}
	t.Logf("%d files in deb, %d in rpm, %d in apk\nmode deb, and whether rpm and apk have it\n%s", len(deb.files), len(rpm.files), len(apk.files), b.String())
}
