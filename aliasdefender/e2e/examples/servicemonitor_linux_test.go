package examples

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

var serviceMonitorAt = addresses{
	a: stage.Prefixes("172.16.1.4/24"), b: stage.Prefixes("172.16.1.5/24"),
	router: stage.Prefixes("172.16.1.1/24"), user: stage.Prefixes("172.16.1.50/24"),
}

var servedAlias = netip.MustParseAddr("172.16.1.2")

// serviceMonitor is that example: A has a real nginx and a real sshd and no Monitor, B has
// the Monitor.
type serviceMonitor struct {
	*example
	log    *syslog
	sshd   *lab.Process
	holder *lab.Watch
}

func newServiceMonitor(t *testing.T, change changed) *serviceMonitor {
	t.Helper()
	for program, debian := range map[string]string{"sshd": "openssh-server", "ssh": "openssh-client", "nginx": "nginx-light", "logger": "bsdutils", "ip": "iproute2"} {
		stage.Wanted(t, program, debian)
	}
	m := &serviceMonitor{example: segment(t, "service-monitor", serviceMonitorAt)}
	if !manyUsers(t) {
		lab.Skip(t, "sshd needs a user beside root: run as root")
	}
	stage.Must(t, os.Chmod(m.dir, 0o755))
	for _, h := range []*lab.Host{m.a, m.b} {
		stage.Must(t, os.Mkdir(m.file(h, ""), 0o755))
	}
	m.log = newSyslog(t, filepath.Join(m.dir, "log"))
	for host, key := range map[*lab.Host]string{m.a: "hostkey", m.b: "key"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "service-monitor", "-f", m.file(host, key)).CombinedOutput()
		if err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	m.installA()
	m.installB(change)
	m.holder = m.watched(servedAlias)
	m.shell(m.a, "ip address add 172.16.1.2/24 dev eth0") // as service-alias.service
	m.serve()
	m.shell(m.a, m.file(m.a, "nginx"))
	m.page(m.a)
	m.held(m.holder, m.a)
	m.run(m.b, "Check", "--files")
	m.start(m.b)
	m.until("the standby ready, and the service good", func(s control.Snapshot) bool {
		a := s.Aliases[0]
		return len(s.Checks) == 1 && s.Checks[0].State == "good" && a.Standby != nil && a.Standby.Ready == "yes" && a.Row == "W6"
	})
	return m
}

// sample is a file of the example.
func (m *serviceMonitor) sample(name string) string {
	m.Helper()
	return stage.Read(m.T, filepath.Join(examples, m.name, name))
}

// script places one of the example's scripts on a host.
func (m *serviceMonitor) script(h *lab.Host, name, text string) {
	m.Helper()
	stage.Must(m.T, os.WriteFile(m.file(h, name), []byte(text), 0o755))
}

func (m *serviceMonitor) installA() {
	m.Helper()
	dir := m.file(m.a, "")
	stage.Place(m.T, m.file(m.a, "nginx.conf"), stage.NginxConf(dir, dir+"/error.log", "\t\tlisten 80;\n\t\tlocation = / { return 200 \"<html>a</html>\\n\"; }\n"))
	nginx, err := exec.LookPath("nginx")
	stage.Must(m.T, err)
	m.script(m.a, "nginx", "#!/bin/sh\nexec "+nginx+" -p "+dir+" -c "+m.file(m.a, "nginx.conf")+" -e "+m.file(m.a, "error.log")+"\n")
	m.Cleanup(func() { m.killServer() })

	conf := m.sample("here.conf")
	// A process that is dead and not reaped yet has an empty command line, and kill -0 finds it.
	conf = replaced(m.T, conf, "systemctl is-active --quiet nginx", `grep -q nginx "/proc/$(cat `+dir+`/pid)/cmdline"`)
	conf = replaced(m.T, conf, "systemctl restart nginx", m.file(m.a, "nginx"))
	conf = replaced(m.T, conf, "systemctl --no-block stop nginx", `kill "$(cat `+dir+`/pid)"`)
	stage.Place(m.T, m.file(m.a, "here.conf"), conf)
	here := replaced(m.T, m.sample("here"), "say() { logger ", "say() { logger --socket "+filepath.Join(m.dir, "log")+" ")
	m.script(m.a, "here", replaced(m.T, here, "conf=${1-/etc/service-monitor/here.conf}", "conf=${1-"+m.file(m.a, "here.conf")+"}"))
	keys := replaced(m.T, m.sample("authorized_keys"), `command="/usr/local/lib/service-monitor/here" KEY`, `command="`+m.file(m.a, "here")+`" `+strings.TrimSpace(stage.Read(m.T, m.file(m.b, "key.pub"))))
	stage.Place(m.T, m.file(m.a, "authorized_keys"), keys)
}

