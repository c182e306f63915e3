package examples

import (
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// TestMirrorCopiesAndCopiesOnlyWhatIsNew: a first copy, and a second one of which only
// what changed is transferred and takes room, while the first stays as it was.
func TestMirrorCopiesAndCopiesOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	first := map[string]string{"index.html": "one", "sub/page.html": "two", "link.html": "two"}
	for link, to := range map[string]string{"out.html": "../hostkey", "sub/out.html": m.path("www/../hostkey")} { // none is copied
		stage.Must(t, os.Symlink(to, m.path("www/"+link)))
	}
	m.run(0, "<30>", "mirror: copied from root@172.16.1.4 to "+m.path("mirror/copies/"), ": 2 files were new or had changed")
	m.has(first)

	m.place("index.html", "another")
	stage.Must(t, os.Remove(m.path("www/link.html")))
	m.run(0, ": 1 files were new or had changed")
	m.has(map[string]string{"index.html": "another", "sub/page.html": "two"})
	copies := m.copies()
	if len(copies) != 2 || m.same("index.html", copies[0], copies[1]) || !m.same("sub/page.html", copies[0], copies[1]) {
		t.Errorf("the copies %q do not share just what is unchanged", copies)
	}
	if got := stage.Read(t, m.path("mirror/copies/"+copies[0]+"/index.html")); got != "one" {
		t.Errorf("the first copy has changed: %q", got)
	}

	// No more are kept than are wanted, and of those the newest.
	m.settings("KEEP=2")
	m.run(0, ": 0 files were new or had changed")
	if left := m.copies(); len(left) != 2 || left[0] != copies[1] {
		t.Errorf("of %q and a third copy, %q are kept", copies, left)
	}
	m.has(map[string]string{"index.html": "another", "sub/page.html": "two"})
}

// TestMirrorKeepsTheLastCopy: whatever is wrong with the source, the link or the key, the
// last copy stays, and syslog has why.
func TestMirrorKeepsTheLastCopy(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	want := map[string]string{"index.html": "one", "sub/page.html": "two", "link.html": "two"}
	m.run(0)
	away := func(what, to string) func() {
		return func() { stage.Must(t, os.Rename(m.path(what), m.path(to))) }
	}
	stage.Must(t, os.Mkdir(m.path("empty"), 0o755))
	known := stage.Read(t, m.path("known_hosts"))
	for _, tt := range []struct {
		name       string
		spoil, fix func()
		words      []string
	}{
		{"the source is missing", away("www", "gone"), away("gone", "www"), []string{"<27>", "chdir failed", "the last copy stays"}},
		{"the source is empty", func() { away("www", "gone")(); away("empty", "www")() }, func() { away("www", "empty")(); away("gone", "www")() }, []string{"<27>", "there is no file; the last copy stays"}},
		{"a file that must be there is not", away("www/index.html", "index"), away("index", "www/index.html"), []string{"there is no index.html; the last copy stays"}},
		{"the other host has another key", func() { stage.Place(t, m.path("known_hosts"), "172.16.1.4 "+stage.Read(t, m.path("key.pub"))) }, func() { stage.Place(t, m.path("known_hosts"), known) },
			[]string{"Host key verification failed", "the last copy stays"}},
		{"the key is not the mirror's", func() { away("key", "good")(); stage.Must(t, os.Link(m.path("otherkey"), m.path("key"))) }, func() { stage.Must(t, os.Remove(m.path("key"))); away("good", "key")() },
			[]string{"Permission denied (publickey)", "the last copy stays"}},
		{"sshd has ended", func() { stage.Must(t, m.sshd.Signal(unix.SIGTERM)); <-m.sshd.Done() }, m.serve, []string{"Connection refused", "the last copy stays"}},
		{"the host is gone", func() { stage.Must(t, m.a.Crash()) }, func() { stage.Must(t, m.a.Boot()); m.serve() }, []string{"the last copy stays"}},
	} {
		t.Log(tt.name)
		before := m.copies()
		tt.spoil()
		m.run(1, tt.words...)
		m.has(want)
		if after := m.copies(); len(after) != len(before) {
			t.Errorf("%s: the copies are %q, and before %q", tt.name, after, before)
		}
		tt.fix()
	}
	m.run(0, "copied from")
	m.has(want)
}

// TestMirrorThatIsKilled has a run killed in the middle: meanwhile a second one ends at
// once, and afterwards the last copy is there, and the next run makes a new one.
func TestMirrorThatIsKilled(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	want := map[string]string{"index.html": "one", "sub/page.html": "two", "link.html": "two"}
	m.run(0)
	big := make([]byte, 8<<20)
	for i := range big {
		big[i] = byte(rand.N(256))
	}
	m.place("big", string(big))
	m.place("index.html", "another")

	m.settings("LIMIT=100k")
	slow, err := m.b.StartCommand(lab.Command{Name: "mirror", Argv: m.script(), Env: m.env})
	stage.Must(t, err)
	m.appears("mirror/part/.big.*")
	m.run(1, "<27>", "another run has not ended yet")
	stage.Must(t, unix.Kill(-slow.Pid(), unix.SIGKILL)) // the script, rsync and ssh, as systemd does
	<-slow.Done()
	m.has(want)

	m.settings()
	m.run(0, ": 2 files were new or had changed")
	now := maps.Clone(want)
	now["big"], now["index.html"] = string(big), "another"
	m.has(now)
}

