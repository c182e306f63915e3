package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// readRoutes reads a settings file for a host that only keeps routes.
func readRoutes(text string) (*Config, error) {
	return join(readTable(read(strings.NewReader(""), "hostname.alias")), readSettings(read(strings.NewReader(text), "f")))
}

func TestRoutesAreReadAsTheyWereMeant(t *testing.T) {
	cfg, err := readRoutes(`interval = "1s"
[[route]]
prefix = "192.0.2.32/27"
via = ["10.1.0.2", "10.1.0.3"]

[[route]]
prefix = "2001:db8:1::/48"
via = ["fe80::2%eth1", "2001:db8::3"]
mode = "spread"
weights = [2, 1]
check = "web"
table = 100
metric = 20
on_all_dead = "withdraw"

[[route]]
prefix = "192.0.2.32/27"
via = ["10.1.0.3"]
metric = 5
failback = false
install = false

[[route]]
prefix = "0.0.0.0/0"
via = ["10.1.0.9"]

[check.web]
http = "http://{via}/"

[hooks]
route = ["/usr/local/lib/aliasdefender/route"]
take = ["/usr/local/lib/aliasdefender/take"]
`)
	if err != nil {
		t.Fatal(err)
	}
	addrs := func(all ...string) (list []netip.Addr) {
		for _, a := range all {
			list = append(list, netip.MustParseAddr(a))
		}
		return list
	}
	want := []Route{
		{Line: 2, Prefix: netip.MustParsePrefix("192.0.2.32/27"), Via: addrs("10.1.0.2", "10.1.0.3"), Mode: RouteFirst, Failback: true, Table: 254, OnAllDead: AllDeadKeep, Install: true},
		{Line: 6, Prefix: netip.MustParsePrefix("2001:db8:1::/48"), Via: addrs("fe80::2%eth1", "2001:db8::3"), Mode: RouteSpread, Weights: []int{2, 1}, Check: "web", Failback: true, Table: 100, Metric: 20, OnAllDead: AllDeadWithdraw, Install: true},
		{Line: 16, Prefix: netip.MustParsePrefix("192.0.2.32/27"), Via: addrs("10.1.0.3"), Mode: RouteFirst, Table: 254, Metric: 5, OnAllDead: AllDeadKeep},
		{Line: 23, Prefix: netip.MustParsePrefix("0.0.0.0/0"), Via: addrs("10.1.0.9"), Mode: RouteFirst, Failback: true, Table: 254, OnAllDead: AllDeadKeep, Install: true},
	}
	for i := range want {
		want[i].Rhythm = Rhythm{Interval: time.Second, Timeout: 250 * time.Millisecond, Misses: 3}
		want[i].Hooks = Hooks{Programs: map[HookName]Program{HookRoute: {"/usr/local/lib/aliasdefender/route"}}, Timeout: DefaultHookTimeout, BeforeTimeout: DefaultBeforeTimeout}
	}
	if diff := cmp.Diff(want, cfg.Routes, compareNetip); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEachMistakeInARouteIsSaid(t *testing.T) {
	const good = "prefix = \"192.0.2.32/27\"\nvia = [\"10.1.0.2\", \"10.1.0.3\"]\n"
	for text, want := range map[string]string{
		"[[route]]\nvia = [\"10.1.0.2\"]":                                               `f:1: route: has no prefix; write prefix = "192.0.2.32/27"`,
		"[[route]]\nprefix = \"192.0.2.32/27\"":                                         `f:1: route: has no next hop; write via = ["10.1.0.2", "10.1.0.3"], the one first that is preferred`,
		"[[route]]\nprefix = \"192.0.2.33/27\"\nvia = [\"10.1.0.2\"]":                   "f:2: route.prefix: 192.0.2.33/27 has bits behind its length; write 192.0.2.32/27",
		"[[route]]\nprefix = \"192.0.2.32\"\nvia = [\"10.1.0.2\"]":                      `f:2: route.prefix: 192.0.2.32 is no prefix, such as "192.0.2.32/27" or "2001:db8:1::/48"`,
		"[[route]]\nprefix = \"224.0.0.0/4\"\nvia = [\"10.1.0.2\"]":                     "f:2: route.prefix: 224.0.0.0/4 is not routed to other hosts",
		"[[route]]\nprefix = \"192.0.2.32/27\"\nvia = [\"10.1.0.2\", \"10.1.0.2\"]":     "f:3: route.via: 10.1.0.2 is listed twice",
		"[[route]]\nprefix = \"192.0.2.32/27\"\nvia = [\"10.1.0.2\",\n\"2001:db8::1\"]": "f:4: route.via: 2001:db8::1 is an IPv6 address, and the prefix 192.0.2.32/27 is not of that family",
		"[[route]]\nprefix = \"192.0.2.32/27\"\nvia = [\"192.0.2.40\"]":                 "f:3: route.via: 192.0.2.40 is in 192.0.2.32/27 itself: the route would lead to its own end",
		"[[route]]\nprefix = \"2001:db8:1::/48\"\nvia = [\"fe80::2\"]":                  "f:3: route.via: fe80::2 is link-local and may be on several NICs; write it with its NIC, such as fe80::2%eth0",
		"[[route]]\n" + good + "mode = \"all\"":                                         `f:4: route.mode: "all" is unknown; write "first" or "spread"`,
		"[[route]]\n" + good + "weights = [1, 2]":                                       `f:4: route.weights: is for mode = "spread", and this route leads to the first of its next hops`,
		"[[route]]\n" + good + "mode = \"spread\"\ninstall = false\nweights = [1, 2]":   "f:6: route.weights: is for install = true: a hook is told the next hops, and no weights",
		"[[route]]\n" + good + "mode = \"spread\"\nweights = [1]":                       "f:5: route.weights: has 1 number, and via has 2; write one for each",
		"[[route]]\n" + good + "mode = \"spread\"\nweights = [0, 1]":                    "f:5: route.weights: 0 is out of range: from 1 to 256",
		"[[route]]\n" + good + "mode = \"spread\"\nfailback = true":                     `f:5: route.failback: is for mode = "first": a spread takes in each next hop that lives again`,
		"[[route]]\n" + good + "table = 255":                                            "f:4: route.table: 255 is the kernel's own table, of what is local to this host; write 254 for the main one",
		"[[route]]\n" + good + "metrik = 5":                                             "f:4: route.metrik: unknown; did you mean metric?",
		"[[route]]\n" + good + "on_all_dead = \"drop\"":                                 `f:4: route.on_all_dead: "drop" is unknown; write "keep" or "withdraw"`,
		"[[route]]\n" + good + "[route.via2]\nx = 1":                                    "f:4: route.via2: unknown; [[route]] has no tables",
		"[route]\n" + good:                          "f:1: route: is a table for each route; write [[route]], and its keys below",
		"route = [{ prefix = \"192.0.2.32/27\" }]":  "f:1: route: is a table for each route; write [[route]], and its keys below",
		"[[route]]\n" + good + "[[route]]\n" + good: "f:5: route.prefix: 192.0.2.32/27 is the prefix of the route in line 1, with the same table and metric",
		"[[route]]\n" + good + "[[route]]\nprefix = \"192.0.2.0/24\"\nvia = [\"10.1.0.2\"]":                                                                 "f:2: route.prefix: 192.0.2.32/27 is within 192.0.2.0/24, the prefix of the route in line 4: which of the two a packet takes is easily mistaken; split the wider one",
		"[[route]]\n" + good + "[[route]]\n" + good + "metric = 3":                                                                                          "",
		"[[route]]\n" + good + "[[route]]\n" + good + "table = 7":                                                                                           "",
		"[[route]]\n" + good + "[[route]]\nprefix = \"192.0.2.64/27\"\nvia = [\"10.1.0.2\"]":                                                                "",
		"[[route]]\n" + good + "[[route]]\nprefix = \"0.0.0.0/0\"\nvia = [\"10.1.0.2\"]":                                                                    "",
		"[[route]]\nprefix = \"2001:db8:1::/48\"\nvia = [\"2001:db8::2\"]\n[[route]]\nprefix = \"2001:db8:1::/48\"\nmetric = 1024\nvia = [\"2001:db8::2\"]": "f:5: route.prefix: 2001:db8:1::/48 is the prefix of the route in line 1, with the same table and metric",
		"[[route]]\n" + good + "check = \"web\"":                                                                                                            "f:4: route.check: there is no check web; write [check.web], and below it how to ask",
		"[[route]]\n" + good + "check = \"web\"\n[check.web]\nhttp = \"http://10.1.0.2/\"":                                                                  `f:4: route.check: the check web (line 5) asks the same whatever next hop is meant; write {via} where the next hop's address belongs, such as http = "http://{via}/"`,
		"[[route]]\n" + good + "check = \"web\"\n[check.web]\nprocess = \"nginx\"":                                                                          `f:4: route.check: the check web (line 5) asks the same whatever next hop is meant; write {via} where the next hop's address belongs, such as http = "http://{via}/"`,
		"[[route]]\n" + good + "check = \"web\"\n[check.web]\nhttp = \"http://{via}/\"\nwhen = \"holding\"":                                                 `f:4: route.check: the check web (line 5) is asked while an alias is here, and a next hop is asked always; take when = "holding" away`,
		"checks = [\"web\"]\n[[route]]\n" + good + "check = \"web\"\n[check.web]\ntcp = \"{via}:80\"":                                                       `f:1: checks: the check web (line 6) asks through the next hop of a route ({via}), and an alias has none; write a check of its own`,
		"[[route]]\n" + good + "check = \"web\"\n[check.web]\nhttp = \"http://[{via}]/\"":                                                                   `f:6: check.web.http: http://[{via}]/ has brackets around {via}; leave them out: an address of IPv6 gets its own`,
		"[[route]]\n" + good + "check = \"web\"\n[check.web]\ntcp = \"[{via}]:80\"":                                                                         `f:6: check.web.tcp: [{via}]:80 has brackets around {via}; leave them out: an address of IPv6 gets its own`,
		"[[routes]]\n" + good: "f:1: routes: unknown; did you mean [[route]]?",
	} {
		_, err := readRoutes(text)
		got := ""
		if err != nil {
			got, _, _ = strings.Cut(err.Error(), "\n")
		}
		if first, _, _ := strings.Cut(got, "\nf:"); first != want {
			t.Errorf("%s\n got: %s\nwant: %s", text, got, want)
		}
	}
}

func TestACheckAsksThroughEachNextHop(t *testing.T) {
	cfg, err := readRoutes(`
[[route]]
prefix = "192.0.2.32/27"
via = ["10.1.0.2", "10.1.0.3"]
check = "web"
[[route]]
prefix = "192.0.2.64/27"
via = ["10.1.0.3"]
check = "web"
[[route]]
prefix = "2001:db8:1::/48"
via = ["fe80::2%eth1"]
check = "port"
[[route]]
prefix = "2001:db8:2::/48"
via = ["2001:db8::3"]
check = "own"
[[route]]
prefix = "2001:db8:3::/48"
via = ["2001:db8::4"]
[check.web]
http = "http://{via}:8080/health"
[check.port]
tcp = "{via}:80"
[check.own]
command = ["/usr/local/lib/aliasdefender/own", "--via={via}"]
`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range cfg.Hops() {
		got = append(got, k.Name+": "+k.HTTP.URL+k.Address+strings.Join(k.Command, " "))
	}
	want := []string{
		"web via 10.1.0.2: http://10.1.0.2:8080/health",
		"web via 10.1.0.3: http://10.1.0.3:8080/health",
		"port via fe80::2%eth1: [fe80::2%eth1]:80",
		"own via 2001:db8::3: /usr/local/lib/aliasdefender/own --via=2001:db8::3",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if url := cfg.Checks[0].Through(netip.MustParseAddr("fe80::2%eth1")).HTTP.URL; url != "http://[fe80::2%25eth1]:8080/health" {
		t.Error(url)
	}
	if len(cfg.Used()) > 0 {
		t.Errorf("these are asked for aliases: %v", cfg.Used())
	}
}

func TestAHostThatOnlyKeepsRoutesNeedsNoRows(t *testing.T) {
	cfg, err := readRoutes("[[route]]\nprefix = \"192.0.2.32/27\"\nvia = [\"10.1.0.2\"]\n")
	if err != nil || len(cfg.Aliases) != 0 || len(cfg.Routes) != 1 {
		t.Errorf("%+v, %v", cfg, err)
	}
	if _, err = readRoutes("[alias.\"10.0.0.9\"]\ninterval = \"1s\"\n[[route]]\nprefix = \"192.0.2.32/27\"\nvia = [\"10.1.0.2\"]\n"); err == nil || !strings.Contains(err.Error(), "is not an alias of hostname.alias") {
		t.Errorf("a table of an alias, and no row: %v", err)
	}
	if _, err = readRoutes("interval = \"1s\"\n"); err == nil || !strings.Contains(err.Error(), "no alias yet") {
		t.Errorf("neither: %v", err)
	}
}

func TestARouteIsNamedByWhatTellsItApart(t *testing.T) {
	p := netip.MustParsePrefix("192.0.2.32/27")
	for want, r := range map[string]Route{
		"192.0.2.32/27":                    {Prefix: p, Table: 254},
		"192.0.2.32/27 metric 5":           {Prefix: p, Table: 254, Metric: 5},
		"192.0.2.32/27 table 100 metric 5": {Prefix: p, Table: 100, Metric: 5},
	} {
		if got := r.Name(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTheHookOfRoutesIsForRoutes(t *testing.T) {
	cfg := joined(t, "[hooks]\nroute = [\"/bin/true\"]\ntake = [\"/bin/true\"]\n")
	if p := cfg.Aliases[0].Hooks.Programs; p[HookRoute] != nil || p[HookTake] == nil {
		t.Errorf("an alias's: %v", p)
	}
	f, err := ParseSettings(strings.NewReader("[alias.\"172.16.1.2\".hooks]\nroute = [\"/bin/true\"]\n"), "f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Join(twoAliases(), f); err == nil || err.Error() != `f:2: alias."172.16.1.2".hooks.route: is told of routes, and an alias is none; write it in [hooks]` {
		t.Error(err)
	}
}

func TestWhereRoutesCannotBeInstalledTheFileSaysSo(t *testing.T) {
	r := routeReader{file: "f", routes: []*routeTable{{line: 2}, {line: 6, install: given[bool]{line: 7}}}}
	r.refuseInstalls()
	want := Mistakes{{File: "f", Line: 2, Field: "route", Text: "routes are installed on Linux only; with install = false this host asks the next hops, and the hook route tells the router"}}
	if diff := cmp.Diff(want, r.mistakes); diff != "" {
		t.Error(diff)
	}
}
