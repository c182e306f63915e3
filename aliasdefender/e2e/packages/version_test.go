package packages

import (
	"os/exec"
	"strings"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
)

// What git describe says, in the order of time, and the versions of packages made of it.
var versions = []struct{ described, deb, apk string }{
	{"075d32e", "0.0.0+612.g075d32e", "0.0.0_p612"},
	{"v1.2.3-alpha.1", "1.2.3~alpha.1", "1.2.3_alpha1"},
	{"v1.2.3-rc.2", "1.2.3~rc.2", "1.2.3_rc2"},
	{"v1.2.3-rc.2-7-gabc1234", "1.2.3~rc.2+7.gabc1234", "1.2.3_rc2_p7"},
	{"v1.2.3-rc.10", "1.2.3~rc.10", "1.2.3_rc10"},
	{"v1.2.3", "1.2.3", "1.2.3"},
	{"v1.2.3-9-gfedcba9", "1.2.3+9.gfedcba9", "1.2.3_p9"},
	{"v1.2.3-10-gabc1234", "1.2.3+10.gabc1234", "1.2.3_p10"},
	{"1.2.4", "1.2.4", "1.2.4"},
	{"v1.10.0", "1.10.0", "1.10.0"},
}

func version(t *testing.T, format, described string) (string, error) {
	t.Helper()
	out, err := exec.Command("sh", "../../../packaging/version", format, described, "612").CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestWhatComesLaterHasTheHigherVersion(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "dpkg", "dpkg")
	before := ""
	for _, v := range versions {
		for format, want := range map[string]string{"deb": v.deb, "rpm": v.deb, "apk": v.apk} {
			if got, err := version(t, format, v.described); err != nil || got != want {
				t.Errorf("%s as %s is %q (%v), want %q", v.described, format, got, err, want)
			}
		}
		// As packaged: with the release behind it.
		if before != "" {
			if err := exec.Command("dpkg", "--compare-versions", before+"-1", "lt", v.deb+"-1").Run(); err != nil {
				t.Errorf("dpkg does not take %s for newer than %s", v.deb, before)
			}
		}
		before = v.deb
	}
}

func TestAPackageOfChangedFilesSaysSo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ described, deb, apk string }{
		{"v1.2.3-dirty", "1.2.3+dirty", "1.2.3_p0"},
		{"v1.2.3-9-gfedcba9-dirty", "1.2.3+9.gfedcba9.dirty", "1.2.3_p9"},
		{"075d32e-dirty", "0.0.0+612.g075d32e.dirty", "0.0.0_p612"},
	} {
		for format, want := range map[string]string{"deb": c.deb, "rpm": c.deb, "apk": c.apk} {
			if got, err := version(t, format, c.described); err != nil || got != want {
				t.Errorf("%s as %s is %q (%v), want %q", c.described, format, got, err, want)
			}
		}
	}
}

func TestWhatIsNoVersionIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, described, want string }{
		{"deb", "devel", "numbers with dots"},
		{"deb", "v1", "numbers with dots"},
		{"deb", "", "numbers with dots"},
		{"rpm", "v1.2.3-a_b", "characters"},
		{"apk", "v1.2.3-next.1", "apk knows alpha, beta, pre and rc"},
		{"apk", "v1.2.3-rc.1.2", "apk knows no 'rc.1.2'"},
		{"ipk", "v1.2.3", "deb, rpm or apk?"},
	} {
		if got, err := version(t, c.format, c.described); err == nil || !strings.Contains(got, c.want) {
			t.Errorf("%q as %s: %q, %v; want %q", c.described, c.format, got, err, c.want)
		}
	}
}
