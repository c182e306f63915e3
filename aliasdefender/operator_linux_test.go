package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// saying runs a verb on a host and wants its exit code and these words, from
// either stream.
func saying(t *testing.T, p *pair.Pair, h *lab.Host, want int, words []string, verb string, args ...string) string {
	t.Helper()
	out, errs, code := p.Run(within(t, 40*time.Second), h, verb, args...)
	t.Logf("%s %s on %s: exit %d\n%s%s", verb, strings.Join(args, " "), h.Name, code, out, errs)
	if code != want {
		t.Errorf("%s exits with %d, want %d", verb, code, want)
	}
	for _, w := range words {
		if !strings.Contains(out+errs, w) {
			t.Errorf("%s does not say %q", verb, w)
		}
	}
	return out + errs
}

// parked is the state file of a host.
func parked(t *testing.T, p *pair.Pair, h *lab.Host) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.File(h, "state"), parkedName))
	must(t, err)
	return string(text)
}

// foreignHolder is a third host that has the alias.
func foreignHolder(t *testing.T, p *pair.Pair) *lab.Host {
	t.Helper()
	h, err := p.Lab.Host(lab.HostSpec{Name: "foreign", NICs: []lab.NICSpec{{
		Name: "eth0", Switch: p.Switch, Addrs: prefixes("10.77.0.66/24", "10.77.0.100/24"),
	}}})
	must(t, err)
	return h
}

func TestParkedAliasStaysOffOverAReboot(t *testing.T) {
	p := begun(t)
	saying(t, p, p.A, 0, []string{"would be released and parked"}, "RemoveAlias", "--dry-run")
	held(t, p, time.Second, "a")
	saying(t, p, p.A, 0, []string{"10.77.0.100: released: it is off this host, and parked", "next: nobody will serve it", "(W12)"},
		"RemoveAlias", "10.77.0.100")
	held(t, p, time.Second)
	if text := parked(t, p, p.A); !strings.Contains(text, "\n10.77.0.100\n") {
		t.Fatalf("the state file after RemoveAlias:\n%s", text)
	}

	must(t, p.A.Crash())
	served(t, p, 10*time.Second, "b") // a dead host answers no ping: B's turn
	must(t, p.Boot(p.A))
	must(t, p.Monitor(p.A).WaitOutput(within(t, 10*time.Second), "parked by an operator: it stays off this host until AddAlias"))
	saying(t, p, p.B, 0, []string{"released", "the partner, if it is primary and well, takes it"}, "RemoveAlias")
	held(t, p, time.Second)
	unchanged(t, p, 5*time.Second)
	saying(t, p, p.A, 0, []string{"10.77.0.100/24", "parked"}, "Status")

	saying(t, p, p.A, 0, []string{"would be taken"}, "AddAlias", "--dry-run")
	saying(t, p, p.A, 0, []string{"10.77.0.100: taken: this host has it", "next: this host keeps it"}, "AddAlias")
	held(t, p, time.Second, "a")
	served(t, p, 5*time.Second, "a")
	if text := parked(t, p, p.A); strings.Contains(text, "\n10.77.0.100\n") {
		t.Errorf("the state file after AddAlias:\n%s", text)
	}
}

func TestAddAliasIsRefusedForWhatThePartnerServes(t *testing.T) {
	p := begun(t)
	mac := p.A.NIC("eth0").MAC.String()
	saying(t, p, p.B, 1, []string{"refused: " + mac + ", the partner, answers for it; --force"}, "AddAlias", "10.77.0.100")
	held(t, p, time.Second, "a")
	saying(t, p, p.B, 0, []string{"taken from " + mac + ", the partner, which answered for it", "this host yields, not being primary"},
		"AddAlias", "--force")
	held(t, p, 10*time.Second, "a")
	served(t, p, 5*time.Second, "a")
}

func TestAddAliasNamesAForeignHolder(t *testing.T) {
	p := stage(t, pair.Spec{PrimaryA: true})
	mac := foreignHolder(t, p).NIC("eth0").MAC.String()
	a, err := p.Start(p.A)
	must(t, err)
	must(t, a.WaitOutput(within(t, 20*time.Second), "row=W6"))
	saying(t, p, p.A, 1, []string{"refused: " + mac, "answers for it; --force takes it nevertheless"}, "AddAlias")
	saying(t, p, p.A, 0, []string{"taken from " + mac, "announced again (H7)"}, "AddAlias", "--force")
	held(t, p, 5*time.Second, "a", "foreign")
	must(t, a.WaitOutput(within(t, 20*time.Second), "a host that is not the partner claims the alias"))
	saying(t, p, p.A, 1, []string{"ALARM: "}, "Status")
}

