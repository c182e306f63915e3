package operator

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
	"alias-defender/aliasdefender/store"
)

// foreignHolder is a third host that has the alias.
func foreignHolder(t *testing.T, p *pair.Pair) *lab.Host {
	t.Helper()
	h, err := p.Lab.Host(lab.HostSpec{Name: "foreign", NICs: []lab.NICSpec{{
		Name: "eth0", Switch: p.Switch, Addrs: stage.Prefixes("10.77.0.66/24", "10.77.0.100/24"),
	}}})
	stage.Must(t, err)
	return h
}

func TestParkedAliasStaysOffOverAReboot(t *testing.T) {
	t.Parallel()
	p := stage.Begun(t)
	stage.Saying(t, p, p.A, 0, []string{"would be released and parked"}, "RemoveAlias", "--dry-run")
	stage.Held(t, p, "a")
	stage.Saying(t, p, p.A, 0, []string{"10.77.0.100: released: it is off this host, and parked", "next: nobody will serve it", "(W12)"},
		"RemoveAlias", "10.77.0.100")
	stage.Held(t, p)
	if text := stage.Parked(t, p, p.A); !strings.Contains(text, "\n10.77.0.100\n") {
		t.Fatalf("the state file after RemoveAlias:\n%s", text)
	}

	stage.Must(t, p.A.Crash())
	stage.Served(t, p, "b") // a dead host answers no ping, so B may take
	stage.Must(t, p.Boot(p.A))
	stage.Said(t, p.Monitor(p.A), "event=parked")
	stage.Saying(t, p, p.B, 0, []string{"released", "the partner, if it is primary and well, takes it"}, "RemoveAlias")
	stage.Held(t, p)
	stage.Unchanged(t, p, 5*time.Second)
	stage.Saying(t, p, p.A, 1, []string{"10.77.0.100/24", "parked"}, "Status")

	stage.Saying(t, p, p.A, 0, []string{"would be taken"}, "AddAlias", "--dry-run")
	stage.Saying(t, p, p.A, 0, []string{"10.77.0.100: taken: this host has it", "next: this host keeps it"}, "AddAlias")
	stage.Held(t, p, "a")
	stage.Served(t, p, "a")
	if text := stage.Parked(t, p, p.A); strings.Contains(text, "\n10.77.0.100\n") {
		t.Errorf("the state file after AddAlias:\n%s", text)
	}
}

func TestAddAliasIsRefusedForWhatThePartnerServes(t *testing.T) {
	t.Parallel()
	p := stage.Begun(t)
	mac := p.A.NIC("eth0").MAC.String()
	stage.Saying(t, p, p.B, 1, []string{"refused: " + mac + ", the partner, answers for it; --force"}, "AddAlias", "10.77.0.100")
	stage.Held(t, p, "a")
	stage.Saying(t, p, p.B, 0, []string{"taken from " + mac + ", the partner, which answered for it", "this host yields, not being primary"},
		"AddAlias", "--force")
	stage.Held(t, p, "a")
	stage.Served(t, p, "a")
}

func TestAddAliasNamesAForeignHolder(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	mac := foreignHolder(t, p).NIC("eth0").MAC.String()
	a, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, a, "row=W6")
	stage.Saying(t, p, p.A, 1, []string{"refused: " + mac, "answers for it; --force takes it nevertheless"}, "AddAlias")
	stage.Saying(t, p, p.A, 0, []string{"taken from " + mac, "announced again (H7)"}, "AddAlias", "--force")
	stage.Held(t, p, "a", "foreign")
	stage.Said(t, a, `reason="foreign host claims`)
	stage.Saying(t, p, p.A, 1, []string{"ALARM: "}, "Status")
}

