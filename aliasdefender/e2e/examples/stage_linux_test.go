package examples

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

const examples = "../../../etc/examples"

// example is an example whose hosts A and B are on a segment with a router and a client,
// at the addresses that its files have.
type example struct {
	*testing.T
	lab                *lab.Lab
	lan                *lab.Switch
	a, b, router, user *lab.Host
	control            *lab.Client // asks the router: what it misses too is the machine's noise
	name, dir          string
	monitors           map[*lab.Host]*lab.Process
}

// addresses are those of an example's segment. The router's first one is the default
// gateway.
type addresses struct{ a, b, router, user []netip.Prefix }

// every is the rhythm of the clients: a gap that counts has four of their questions.
const every = 5 * time.Millisecond

// changed makes of an example's settings those that a host of the test gets.
type changed func(x *example, h *lab.Host, settings string) string

// asItIs leaves the settings alone.
func asItIs(_ *example, _ *lab.Host, settings string) string { return settings }

// play builds the stage of an example. Each host gets the example's files, in which only
// places of this machine are other ones, and what change makes of the settings.
func play(t *testing.T, name string, at addresses, change changed) *example {
	t.Helper()
	x := segment(t, name, at)
	key := stage.NewKey()
	for _, h := range []*lab.Host{x.a, x.b} {
		x.install(h, key, change)
	}
	for h, other := range map[*lab.Host]*lab.Host{x.a: x.b, x.b: x.a} {
		x.run(h, "Check", "--files", "--partner-file", x.file(other, "hostname.alias"))
	}
	return x
}

// segment is the hosts of an example, without its files.
func segment(t *testing.T, name string, at addresses) *example {
	t.Helper()
	dir, err := os.MkdirTemp("", "ad") // t.TempDir is too long for a socket
	stage.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	x := &example{T: t, lab: lab.ForTest(t), name: name, dir: dir, monitors: map[*lab.Host]*lab.Process{}}
	x.lan, err = x.lab.Switch("lan")
	stage.Must(t, err)
	for _, h := range []struct {
		host **lab.Host
		name string
		own  []netip.Prefix
	}{{&x.a, "a", at.a}, {&x.b, "b", at.b}, {&x.router, "router", at.router}, {&x.user, "client", at.user}} {
		spec := lab.HostSpec{Name: h.name, Forward: h.name == "router", NICs: []lab.NICSpec{{Name: "eth0", Switch: x.lan, Addrs: h.own}}}
		if !spec.Forward {
			spec.Gateway = at.router[0].Addr()
		}
		*h.host, err = x.lab.Host(spec)
		stage.Must(t, err)
	}
	x.control = x.asks(at.router[0].Addr())
	return x
}

// install puts the example's files in a host's directory.
func (x *example) install(h *lab.Host, key string, change changed) {
	x.Helper()
	stage.Must(x.T, os.MkdirAll(x.file(h, ""), 0o755))
	stage.Place(x.T, x.file(h, "hostname.alias"), stage.Read(x.T, filepath.Join(examples, x.name, "host-"+h.Name+".hostname.alias")))
	stage.Must(x.T, os.WriteFile(x.file(h, "key"), []byte(key), 0o600))
	settings := replaced(x.T, stage.Read(x.T, filepath.Join(examples, x.name, "aliasdefender.toml")), `"/etc/aliasdefender.key"`, `"`+x.file(h, "key")+`"`)
	x.place(h, change(x, h, settings))
}

// place writes a host's settings, with the places of this test.
func (x *example) place(h *lab.Host, settings string) {
	x.Helper()
	stage.Place(x.T, x.file(h, "aliasdefender.toml"), settings+
		"\n[control]\nsocket = \""+x.file(h, "sock")+"\"\n[state]\ndir = \""+x.file(h, "state")+"\"\n[log]\nto = \"stderr\"\n")
}

// file is the path of one of a host's files.
func (x *example) file(h *lab.Host, name string) string { return filepath.Join(x.dir, h.Name, name) }

// replaced replaces what must be there exactly once.
func replaced(t *testing.T, text, old, by string) string {
	t.Helper()
	return replacedAll(t, 1, text, old, by)
}

// replacedAll replaces what must be there exactly n times.
func replacedAll(t *testing.T, n int, text, old, by string) string {
	t.Helper()
	if found := strings.Count(text, old); found != n {
		t.Fatalf("%q is there %d times, want %d:\n%s", old, found, n, text)
	}
	return strings.ReplaceAll(text, old, by)
}

// program puts one of the example's programs into a host's directory, with what edit makes
// of it, and returns its path.
func (x *example) program(h *lab.Host, name string, edit func(text string) string) string {
	x.Helper()
	path := x.file(h, name)
	stage.Must(x.T, os.WriteFile(path, []byte(edit(stage.Read(x.T, filepath.Join(examples, x.name, name)))), 0o755))
	stage.Must(x.T, os.Chmod(path, 0o755))
	return path
}

