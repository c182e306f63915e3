package keepalived

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// conf is a host's keepalived.conf: one file for both, as many write it. The address has
// no mask, so keepalived has it as a single one.
const conf = `@a $STATE=MASTER
@b $STATE=BACKUP
@a $PRIORITY=150
@b $PRIORITY=90

vrrp_instance lan {
	state $STATE
	interface eth0
	virtual_router_id 51
	priority $PRIORITY
	advert_int 1
	@a unicast_src_ip %[1]s
	@b unicast_src_ip %[2]s
	unicast_peer {
		@^a %[1]s
		@^b %[2]s
	}
	virtual_ipaddress {
		%[3]s
	}
}
`

// story is a pair of hosts, each of which may run either program, or both.
type story struct {
	*testing.T
	*pair.Pair
	vrrp map[*lab.Host]*lab.Process
}

// host is a host's keepalived, with its own places.
func (s story) startKeepalived(h *lab.Host) {
	s.Helper()
	program, err := exec.LookPath("keepalived")
	stage.Must(s.T, err)
	dir := filepath.Dir(s.File(h, "hostname.alias"))
	s.vrrp[h], err = h.StartCommand(lab.Command{Name: "keepalived", Argv: []string{
		program, "--use-file", s.File(h, "keepalived.conf"), "--config-id", h.Name, "--dont-fork", "--log-console", "--log-detail", "--no-syslog", "--vrrp",
		"--pid", filepath.Join(dir, "pid"), "--vrrp_pid", filepath.Join(dir, "vrrp.pid"),
	}})
	stage.Must(s.T, err)
}

// enters waits until a host's keepalived is in a state.
func (s story) enters(h *lab.Host, state string) {
	s.Helper()
	stage.Said(s.T, s.vrrp[h], "(lan) Entering "+state+" STATE")
}

// end ends a process, and waits until it has ended.
func (s story) end(p *lab.Process) {
	s.Helper()
	stage.Must(s.T, p.Signal(unix.SIGTERM))
	if _, err := p.Wait(stage.Patiently(s.T)); err != nil {
		s.Fatalf("%v\n%s", err, p.Output())
	}
}

// convert makes a host's files of its keepalived.conf. What is added are places of this
// test.
func (s story) convert(h *lab.Host) {
	s.Helper()
	dir := filepath.Dir(s.File(h, "hostname.alias"))
	out, errs, code := s.Pair.Run(stage.Patiently(s.T), h, "Convert", s.File(h, "keepalived.conf"),
		"--config-id", h.Name, "--key", s.File(h, "key0"), "--to", dir, "--force")
	if code != 0 {
		s.Fatalf("Convert: exit code %d\n%s%s", code, out, errs)
	}
	file, err := os.OpenFile(s.File(h, "aliasdefender.toml"), os.O_WRONLY|os.O_APPEND, 0)
	stage.Must(s.T, err)
	_, err = fmt.Fprintf(file, "\n[control]\nsocket = %q\n[state]\ndir = %q\n[log]\nto = \"stderr\"\n", s.File(h, "sock"), s.File(h, "state"))
	stage.Must(s.T, err)
	stage.Must(s.T, file.Close())
}

// has are the alias's prefixes in a host's kernel.
func (s story) has(h *lab.Host) (all []netip.Prefix) {
	s.Helper()
	addrs, err := h.Addrs()
	stage.Must(s.T, err)
	for _, a := range addrs {
		if a.Prefix.Addr() == s.Alias {
			all = append(all, a.Prefix)
		}
	}
	return all
}

// unbroken fails the test where a client missed the alias for longer than a moment since
// then, and says how long it missed it.
func (s story) unbroken(what string, since time.Time) {
	s.Helper()
	for _, g := range stage.Gaps(s.Asker, s.Control, since) {
		s.Errorf("%s: the alias was missed for %v", what, g.Length())
	}
	s.Logf("%s: longest gap %v, of the router %v", what, s.Asker.Gap(since).Length(), s.Control.Gap(since).Length())
}

