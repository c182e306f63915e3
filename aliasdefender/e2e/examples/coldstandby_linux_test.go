package examples

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

var coldStandbyAt = addresses{
	a: stage.Prefixes("172.16.1.4/24"), b: stage.Prefixes("172.16.1.5/24"),
	router: stage.Prefixes("172.16.1.254/24"), user: stage.Prefixes("172.16.1.50/24"),
}

// units stands in for systemd on a host: it starts and stops the one unit, which is a real
// web server that names its host. What starts it is no child of the hook, as with systemd.
type units struct {
	*testing.T
	host *lab.Host
	conf string

	mu     sync.Mutex
	asked  []string // what was asked for, without the preparation for it
	server *lab.Process
}

// manages makes a host's systemctl, and returns the directory that it is in.
func manages(x *example, h *lab.Host) (u *units, bin string) {
	x.Helper()
	u = &units{T: x.T, host: h, conf: x.file(h, "nginx.conf")}
	dir := x.file(h, "web")
	stage.Must(x.T, os.MkdirAll(dir, 0o755))
	stage.Place(x.T, u.conf, "daemon off;\n"+stage.NginxConf(dir, "stderr", fmt.Sprintf("\t\tlisten 8080;\n\t\tlocation / { return 200 %q; }\n", h.Name)))
	pipe := x.file(h, "asked")
	var done sync.WaitGroup
	x.T.Cleanup(done.Wait) // after the pipe is closed
	lines := listens(x.T, pipe)
	bin = x.fake(h, "systemctl", "#!/bin/sh\necho \"$*\" >>"+pipe+"\n")
	done.Go(func() {
		for l := range lines {
			u.ask(l)
		}
	})
	return u, bin
}

// ask does what systemctl was asked to.
func (u *units) ask(words string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch words {
	case "reset-failed -- app.service":
	case "--no-block start -- app.service":
		u.asked = append(u.asked, "start")
		if u.runs() {
			return
		}
		var err error
		if u.server, err = u.host.Start("nginx", "nginx", "-p", filepath.Dir(u.conf), "-c", u.conf, "-e", "stderr"); err != nil {
			u.Error(err)
		}
	case "--no-block stop -- app.service":
		u.asked = append(u.asked, "stop")
		u.end()
	default:
		u.Errorf("systemctl %s", words)
	}
}

// runs tells whether the server does, with u.mu locked.
func (u *units) runs() bool {
	if u.server == nil {
		return false
	}
	select {
	case <-u.server.Done():
		return false
	default:
		return true
	}
}

// end kills the server, with u.mu locked.
func (u *units) end() {
	if u.runs() {
		_ = u.server.Kill() // it may end just now
		<-u.server.Done()
	}
}

// dies kills the server behind systemd's back.
func (u *units) dies() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.end()
}

// done waits until these were asked for, and nothing else, and requires that the server
// runs or does not.
func (u *units) done(running bool, want ...string) {
	u.Helper()
	for ctx := stage.Patiently(u.T); ; pause(ctx) {
		u.mu.Lock()
		asked, runs := slices.Clone(u.asked), u.runs()
		u.mu.Unlock()
		if slices.Equal(asked, want) && runs == running {
			return
		}
		if ctx.Err() != nil {
			u.Fatalf("systemd on %s was asked to %q, want %q; the service runs: %t", u.host.Name, asked, want, runs)
		}
	}
}

// pause waits for a moment between two looks.
func pause(ctx context.Context) {
	tick := time.NewTimer(10 * time.Millisecond)
	defer tick.Stop()
	select {
	case <-tick.C:
	case <-ctx.Done():
	}
}

// page is what a web server answers a host, or nothing.
func page(h *lab.Host, at netip.AddrPort) string {
	const within = time.Second
	var c net.Conn
	if h.Do(func() (err error) { c, err = net.DialTimeout("tcp", at.String(), within); return err }) != nil {
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(within))
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n") // an error is one of the answer too
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return string(text)
}