func TestOrdersWithoutAMonitor(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	sniff, err := p.User.Port().Sniff()
	stage.Must(t, err)
	defer sniff.Close()
	stage.Saying(t, p, p.A, 0, []string{"would be taken: nobody answers for it"}, "AddAlias", "--dry-run")
	stage.Held(t, p)
	begin := time.Now()
	stage.Saying(t, p, p.A, 0, []string{"10.77.0.100: taken: this host has it", "no Monitor runs here"}, "AddAlias")
	stage.Held(t, p, "a")
	stage.Served(t, p, "a")
	mac, questions, announced := p.A.NIC("eth0").MAC.String(), 0, 0
	for _, f := range sniff.Frames() {
		switch {
		case f.SenderHW.String() != mac || f.TargetIP != pair.Alias:
		case f.SenderIP == netip.IPv4Unspecified():
			questions++
		case f.SenderIP == pair.Alias && f.At.After(begin):
			announced++
		}
	}
	if questions < 6 || announced != 4 {
		t.Errorf("%d probes, want three of each command and more; %d announcements, want 2 in 2 forms", questions, announced)
	}

	stage.Saying(t, p, p.A, 0, []string{"this host has it already"}, "AddAlias")
	mac = p.A.NIC("eth0").MAC.String()
	stage.Saying(t, p, p.B, 1, []string{"would be refused: " + mac + ", the partner,"}, "AddAlias", "--dry-run")
	stage.Saying(t, p, p.B, 1, []string{"refused: " + mac + ", the partner, answers for it; --force"}, "AddAlias")
	stage.Saying(t, p, p.B, 0, []string{"taken from " + mac + ", the partner,", "claims it still"}, "AddAlias", "--force")
	stage.Held(t, p, "a", "b")

	stage.Saying(t, p, p.B, 0, []string{"released", "the partner, if it is primary"}, "RemoveAlias")
	stage.Held(t, p, "a")
	rows := p.File(p.A, "hostname.alias")
	text, err := os.ReadFile(rows)
	stage.Must(t, err)
	stage.Place(t, rows, strings.Replace(string(text), "eth0", "eth1", 1))
	stage.Saying(t, p, p.A, 1, []string{"the alias is on eth0 of this host, not on eth1: take it off there by hand; it is parked"}, "RemoveAlias")
	stage.Held(t, p, "a")
	stage.Place(t, rows, string(text))
	stage.Saying(t, p, p.A, 0, []string{"would be released and parked"}, "RemoveAlias", "--dry-run")
	onLoopback(t, p.A, netlink.AddrAdd)
	stage.Saying(t, p, p.A, 1, []string{"released: it is off", "but it is on lo of this host too: take it off there by hand"}, "RemoveAlias")
	onLoopback(t, p.A, netlink.AddrDel)
	stage.Saying(t, p, p.A, 0, []string{"taken: this host has it"}, "AddAlias")
	stage.Saying(t, p, p.A, 0, []string{"released: it is off this host, and parked", "(W12)"}, "RemoveAlias")
	stage.Held(t, p)
	stage.Saying(t, p, p.A, 0, []string{"it was not on this host, and is parked"}, "RemoveAlias")
	a, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, a, "row=W1 ")
	stage.Unchanged(t, p, 4*time.Second)
}

// onLoopback puts the alias on the host's loopback too, or takes it off again.
func onLoopback(t *testing.T, h *lab.Host, change func(netlink.Link, *netlink.Addr) error) {
	t.Helper()
	stage.Must(t, h.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		addr, err := netlink.ParseAddr(pair.Alias.String() + "/32")
		if err != nil {
			return err
		}
		return change(lo, addr)
	}))
}

func TestAddAliasAloneNamesAForeignHolderAndWhatIsWrongWithTheNIC(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	foreign := foreignHolder(t, p)
	mac := foreign.NIC("eth0").MAC.String()
	stage.Saying(t, p, p.A, 1, []string{"refused: " + mac + ", not the partner, answers for it"}, "AddAlias")
	stage.Must(t, p.B.Crash())
	stage.Saying(t, p, p.A, 1, []string{"refused: " + mac + " answers for it"}, "AddAlias") // the partner is not there to tell us
	stage.Must(t, foreign.Crash())
	stage.Must(t, p.A.Port().Down())
	stage.Saying(t, p, p.A, 1, []string{"eth0 has no carrier"}, "AddAlias")
	stage.Held(t, p)
}

// TestOrderThatCannotBeRememberedIsCarriedOutAndSaidInTheLab has its state directory
// in /proc, where not even root can make a directory.
func TestOrderThatCannotBeRememberedIsCarriedOutAndSaidInTheLab(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	settings := p.File(p.A, "aliasdefender.toml")
	text, err := os.ReadFile(settings)
	stage.Must(t, err)
	broken := strings.Replace(string(text), p.File(p.A, "state"), "/proc/aliasdefender", 1)
	stage.Must(t, os.WriteFile(settings, []byte(broken), 0o644))
	a, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, a, "event=not_remembered")
	stage.Served(t, p, "a")
	stage.Saying(t, p, p.A, 0, nil, "Status")
	stage.Saying(t, p, p.A, 1, []string{"released", "not remembered over a restart: /proc/aliasdefender: ", "holds until the next start of a Monitor"}, "RemoveAlias")
	stage.Held(t, p)
	stage.Saying(t, p, p.A, 1, []string{"problem: /proc/aliasdefender: "}, "Status")
	stage.Killed(t, a)
	stage.Saying(t, p, p.A, 1, []string{"it was not on this host", "not remembered over a restart"}, "RemoveAlias")
}

func TestDamagedStateFileIsSaidWithItsLine(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	stage.Must(t, os.MkdirAll(p.File(p.A, "state"), 0o755))
	file := filepath.Join(p.File(p.A, "state"), store.FileName)
	stage.Must(t, os.WriteFile(file, []byte("# head\n10.77.0.1oo\n10.77.0.100\n"), 0o644))
	a, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, a, file+": has what is no address: line 2, \"10.77.0.1oo\": what operators parked is not known")
	stage.Said(t, a, "event=parked")
	stage.Said(t, a, "row=W1 ")
	stage.Saying(t, p, p.A, 1, []string{"problem: " + file + ": has what is no address: line 2, "}, "Status")
	stage.Saying(t, p, p.A, 0, []string{"taken: this host has it", file + " could not be read and was written anew"}, "AddAlias")
	stage.Saying(t, p, p.A, 0, nil, "Status")
}
