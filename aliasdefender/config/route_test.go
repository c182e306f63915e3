package config

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoutesAreReadAsTheyWereMeant(t *testing.T) {
	got, err := ParseRoutes(strings.NewReader(`interval = "1s"
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
install = false

[[route]]
prefix = "192.0.2.32/27"
via = ["10.1.0.3"]
metric = 5
failback = false

[[route]]
prefix = "0.0.0.0/0"
via = ["10.1.0.9"]

[check.web]
http = "http://127.0.0.1/"
`), "aliasdefender.toml")
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
		{Line: 6, Prefix: netip.MustParsePrefix("2001:db8:1::/48"), Via: addrs("fe80::2%eth1", "2001:db8::3"), Mode: RouteSpread, Weights: []int{2, 1}, Check: "web", Failback: true, Table: 100, Metric: 20, OnAllDead: AllDeadWithdraw},
		{Line: 17, Prefix: netip.MustParsePrefix("192.0.2.32/27"), Via: addrs("10.1.0.3"), Mode: RouteFirst, Table: 254, Metric: 5, OnAllDead: AllDeadKeep, Install: true},
		{Line: 23, Prefix: netip.MustParsePrefix("0.0.0.0/0"), Via: addrs("10.1.0.9"), Mode: RouteFirst, Failback: true, Table: 254, OnAllDead: AllDeadKeep, Install: true},
	}
	if diff := cmp.Diff(want, got, compareNetip); diff != "" {
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
		"[[route]]\n" + good + "[[route]]\nprefix = \"192.0.2.0/24\"\nvia = [\"10.1.0.2\"]":  "f:2: route.prefix: 192.0.2.32/27 is within 192.0.2.0/24, the prefix of the route in line 4: what of the two a packet takes is easily mistaken; split the wider one",
		"[[route]]\n" + good + "[[route]]\n" + good + "metric = 3":                           "",
		"[[route]]\n" + good + "[[route]]\n" + good + "table = 7":                            "",
		"[[route]]\n" + good + "[[route]]\nprefix = \"192.0.2.64/27\"\nvia = [\"10.1.0.2\"]": "",
		"[[route]]\n" + good + "[[route]]\nprefix = \"0.0.0.0/0\"\nvia = [\"10.1.0.2\"]":     "",
	} {
		_, err := ParseRoutes(strings.NewReader(text), "f")
		got := ""
		if err != nil {
			got, _, _ = strings.Cut(err.Error(), "\n")
		}
		if first, _, _ := strings.Cut(got, "\nf:"); first != want {
			t.Errorf("%s\n got: %s\nwant: %s", text, got, want)
		}
	}
}