// paged waits until a client gets the page of a host.
func (x *example) paged(at string, by *lab.Host) {
	x.Helper()
	for ctx := stage.Patiently(x.T); page(x.user, netip.MustParseAddrPort(at)) != by.Name; pause(ctx) {
		if ctx.Err() != nil {
			x.Fatalf("no page of %s at %s", by.Name, at)
		}
	}
}

// until waits until a host's Status shows what is wanted about its first alias.
func (x *example) until(h *lab.Host, what string, ok func(control.Snapshot, control.Alias) bool) {
	x.Helper()
	for ctx := stage.Patiently(x.T); ; {
		s := x.status(ctx, h)
		if len(s.Aliases) > 0 && ok(s, s.Aliases[0]) {
			return
		}
		if ctx.Err() != nil {
			x.Fatalf("%s: not %s: %+v", h.Name, what, s)
		}
	}
}

// checked waits until a host's only check has a state.
func (x *example) checked(h *lab.Host, state string) {
	x.Helper()
	x.until(h, "a check that is "+state, func(s control.Snapshot, _ control.Alias) bool {
		return len(s.Checks) == 1 && s.Checks[0].State == state
	})
}

// outOfTheQuestion waits until both hosts know that the standby's service fails.
func (x *example) outOfTheQuestion() {
	x.Helper()
	for _, h := range []*lab.Host{x.a, x.b} {
		x.until(h, "aware that the standby's service fails", func(_ control.Snapshot, l control.Alias) bool {
			return l.Standby != nil && l.Standby.Reason == "service failing"
		})
	}
}

// TestAColdStandbysServiceRunsWhereTheAliasIs, and nowhere else: at the start, after a
// crash, and after the service has died on one host and then on both.
func TestAColdStandbysServiceRunsWhereTheAliasIs(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "nginx", "nginx-light")
	systemd := map[string]*units{}
	x := play(t, "cold-standby", coldStandbyAt, func(x *example, h *lab.Host, settings string) string {
		u, bin := manages(x, h)
		systemd[h.Name] = u
		hook := x.program(h, "cold-standby", func(text string) string {
			return replaced(t, text, "\nLC_ALL=C\n", "\nPATH="+bin+":$PATH\nLC_ALL=C\n")
		})
		settings = replaced(t, settings, `settle = "30s"`, `settle = "5s"`)
		settings = replaced(t, settings, `interval = "2s"`, `interval = "1s"`)
		return replacedAll(t, 3, settings, "/usr/local/lib/aliasdefender/cold-standby", hook)
	})
	const alias = "172.16.1.2:8080"
	a, b := systemd["a"], systemd["b"]
	holder := x.watched(netip.MustParseAddrPort(alias).Addr())
	x.start(x.a)
	x.start(x.b)
	x.held(holder, x.a)
	x.paged(alias, x.a)
	x.checked(x.a, "good")
	x.checked(x.b, "unknown")
	x.ready()
	b.done(false)

	stage.Must(t, x.a.Crash())
	x.paged(alias, x.b)
	a.done(false, "start")
	b.done(true, "start")
	stage.Must(t, x.a.Boot())
	x.start(x.a)
	x.ready()
	x.checked(x.b, "good")
	x.held(holder, x.b)
	a.done(false, "start")

	b.dies()
	x.paged(alias, x.a)
	x.held(holder, x.a)
	a.done(true, "start", "start")
	b.done(false, "start", "stop")
	x.checked(x.a, "good")
	x.outOfTheQuestion()

	a.dies()
	x.until(x.a, "left alone with both services dead", func(_ control.Snapshot, l control.Alias) bool {
		return l.Reason == "both services failing" && l.Level == "alarm"
	})
	x.held(holder, x.a)
	a.done(false, "start", "start")
	b.done(false, "start", "stop")
}
