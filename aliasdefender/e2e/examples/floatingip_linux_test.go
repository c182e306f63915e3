package examples

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

var floatingAt = addresses{
	a: stage.Prefixes("10.0.0.4/24"), b: stage.Prefixes("10.0.0.5/24"),
	router: stage.Prefixes("10.0.0.1/24"), user: stage.Prefixes("10.0.0.50/24"),
}

// floating is the address that the cloud sends to one server; both have it.
const floating = "203.0.113.10"

// cloud is the provider of that example: the router, whose route of the floating address
// the API turns.
type cloud struct {
	*example
	servers map[int]*lab.Host

	mu      sync.Mutex
	at      int  // the server's number; 0: none
	faults  int  // so many requests more are answered with an error
	orders  int  // how many moves were asked for, refused ones included
	vague   bool // it does not say which server has it
	strange []string
}

// newCloud opens the API on the router.
func newCloud(x *example) *cloud {
	x.Helper()
	c := &cloud{example: x, servers: map[int]*lab.Host{1: x.a, 2: x.b}}
	// Client and servers share a segment here, unlike in a cloud: the router would tell the
	// client of the direct way.
	x.shell(x.router, "for f in all eth0; do echo 0 >/proc/sys/net/ipv4/conf/$f/send_redirects; done")
	var l net.Listener
	stage.Must(x.T, x.router.Do(func() (err error) { l, err = net.Listen("tcp", "10.0.0.1:80"); return err }))
	server := &http.Server{Handler: http.HandlerFunc(c.answer)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	x.T.Cleanup(func() { server.Close(); serving.Wait() })
	return c
}

// shell runs commands on a host, which must succeed.
func (x *example) shell(h *lab.Host, commands string) {
	x.Helper()
	if out, errs, code := h.Run(stage.Patiently(x.T), "sh", "-ec", commands); code != 0 {
		x.Fatalf("%s on %s: exit %d\n%s%s", commands, h.Name, code, out, errs)
	}
}

// answer is the API.
func (c *cloud) answer(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Method == http.MethodPost {
		c.orders++
	}
	if r.Header.Get("Authorization") != "Bearer secret" {
		c.strange = append(c.strange, "a request without the token")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	refused := c.faults > 0
	c.faults = max(0, c.faults-1)
	switch r.Method + " " + r.URL.Path {
	case "GET /v1/floating_ips/4711":
		if refused {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if c.vague {
			fmt.Fprint(w, `{"floating_ip": {"id": 4711}}`)
			return
		}
		where := "null"
		if c.at != 0 {
			where = fmt.Sprint(c.at)
		}
		fmt.Fprintf(w, `{"floating_ip": {"id": 4711, "ip": %q, "blocked": false, "server": %s}}`, floating, where)
	case "POST /v1/floating_ips/4711/actions/assign":
		var order struct {
			Server int `json:"server"`
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &order); err != nil || c.servers[order.Server] == nil {
			c.strange = append(c.strange, string(body))
		}
		if refused {
			w.WriteHeader(http.StatusLocked) // another action is under way
			return
		}
		c.turn(order.Server)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"action": {"status": "running"}}`)
	default:
		c.strange = append(c.strange, r.Method+" "+r.URL.Path)
		w.WriteHeader(http.StatusNotFound)
	}
}

// turn sends the floating address to a server, with c.mu locked.
func (c *cloud) turn(to int) {
	own := map[int]netip.Prefix{1: floatingAt.a[0], 2: floatingAt.b[0]}[to].Addr().String()
	if out, errs, code := c.router.Run(stage.Patiently(c.T), "ip", "route", "replace", floating+"/32", "via", own); code != 0 {
		c.Errorf("ip route: exit %d\n%s%s", code, out, errs)
	}
	c.at = to
}

// console moves the floating address by hand, and lets some requests fail from now on.
func (c *cloud) console(to, faults int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(to)
	c.faults = faults
}

// asked is how many moves were asked for.
func (c *cloud) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.orders
}

// sees waits until the cloud sends the floating address to a server.
func (c *cloud) sees(server int) {
	c.Helper()
	for ctx := stage.Patiently(c.T); ; pause(ctx) {
		c.mu.Lock()
		at := c.at
		c.mu.Unlock()
		if at == server {
			return
		}
		if ctx.Err() != nil {
			c.Fatalf("the floating address is at server %d, want %d", at, server)
		}
	}
}

// hookRan waits until a host's Status shows that its hook has ended well.
func (x *example) hookRan(h *lab.Host, hook string) {
	x.Helper()
	x.until(h, "the hook "+hook+" has run", func(_ control.Snapshot, a control.Alias) bool {
		for _, k := range a.Hooks {
			if k.Hook == hook && k.Result == "ran" {
				return true
			}
		}
		return false
	})
}

// TestAFloatingAddressFollowsTheAlias: at a take, through an API that fails, at a crash,
// after a doubt, and when a Monitor finds the alias at its start. A hook that comes too late
// takes nothing away.
func TestAFloatingAddressFollowsTheAlias(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"curl", "jq"} {
		stage.Wanted(t, program, program)
	}
	hooks := map[string][]string{}
	x := play(t, "floating-ip", floatingAt, func(x *example, h *lab.Host, settings string) string {
		hook := x.program(h, "floating-ip", func(text string) string { return text })
		conf := stage.Read(t, examples+"/floating-ip/floating-ip.conf")
		conf = replaced(t, conf, "API=https://api.hetzner.cloud/v1", "API=http://10.0.0.1/v1")
		conf = replaced(t, conf, "SERVER=42", "SERVER="+map[string]string{"a": "1", "b": "2"}[h.Name])
		conf = replaced(t, conf, "HEADER=/etc/floating-ip/header", "HEADER="+x.file(h, "header"))
		conf = replaced(t, conf, "PAUSE=3", "PAUSE=1")
		conf = replaced(t, conf, "TRIES=8", "TRIES=60") // on a busy machine curl may be slow
		stage.Place(t, x.file(h, "floating-ip.conf"), conf)
		stage.Must(t, os.WriteFile(x.file(h, "header"), []byte("Authorization: Bearer secret\n"), 0o600))
		hooks[h.Name] = []string{hook, x.file(h, "floating-ip.conf")}
		return replacedAll(t, 2, settings, `["/usr/local/lib/aliasdefender/floating-ip"]`, fmt.Sprintf("[%q, %q]", hook, x.file(h, "floating-ip.conf")))
	})
	c := newCloud(x)
	boot := func(h *lab.Host) {
		x.shell(h, "ip address add "+floating+"/32 dev lo")
		x.start(h)
	}
	const alias = "10.0.0.10"
	holder := x.watched(netip.MustParseAddr(alias))
	client := x.asks(netip.MustParseAddr(floating))

	// The first question is answered with an error, and so is the first order.
	c.mu.Lock()
	c.faults = 1
	c.mu.Unlock()
	boot(x.a)
	c.sees(1)
	x.answered(client, x.a)
	x.hookRan(x.a, "take")
	boot(x.b)
	x.ready()

	stage.Must(t, x.a.Crash())
	c.sees(2)
	x.answered(client, x.b)
	x.held(holder, x.b)

	// Both had it for a moment, and the other asked last: here the console does.
	stage.Must(t, x.a.Boot())
	boot(x.a)
	x.ready()
	x.hookRan(x.b, "take")
	c.console(1, 2)
	x.answered(client, x.a)
	x.shell(x.b, "ip address del "+alias+"/24 dev eth0")
	c.sees(2)
	x.answered(client, x.b)
	x.hookRan(x.b, "reasserted")

	// A's hook, as if it were still trying.
	before := c.asked()
	out, errs, code := x.a.RunCommand(stage.Patiently(t), lab.Command{Argv: hooks["a"], Env: []string{"AD_EVENT=take", "AD_ALIAS=" + alias}})
	if code != 0 || !strings.Contains(out, "not on this server any more") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if c.asked() != before {
		t.Error("a hook that came too late has asked for the address")
	}

	// As after a boot: the alias is there, and nobody was told.
	stage.Must(t, x.monitors[x.b].Signal(unix.SIGUSR2))
	_, err := x.monitors[x.b].Wait(stage.Patiently(t))
	stage.Must(t, err)
	stage.Must(t, os.Remove(x.file(x.b, "state/told")))
	c.console(1, 0)
	x.start(x.b)
	c.sees(2)
	x.answered(client, x.b)
	x.held(holder, x.b)
	if len(c.strange) > 0 {
		t.Errorf("the API was asked: %q", c.strange)
	}
}

// TestAFloatingAddressIsNotMovedByAHookThatKnowsTooLittle: without its settings, or where the
// provider does not say where the address is, nothing is asked for.
func TestAFloatingAddressIsNotMovedByAHookThatKnowsTooLittle(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"curl", "jq"} {
		stage.Wanted(t, program, program)
	}
	x := play(t, "floating-ip", floatingAt, func(x *example, h *lab.Host, settings string) string {
		hook := x.program(h, "floating-ip", func(text string) string { return text })
		return replacedAll(t, 2, settings, "/usr/local/lib/aliasdefender/floating-ip", hook)
	})
	c := newCloud(x)
	x.shell(x.a, "ip address add 10.0.0.10/24 dev eth0")
	stage.Must(t, os.WriteFile(x.file(x.a, "header"), []byte("Authorization: Bearer secret\n"), 0o600))
	stage.Must(t, os.WriteFile(x.file(x.a, "wrong"), []byte("Authorization: Bearer wrong\n"), 0o600))
	good := map[string]string{"API": "http://10.0.0.1/v1", "FLOATING": "4711", "SERVER": "1", "HEADER": x.file(x.a, "header"), "TRIES": "2", "PAUSE": "0"}
	c.mu.Lock()
	c.vague = true
	c.mu.Unlock()
	for _, tt := range []struct{ name, value, want string }{
		{"PAUSE", "0", "the answer names no server"},
		{"API", "http://10.0.0.1:81/v1", "could not be moved here in 2 tries"},
		{"FLOATING", "4712", "could not be moved here in 2 tries"},
		{"HEADER", x.file(x.a, "wrong"), "could not be moved here in 2 tries"},
		{"HEADER", x.file(x.a, "none"), "cannot be read"},
		{"SERVER", "", "does not set SERVER"},
	} {
		var conf strings.Builder
		for name, value := range good {
			if name == tt.name {
				value = tt.value
			}
			fmt.Fprintf(&conf, "%s=%s\n", name, value)
		}
		stage.Place(t, x.file(x.a, "conf"), conf.String())
		out, errs, code := x.a.RunCommand(stage.Patiently(t), lab.Command{Argv: []string{x.file(x.a, "floating-ip"), x.file(x.a, "conf")}, Env: []string{"AD_ALIAS=10.0.0.10"}})
		if code != 1 || !strings.Contains(errs, tt.want) {
			t.Errorf("%s=%s: exit %d\n%s%s", tt.name, tt.value, code, out, errs)
		}
	}
	if n := c.asked(); n != 0 {
		t.Errorf("the address was asked for %d times", n)
	}
}
