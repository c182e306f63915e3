package route

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// town is the article's network: clients behind a router, and four servers on two networks
// on its other side. All servers have an address of each of the four subnets.
type town struct {
	t       *testing.T
	lab     *lab.Lab
	dir     string
	router  *lab.Host
	client  *lab.Host
	servers []*lab.Host
	monitor *lab.Process
}

const subnets = 4

// subnet is the nth /27, and service the address in it that clients use.
func subnet(n int) string      { return fmt.Sprintf("192.0.2.%d/27", 32*(n+1)) }
func service(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(32*(n+1) + 1)}) }

// server is the address of the nth server: two are on each network.
func server(n int) string { return fmt.Sprintf("10.%d.0.%d", 1+n/2, 2+n%2) }

// inIPv6 is the address of IPv6 of whoever has one of IPv4: fd00 and its bytes.
func inIPv6(a netip.Addr) netip.Addr {
	b := a.As4()
	return netip.MustParseAddr(fmt.Sprintf("fd00:%d:%d:%d::%d", b[0], b[1], b[2], b[3]))
}

// service6 is an address of IPv6 that all servers have.
var service6 = netip.MustParseAddr("2001:db8:f::33")

// first is the settings of one route for each subnet, each with another server first.
func first(rhythm, more string) string {
	text := rhythm + "\n"
	for n := range subnets {
		var via []string
		for i := range subnets {
			via = append(via, fmt.Sprintf("%q", server((n+i)%subnets)))
		}
		text += fmt.Sprintf("[[route]]\nprefix = %q\nvia = [%s]\n%s\n", subnet(n), strings.Join(via, ", "), more)
	}
	return text
}

func newTown(t *testing.T, settings string) *town {
	t.Helper()
	l := lab.ForTest(t)
	dir, err := os.MkdirTemp("", "ad") // t.TempDir is too long for a socket
	stage.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &town{t: t, lab: l, dir: dir}
	var switches []*lab.Switch
	for _, name := range []string{"outside", "inside1", "inside2"} {
		s, err := l.Switch(name)
		stage.Must(t, err)
		switches = append(switches, s)
	}
	on := func(s int, addr string) lab.NICSpec {
		own := netip.MustParsePrefix(addr)
		return lab.NICSpec{Switch: switches[s], Addrs: []netip.Prefix{own, netip.PrefixFrom(inIPv6(own.Addr()), 64)}}
	}
	gateways := func(spec lab.HostSpec, router string) lab.HostSpec {
		spec.Gateway = netip.MustParseAddr(router)
		spec.Gateway6 = inIPv6(spec.Gateway)
		return spec
	}
	w.router, err = l.Host(lab.HostSpec{Name: "router", Forward: true, NICs: []lab.NICSpec{on(0, "203.0.113.1/24"), on(1, "10.1.0.1/24"), on(2, "10.2.0.1/24")}})
	stage.Must(t, err)
	w.client, err = l.Host(gateways(lab.HostSpec{Name: "client", NICs: []lab.NICSpec{on(0, "203.0.113.9/24")}}, "203.0.113.1"))
	stage.Must(t, err)
	for n := range subnets {
		h, err := l.Host(gateways(lab.HostSpec{Name: fmt.Sprintf("s%d", n), NICs: []lab.NICSpec{on(1+n/2, server(n)+"/24")}}, fmt.Sprintf("10.%d.0.1", 1+n/2)))
		stage.Must(t, err)
		w.servers = append(w.servers, h)
		w.serve(n)
	}
	w.settings(settings)
	return w
}

// serve gives a server its service addresses.
func (w *town) serve(server int) {
	w.t.Helper()
	for n := range subnets {
		w.run(w.servers[server], "ip", "addr", "add", service(n).String()+"/27", "dev", "lo")
	}
	w.run(w.servers[server], "ip", "addr", "add", service6.String()+"/128", "dev", "lo")
}

func (w *town) run(h *lab.Host, argv ...string) string {
	w.t.Helper()
	out, errs, code := h.Run(stage.Patiently(w.t), argv...)
	if code != 0 {
		w.t.Fatalf("%v on %s: %s", argv, h.Name, errs)
	}
	return out
}

func (w *town) file(name string) string { return filepath.Join(w.dir, name) }

// settings writes the router's files: it has no aliases.
func (w *town) settings(text string) {
	w.t.Helper()
	stage.Place(w.t, w.file("hostname.alias"), "# this host only keeps routes\n")
	// What stands at the top comes first; the tables of this host come last.
	stage.Place(w.t, w.file("aliasdefender.toml"), fmt.Sprintf("%s\n[control]\nsocket = %q\n[state]\ndir = %q\n[log]\nto = \"stderr\"\n", text, w.file("sock"), w.file("state")))
}

