package story

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/host/solaristest"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// The Monitor and the verbs run the code for Solaris, with a fake ifconfig that keeps
// its units and puts their addresses into the host's namespace. So the gaps are real
// gaps of this code on Linux. They do not include the time that a real Solaris takes
// to bring an address up.

// sunny builds a pair of hosts that have an ifconfig of that release.
func sunny(t *testing.T, m solaristest.Machine, spec pair.Spec) *pair.Pair {
	t.Helper()
	spec.Settings = `interval = "1s"` // each reading starts a program
	spec.Env = []string{stage.RunSolaris + "=1"}
	p := stage.Pair(t, spec)
	for _, h := range []*lab.Host{p.A, p.B} {
		stage.Ifconfig(t, p, h, m)
	}
	return p
}

// ifconfig runs the fake one by hand.
func ifconfig(t *testing.T, p *pair.Pair, h *lab.Host, args ...string) string {
	t.Helper()
	stdout, stderr, code := h.Run(stage.Patiently(t), append([]string{p.File(h, "bin/ifconfig")}, args...)...)
	if code != 0 {
		t.Fatalf("ifconfig %v: exit %d: %s", args, code, stderr)
	}
	return stdout
}

// taken waits until a host's Monitor has the alias and knows it: the client is served
// a little before ifconfig returns.
func taken(t *testing.T, p *pair.Pair, h *lab.Host) {
	t.Helper()
	stage.Said(t, p.Monitor(h), "action=take row=W1")
	stage.Held(t, p, h.Name)
}

var releases = map[string]solaristest.Machine{
	"Solaris 7":  {Release: "5.7"},
	"Solaris 8":  {Release: "5.8"},
	"Solaris 10": {Release: "5.10"},
	"Solaris 11": {Release: "5.11", Physical: true},
	"illumos":    {Release: "5.11"},
}

func TestSolarisCrashReturnAndRouterLoss(t *testing.T) {
	t.Parallel()
	for name, release := range releases {
		if !stage.Soak() && name != "Solaris 7" && name != "Solaris 11" {
			continue // one that plumbs and one that does not
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := sunny(t, release, pair.Spec{PrimaryA: true})
			stage.Must(t, p.Begin(stage.Patience))
			taken(t, p, p.A)
			if list := ifconfig(t, p, p.A, "-a"); !strings.Contains(list, "\neth0:1: flags=") {
				t.Errorf("the alias is not on the unit of its row:\n%s", list)
			}

			crash := time.Now()
			stage.Must(t, p.A.Crash())
			stage.Served(t, p, "b")
			figure := stage.NewFigures(t, "the client's gap at a crash", 3*time.Second)
			figure.Add(p.Asker.Gap(crash).Length(), stage.Stillness(p.Asker, p.Control, crash, time.Now()))

			stage.Must(t, p.Boot(p.A))
			stage.Said(t, p.Monitor(p.A), "row=W6")
			stage.Unchanged(t, p, 3*time.Second)

			stage.MovesNothing(t, p, 3*time.Second, p.Router.Crash, p.Router.Boot)
			stage.Must(t, p.B.Crash())
			stage.Said(t, p.Monitor(p.A), "row=W8")
			stage.Held(t, p)
			stage.Unchanged(t, p, 3*time.Second)
			stage.Must(t, p.Router.Boot())
			stage.Served(t, p, "a")
			if both := p.Holders.Tenure(crash, time.Time{}).LongestBoth; both > 0 {
				t.Errorf("held by both for %v", both)
			}
		})
	}
}

func TestSolarisPulledCableMovesTheAlias(t *testing.T) {
	t.Parallel()
	p := sunny(t, releases["illumos"], pair.Spec{PrimaryA: true})
	stage.Must(t, p.Begin(stage.Patience))
	taken(t, p, p.A)
	stage.Must(t, p.A.Port().Down())
	stage.Served(t, p, "b")
	stage.Held(t, p, "b") // A has seen RUNNING go
	stage.Must(t, p.A.Port().Up())
	stage.Unchanged(t, p, 5*time.Second)
}