// appears waits until there is a file of this pattern.
func (m *mirror) appears(pattern string) {
	m.Helper()
	ctx, tick := stage.Patiently(m.T), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		if found, err := filepath.Glob(m.path(pattern)); err != nil || len(found) > 0 {
			stage.Must(m.T, err)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			m.Fatalf("there is never a %s", pattern)
		}
	}
}

// TestMirrorCopiesNothingOverWhatIsServed: the host that has the alias copies nothing.
func TestMirrorCopiesNothingOverWhatIsServed(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	ip := func(verb string) {
		if _, errs, code := m.b.Run(stage.Patiently(t), "ip", "address", verb, "172.16.1.2/24", "dev", "eth0"); code != 0 {
			t.Fatalf("ip address %s: %s", verb, errs)
		}
	}
	ip("add")
	m.run(0, "<29>", "nothing copied: this host has 172.16.1.2")
	if got := m.copies(); len(got) != 0 {
		t.Errorf("it has copied %q", got)
	}
	ip("del")
	m.run(0, "copied from")

	// What cannot be told moves nothing.
	before := m.copies()
	m.settings("ALIAS=www.example")
	m.run(1, "it is not known whether this host has www.example")
	if after := m.copies(); len(after) != len(before) {
		t.Errorf("it has copied %q", after)
	}
}

// TestMirrorsKeyOpensNothingElse: whatever is asked with the key, A starts the one command.
func TestMirrorsKeyOpensNothingElse(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	const a = "root@172.16.1.4"
	ssh := []string{"ssh", "-F", "none", "-i", m.path("key"), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + m.path("known_hosts")}
	run := func(argv ...string) (said string, code int) {
		out, errs, code := m.b.Run(stage.Patiently(t), argv...)
		t.Logf("%q: exit %d\n%s%s", argv, code, out, errs)
		return out + errs, code
	}
	if said, _ := run(append(ssh, a, "touch", m.path("made"))...); !strings.HasPrefix(said, "@RSYNCD:") {
		t.Errorf("the forced command is not what runs: %s", said)
	}
	if said, code := run(append(ssh, "-o", "ExitOnForwardFailure=yes", "-R", "7000:127.0.0.1:22", a)...); code == 0 || !strings.Contains(said, "forwarding failed") {
		t.Errorf("a port is forwarded: %s", said)
	}
	remote := strings.Join(ssh, " ")
	if _, code := run("rsync", "-e", remote, a+":"+m.path("hostkey"), m.path("made")); code == 0 {
		t.Error("another file is read")
	}
	// A's rsync says that the module is read only, and ends: its words may be lost. It is
	// another user, and could write here.
	stage.Must(t, os.Chmod(m.path("www"), 0o777))
	stage.Must(t, os.Chmod(m.path("www/index.html"), 0o666))
	if _, code := run("rsync", "-e", remote, m.path("mirror.conf"), a+"::mirror/index.html"); code == 0 || stage.Read(t, m.path("www/index.html")) != "one" {
		t.Error("A's page may be written")
	}
	if _, err := os.Stat(m.path("made")); err == nil {
		t.Error("something was made")
	}
	// What a link points to is not the mirror's. A late rsync (3.5) follows none out of the
	// directory; an earlier one does, and so A must refuse to be asked.
	stage.Must(t, os.Symlink("../hostkey", m.path("www/out")))
	for option, short := range map[string]string{"--copy-links": "-L", "--copy-unsafe-links": "--copy-unsafe-links", "--copy-dirlinks": "-k"} {
		got := m.path("linked" + option)
		if said, code := run("rsync", "-a", short, "-e", remote, a+"::mirror/", got+"/"); code == 0 || !strings.Contains(said, "refuse "+option) {
			t.Errorf("A does not refuse %s: %s", option, said)
		}
		if info, err := os.Lstat(got + "/out"); err == nil && info.Mode().IsRegular() {
			t.Errorf("%s: A's host key is read", option)
		}
	}
	// The directory above is the directory itself.
	if _, code := run("rsync", "-a", "-e", remote, a+"::mirror/../", m.path("got")+"/"); code != 0 {
		t.Error("the mirror is not read")
	}
	if _, err := os.Stat(m.path("got/hostkey")); err == nil || stage.Read(t, m.path("got/index.html")) != "one" {
		t.Error("the directory above is read")
	}
}

// TestMirrorsUnitsAreGood asks systemd.
func TestMirrorsUnitsAreGood(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "systemd-analyze", "systemd")
	dir := t.TempDir()
	script := filepath.Join(dir, "mirror")
	stage.Must(t, os.WriteFile(script, []byte(stage.Read(t, filepath.Join(examples, "mirror", "mirror"))), 0o755))
	const at = "/usr/local/lib/aliasdefender/mirror"
	unit := stage.Read(t, filepath.Join(examples, "mirror", "mirror.service"))
	stage.Place(t, filepath.Join(dir, "mirror.service"), replaced(t, unit, "ExecStart="+at+"\n", "ExecStart="+script+"\n"))
	timer := stage.Read(t, filepath.Join(examples, "mirror", "mirror.timer"))
	stage.Place(t, filepath.Join(dir, "mirror.timer"), timer)
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", filepath.Join(dir, "mirror.service"), filepath.Join(dir, "mirror.timer")).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if cron := stage.Read(t, filepath.Join(examples, "mirror", "mirror.cron")); !strings.Contains(cron, "\n30 2 * * * mirror "+at+"\n") || !strings.Contains(timer, "\nOnCalendar=*-*-* 02:30:00\n") {
		t.Errorf("cron and timer start the script at other times:\n%s%s", cron, timer)
	}
}