// TestARunningPairGoesOverAndBackWithoutAGap: both files are made by Convert; the Monitor
// first only observes, then takes over host by host, serves, and gives back to keepalived.
func TestARunningPairGoesOverAndBackWithoutAGap(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "keepalived", "keepalived")
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Keys: []string{stage.NewKey()}})
	s := story{t, p, map[*lab.Host]*lab.Process{}}
	for _, h := range []*lab.Host{s.A, s.B} {
		stage.Place(t, s.File(h, "keepalived.conf"), fmt.Sprintf(conf, s.OwnA.Addr(), s.OwnB.Addr(), s.Alias))
		s.convert(h)
		s.startKeepalived(h)
	}
	s.enters(s.A, "MASTER")
	s.enters(s.B, "BACKUP")
	stage.Served(t, p, "a")
	begin := time.Now()

	// Beside it, and only looking: each host sees what keepalived has decided.
	for _, h := range []*lab.Host{s.A, s.B} {
		m, err := h.StartCommand(lab.Command{Name: "observer", Argv: append(s.Command(h, "Monitor"), "--observe"), Env: []string{stage.RunMain + "=1"}})
		stage.Must(t, err)
		row := map[*lab.Host]string{s.A: "H9", s.B: "W6"}[h]
		stage.Until(t, p, h, "row "+row, func(_ control.Snapshot, a control.Alias) bool { return a.Row == row })
		s.end(m)
	}
	s.unbroken("observed", begin)

	// The backup goes over first: it has nothing. Then the Monitor of the master adopts the
	// alias, and puts it back when keepalived removes it.
	begin = time.Now()
	s.end(s.vrrp[s.B])
	_, err := p.Start(s.B)
	stage.Must(t, err)
	stage.Until(t, p, s.B, "sees the alias served", func(_ control.Snapshot, a control.Alias) bool { return a.Row == "W6" })
	a, err := p.Start(s.A)
	stage.Must(t, err)
	stage.Until(t, p, s.A, "holds the alias", func(_ control.Snapshot, a control.Alias) bool { return a.Row == "H9" })
	stage.Hears(t, p, s.B, "holding")
	// It puts the alias back at once only if it knows that nobody else claims it, and has
	// asked since the partner was there.
	heard := time.Now()
	stage.Until(t, p, s.A, "knows that nobody else has the alias", func(_ control.Snapshot, a control.Alias) bool {
		return slices.ContainsFunc(a.Facts, func(f control.Fact) bool {
			return f.Name == "alias elsewhere" && f.Value == "silent" && f.Asked.After(heard)
		})
	})
	s.end(s.vrrp[s.A])
	stage.Said(t, a, "reason=restored")
	stage.Held(t, p, "a")
	s.unbroken("over", begin)

	// It works: a hand-over there and back.
	begin = time.Now()
	stage.Obeyed(t, p, s.A, "Handover")
	stage.Held(t, p, "b")
	stage.Held(t, p, "a") // failback: keepalived's preempt
	s.unbroken("handed over and taken back", begin)

	// The way back: keepalived of the holder first, then the other host, then the Monitor of
	// the holder, which leaves the alias.
	begin = time.Now()
	s.startKeepalived(s.A)
	s.enters(s.A, "MASTER")
	s.end(p.Monitor(s.B))
	s.startKeepalived(s.B)
	s.enters(s.B, "BACKUP")
	s.end(p.Monitor(s.A))
	// The masks differ: keepalived has put its own address beside that of the Monitor.
	ours := netip.PrefixFrom(s.Alias, s.OwnA.Bits())
	if both := s.has(s.A); len(both) != 2 || !slices.Contains(both, ours) {
		t.Errorf("a has %v, and not the alias with both masks", both)
	}
	if out, errs, code := s.A.Run(stage.Patiently(t), "ip", "address", "del", ours.String(), "dev", "eth0"); code != 0 {
		t.Fatalf("ip address del: %s%s", out, errs)
	}
	s.unbroken("back", begin)

	// keepalived alone serves it: its master ends, and the backup has it.
	s.end(s.vrrp[s.A])
	stage.Served(t, p, "b")
	// What a's Monitor left with a mask of its own, keepalived would never remove.
	if left := s.has(s.A); len(left) > 0 {
		t.Errorf("a still has the alias: %v", left)
	}
}
