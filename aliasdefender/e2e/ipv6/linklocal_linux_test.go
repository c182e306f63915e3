package ipv6

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// linkLocal is a pair with the alias fe80::1 on eth0, judged by the partner's link-local
// address and a router that is known by its own. Both hosts forward, as routers in pairs do.
func linkLocal(t *testing.T, on stage.Stage) *pair.Pair {
	t.Helper()
	p := on.Pair(t, pair.Spec{IPv6: true, PrimaryA: true, Host: func(s *lab.HostSpec) {
		if s.Name == "a" || s.Name == "b" {
			s.Forward, s.Gateway = true, netip.Addr{}
		}
	}})
	p.Alias = netip.MustParseAddr("fe80::1%eth0")
	p.OwnA, p.OwnB = netip.PrefixFrom(p.A.NIC("eth0").LinkLocal().WithZone(""), 64), netip.PrefixFrom(p.B.NIC("eth0").LinkLocal().WithZone(""), 64)
	for _, h := range []*lab.Host{p.A, p.B} {
		stage.Must(t, h.SetDefaultRoute(p.Router.NIC("eth0").LinkLocal()))
	}
	fe80 := []stage.Row{{Label: "eth0:1", Alias: netip.MustParsePrefix("fe80::1/64"), Primary: true}}
	stage.Put(t, p, p.A, on.Settings, fe80)
	fe80[0].Primary = false
	stage.Put(t, p, p.B, on.Settings, fe80)
	var err error
	p.Holders, err = p.Lab.Watch(p.Alias)
	stage.Must(t, err)
	p.Asker, err = p.User.Client(lab.ClientSpec{Target: p.Alias, Every: 5 * time.Millisecond})
	stage.Must(t, err)
	for _, h := range []*lab.Host{p.A, p.B, p.Router} {
		awaken(t, p, h.NIC("eth0").LinkLocal())
	}
	return p
}

// TestALinkLocalAliasIsTakenAndOrdered is the default gateway of a segment: announced with
// the R flag, or its clients would drop their default route.
func TestALinkLocalAliasIsTakenAndOrdered(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]stage.Stage{
		"without a key": {Settings: stage.Usual()},
		"with a key":    {Settings: stage.Usual(), Keys: []string{stage.NewKey()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := linkLocal(t, on)
			sniff, err := p.User.Port().Sniff()
			stage.Must(t, err)
			stage.Must(t, p.Begin(stage.Patience))
			stage.Held(t, p, "a")
			stage.Said(t, p.Monitor(p.B), "row=W6")
			crash := time.Now()
			stage.Must(t, p.A.Crash())
			stage.Served(t, p, "b")
			stage.Crashed(t, p, sniff, crash, p.A, p.B)
			for _, f := range sniff.Frames() {
				if f.Claim(p.Alias) && f.ToAll() && !f.Router {
					t.Errorf("announced without the R flag: %v", f)
				}
			}
			stage.Saying(t, p, p.B, 0, []string{"fe80::1%eth0", "W14"}, "Why", "fe80::1%eth0")
			stage.Saying(t, p, p.B, 0, []string{"fe80::1%eth0: released: it is off this host, and parked"}, "RemoveAlias", "fe80::1%eth0")
			stage.Held(t, p)
			stage.Saying(t, p, p.B, 0, []string{"fe80::1%eth0: taken: this host has it"}, "AddAlias", "fe80::1%eth0")
			stage.Held(t, p, "b")
			stage.Served(t, p, "b")
		})
	}
}

// TestALinkLocalAliasIsDrilled: the drill's words, pings and orders name its NIC.
func TestALinkLocalAliasIsDrilled(t *testing.T) {
	t.Parallel()
	p := linkLocal(t, stage.Stage{Settings: stage.Usual(), Keys: []string{stage.NewKey()}})
	stage.Must(t, p.Begin(stage.Patience))
	stage.Held(t, p, "a")
	ctx, said := stage.Patiently(t), ""
	for !strings.Contains(said, "there and back") {
		out, errs, _ := p.Run(ctx, p.A, "Drill", "fe80::1")
		if said = out + errs; ctx.Err() != nil || strings.Contains(said, "the drill failed") {
			t.Fatal(said)
		}
	}
	t.Log(said)
	if strings.Contains(said, "has not told") || !strings.Contains(said, "the partner measured") {
		t.Error("the partner has not measured")
	}
	stage.Held(t, p, "a")
	stage.Saying(t, p, p.B, 0, []string{"began a drill: measures for a drill of the partner's", "ended a drill: measured"}, "Why", "--last", "40", "fe80::1%eth0")
}