// fake puts a program that stands in for one of the system's into a directory of a host's,
// and returns that directory.
func (x *example) fake(h *lab.Host, name, text string) (bin string) {
	x.Helper()
	bin = x.file(h, "bin")
	stage.Must(x.T, os.MkdirAll(bin, 0o755))
	stage.Must(x.T, os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755))
	stage.Must(x.T, os.Chmod(filepath.Join(bin, name), 0o755))
	return bin
}

// start starts the Monitor of a host.
func (x *example) start(h *lab.Host) {
	x.Helper()
	var err error
	x.monitors[h], err = h.StartCommand(lab.Command{Name: "Monitor", Env: []string{stage.RunMain + "=1"},
		Argv: []string{lab.Self(), "Monitor", "--aliases", x.file(h, "hostname.alias"), "--settings", x.file(h, "aliasdefender.toml")}})
	stage.Must(x.T, err)
}

// run runs a verb on a host, which must succeed: again, if a busy machine gave it too little
// time.
func (x *example) run(h *lab.Host, verb string, args ...string) string {
	x.Helper()
	for ctx := stage.Patiently(x.T); ; {
		out, errs, code := h.RunCommand(ctx, x.verb(h, verb, args...))
		if code == stage.Done {
			return out
		}
		if !stage.Again(ctx, errs, code) {
			x.Fatalf("%s on %s: exit %d\n%s%s", verb, h.Name, code, out, errs)
		}
	}
}

// verb is the command line of a verb on a host.
func (x *example) verb(h *lab.Host, verb string, args ...string) lab.Command {
	argv := append([]string{lab.Self(), verb, "--aliases", x.file(h, "hostname.alias"), "--settings", x.file(h, "aliasdefender.toml")}, args...)
	return lab.Command{Argv: argv, Env: []string{stage.RunMain + "=1"}}
}

// asks is a client that asks an address for its host's name from now on.
func (x *example) asks(target netip.Addr) *lab.Client {
	x.Helper()
	c, err := x.user.Client(lab.ClientSpec{Target: target, Every: every})
	stage.Must(x.T, err)
	return c
}

// watched is who has an address.
func (x *example) watched(addr netip.Addr) *lab.Watch {
	x.Helper()
	w, err := x.lab.Watch(addr)
	stage.Must(x.T, err)
	return w
}

// held waits until exactly this host has the address.
func (x *example) held(w *lab.Watch, by *lab.Host) {
	x.Helper()
	stage.Must(x.T, w.Wait(stage.Patiently(x.T), by.Name))
}

// answered waits until a host answers a client.
func (x *example) answered(c *lab.Client, by *lab.Host) {
	x.Helper()
	stage.Must(x.T, c.WaitAnswer(stage.Patiently(x.T), by.Name))
}

// ready waits until both hosts' Status says of every alias that its standby would take it.
func (x *example) ready() {
	x.Helper()
	ctx := stage.Patiently(x.T)
	for _, h := range []*lab.Host{x.a, x.b} {
		var last control.Snapshot
		for !allReady(last) {
			if ctx.Err() != nil {
				x.Fatalf("%s: not every standby is ready: %+v", h.Name, last)
			}
			last = x.status(ctx, h)
		}
	}
}

// status is a host's Status, or an empty one of a Monitor that is starting.
func (x *example) status(ctx context.Context, h *lab.Host) control.Snapshot {
	tick := time.NewTimer(10 * time.Millisecond)
	defer tick.Stop()
	select {
	case <-tick.C:
	case <-ctx.Done():
	}
	s, _ := control.Dial(x.file(h, "sock")).Status(ctx, true)
	return s
}

func allReady(s control.Snapshot) bool {
	return len(s.Aliases) > 0 && !slices.ContainsFunc(s.Aliases, func(a control.Alias) bool { return a.Standby == nil || a.Standby.Ready != "yes" })
}

// figure logs the longest time that a client waited since a moment.
func (x *example) figure(what string, c *lab.Client, since time.Time) {
	x.Helper()
	r := c.Report(since, time.Time{})
	x.Logf("figure: %s: the longest gap %v, %d of %d questions lost", what, r.Longest.Length().Round(time.Millisecond), r.Lost, r.Sent)
}

// unhurt requires that a client has missed nothing since a moment but what the machine
// made it miss.
func (x *example) unhurt(what string, c *lab.Client, since time.Time) {
	x.Helper()
	for _, g := range stage.Gaps(c, x.control, since) {
		x.Errorf("%s: no answer for %v, before by %q, after by %q", what, g.Length(), g.Before, g.After)
	}
}
