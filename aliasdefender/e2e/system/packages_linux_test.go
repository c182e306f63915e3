package system

import (
	"flag"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// packagesDir is what make packages has filled.
var packagesDir = flag.String("packages", "", "install the deb in this `directory`, which make packages makes; \"\": play nothing with it")

// Where the machines have the package, and what is the same in a later version.
const firstDeb, laterDeb = "/srv/first.deb", "/srv/later.deb"

// withDeb is a manager of addresses on machines without make install, which have these
// packages, and whose Monitors hand over when they end.
func withDeb(m manager, name, first, later string) manager {
	inner := m.files
	return manager{name, append([]string{m.kind(), "deb"}, m.are[1:]...), func(own netip.Prefix) map[string]string {
		all := inner(own)
		maps.Copy(all, map[string]string{
			"etc/aliasdefender.toml":          "on_exit = \"handover\"\n" + settings,
			strings.TrimPrefix(firstDeb, "/"): first,
			strings.TrimPrefix(laterDeb, "/"): later,
		})
		return all
	}}
}

// later makes of a package one of a later version.
func later(t *testing.T, deb string) string {
	t.Helper()
	dir := t.TempDir()
	tree, made := filepath.Join(dir, "tree"), filepath.Join(dir, "later.deb")
	run := func(argv ...string) {
		t.Helper()
		if out, err := command(t, argv...); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	run("dpkg-deb", "--raw-extract", deb, tree)
	control := filepath.Join(tree, "DEBIAN", "control")
	lines := strings.Split(stage.Read(t, control), "\n")
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "Version: ") })
	if i < 0 {
		t.Fatalf("%s has no version", deb)
	}
	lines[i] += ".1"
	stage.Must(t, os.WriteFile(control, []byte(strings.Join(lines, "\n")), 0o644))
	run("dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", tree, made)
	return made
}

// dpkg runs it on a machine, and returns all that it says.
func (m *machine) dpkg(t *testing.T, argv ...string) string {
	t.Helper()
	out, errs, code := m.in(patiently(t), append([]string{"dpkg"}, argv...)...)
	if code != 0 {
		t.Fatalf("dpkg %s on %s: exit %d\n%s%s", strings.Join(argv, " "), m.host.Name, code, out, errs)
	}
	return out + errs
}

// idle checks that no Monitor runs on the machine, and that the next boot starts none.
func (m *machine) idle(t *testing.T, after string) {
	t.Helper()
	ctx := patiently(t)
	if _, err := m.status(ctx); err == nil {
		t.Errorf("%s: a Monitor runs after %s", m.host.Name, after)
	}
	if m.kind == "systemd" {
		if out, _, _ := m.in(ctx, "systemctl", "is-enabled", "aliasdefender"); strings.TrimSpace(out) == "enabled" {
			t.Errorf("%s: the unit is enabled after %s", m.host.Name, after)
		}
		return
	}
	if out, _, _ := m.in(ctx, "find", "/etc/rc2.d", "-name", "S[0-9][0-9]AliasDefender"); out != "" {
		t.Errorf("%s: the script is enabled after %s: %s", m.host.Name, after, out)
	}
}

// install installs a package on a machine that has none, and does what its page names as
// the next steps.
func (m *machine) install(t *testing.T, deb string) {
	t.Helper()
	m.dpkg(t, "-i", deb)
	m.idle(t, "an installation")
	if m.kind == "systemd" {
		m.do(t, "systemctl", "enable", "--now", "aliasdefender")
		return
	}
	m.do(t, "update-rc.d", "AliasDefender", "enable")
	m.listed = true
	m.do(t, "/etc/init.d/AliasDefender", "start")
}

// pid is that of the machine's Monitor.
func (m *machine) pid(t *testing.T) int {
	t.Helper()
	status, err := m.status(patiently(t))
	stage.Must(t, err)
	return status.PID
}

