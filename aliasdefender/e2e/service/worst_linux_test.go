package service

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/host/nstest"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// The commands that do their worst. What they sleep for is how a test finds what is left of
// them.
var (
	hangs  = "#!/bin/sh\ntrap '' TERM\nsleep " + hangsFor + "\nsleep " + hangsFor + "\n"
	floods = "#!/bin/sh\nexec yes 'x event=moved action=take'\n"
	forks  = "#!/bin/sh\ntrap '' TERM\n(trap '' TERM; sleep " + forksFor + "; sleep " + forksFor + ") &\nexit 1\n"

	hangsFor, forksFor, slowFor = stage.Mark(1), stage.Mark(2), stage.Mark(3)
)

// worst are as many checks as there may be, all due in each second, and what some check of
// each kind of fault must say.
func worst(t *testing.T, dir string) (settings string, names []string, wanted map[string]string) {
	t.Helper()
	var b strings.Builder
	add := func(kind, ask string, n int) {
		for i := range n {
			name := fmt.Sprintf("%s%d", kind, i)
			names = append(names, name)
			fmt.Fprintf(&b, "[check.%s]\n%s\ninterval = \"1s\"\ntimeout = \"800ms\"\nfall = 1\n", name, ask)
		}
	}
	for kind, script := range map[string]string{"hangs": hangs, "floods": floods, "forks": forks} {
		path := filepath.Join(dir, kind)
		stage.Must(t, os.WriteFile(path, []byte(script), 0o755))
		stage.Must(t, os.Chmod(path, 0o755))
		add(kind, fmt.Sprintf("command = [%q]", path), 4)
	}
	add("endless", `http = "http://127.0.0.1:82/"`, 22)
	add("unasked", `http = "http://127.0.0.1:83/"`, 8)
	add("nameless", `tcp = "service.example:80"`, 22)
	return b.String(), names, map[string]string{
		"hangs":    "failing: timeout: killed after 800ms",
		"floods":   "failing: timeout: killed after 800ms",
		"forks":    "failing: exit code 1",
		"endless":  "failing: timeout: not done within 800ms, while ",
		"unasked":  "failing: ",
		"nameless": "unknown: the name cannot be resolved: ",
	}
}

// serves accepts connections at a port of host A's loopback, and does something with each.
func serves(t *testing.T, p *pair.Pair, port string, f func(net.Conn)) {
	t.Helper()
	var l net.Listener
	stage.Must(t, p.A.Do(func() (err error) { l, err = net.Listen("tcp", "127.0.0.1:"+port); return err }))
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); f(c) }()
		}
	}()
}

// withoutAnEnd answers with a page that never ends.
func withoutAnEnd(c net.Conn) {
	_, err := http.ReadRequest(bufio.NewReader(c))
	if err == nil {
		_, err = fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n")
	}
	for tick := time.NewTicker(10 * time.Millisecond); err == nil; <-tick.C {
		_, err = fmt.Fprintln(c, "<html>")
	}
}

// unasked speaks before it is asked, and what it says looks like a line of the Monitor's.
func unasked(c net.Conn) {
	fmt.Fprint(c, "event=moved action=take\r\n")
	_, _ = http.ReadRequest(bufio.NewReader(c)) // or the end of it
}

// userOf is the address of the pair's client.
func userOf(t *testing.T, p *pair.Pair) netip.Addr {
	t.Helper()
	addrs, err := p.User.Addrs()
	stage.Must(t, err)
	at := slices.IndexFunc(addrs, func(a lab.Addr) bool { return a.Prefix.Contains(p.OwnA.Addr()) })
	return addrs[at].Prefix.Addr()
}

// withoutNames has a host ask a name server that takes questions and never answers.
func withoutNames(t *testing.T, p *pair.Pair, dir string) {
	t.Helper()
	stage.Wanted(t, "unshare", "util-linux")
	var silent net.PacketConn
	stage.Must(t, p.User.Do(func() (err error) { silent, err = net.ListenPacket("udp4", ":53"); return err }))
	t.Cleanup(func() { silent.Close() })
	resolv := filepath.Join(dir, "resolv.conf")
	stage.Place(t, resolv, fmt.Sprintf("nameserver %s\n", userOf(t, p)))
	program, err := os.Executable() // /proc/self/exe would be the shell
	stage.Must(t, err)
	p.SetProgram(p.A, "unshare", "--mount", "sh", "-c", `mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`, "sh", resolv, program)
}

