// Package install checks what the installer promises: what goes where, and that
// nothing is left after uninstall.
package install

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/e2e/stage"
)

// Root, installing what somebody else has built, need not have Go.
func TestInstallOfABuiltProgramNeedsNoGo(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	if out := r.make("GO=/no/such/go", "INIT=none", "install"); strings.Contains(out, "/no/such/go") {
		t.Errorf("make install says:\n%s", out)
	}
	if _, err := os.Stat(r.path("usr/local/sbin/aliasdefender")); err != nil {
		t.Error(err)
	}
	if out := r.make("GO=/no/such/go", "uninstall"); strings.Contains(out, "/no/such/go") {
		t.Errorf("make uninstall says:\n%s", out)
	}
}

func TestInstallLaysOutAndUninstallLeavesNothing(t *testing.T) {
	t.Parallel()
	for init, want := range layouts {
		t.Run(init, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t)
			r.make("install", "INIT="+init)
			want := append([]string{"/etc/aliasdefender.toml", "/etc/hostname.alias", "/usr/local/sbin/aliasdefender"}, want...)
			slices.Sort(want)
			if diff := cmp.Diff(want, r.files()); diff != "" {
				t.Errorf("laid out (-want +got):\n%s", diff)
			}
			for name, mode := range map[string]fs.FileMode{
				"/usr/local/sbin/aliasdefender": 0o755, "/etc/init.d/AliasDefender": 0o755, "/etc/rc.d/init.d/AliasDefender": 0o755,
				"/usr/local/lib/systemd/system/aliasdefender.service": 0o644, "/etc/hostname.alias": 0o644, "/etc/aliasdefender.toml": 0o644,
			} {
				info, err := os.Stat(r.path(name))
				if err == nil && info.Mode() != mode {
					t.Errorf("%s has mode %v, want %v", name, info.Mode(), mode)
				}
			}
			for _, name := range r.tree() {
				link, _, is := strings.Cut(name, " -> ")
				if !is {
					continue
				}
				if _, err := os.Stat(r.path(link)); err != nil {
					t.Errorf("a link leads nowhere: %v", err)
				}
			}

			if init == "sysv-debian" { // upgrade the one with the most links
				r.make("install", "INIT="+init)
			}
			r.make("uninstall")
			if left := r.tree(); len(left) != 0 {
				t.Errorf("left by uninstall: %v", left)
			}
		})
	}
}

// update-rc.d renames the links in the order of the script's header, or turns them
// into those of a service that must not start.
func TestASecondInstallLeavesTheLinksThatTheSystemHasMade(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	r.make("install", "INIT=sysv-debian")
	for ours, theirs := range map[string]string{"rc2.d/S99": "rc2.d/S02", "rc3.d/S99": "rc3.d/K01"} {
		stage.Must(t, os.Rename(r.path("/etc/"+ours+"AliasDefender"), r.path("/etc/"+theirs+"AliasDefender")))
	}
	// As a second install by an earlier version has left it.
	stage.Must(t, os.Symlink("../init.d/AliasDefender", r.path("/etc/rc2.d/S99AliasDefender")))
	if said := r.make("install", "INIT=sysv-debian"); !strings.Contains(said, "has a link to the script already") {
		t.Errorf("said: %s", said)
	}
	for dir, want := range map[string]string{"rc2.d": "S02", "rc3.d": "K01", "rc4.d": "S99"} {
		links, err := filepath.Glob(filepath.Join(r.path("/etc/"+dir), "*AliasDefender"))
		if err != nil || len(links) != 1 || filepath.Base(links[0]) != want+"AliasDefender" {
			t.Errorf("%s has %q, %v; want %s alone", dir, links, err, want)
		}
	}
}

// The links alone start nothing when Debian boots.
func TestInstallOnDebianNamesWhatTheNextBootNeeds(t *testing.T) {
	t.Parallel()
	said := newRoot(t).make("install", "INIT=sysv-debian")
	if !strings.Contains(said, "'update-rc.d AliasDefender defaults', or the next boot does not start it") || strings.Contains(said, "linked for the next boot") {
		t.Errorf("said: %s", said)
	}
}

