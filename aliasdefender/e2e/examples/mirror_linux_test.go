package examples

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// mirror is that example on two hosts: A with a real sshd, B with the script.
type mirror struct {
	*testing.T
	a, b *lab.Host
	dir  string
	env  []string
	log  *syslog
	sshd *lab.Process
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	for program, debian := range map[string]string{"sshd": "openssh-server", "ssh": "openssh-client", "rsync": "rsync", "flock": "util-linux", "logger": "bsdutils", "setpriv": "util-linux", "ip": "iproute2"} {
		stage.Wanted(t, program, debian)
	}
	l := lab.ForTest(t)
	if !manyUsers(t) {
		lab.Skip(t, "sshd needs a user beside root: run as root")
	}
	dir, err := os.MkdirTemp("", "ad") // t.TempDir is root's alone
	stage.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	stage.Must(t, os.Chmod(dir, 0o755))
	m := &mirror{T: t, dir: dir}
	lan, err := l.Switch("lan")
	stage.Must(t, err)
	for host, own := range map[**lab.Host]string{&m.a: "172.16.1.4/24", &m.b: "172.16.1.5/24"} {
		name := map[string]string{"172.16.1.4/24": "a", "172.16.1.5/24": "b"}[own]
		*host, err = l.Host(lab.HostSpec{Name: name, NoResponder: true, NICs: []lab.NICSpec{{Name: "eth0", Switch: lan, Addrs: stage.Prefixes(own)}}})
		stage.Must(t, err)
	}
	m.log = newSyslog(t, m.path("log"))
	// The real logger, with a socket of our own for the place of /dev/log.
	stage.Must(t, os.Mkdir(m.path("bin"), 0o755))
	logger, err := exec.LookPath("logger")
	stage.Must(t, err)
	stage.Must(t, os.WriteFile(m.path("bin/logger"), []byte("#!/bin/sh\nexec "+logger+" --socket "+m.path("log")+" \"$@\"\n"), 0o755))
	m.env = []string{"PATH=" + m.path("bin") + ":" + os.Getenv("PATH")}

	for _, key := range []string{"key", "otherkey", "hostkey"} {
		newSSHKey(t, m.path(key))
	}
	stage.Must(t, os.Mkdir(m.path("mirror"), 0o755))
	for _, mine := range []string{"key", "otherkey", "mirror"} {
		stage.Must(t, os.Chown(m.path(mine), nobody, nobody))
	}
	stage.Place(t, m.path("script"), stage.Read(t, filepath.Join(examples, "mirror", "mirror")))
	public := strings.TrimSpace(stage.Read(t, m.path("key.pub")))
	stage.Place(t, m.path("authorized_keys"), replaced(t, replaced(t, m.sample("authorized_keys"), "/etc/mirror/rsyncd.conf", m.path("rsyncd.conf")), `." KEY`, `." `+public))
	stage.Place(t, m.path("rsyncd.conf"), replaced(t, m.sample("rsyncd.conf"), "path = /srv/www", "path = "+m.path("www")))
	stage.Place(t, m.path("known_hosts"), "172.16.1.4 "+stage.Read(t, m.path("hostkey.pub")))
	m.settings()
	m.serve()
	m.place("index.html", "one")
	m.place("sub/page.html", "two")
	stage.Must(t, os.Symlink("sub/page.html", m.path("www/link.html")))
	return m
}

// manyUsers tells whether there are users beside root here.
func manyUsers(t *testing.T) bool {
	t.Helper()
	var inside, outside, users int64
	if _, err := fmt.Sscan(stage.Read(t, "/proc/self/uid_map"), &inside, &outside, &users); err != nil {
		t.Fatal(err)
	}
	return users > nobody
}

func (m *mirror) path(name string) string { return filepath.Join(m.dir, name) }

// sample is a file of the example as it is, without the line that says where it goes.
func (m *mirror) sample(name string) string {
	m.Helper()
	_, text, _ := strings.Cut(stage.Read(m.T, filepath.Join(examples, "mirror", name)), "\n")
	return text
}

// settings writes mirror.conf with the places of this test, and the further lines.
func (m *mirror) settings(more ...string) {
	m.Helper()
	text := m.sample("mirror.conf")
	text = replaced(m.T, text, "FROM=mirror@", "FROM=root@") // this machine has no user mirror
	text = replaced(m.T, text, "TO=/srv/mirror", "TO="+m.path("mirror"))
	text = replaced(m.T, text, "KEY=/etc/mirror/key", "KEY="+m.path("key"))
	text = replaced(m.T, text, "KNOWN_HOSTS=/etc/mirror/known_hosts", "KNOWN_HOSTS="+m.path("known_hosts"))
	stage.Place(m.T, m.path("mirror.conf"), text+strings.Join(append(more, ""), "\n"))
}

func (m *mirror) serve() {
	m.Helper()
	m.sshd = startSSHD(m.T, m.a, m.dir)
}

// place writes a file of A.
func (m *mirror) place(name, text string) {
	m.Helper()
	stage.Must(m.T, os.MkdirAll(filepath.Dir(m.path("www/"+name)), 0o755))
	stage.Place(m.T, m.path("www/"+name), text)
}

// run runs the script on B: it must end with a code and log these words.
func (m *mirror) run(code int, words ...string) {
	m.Helper()
	m.log.read()
	out, errs, got := m.b.RunCommand(stage.Patiently(m.T), lab.Command{Argv: m.script(), Env: m.env})
	said := m.log.read()
	m.Logf("exit %d\n%s%s", got, out+errs, said)
	if got != code {
		m.Fatalf("mirror exits with %d, want %d", got, code)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			m.Errorf("it does not log %q", w)
		}
	}
	if quiet := out+errs == ""; quiet != (code == 0) {
		m.Errorf("it prints %q, and exits with %d", out+errs, code)
	}
}

// script is the command line of the script. It runs as a user who may nothing else, as the
// unit has it.
func (m *mirror) script() []string {
	user := fmt.Sprint(nobody)
	return []string{"setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups", "sh", m.path("script"), m.path("mirror.conf")}
}

// nobody is the user who owns nothing of this machine.
const nobody = 65534

// has requires what the current copy has: files with their text, by name.
func (m *mirror) has(want map[string]string) {
	m.Helper()
	var names []string
	current := m.path("mirror/current/")
	stage.Must(m.T, filepath.WalkDir(current+"/", func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(current, path)
			names = append(names, name)
		}
		return err
	}))
	for name, text := range want {
		if got := stage.Read(m.T, filepath.Join(current, name)); got != text {
			m.Errorf("%s has %d bytes, want %d", name, len(got), len(text))
		}
	}
	if len(names) != len(want) {
		m.Errorf("the copy has %q, want %d files", names, len(want))
	}
}

// copies are the names of the copies, oldest first.
func (m *mirror) copies() (names []string) {
	m.Helper()
	all, err := os.ReadDir(m.path("mirror/copies"))
	stage.Must(m.T, err)
	for _, d := range all {
		names = append(names, d.Name())
	}
	return names
}

// same tells whether a file of two copies is one file.
func (m *mirror) same(name, one, other string) bool {
	m.Helper()
	var found [2]os.FileInfo
	for i, c := range []string{one, other} {
		var err error
		found[i], err = os.Stat(m.path(filepath.Join("mirror/copies", c, name)))
		stage.Must(m.T, err)
	}
	return os.SameFile(found[0], found[1])
}