func (m *serviceMonitor) installB(change changed) {
	m.Helper()
	conf := replaced(m.T, m.sample("there.conf"), "KEY=/etc/service-monitor/key", "KEY="+m.file(m.b, "key"))
	stage.Place(m.T, m.file(m.b, "there.conf"), replaced(m.T, conf, "/etc/service-monitor/known_hosts", m.file(m.b, "known_hosts")))
	stage.Place(m.T, m.file(m.b, "known_hosts"), "172.16.1.4 "+stage.Read(m.T, m.file(m.a, "hostkey.pub")))
	m.script(m.b, "there", replaced(m.T, m.sample("there"), "conf=${2-/etc/service-monitor/there.conf}", "conf=${2-"+m.file(m.b, "there.conf")+"}"))
	stage.Place(m.T, m.file(m.b, "hostname.alias"), m.sample("hostname.alias"))
	settings := strings.ReplaceAll(m.sample("aliasdefender.toml"), "/usr/local/lib/aliasdefender/there", m.file(m.b, "there"))
	for was, is := range map[string]string{ // the same, but faster
		`interval = "5s"`: `interval = "1s"`, `interval = "10s"`: `interval = "1s"`, `timeout = "3s"`: `timeout = "1s"`, `fall = 5`: `fall = 2`, `settle = "10s"`: `settle = "1s"`,
	} {
		settings = replaced(m.T, settings, was, is)
	}
	m.place(m.b, change(m.example, m.b, settings))
}

func (m *serviceMonitor) shell(h *lab.Host, script string) {
	m.Helper()
	out, errs, code := h.RunCommand(stage.Patiently(m.T), lab.Command{Argv: []string{"sh", "-c", script}})
	if code != 0 {
		m.Fatalf("%s on %s: exit %d\n%s%s", script, h.Name, code, out, errs)
	}
}

// serve starts sshd on A. /run is its own, so that this machine's has nothing of it.
func (m *serviceMonitor) serve() {
	m.Helper()
	sshd, err := exec.LookPath("sshd")
	stage.Must(m.T, err)
	// StrictModes would mind where tests have their files, below /tmp.
	stage.Place(m.T, m.file(m.a, "sshd_config"), fmt.Sprintf("HostKey %s\nAuthorizedKeysFile %s\nPermitRootLogin forced-commands-only\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPidFile none\n",
		m.file(m.a, "hostkey"), m.file(m.a, "authorized_keys")))
	m.sshd, err = m.a.Start("sshd", "unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec "+sshd+" -D -e -f "+m.file(m.a, "sshd_config"))
	stage.Must(m.T, err)
	stage.Must(m.T, m.sshd.WaitOutput(stage.Patiently(m.T), "Server listening on 0.0.0.0 port 22."))
}

// killServer ends A's web server, if it is one: its number may be another program's by now.
func (m *serviceMonitor) killServer() {
	text, _ := os.ReadFile(m.file(m.a, "pid"))
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err == nil && strings.Contains(string(line), m.file(m.a, "nginx.conf")) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// dies kills A's web server; it leaves its pid file. Unstartable: it cannot be started
// again.
func (m *serviceMonitor) dies(unstartable bool) time.Time {
	m.Helper()
	if unstartable {
		stage.Must(m.T, os.Chmod(m.file(m.a, "nginx"), 0o644))
	}
	m.killServer()
	at := time.Now()
	if page, err := m.fetch(); err == nil {
		m.Fatalf("the server is dead, and yet there is %q", page)
	}
	return at
}

// fetch asks for the page at the alias, from the client.
func (m *serviceMonitor) fetch() (page string, err error) {
	return stage.Page(m.user, servedAlias, time.Second)
}

// page waits until the alias serves a host's page.
func (m *serviceMonitor) page(h *lab.Host) {
	m.Helper()
	ctx, tick := stage.Patiently(m.T), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		page, err := m.fetch()
		if err == nil && page == "<html>"+h.Name+"</html>\n" {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			m.Fatalf("no page of %s: %q, %v", h.Name, page, err)
		}
	}
}

// until waits for something in B's Status.
func (m *serviceMonitor) until(what string, ok func(control.Snapshot) bool) (last control.Snapshot) {
	m.Helper()
	ctx := stage.Patiently(m.T)
	for len(last.Aliases) == 0 || !ok(last) {
		if ctx.Err() != nil {
			m.Fatalf("%s does not come: %+v\n%s", what, last, m.monitors[m.b].Output())
		}
		last = m.status(context.WithoutCancel(ctx), m.b)
	}
	return last
}

// said waits until B's Monitor has said some words, and requires those before in order.
func (m *serviceMonitor) said(words ...string) {
	m.Helper()
	stage.Said(m.T, m.monitors[m.b], words[len(words)-1])
	said := m.monitors[m.b].Output()
	for rest, i := said, 0; i < len(words); i++ {
		_, after, found := strings.Cut(rest, words[i])
		if !found {
			m.Fatalf("%q is missing, or out of order:\n%s", words[i], said)
		}
		rest = after
	}
}

// disturbed tells whether a recovery of B's was given up half-way, because the machine was so
// busy that B did not hear router or partner: then another one has begun.
func (m *serviceMonitor) disturbed() bool {
	m.Helper()
	is := strings.Contains(m.monitors[m.b].Output(), "the recovery has ended at the step")
	if is {
		m.Log("the machine was too busy: a recovery was given up and begun anew")
	}
	return is
}

// stays requires that A has had the alias since, alone.
func (m *serviceMonitor) stays(since time.Time) {
	m.Helper()
	if took := m.holder.Tenure(since, time.Time{}); took.Takes != 0 || took.Nobody != 0 {
		m.Errorf("the alias did not stay: %+v", took)
	}
	m.held(m.holder, m.a)
}

// onDisk waits until B's disk has one of these words of the recovery.
func (m *serviceMonitor) onDisk(words ...string) {
	m.Helper()
	ctx, tick := stage.Patiently(m.T), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		kept, _ := os.ReadFile(m.file(m.b, "state/recovery"))
		for _, w := range words {
			if strings.Contains(string(kept), w) {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			m.Fatalf("not on disk: %q:\n%s", words, kept)
		}
	}
}