func TestInstallBringsManualCompletionAndExamples(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	r.make("install", "INIT=none", "PREFIX=/usr")
	want := map[string]string{
		"/usr/share/bash-completion/completions/aliasdefender":     "completion for bash\n",
		"/usr/share/zsh/site-functions/_aliasdefender":             "completion for zsh\n",
		"/usr/share/fish/vendor_completions.d/aliasdefender.fish":  "completion for fish\n",
		"/usr/share/doc/aliasdefender/examples/hostname.alias":     stage.Read(t, "../../../etc/hostname.alias"),
		"/usr/share/doc/aliasdefender/examples/aliasdefender.toml": stage.Read(t, "../../../etc/aliasdefender.toml"),
		// Its first lines tell how to copy it from its place.
		"/usr/share/doc/aliasdefender/examples/hooks.conf": strings.ReplaceAll(stage.Read(t, "../../../init/aliasdefender.service.d/hooks.conf"),
			"/usr/local/share/doc/aliasdefender/examples/hooks.conf", "/usr/share/doc/aliasdefender/examples/hooks.conf"),
		"/usr/share/doc/aliasdefender/examples/dual-stack/README.md":    stage.Read(t, "../../../etc/examples/dual-stack/README.md"),
		"/usr/share/doc/aliasdefender/examples/mirror/mirror":           stage.Read(t, "../../../etc/examples/mirror/mirror"),
		"/usr/share/doc/aliasdefender/examples/floating-ip/floating-ip": stage.Read(t, "../../../etc/examples/floating-ip/floating-ip"),
		"/usr/share/doc/aliasdefender/examples/host-a.hostname.alias":   stage.Read(t, "../../../etc/examples/host-a.hostname.alias"),
	}
	pages, err := filepath.Glob("../../../docs/man/*.[0-9]")
	stage.Must(t, err)
	for _, page := range pages {
		section := strings.TrimPrefix(filepath.Ext(page), ".")
		want["/usr/share/man/man"+section+"/"+filepath.Base(page)] = stage.Read(t, page)
	}
	got := map[string]string{}
	for name := range want {
		got[name] = stage.Read(t, r.path(name))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Who has written a directory with a slash at its end, or two in it, means the same one.
func TestInstallTakesDirectoriesWithNeedlessSlashes(t *testing.T) {
	t.Parallel()
	plain, slashes := newRoot(t), newRoot(t)
	plain.make("install", "INIT=systemd", "PREFIX=/opt/ad", "sbindir=/opt/bin")
	slashes.make("install", "INIT=systemd", "PREFIX=/opt/ad/", "sbindir=//opt//bin//")
	if diff := cmp.Diff(plain.tree(), slashes.tree()); diff != "" {
		t.Errorf("laid out (-plain +with slashes):\n%s", diff)
	}
	const unit = "/opt/ad/lib/systemd/system/aliasdefender.service"
	if diff := cmp.Diff(stage.Read(t, plain.path(unit)), stage.Read(t, slashes.path(unit))); diff != "" {
		t.Errorf("the unit (-plain +with slashes):\n%s", diff)
	}
	slashes.make("uninstall", "PREFIX=/opt/ad")
	if left := slashes.tree(); len(left) != 0 {
		t.Errorf("left by uninstall: %v", left)
	}
}

// A program is copied to its place and has to run there.
func TestProgramsAmongTheExamplesAreExecutable(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	r.make("install", "INIT=none")
	programs := 0
	for _, name := range r.tree() {
		if !strings.Contains(name, "/examples/") || strings.HasSuffix(name, "/") {
			continue
		}
		info, err := os.Stat(r.path(name))
		stage.Must(t, err)
		want := fs.FileMode(0o644)
		if strings.HasPrefix(stage.Read(t, r.path(name)), "#!") {
			want, programs = 0o755, programs+1
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	if programs == 0 {
		t.Error("there are no programs")
	}
}

func TestInstallWithoutCompletionSaysSo(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	stage.Must(t, os.WriteFile(r.program, []byte("#!/bin/sh\nexit 2\n"), 0o755))
	if out := r.make("install", "INIT=none"); !strings.Contains(out, "no completion for zsh") {
		t.Errorf("says nothing of it:\n%s", out)
	}
	r.make("uninstall")
	if left := r.tree(); len(left) != 0 {
		t.Errorf("left by uninstall: %v", left)
	}
}

func TestInstalledFilesNameTheInstalledProgram(t *testing.T) {
	t.Parallel()
	for init, name := range map[string]string{
		"systemd": "/usr/lib/systemd/system/aliasdefender.service", "solaris": "/etc/init.d/AliasDefender",
		"smf": "/lib/svc/manifest/site/aliasdefender.xml",
	} {
		t.Run(init, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t)
			r.make("install", "INIT="+init, "PREFIX=/usr", "sbindir=/usr/local/lbin")
			text := stage.Read(t, r.path(name))
			for _, path := range regexp.MustCompile(`/usr\S*/aliasdefender\b`).FindAllString(text, -1) {
				if path != "/usr/local/lbin/aliasdefender" {
					t.Errorf("%s names %s", name, path)
				}
			}
			if !regexp.MustCompile(`(?m)^(ALIAS_DEFENDER=|ExecStart=|.* name='start' .*exec=')/usr/local/lbin/aliasdefender`).MatchString(text) {
				t.Errorf("%s does not name the program:\n%s", name, text)
			}
		})
	}
}

func TestConfigurationIsNeitherOverwrittenNorTakenAway(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	r.write("/etc/hostname.alias", "mine, from before\n")
	out := r.make("install", "INIT=none")
	if !strings.Contains(out, "/etc/hostname.alias is there already and is left as it is") {
		t.Errorf("says nothing of it:\n%s", out)
	}
	r.write("/etc/aliasdefender.toml", "mine, from after\n")
	out = r.make("install", "INIT=none")
	if !strings.Contains(out, "/etc/aliasdefender.toml is there already") {
		t.Errorf("says nothing of it:\n%s", out)
	}
	out = r.make("uninstall")
	if !strings.Contains(out, "/etc/aliasdefender.toml has been changed and is left") {
		t.Errorf("says nothing of it:\n%s", out)
	}
	if diff := cmp.Diff([]string{"/etc/", "/etc/aliasdefender.toml", "/etc/hostname.alias"}, r.tree()); diff != "" {
		t.Errorf("left by uninstall (-want +got):\n%s", diff)
	}
	if got := stage.Read(t, r.path("/etc/hostname.alias")) + stage.Read(t, r.path("/etc/aliasdefender.toml")); got != "mine, from before\nmine, from after\n" {
		t.Errorf("overwritten: %q", got)
	}
}

func TestUnchangedSampleOfAnEarlierVersionIsTakenAway(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	r.make("install", "INIT=none")
	stage.Must(t, os.Remove(r.path("/etc/hostname.alias"))) // it installs that again
	r.make("install", "INIT=none")
	r.make("uninstall")
	if left := r.tree(); len(left) != 0 {
		t.Errorf("left by uninstall: %v", left)
	}
}

func TestUninstallTakesOnlyWhatInstallBrought(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	// Empty directories may belong to somebody too.
	stage.Must(t, os.MkdirAll(r.path("/usr/local/sbin"), 0o755))
	r.write("/etc/init.d/other", "")
	r.make("install", "INIT=solaris")
	r.make("install", "INIT=redhat") // the first was a mistake
	r.write("/etc/rc3.d/S99other", "")
	out := r.make("uninstall")
	want := []string{"/etc/", "/etc/init.d/", "/etc/init.d/other", "/etc/rc3.d/", "/etc/rc3.d/S99other", "/usr/", "/usr/local/", "/usr/local/sbin/"}
	if diff := cmp.Diff(want, r.tree()); diff != "" {
		t.Errorf("left by uninstall (-want +got):\n%s", diff)
	}
	if !strings.Contains(out, "/etc/rc3.d is not empty and is left") {
		t.Errorf("says nothing of it:\n%s", out)
	}
	if out, err := r.try("uninstall"); err == nil || !strings.Contains(out, "nothing was installed") {
		t.Errorf("a second uninstall: %v\n%s", err, out)
	}
}

func TestTheKindOfInitIsSeenInTheDestination(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		build func(r *root)
		want  string
	}{
		"systemd runs": {func(r *root) { r.write("/run/systemd/system/x", ""); r.write("/etc/debian_version", "12.8\n") }, "systemd"},
		"systemd will run": {func(r *root) {
			r.write("/etc/rc.d/init.d/network", "")
			stage.Must(r.t, os.MkdirAll(r.path("/sbin"), 0o755))
			stage.Must(r.t, os.Symlink("../lib/systemd/systemd", r.path("/sbin/init")))
		}, "systemd"},
		"Red Hat": {func(r *root) { r.write("/etc/rc.d/init.d/network", "") }, "redhat"},
		"Debian":  {func(r *root) { r.write("/etc/debian_version", "12.8\n"); r.write("/sbin/init", "") }, "sysv-debian"},
		"Solaris": {func(r *root) {
			r.write("/etc/inittab", "")
			r.write("/etc/release", "  Solaris 9 12/02 s9x_u2wos_10 x86\n")
		}, "solaris"},
		"Solaris 11": {func(r *root) {
			r.write("/etc/inittab", "")
			r.write("/etc/release", "  Oracle Solaris 11.4 X86\n")
			r.write("/lib/svc/manifest/network/network-physical.xml", "")
		}, "smf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t)
			c.build(r)
			if out := r.make("install"); !strings.Contains(out, "INIT="+c.want+":") {
				t.Errorf("want INIT=%s:\n%s", c.want, out)
			}
		})
	}
}

func TestInstallRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	for _, c := range []struct{ arg, want string }{
		{"INIT=upstart", "INIT=upstart is not known: systemd, sysv-debian, redhat, solaris, smf or none"},
		{"PREFIX=usr", "'usr/sbin' is not absolute"},
		{"PREFIX=/opt/a b", "'/opt/a b/sbin' has characters"},
		{"sbindir=/opt/a|b", "'/opt/a|b' has characters"},
	} {
		out, err := r.try("install", c.arg)
		if err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v, want %q in:\n%s", c.arg, err, c.want, out)
		}
	}
	if _, err := os.Stat(r.dir); !errors.Is(err, fs.ErrNotExist) && len(r.tree()) != 0 {
		t.Errorf("laid out nevertheless: %v", r.tree())
	}
}

// A shell that a signal ends runs no trap of EXIT, unless the signal has a trap too.
func TestAnInstallThatIsBrokenOffCanBeTakenAway(t *testing.T) {
	t.Parallel()
	for _, signal := range []string{"INT", "TERM"} {
		t.Run(signal, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t)
			// It is asked for its completion when most is laid out.
			program := filepath.Join(t.TempDir(), "aliasdefender")
			stage.Must(t, os.WriteFile(program, []byte("#!/bin/sh\nkill -s "+signal+" $PPID\n"), 0o755))
			if out, err := r.try("install", "INIT=none", "PROGRAM="+program); err == nil {
				t.Fatalf("it goes on:\n%s", out)
			}
			if _, err := os.Stat(r.path("usr/local/sbin/aliasdefender")); err != nil {
				t.Fatal(err)
			}
			r.make("uninstall")
			if left := r.tree(); len(left) != 0 {
				t.Errorf("left by uninstall: %v", left)
			}
		})
	}
}
