package service

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// What both hosts of the story have on their loopback interfaces: an address and a subnet
// that follow the web server, and an address of IPv6 without a check.
const loopbackRows = `lo:1 | 192.0.2.33      | /32             | - | false
lo:2 | 198.51.100.32   | 255.255.255.224 | - | true
lo:3 | 2001:db8:f::33  | /128            | - | false
`

var (
	sharedAddr   = netip.MustParseAddr("192.0.2.33")
	sharedSubnet = netip.MustParsePrefix("198.51.100.32/27")
	sharedSix    = netip.MustParseAddr("2001:db8:f::33")
)

const loopbackSettings = `
[alias."192.0.2.33"]
checks = ["web"]
[alias."198.51.100.32"]
checks = ["web"]
` + web

// onLo waits until a host's lo has these addresses besides its own, and no others.
func onLo(t *testing.T, h *lab.Host, want ...netip.Addr) {
	t.Helper()
	ctx, tick := stage.Patiently(t), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	slices.SortFunc(want, netip.Addr.Compare)
	for {
		all, err := h.Addrs()
		stage.Must(t, err)
		var has []netip.Addr
		for _, a := range all {
			if strings.HasPrefix(a.Label, "lo") && !a.Prefix.Addr().IsLoopback() {
				has = append(has, a.Prefix.Addr())
			}
		}
		slices.SortFunc(has, netip.Addr.Compare)
		if slices.Equal(has, want) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s has %v on lo, want %v", h.Name, has, want)
		}
	}
}

// sharedShows waits until Status of a host shows something of a shared alias.
func sharedShows(t *testing.T, p *pair.Pair, h *lab.Host, alias netip.Addr, row string) (shown control.Alias) {
	t.Helper()
	stage.Until(t, p, h, "row "+row+" of "+alias.String(), func(s control.Snapshot, _ control.Alias) bool {
		i := slices.IndexFunc(s.Aliases, func(a control.Alias) bool { return a.Alias == alias.String() && a.Row == row })
		if i >= 0 {
			shown = s.Aliases[i]
		}
		return i >= 0
	})
	return shown
}

// routed has the router send a prefix to a host of the pair, as an operator would.
func routed(t *testing.T, p *pair.Pair, to string, via netip.Prefix) {
	t.Helper()
	if _, errs, code := p.Router.Run(stage.Patiently(t), "ip", "route", "replace", to, "via", via.Addr().String()); code != 0 {
		t.Fatalf("ip route: %s", errs)
	}
}

// from waits until a page at an address comes from a host; "" until none comes.
func from(t *testing.T, p *pair.Pair, at netip.Addr, want string) {
	t.Helper()
	ctx, tick := stage.Patiently(t), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		page, err := fetch(p.Router, at)
		if err == nil && page == want || err != nil && want == "" {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: page of %q, %v; want %q", at, page, err, want)
		}
	}
}

// TestAServiceAddressOnLoopbackFollowsItsWebServer: both hosts have the same addresses; the
// router sends each of them to one host, and that host has it while its web server lives.
func TestAServiceAddressOnLoopbackFollowsItsWebServer(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Dual: true, Settings: stage.Rhythm(500*time.Millisecond) + loopbackSettings, Keys: []string{stage.NewKey()}})
	for _, h := range []*lab.Host{p.A, p.B} {
		file := p.File(h, "hostname.alias")
		stage.Must(t, os.WriteFile(file, []byte(stage.Read(t, file)+loopbackRows), 0o644))
	}
	out, errs, code := p.Run(stage.Patiently(t), p.A, "Check")
	if code != stage.Done || !strings.Contains(out, "198.51.100.32/27 on lo:2, shared") || !strings.Contains(out, "Primary true means nothing for 198.51.100.32") {
		t.Fatalf("Check (exit %d): %s%s", code, out, errs)
	}
	onA, _ := nginx(t, p.A, ""), nginx(t, p.B, "")
	stage.Begin(t, p)
	for _, h := range []*lab.Host{p.A, p.B} {
		onLo(t, h, sharedAddr, sharedSubnet.Addr(), sharedSix)
	}
	routed(t, p, "192.0.2.33/32", p.OwnA)
	routed(t, p, sharedSubnet.String(), p.OwnB)
	from(t, p, sharedAddr, "a")
	for _, at := range []string{"198.51.100.32", "198.51.100.40", "198.51.100.62"} {
		from(t, p, netip.MustParseAddr(at), "b") // the whole subnet, but for its broadcast address
	}

	killed := time.Now()
	stage.Killed(t, onA)
	onLo(t, p.A, sharedSix)
	t.Logf("off lo %v after the web server's death", time.Since(killed).Round(time.Millisecond))
	inOrder(t, p.Monitor(p.A), "event=check_failing", "row=L6")
	from(t, p, sharedAddr, "")
	routed(t, p, "192.0.2.33/32", p.OwnB)
	from(t, p, sharedAddr, "b")
	if a := sharedShows(t, p, p.A, sharedAddr, "L3"); a.Holder != "-" || a.Role != "shared" || a.Reason != "service failing" {
		t.Errorf("Status of a: %+v", a)
	}
	if out, _, code := p.Run(stage.Patiently(t), p.A, "Why", sharedAddr.String()); code != stage.Done || !strings.Contains(out, "L6") || !strings.Contains(out, "connection refused") {
		t.Errorf("Why (exit %d) does not say why it left:\n%s", code, out)
	}
	onLo(t, p.B, sharedAddr, sharedSubnet.Addr(), sharedSix)

	nginx(t, p.A, "")
	onLo(t, p.A, sharedAddr, sharedSubnet.Addr(), sharedSix)
	routed(t, p, "192.0.2.33/32", p.OwnA)
	from(t, p, sharedAddr, "a")

	if _, errs, code := p.A.Run(stage.Patiently(t), "ip", "address", "del", "192.0.2.33/32", "dev", "lo"); code != 0 {
		t.Fatal(errs)
	}
	stage.Said(t, p.Monitor(p.A), "row=L7")
	onLo(t, p.A, sharedAddr, sharedSubnet.Addr(), sharedSix)

	stage.Obeyed(t, p, p.A, "RemoveAlias", sharedSubnet.Addr().String())
	onLo(t, p.A, sharedAddr, sharedSix)
	stage.Obeyed(t, p, p.A, "AddAlias", sharedSubnet.Addr().String())
	onLo(t, p.A, sharedAddr, sharedSubnet.Addr(), sharedSix)
	stage.Saying(t, p, p.A, stage.Failed, []string{"nothing to hand over"}, "Handover", sharedSix.String())

	stage.Killed(t, p.Monitor(p.A)) // the Monitor itself: the addresses stay, and the next one adopts them
	onLo(t, p.A, sharedAddr, sharedSubnet.Addr(), sharedSix)
	from(t, p, sharedAddr, "a")
	stage.Obeyed(t, p, p.A, "RemoveAlias", sharedAddr.String())
	onLo(t, p.A, sharedSubnet.Addr(), sharedSix)
	stage.Obeyed(t, p, p.A, "AddAlias", sharedAddr.String())
	onLo(t, p.A, sharedAddr, sharedSubnet.Addr(), sharedSix)
	_, err := p.Start(p.A)
	stage.Must(t, err)
	for _, alias := range []netip.Addr{sharedAddr, sharedSubnet.Addr(), sharedSix} {
		if a := sharedShows(t, p, p.A, alias, "L9"); a.Holder != "us" {
			t.Errorf("not adopted: %+v", a)
		}
	}
}