func (w *town) argv(verb string, args ...string) []string {
	all := []string{lab.Self(), verb, "--aliases", w.file("hostname.alias"), "--settings", w.file("aliasdefender.toml")}
	return append(all, args...)
}

// verb runs a verb on the router.
func (w *town) verb(verb string, args ...string) (out, errs string, code int) {
	w.t.Helper()
	return w.router.RunCommand(stage.Patiently(w.t), lab.Command{Argv: w.argv(verb, args...), Env: []string{stage.RunMain + "=1"}})
}

// start starts the router's Monitor, and waits until it hears signals.
func (w *town) start(args ...string) {
	w.t.Helper()
	m, err := w.router.StartCommand(lab.Command{Name: "Monitor", Argv: w.argv("Monitor", args...), Env: []string{stage.RunMain + "=1"}})
	stage.Must(w.t, err)
	w.monitor = m
	stage.Must(w.t, m.WaitOutput(stage.Patiently(w.t), "event=started"))
}

// leads is where the kernel's route to a subnet leads: the servers' numbers.
func (w *town) leads(n int) string {
	w.t.Helper()
	return w.leadsTo(subnet(n))
}

func (w *town) leadsTo(prefix string) string {
	w.t.Helper()
	out := w.run(w.router, "ip", "route", "show", prefix, "proto", "77")
	var all []string
	words := strings.Fields(out)
	for i, word := range words {
		if word == "via" {
			all = append(all, words[i+1])
		}
	}
	for n := range subnets {
		for i := range all {
			if all[i] == server(n) {
				all[i] = fmt.Sprint(n)
			}
		}
	}
	return strings.Join(all, " ")
}

// await waits until something is so.
func (w *town) await(what string, is func() bool) {
	w.t.Helper()
	ctx, tick := stage.Patiently(w.t), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.t.Fatalf("not so: %s\n%s%s", what, w.run(w.router, "ip", "route"), w.status())
		}
	}
}

// arrive waits until the route to a subnet leads to these servers.
func (w *town) arrive(n int, leads string) {
	w.t.Helper()
	w.await(fmt.Sprintf("%s leads to %q", subnet(n), leads), func() bool { return w.leads(n) == leads })
}

func (w *town) status() string {
	out, errs, _ := w.verb("Status")
	return out + errs
}

// begun waits until each subnet is served by its first server.
func (w *town) begun() {
	w.t.Helper()
	w.start()
	for n := range subnets {
		w.arrive(n, fmt.Sprint(n))
	}
}

// snapshot is what the Monitor knows.
func (w *town) snapshot() control.Snapshot {
	w.t.Helper()
	s, err := control.Dial(w.file("sock")).Status(stage.Patiently(w.t), false)
	stage.Must(w.t, err)
	return s
}

// asks has the client ask the service address of each subnet, and as the control the router.
func (w *town) asks() (each []*lab.Client, router *lab.Client) {
	w.t.Helper()
	ask := func(a netip.Addr) *lab.Client {
		c, err := w.client.Client(lab.ClientSpec{Target: a, Every: 5 * time.Millisecond})
		stage.Must(w.t, err)
		return c
	}
	for n := range subnets {
		each = append(each, ask(service(n)))
	}
	for n, c := range each {
		stage.Must(w.t, c.WaitAnswer(stage.Patiently(w.t), fmt.Sprintf("s%d", n)))
	}
	return each, ask(netip.MustParseAddr("203.0.113.1"))
}

// undisturbed wants no gap since a moment.
func (w *town) undisturbed(what string, c, router *lab.Client, since time.Time) {
	w.t.Helper()
	for _, g := range stage.Gaps(c, router, since) {
		w.t.Errorf("%s: no answer for %v (from %s to %s)", what, g.Length(), g.Before, g.After)
	}
}

// answered waits for an answer by a server.
func (w *town) answered(c *lab.Client, by int) {
	w.t.Helper()
	stage.Must(w.t, c.WaitAnswer(stage.Patiently(w.t), fmt.Sprintf("s%d", by)))
}

// ended waits for the Monitor's end.
func (w *town) ended(want int) {
	w.t.Helper()
	code, err := w.monitor.Wait(context.WithoutCancel(stage.Patiently(w.t)))
	if err != nil || code != want {
		w.t.Errorf("the Monitor has ended with %d, %v", code, err)
	}
}
