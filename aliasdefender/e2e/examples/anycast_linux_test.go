package examples

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

var anycastAt = addresses{
	a: stage.Prefixes("10.0.0.11/24", "fd00::11/64"), b: stage.Prefixes("10.0.0.12/24", "fd00::12/64"),
	router: stage.Prefixes("10.0.0.1/24", "fd00::1/64"), user: stage.Prefixes("10.0.0.50/24", "fd00::50/64"),
}

// What the servers of that example have in common, as the router routes it.
var services = stage.Prefixes("192.0.2.33/32", "198.51.100.32/27", "2001:db8:f::1/128")

// anycast is that example with real routing daemons: servers A and B with real nginx, and
// the router.
type anycast struct {
	*example
	web     map[*lab.Host]*lab.Process
	routing map[*lab.Host]*lab.Process
}

// newAnycast starts everything, and waits until the router has each service at both servers.
func newAnycast(t *testing.T, routing func(*anycast, *lab.Host, string) *lab.Process, ext string) *anycast {
	t.Helper()
	stage.Wanted(t, "nginx", "nginx-light")
	v := &anycast{example: segment(t, "anycast", anycastAt), web: map[*lab.Host]*lab.Process{}, routing: map[*lab.Host]*lab.Process{}}
	stage.Must(t, os.Chmod(v.dir, 0o755))
	// Client and servers share a segment here: the client is not to learn of the direct way.
	v.shell(v.user, "for f in all eth0; do echo 0 >/proc/sys/net/ipv4/conf/$f/accept_redirects; echo 0 >/proc/sys/net/ipv6/conf/$f/accept_redirects; done; ip -6 route add default via fd00::1")
	sample := func(name string) string { return stage.Read(t, filepath.Join(examples, "anycast", name)) }
	for _, h := range []*lab.Host{v.router, v.a, v.b} {
		stage.Must(t, os.MkdirAll(v.file(h, ""), 0o755))
		conf := sample("server." + ext)
		switch h {
		case v.router:
			conf = sample("router." + ext)
		case v.b:
			conf = strings.ReplaceAll(strings.ReplaceAll(conf, "10.0.0.11", "10.0.0.12"), "fd00::11", "fd00::12")
		}
		if !stage.Soak() { // on a busy machine a host that is silent for 0.3 s is not dead
			conf = strings.NewReplacer("interval 100 ms", "interval 500 ms", "-interval 100\n", "-interval 500\n").Replace(conf)
		}
		// BGP alone would notice a dead host only after the test: BFD has to.
		conf = strings.NewReplacer("hold time 9;", "hold time 3600;", "timers bgp 3 9\n", "timers bgp 1200 3600\n").Replace(conf)
		v.routing[h] = routing(v, h, conf)
	}
	for _, h := range []*lab.Host{v.a, v.b} {
		stage.Place(t, v.file(h, "hostname.alias"), sample("hostname.alias"))
		v.place(h, sample("aliasdefender.toml"))
		v.serve(h)
		v.run(h, "Check", "--files")
		v.start(h)
	}
	v.routed(v.a, v.b)
	return v
}