// TestChecksThatDoTheirWorstHoldNothingUp: as many as there may be, all due at once, hang,
// ignore TERM, flood, fork, read a page without an end, hear what imitates our log, or wait for
// a name server that is silent. They are said, those that find no place are counted, and an
// alias that has nothing to do with them is taken from a host that crashes.
func TestChecksThatDoTheirWorstHoldNothingUp(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryB: true, Keys: []string{stage.NewKey()}})
	dir := filepath.Dir(p.File(p.A, "x"))
	serves(t, p, "82", withoutAnEnd)
	serves(t, p, "83", unasked)
	withoutNames(t, p, dir)
	checks, names, wanted := worst(t, dir)
	other := stage.Rows(2, false)[1].Alias.Addr()
	stage.Put(t, p, p.A, fmt.Sprintf("%s\n%s[alias.%q]\nchecks = [\"%s\"]\n", stage.Usual(), checks, other, strings.Join(names, "\", \"")), stage.Rows(2, false))
	stage.Put(t, p, p.B, stage.Usual(), stage.Rows(2, true))
	_, err := p.Start(p.B)
	stage.Must(t, err)
	stage.Held(t, p, "b")
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Until(t, p, p.A, "each fault, and questions that found no place", func(s control.Snapshot, _ control.Alias) bool {
		said, late := map[string]bool{}, uint64(0)
		for _, c := range s.Checks {
			kind := strings.TrimRight(c.Name, "0123456789")
			if strings.HasPrefix(c.State+": "+c.Why, wanted[kind]) {
				said[kind] = true
			}
			late += c.Late
		}
		return len(s.Checks) == len(names) && late > 0 && len(said) == len(wanted)
	})
	stage.Hears(t, p, p.A, "holding")
	for _, mark := range []string{hangsFor, "x event=moved action=take"} { // what forks is gone at once
		stage.Seen(t, mark)
	}

	figure := stage.NewFigures(t, "from a crash to the take, beside 64 checks that do their worst", 2500*time.Millisecond)
	crash := time.Now()
	stage.Must(t, p.B.Crash())
	stage.Held(t, p, "a")
	stage.Said(t, m, "action=take row=W")
	spans := p.Holders.Spans()
	figure.Add(spans[len(spans)-1].From.Sub(crash), stage.Stillness(p.Control, p.Control, crash, time.Now()))
	stage.Until(t, p, p.A, "that the other alias is left alone", func(s control.Snapshot, _ control.Alias) bool {
		return slices.ContainsFunc(s.Aliases, func(a control.Alias) bool {
			return a.Alias == other.String() && a.Row == "W3" && a.Reason == "service failing"
		})
	})
	if n := strings.Count(m.Output(), "event=moved"); n != 1 || strings.Contains(m.Output(), "Unsolicited") {
		t.Errorf("%d lines seem to be of a move, or others write into the log:\n%s", n, m.Output())
	}
	stage.Must(t, m.Signal(unix.SIGTERM))
	stage.Ended(t, m)
	for _, pid := range stage.Processes(t, hangsFor, forksFor, "x event=moved action=take") {
		nstest.Ended(t, pid)
	}
}

// TestAReloadEndsTheCommandOfACheckThatIsGone, in the middle of its question.
func TestAReloadEndsTheCommandOfACheckThatIsGone(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	dir := filepath.Dir(p.File(p.A, "x"))
	pipe, script := filepath.Join(dir, "pipe"), filepath.Join(dir, "slow")
	stage.Must(t, unix.Mkfifo(pipe, 0o600))
	told, err := os.OpenFile(pipe, os.O_RDWR, 0)
	stage.Must(t, err)
	defer told.Close()
	stage.Must(t, os.WriteFile(script, []byte("#!/bin/sh\ntrap '' TERM\necho $$ >>"+pipe+"\nsleep "+slowFor+"\nsleep "+slowFor+"\n"), 0o755))
	stage.Must(t, os.Chmod(script, 0o755))
	settings := func(used string) string {
		return fmt.Sprintf("%s\nchecks = [%q]\n[check.slow]\ncommand = [%q]\ninterval = \"1m\"\ntimeout = \"1m\"\n[check.quick]\ncommand = [\"/bin/true\"]\ninterval = \"500ms\"\ntimeout = \"500ms\"\n", stage.Usual(), used, script)
	}
	stage.Must(t, p.Write(p.A, p.OwnB.Addr(), true, settings("slow")))
	_, err = p.Start(p.A)
	stage.Must(t, err)
	stage.Held(t, p, "a")
	stage.Must(t, told.SetReadDeadline(time.Now().Add(stage.Patience)))
	line, err := bufio.NewReader(told).ReadString('\n')
	stage.Must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	stage.Must(t, err)
	stage.Seen(t, slowFor)
	stage.Must(t, p.Write(p.A, p.OwnB.Addr(), true, settings("quick")))
	stage.Must(t, stage.Reload(p, p.A))
	nstest.Ended(t, pid)
	wellOn(t, p, p.A, "good")
	stage.Until(t, p, p.A, "the other check alone", func(s control.Snapshot, a control.Alias) bool {
		return len(s.Checks) == 1 && s.Checks[0].Name == "quick" && a.Holder == "us"
	})
	for _, pid := range stage.Processes(t, slowFor) {
		nstest.Ended(t, pid)
	}
}