// restarts installs a package over another: another Monitor has to run then.
func (m *machine) restarts(t *testing.T, deb string) {
	t.Helper()
	before := m.pid(t)
	if said := m.dpkg(t, "-i", deb); m.pid(t) == before {
		t.Errorf("%s: pid %d still runs. dpkg said:\n%s", m.host.Name, before, said)
	}
}

// leaves takes the package off the machine that serves: the other has to serve then.
func leaves(t *testing.T, s *scene, order string) {
	t.Helper()
	s.a.dpkg(t, order, "aliasdefender")
	s.a.idle(t, "dpkg "+order)
	stage.Must(t, s.holders.Wait(patiently(t), "b"))
}

// found are the files of a machine that have our names, except packages of ours.
func (m *machine) found(t *testing.T) []string {
	t.Helper()
	all := strings.Fields(m.do(t, "find", "/etc", "/usr", "/var", "-iname", "*aliasdefender*", "-o", "-name", "hostname.alias*"))
	slices.Sort(all)
	return all
}

var packageStories = []story{
	powerCut,
	{name: "standby: dpkg -i, a later version", serves: "a", held: true, deed: func(t *testing.T, s *scene) { s.b.restarts(t, laterDeb) }},
	{name: "dpkg -i, a later version", serves: "a", held: true, deed: func(t *testing.T, s *scene) { s.a.restarts(t, laterDeb) }},
	{name: "dpkg -i, with a mistake in aliasdefender.toml", serves: "a", held: true, deed: func(t *testing.T, s *scene) {
		const mend = "cp /srv/aliasdefender.toml /etc/aliasdefender.toml"
		s.a.do(t, "sh", "-ec", "cp /etc/aliasdefender.toml /srv; echo mistake >>/etc/aliasdefender.toml")
		before := s.a.pid(t)
		said := s.a.dpkg(t, "-i", laterDeb)
		if after := s.a.pid(t); after != before || !strings.Contains(said, "What ran before still runs") {
			t.Errorf("pid %d before, %d after. dpkg said:\n%s", before, after, said)
		}
		s.a.do(t, "sh", "-ec", mend)
	}},
	{name: "dpkg -i, an earlier version", serves: "a", held: true, deed: func(t *testing.T, s *scene) { s.a.restarts(t, firstDeb) }},
	{name: "dpkg -r, then dpkg -i", serves: "b", held: true, deed: func(t *testing.T, s *scene) {
		leaves(t, s, "-r")
		s.a.install(t, firstDeb)
	}},
	{name: "dpkg -P, then dpkg -i", serves: "b", held: true, deed: func(t *testing.T, s *scene) {
		leaves(t, s, "-P")
		if diff := cmp.Diff([]string{"/etc/aliasdefender.key", "/etc/aliasdefender.toml", "/etc/hostname.alias"}, s.a.found(t)); diff != "" {
			t.Errorf("left by dpkg -P (-want +got):\n%s", diff)
		}
		s.a.install(t, firstDeb)
	}},
}

// TestPackagesOfARealSystem: what a pair that the deb and the commands of its page have set up
// does when a host fails, and what an upgrade, a downgrade and a removal of the deb cost the
// clients, with systemd and with sysvinit.
func TestPackagesOfARealSystem(t *testing.T) {
	if *packagesDir == "" {
		lab.Skip(t, "no deb: make packages makes it")
	}
	sweepDead(t, *systemDir)
	deb := stage.Package(t, *packagesDir, "_"+runtime.GOARCH+".deb")
	first, later := stage.Read(t, deb), stage.Read(t, later(t, deb))
	var with []manager
	for _, m := range managers {
		switch m.name {
		case "networkd":
			with = append(with, withDeb(m, "deb, systemd", first, later))
		case "sysvinit, ifupdown":
			with = append(with, withDeb(m, "deb, sysvinit", first, later))
		}
	}
	r := &report{versions: versions(t)}
	if *reportFile != "" {
		r.file = strings.TrimSuffix(*reportFile, ".md") + "-packages.md"
	}
	tell(t, r, with, packageStories)
}
