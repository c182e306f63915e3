package ipv6

import (
	"strings"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab/pair"
)

// TestOrdersWithoutAMonitor are those of IPv4's test of this name, in neighbour discovery.
func TestOrdersWithoutAMonitor(t *testing.T) {
	t.Parallel()
	p := six.Pair(t, pair.Spec{PrimaryA: true})
	alias := p.Alias.String()
	sniff, err := p.User.Port().Sniff()
	stage.Must(t, err)
	stage.Saying(t, p, p.A, 0, []string{"would be taken: nobody answers for it"}, "AddAlias", "--dry-run")
	stage.Held(t, p)
	stage.Saying(t, p, p.A, 0, []string{alias + ": taken: this host has it", "no Monitor runs here"}, "AddAlias", alias)
	stage.Held(t, p, "a")
	stage.Served(t, p, "a")
	stage.WaitAddrs(t, p.A, stage.RowsOf(p.Addresses, 1, true))
	mac, announced := p.A.NIC("eth0").MAC.String(), 0
	for _, f := range sniff.Frames() {
		if f.Claim(p.Alias) && f.ToAll() {
			announced++
			if f.EthSrc.String() != mac || f.SenderHW.String() != mac || f.Weak || f.Router {
				t.Errorf("announced as %v, weak %t, router %t; want it by %s, with Override and without R", f, f.Weak, f.Router, mac)
			}
		}
	}
	if announced < 2 {
		t.Errorf("%d announcements", announced)
	}
	stage.Saying(t, p, p.A, 0, []string{"this host has it already"}, "AddAlias")
	stage.Saying(t, p, p.B, 1, []string{"would be refused: " + mac + ", the partner,"}, "AddAlias", "--dry-run")
	stage.Saying(t, p, p.B, 1, []string{"refused: " + mac + ", the partner, answers for it; --force"}, "AddAlias")
	stage.Saying(t, p, p.B, 0, []string{"taken from " + mac + ", the partner,", "claims it still"}, "AddAlias", "--force")
	stage.Held(t, p, "a", "b")
	stage.Served(t, p, "b")
	stage.Saying(t, p, p.B, 0, []string{"released", "the partner, if it is primary"}, "RemoveAlias", strings.ToUpper(alias))
	stage.Held(t, p, "a")
	stage.Saying(t, p, p.B, 0, []string{"it was not on this host, and is parked"}, "RemoveAlias")
	stage.Saying(t, p, p.A, 0, []string{"released: it is off this host, and parked", "(W12)"}, "RemoveAlias")
	stage.Held(t, p)
	if text := stage.Parked(t, p, p.A); !strings.Contains(text, "\n"+alias+"\n") {
		t.Errorf("the state file after RemoveAlias:\n%s", text)
	}
	a, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, a, "row=W1 ")
}

// TestOrdersAboutALinkLocalAliasWithoutAMonitor name it with its NIC or without.
func TestOrdersAboutALinkLocalAliasWithoutAMonitor(t *testing.T) {
	t.Parallel()
	p := linkLocal(t, stage.Stage{})
	for _, name := range []string{"fe80::1%eth0", "fe80::1"} {
		stage.Saying(t, p, p.A, 0, []string{"fe80::1%eth0: taken: this host has it"}, "AddAlias", name)
		stage.Held(t, p, "a")
		stage.Served(t, p, "a")
		stage.Saying(t, p, p.B, 1, []string{"fe80::1%eth0: refused: " + p.A.NIC("eth0").MAC.String() + ", the partner, answers for it"}, "AddAlias", name)
		stage.Saying(t, p, p.A, 0, []string{"fe80::1%eth0: released: it is off this host, and parked"}, "RemoveAlias", name)
		stage.Held(t, p)
	}
	stage.Saying(t, p, p.A, 1, []string{"fe80::1%eth7 is no alias of ", "which has fe80::1%eth0"}, "AddAlias", "fe80::1%eth7")
}
