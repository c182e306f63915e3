package story

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab/pair"
)

// TestAStandbySaysWhatKeepsItFromTakingBeforeTheHolderFails, with a real kernel.
func TestAStandbySaysWhatKeepsItFromTakingBeforeTheHolderFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		befalls func(p *pair.Pair) error
		says    string
	}{
		"its default route leads through the partner": {
			func(p *pair.Pair) error { return p.B.SetDefaultRoute(netip.MustParseAddr("10.77.0.1")) },
			"the gateway 10.77.0.1 of eth0's default route is the partner: set router or witnesses",
		},
		"lo has the alias": {
			func(p *pair.Pair) error {
				return p.B.Do(func() error {
					lo, err := netlink.LinkByName("lo")
					if err != nil {
						return err
					}
					return netlink.AddrAdd(lo, &netlink.Addr{IPNet: netlink.NewIPNet(p.Alias.AsSlice())})
				})
			},
			"the alias is on lo of this host, not on eth0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Rhythm(time.Second), Keys: []string{stage.NewKey()}, Every: 20 * time.Millisecond})
			stage.Must(t, p.Begin(stage.Patience))
			stage.Said(t, p.Monitor(p.B), "row=W6")
			stage.Must(t, c.befalls(p))
			stage.Said(t, p.Monitor(p.A), "event=standby_not_ready")
			stage.Saying(t, p, p.B, 1, []string{c.says}, "Status", "--json")
			stage.Saying(t, p, p.A, 1, []string{c.says}, "Status", "--json")
			stage.Must(t, p.A.Crash())
			stage.Unchanged(t, p, 5*time.Second) // as it said: nobody serves it
		})
	}
}
