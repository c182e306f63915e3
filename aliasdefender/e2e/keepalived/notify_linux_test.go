package keepalived

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// TestTheHookCallsNotifyScriptsAsKeepalivedDoes: each with the arguments that it knows, and
// routes while the alias is here.
func TestTheHookCallsNotifyScriptsAsKeepalivedDoes(t *testing.T) {
	t.Parallel()
	hook, err := filepath.Abs("../../../etc/examples/from-keepalived/keepalived-notify")
	stage.Must(t, err)
	bin := t.TempDir()
	for name, text := range map[string]string{
		"ip":     "#!/bin/sh\necho ip \"$@\"\n",
		"script": "#!/bin/sh\nprintf '[%s]' \"$@\"\necho\n",
	} {
		stage.Must(t, os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755))
	}
	words := []string{
		"INSTANCE", "VI 1", "150", "master=script up 'a b'", "backup=script down", "fault=script bad", "notify=script all", "route=192.0.2.0/24 via 172.16.1.254",
		"route=-6 default via 2001:db8::1",
		"GROUP", "G1", "0", "notify=script 'the group'", "backup=false",
	}
	for _, c := range []struct {
		event, reason, want string
		code                int
	}{
		// Routes come first: a script may need them, and may take long.
		{"take", "partner silent", "ip route replace 192.0.2.0/24 via 172.16.1.254\nip -6 route replace default via 2001:db8::1\n[up][a b]\n[all][INSTANCE][VI 1][MASTER][150]\n[the group][GROUP][G1][MASTER][0]\n", 0},
		{"reasserted", "restored", "ip route replace 192.0.2.0/24 via 172.16.1.254\nip -6 route replace default via 2001:db8::1\n[up][a b]\n[all][INSTANCE][VI 1][MASTER][150]\n[the group][GROUP][G1][MASTER][0]\n", 0},
		// A script that fails keeps no other from being called.
		{"release", "handed over", "[down]\n[all][INSTANCE][VI 1][BACKUP][150]\n[the group][GROUP][G1][BACKUP][0]\n", 1},
		{"release", "no link", "[bad]\n[all][INSTANCE][VI 1][FAULT][150]\n[the group][GROUP][G1][FAULT][0]\n", 0},
		{"release", "service released", "[bad]\n[all][INSTANCE][VI 1][FAULT][150]\n[the group][GROUP][G1][FAULT][0]\n", 0},
		{"alarm", "flapping", "", 2},
	} {
		cmd := exec.Command(hook, words...)
		cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "AD_EVENT=" + c.event, "AD_REASON=" + c.reason}
		out, err := cmd.Output()
		code, ended := 0, (*exec.ExitError)(nil)
		if errors.As(err, &ended) {
			code = ended.ExitCode()
		} else {
			stage.Must(t, err)
		}
		if d := cmp.Diff(c.want, string(out)); d != "" || code != c.code {
			t.Errorf("%s, %s: exit code %d, want %d; wanted (-) and printed (+):\n%s", c.event, c.reason, code, c.code, d)
		}
	}
	for _, bad := range [][]string{{"nonsense"}, {"INSTANCE", "VI_1"}} {
		cmd := exec.Command(hook, bad...)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "AD_EVENT=take"}
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// knowsItAlone waits until the Monitor of a holds the alias, and knows that nobody else has it.
func (s story) knowsItAlone() {
	s.Helper()
	stage.Until(s.T, s.Pair, s.A, "knows that nobody else has the alias", func(_ control.Snapshot, a control.Alias) bool {
		return a.Row == "H9" && slices.ContainsFunc(a.Facts, func(f control.Fact) bool { return f.Name == "alias elsewhere" && f.Value == "silent" })
	})
}

// TestRoutesOutliveKeepalivedThatIsStoppedBesideTheMonitor: a route from the alias goes with
// it, after the Monitor has adopted the alias and called take.
func TestRoutesOutliveKeepalivedThatIsStoppedBesideTheMonitor(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "keepalived", "keepalived")
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	s := story{t, p, map[*lab.Host]*lab.Process{}}
	route := fmt.Sprintf("192.0.2.0/24 via %s src %s dev eth0", s.OwnB.Addr(), s.Alias)
	routes := func() string {
		t.Helper()
		out, errs, code := s.A.Run(stage.Patiently(t), "ip", "route", "show", "192.0.2.0/24")
		if code != 0 {
			t.Fatal(errs)
		}
		return out
	}
	withRoute := strings.Replace(conf, "\tvirtual_ipaddress {", "\tvirtual_routes {\n\t\t"+route+"\n\t}\n\tvirtual_ipaddress {", 1)
	stage.Place(t, s.File(s.A, "keepalived.conf"), fmt.Sprintf(withRoute, s.OwnA.Addr(), s.OwnB.Addr(), s.Alias))
	hook := s.File(s.A, "keepalived-notify")
	stage.Place(t, hook, stage.Read(t, "../../../etc/examples/from-keepalived/keepalived-notify"))
	stage.Must(t, os.Chmod(hook, 0o755))
	argv := fmt.Sprintf("[%q, \"INSTANCE\", \"lan\", \"150\", %q]\n", hook, "route="+route)
	stage.Must(t, p.Write(s.A, s.OwnB.Addr(), true, stage.Usual()+"\n[hooks]\ntake = "+argv+"reasserted = "+argv+"release = "+argv))
	s.startKeepalived(s.A)
	s.enters(s.A, "MASTER")
	stage.Served(t, p, "a")
	a, err := p.Start(s.A)
	stage.Must(t, err)
	stage.Said(t, a, "hook=take")
	s.knowsItAlone()
	if out := routes(); out == "" {
		t.Error("keepalived has no route")
	}
	s.end(s.vrrp[s.A])
	stage.Said(t, a, "hook=reasserted")
	if out := routes(); out == "" {
		t.Errorf("the route has gone with keepalived:\n%s", a.Output())
	}
	s.end(a)
}

// TestKeepalivedGivesItsAddressesUpWhenItIsReloadedWithoutThem: so one that does IPVS too goes
// over without being stopped. Reloaded without its notify scripts, it stays master.
func TestKeepalivedGivesItsAddressesUpWhenItIsReloadedWithoutThem(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "keepalived", "keepalived")
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	s := story{t, p, map[*lab.Host]*lab.Process{}}
	whole := fmt.Sprintf(conf, s.OwnA.Addr(), s.OwnB.Addr(), s.Alias)
	reload := func(text string) {
		t.Helper()
		stage.Place(t, s.File(s.A, "keepalived.conf"), text)
		stage.Must(t, s.vrrp[s.A].Signal(unix.SIGHUP))
	}
	stage.Place(t, s.File(s.A, "keepalived.conf"), strings.Replace(whole, "\tvirtual_ipaddress {", "\tnotify /bin/true\n\tvirtual_ipaddress {", 1))
	s.startKeepalived(s.A)
	s.enters(s.A, "MASTER")
	stage.Served(t, p, "a")
	stage.Must(t, p.Write(s.A, s.OwnB.Addr(), true, stage.Usual()))
	a, err := p.Start(s.A)
	stage.Must(t, err)
	s.knowsItAlone()
	reload(whole)
	stage.Said(t, s.vrrp[s.A], "Reload complete")
	if _, since, _ := strings.Cut(s.vrrp[s.A].Output(), "Entering MASTER STATE"); strings.Contains(since, "removing VIPs") {
		t.Errorf("keepalived gave the alias up:\n%s", since)
	}
	reload("global_defs {\n}\n")
	stage.Said(t, a, "reason=restored")
	s.end(s.vrrp[s.A])
	s.end(a)
}