func TestOrdersWithoutAMonitor(t *testing.T) {
	p := stage(t, pair.Spec{PrimaryA: true})
	sniff, err := p.User.Port().Sniff()
	must(t, err)
	defer sniff.Close()
	saying(t, p, p.A, 0, []string{"would be taken: nobody answers for it"}, "AddAlias", "--dry-run")
	held(t, p, time.Second)
	begin := time.Now()
	saying(t, p, p.A, 0, []string{"10.77.0.100: taken: this host has it", "no Monitor runs here"}, "AddAlias")
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("AddAlias took %v", took)
	}
	held(t, p, time.Second, "a")
	served(t, p, 5*time.Second, "a")
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

	saying(t, p, p.A, 0, []string{"this host has it already"}, "AddAlias")
	mac = p.A.NIC("eth0").MAC.String()
	saying(t, p, p.B, 1, []string{"would be refused: " + mac + ", the partner,"}, "AddAlias", "--dry-run")
	saying(t, p, p.B, 1, []string{"refused: " + mac + ", the partner, answers for it; --force"}, "AddAlias")
	saying(t, p, p.B, 0, []string{"taken from " + mac + ", the partner,", "claims it still"}, "AddAlias", "--force")
	held(t, p, time.Second, "a", "b")

	saying(t, p, p.B, 0, []string{"released", "the partner, if it is primary"}, "RemoveAlias")
	held(t, p, time.Second, "a")
	rows := p.File(p.A, "hostname.alias")
	text, err := os.ReadFile(rows)
	must(t, err)
	place(t, rows, strings.Replace(string(text), "eth0", "eth1", 1))
	saying(t, p, p.A, 1, []string{"it is on eth0 of this host, not on eth1: take it off there by hand; it is parked"}, "RemoveAlias")
	held(t, p, time.Second, "a")
	place(t, rows, string(text))
	saying(t, p, p.A, 0, []string{"would be released and parked"}, "RemoveAlias", "--dry-run")
	onLoopback(t, p.A, netlink.AddrAdd)
	saying(t, p, p.A, 1, []string{"released: it is off", "but it is on lo of this host too: take it off there by hand"}, "RemoveAlias")
	onLoopback(t, p.A, netlink.AddrDel)
	saying(t, p, p.A, 0, []string{"taken: this host has it"}, "AddAlias")
	saying(t, p, p.A, 0, []string{"released: it is off this host, and parked", "(W12)"}, "RemoveAlias")
	held(t, p, time.Second)
	saying(t, p, p.A, 0, []string{"it was not on this host, and is parked"}, "RemoveAlias")
	a, err := p.Start(p.A)
	must(t, err)
	must(t, a.WaitOutput(within(t, 10*time.Second), "row=W1 "))
	unchanged(t, p, 4*time.Second)
}

// onLoopback puts the alias on the host's loopback too, or takes it off there.
func onLoopback(t *testing.T, h *lab.Host, change func(netlink.Link, *netlink.Addr) error) {
	t.Helper()
	must(t, h.Do(func() error {
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
	p := stage(t, pair.Spec{PrimaryA: true})
	foreign := foreignHolder(t, p)
	mac := foreign.NIC("eth0").MAC.String()
	saying(t, p, p.A, 1, []string{"refused: " + mac + ", not the partner, answers for it"}, "AddAlias")
	must(t, p.B.Crash())
	saying(t, p, p.A, 1, []string{"refused: " + mac + " answers for it"}, "AddAlias") // the partner is not there to tell
	must(t, foreign.Crash())
	must(t, p.A.Port().Down())
	saying(t, p, p.A, 1, []string{"eth0 has no carrier"}, "AddAlias")
	held(t, p, time.Second)
}

// TestOrderThatCannotBeRememberedIsCarriedOutAndSaidInTheLab has its state in
// /proc, where nobody can make a directory, root included.
func TestOrderThatCannotBeRememberedIsCarriedOutAndSaidInTheLab(t *testing.T) {
	p := stage(t, pair.Spec{PrimaryA: true})
	settings := p.File(p.A, "aliasdefender.toml")
	text, err := os.ReadFile(settings)
	must(t, err)
	broken := strings.Replace(string(text), p.File(p.A, "state"), "/proc/aliasdefender", 1)
	must(t, os.WriteFile(settings, []byte(broken), 0o644))
	a, err := p.Start(p.A)
	must(t, err)
	must(t, a.WaitOutput(within(t, 10*time.Second), "will not be remembered over a restart"))
	served(t, p, 20*time.Second, "a")
	saying(t, p, p.A, 0, nil, "Status")
	saying(t, p, p.A, 0, []string{"released", "not remembered over a restart: /proc/aliasdefender: "}, "RemoveAlias")
	held(t, p, time.Second)
	saying(t, p, p.A, 1, []string{"problem: /proc/aliasdefender: "}, "Status")
	must(t, a.Kill())
	<-a.Done()
	saying(t, p, p.A, 0, []string{"it was not on this host", "not remembered over a restart"}, "RemoveAlias")
}

func TestDamagedStateFileIsSaidWithItsLine(t *testing.T) {
	p := stage(t, pair.Spec{PrimaryA: true})
	must(t, os.MkdirAll(p.File(p.A, "state"), 0o755))
	file := filepath.Join(p.File(p.A, "state"), parkedName)
	must(t, os.WriteFile(file, []byte("# head\n10.77.0.1oo\n10.77.0.100\n"), 0o644))
	a, err := p.Start(p.A)
	must(t, err)
	must(t, a.WaitOutput(within(t, 10*time.Second), file+":2: \"10.77.0.1oo\" is no IPv4 address"))
	must(t, a.WaitOutput(within(t, 10*time.Second), "parked by an operator: it stays off this host until AddAlias"))
	must(t, a.WaitOutput(within(t, 10*time.Second), "row=W1 "))
	saying(t, p, p.A, 1, []string{"problem: " + file + ":2: "}, "Status")
	saying(t, p, p.A, 0, []string{"taken: this host has it"}, "AddAlias")
	saying(t, p, p.A, 0, nil, "Status")
}