// serve starts the web server of a host.
func (v *anycast) serve(h *lab.Host) {
	v.Helper()
	dir := v.T.TempDir()
	stage.Place(v.T, filepath.Join(dir, "nginx.conf"), "daemon off;\n"+stage.NginxConf(dir, "stderr", "\t\tlisten 80;\n\t\tlisten [::]:80;\n\t\tlocation = / { return 200 \"<html>"+h.Name+"</html>\\n\"; }\n"))
	p, err := h.Start("nginx", "nginx", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr")
	stage.Must(v.T, err)
	v.web[h] = p
}

// bird runs BIRD on a host.
func bird(v *anycast, h *lab.Host, conf string) *lab.Process {
	v.Helper()
	stage.Place(v.T, v.file(h, "bird.conf"), "log stderr all;\n"+conf)
	p, err := h.Start("bird", "bird", "-f", "-c", v.file(h, "bird.conf"), "-s", v.file(h, "bird.ctl"))
	stage.Must(v.T, err)
	stage.Must(v.T, p.WaitOutput(stage.Patiently(v.T), "Started"))
	return p
}

// frr runs FRR's daemons on a host.
func frr(v *anycast, h *lab.Host, conf string) *lab.Process {
	v.Helper()
	return stage.FRR(v.T, h, v.file(h, "frr"), conf, "bfdd", "bgpd")
}

// routed waits until the router has every service at these servers, and at no others.
func (v *anycast) routed(servers ...*lab.Host) {
	v.Helper()
	ctx, tick := stage.Patiently(v.T), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for {
		wrong := ""
		for _, prefix := range services {
			var want []netip.Addr
			for _, h := range servers {
				want = append(want, map[*lab.Host][]netip.Prefix{v.a: anycastAt.a, v.b: anycastAt.b}[h][family(prefix)].Addr())
			}
			if got := v.hops(prefix); !slices.Equal(got, want) {
				wrong += prefix.String() + " by " + join(got) + ", want " + join(want) + "\n"
			}
		}
		if wrong == "" {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			v.Fatalf("the router has\n%s%s", wrong, v.routing[v.router].Output())
		}
	}
}

// family is 0 of IPv4 and 1 of IPv6: the place in a host's own addresses.
func family(p netip.Prefix) int {
	if p.Addr().Is6() {
		return 1
	}
	return 0
}

func join(all []netip.Addr) string {
	var words []string
	for _, a := range all {
		words = append(words, a.String())
	}
	return "[" + strings.Join(words, " ") + "]"
}

// hops are the next hops of the router's route of a prefix. IPv6 may have a route for each.
func (v *anycast) hops(prefix netip.Prefix) (all []netip.Addr) {
	v.Helper()
	type hop struct {
		Gateway netip.Addr `json:"gateway"`
	}
	var routes []struct {
		hop
		Hops []hop `json:"nexthops"`
	}
	out, errs, code := v.router.Run(context.Background(), "ip", "-json", map[int]string{0: "-4", 1: "-6"}[family(prefix)], "route", "show", prefix.String())
	if code != 0 {
		v.Fatalf("ip route: %s", errs)
	}
	if err := json.Unmarshal([]byte(out), &routes); err != nil {
		v.Fatalf("ip route: %v\n%s", err, out)
	}
	for _, r := range routes {
		if r.Gateway.IsValid() {
			all = append(all, r.Gateway)
		}
		for _, h := range r.Hops {
			all = append(all, h.Gateway)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

// pages waits until the client gets pages of one of these servers at every service.
func (v *anycast) pages(servers ...*lab.Host) {
	v.Helper()
	for _, service := range services {
		ctx, tick := stage.Patiently(v.T), time.NewTicker(10*time.Millisecond)
		for {
			page, err := stage.Page(v.user, service.Addr(), time.Second)
			if err == nil && slices.ContainsFunc(servers, func(h *lab.Host) bool { return page == "<html>"+h.Name+"</html>\n" }) {
				break
			}
			select {
			case <-tick.C:
				continue
			case <-ctx.Done():
			}
			v.Fatalf("%s: %q, %v", service, page, err)
		}
		tick.Stop()
	}
}

// bfd waits until the router watches both servers by BFD, in both families.
func (v *anycast) bfd(up string, show []string) {
	v.Helper()
	argv := []string{"nsenter", "--mount=/proc/" + strconv.Itoa(v.routing[v.router].Pid()) + "/ns/mnt"}
	for _, word := range show {
		argv = append(argv, strings.ReplaceAll(word, "CTL", v.file(v.router, "bird.ctl")))
	}
	ctx, tick := stage.Patiently(v.T), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	for {
		out, errs, _ := v.router.Run(context.Background(), argv...)
		if strings.Count(out, up) == 4 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			v.Fatalf("not all are watched by BFD:\n%s%s", out, errs)
		}
	}
}

func TestAnycastFollowsTheWebServers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, program, debian string
		routing               func(*anycast, *lab.Host, string) *lab.Process
		up                    string   // is said of a host that is watched by BFD
		show                  []string // has the routing daemon say that
	}{
		{"bird", "bird", "bird2", bird, "Up", []string{"birdc", "-s", "CTL", "show", "bfd", "sessions"}},
		{"frr", "vtysh", "frr", frr, " up ", []string{"vtysh", "-c", "show bfd peers brief"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stage.Wanted(t, tt.program, tt.debian)
			v := newAnycast(t, tt.routing, tt.name+".conf")
			v.pages(v.a, v.b)
			since := func(what string, from time.Time) {
				t.Helper()
				t.Logf("figure: %s: from %s %v", tt.name, what, time.Since(from).Round(time.Millisecond))
			}

			from := time.Now()
			stage.Must(t, v.web[v.a].Kill())
			v.routed(v.b)
			since("a dead web server until the router has no route to it", from)
			v.pages(v.b)

			from = time.Now()
			v.serve(v.a)
			v.routed(v.a, v.b)
			since("the web server's start until the router has a route to it", from)

			// An operator takes a server out, and a Monitor that is killed changes nothing.
			from = time.Now()
			v.run(v.b, "Maintenance", "on")
			v.routed(v.a)
			since("the order until the router has no route to it", from)
			v.pages(v.a)
			v.run(v.b, "Maintenance", "off")
			v.routed(v.a, v.b)
			stage.Killed(t, v.monitors[v.a])
			v.start(v.a)
			stage.Said(t, v.monitors[v.a], "action=adopt")
			v.routed(v.a, v.b)

			// BFD tells the router that a whole host is dead.
			v.bfd(tt.up, tt.show)
			from = time.Now()
			stage.Must(t, v.a.Crash())
			v.routed(v.b)
			since("a dead host until the router has no route to it", from)
			v.pages(v.b)
		})
	}
}