func TestSolarisMonitorAdoptsRestoresAndReleases(t *testing.T) {
	t.Parallel()
	p := sunny(t, releases["Solaris 11"], pair.Spec{PrimaryA: true})
	stage.Must(t, p.Begin(stage.Patience))
	taken(t, p, p.A)

	// Another program takes the alias off.
	ifconfig(t, p, p.A, "eth0:1", "down", "unplumb")
	stage.Said(t, p.Monitor(p.A), "action=restore")
	stage.Held(t, p, "a")

	// The Monitor adopts what a killed one has left, on whatever unit that is.
	stage.Killed(t, p.Monitor(p.A))
	ifconfig(t, p, p.A, "eth0:1", "down", "unplumb")
	ifconfig(t, p, p.A, "eth0:5", "plumb")
	ifconfig(t, p, p.A, "eth0:5", p.Alias.String(), "netmask", "255.255.255.0", "broadcast", "+", "up")
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, m, "action=adopt")

	stage.Saying(t, p, p.A, 0, []string{"released: it is off this host, and parked"}, "RemoveAlias")
	stage.Held(t, p)
	if list := ifconfig(t, p, p.A, "-a"); strings.Contains(list, "eth0:5") || !strings.Contains(list, "inet 10.77.0.1 ") {
		t.Errorf("left on the host:\n%s", list)
	}
	stage.Obeyed(t, p, p.A, "AddAlias")
	stage.Served(t, p, "a")
	stage.Said(t, m, "action=take") // and ifconfig has returned
	stage.Saying(t, p, p.A, 0, []string{"us", "primary", "answered"}, "Status")
}

func TestSolarisOrdersWithoutAMonitor(t *testing.T) {
	t.Parallel()
	p := sunny(t, releases["illumos"], pair.Spec{PrimaryA: true})
	stage.Saying(t, p, p.A, 0, []string{"would be taken: nobody answers for it"}, "AddAlias", "--dry-run")
	stage.Saying(t, p, p.A, 0, []string{"taken: this host has it"}, "AddAlias")
	stage.Held(t, p, "a")
	stage.Saying(t, p, p.A, 0, []string{"this host has it already"}, "AddAlias")
	stage.Saying(t, p, p.B, 1, []string{"refused: " + p.A.NIC("eth0").MAC.String() + ", the partner, answers for it"}, "AddAlias")
	// The kernel has the last word.
	stage.Saying(t, p, p.B, 1, []string{"the alias could not be added", "DUPLICATE"}, "AddAlias", "--force")
	stage.Held(t, p, "a")
	stage.Saying(t, p, p.A, 0, []string{"released: it is off this host, and parked"}, "RemoveAlias")
	stage.Held(t, p)
	stage.Saying(t, p, p.A, 0, []string{"it was not on this host"}, "RemoveAlias")
}

// A Solaris that is not primary beside a Linux that is, each by its own code.
func TestSolarisAndLinuxArePartners(t *testing.T) {
	t.Parallel()
	p := sunny(t, releases["Solaris 11"], pair.Spec{PrimaryA: true})
	linux := pair.Spec{Env: []string{stage.RunMain + "=1"}}
	a, err := p.A.StartCommand(lab.Command{Name: "Monitor", Argv: p.Command(p.A, "Monitor"), Env: linux.Env})
	stage.Must(t, err)
	b, err := p.Start(p.B)
	stage.Must(t, err)
	stage.Served(t, p, "a")
	stage.Said(t, b, "row=W6")

	stage.Killed(t, a)
	stage.Must(t, p.A.Crash())
	stage.Served(t, p, "b")
	stage.Must(t, p.A.Boot())
	_, err = p.A.StartCommand(lab.Command{Name: "Monitor", Argv: p.Command(p.A, "Monitor"), Env: linux.Env})
	stage.Must(t, err)
	stage.Unchanged(t, p, 5*time.Second)

	// The kernel of B finds another host with it.
	taken(t, p, p.B)
	foreign, err := p.Lab.Host(lab.HostSpec{Name: "foreign", NICs: []lab.NICSpec{{
		Name: "eth0", Switch: p.Switch, Addrs: []netip.Prefix{netip.MustParsePrefix("10.77.0.66/24")},
	}}})
	stage.Must(t, err)
	stage.Must(t, foreign.NIC("eth0").AddAddr(netip.PrefixFrom(p.Alias, 24)))
	stage.Must(t, p.B.Do(func() error { return solaristest.Clash(p.File(p.B, "bin"), p.Alias) }))
	if list := ifconfig(t, p, p.B, "-a"); !strings.Contains(list, "DUPLICATE") {
		t.Fatalf("no DUPLICATE:\n%s", list)
	}
	stage.Said(t, p.Monitor(p.B), `reason="lost to another"`)
	if list := ifconfig(t, p, p.B, "-a"); strings.Contains(list, "eth0:1") {
		t.Errorf("left on the host:\n%s", list)
	}
	stage.Held(t, p, "foreign")
	stage.Unchanged(t, p, 4*time.Second)
}
