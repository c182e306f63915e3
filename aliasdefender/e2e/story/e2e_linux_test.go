package story

import (
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

func TestCrashIsTakenOverAndTheReturnMovesNothing(t *testing.T) {
	t.Parallel()
	crashIsTakenOverAndTheReturnMovesNothing(t, stage.Stage{})
}

func crashIsTakenOverAndTheReturnMovesNothing(t *testing.T, on stage.Stage) {
	figure := stage.NewFigures(t, "the client's gap at a crash", 2*time.Second)
	for range stage.Runs(12) {
		p := on.Begun(t)
		sniff, err := p.User.Port().Sniff()
		stage.Must(t, err)
		crash := time.Now()
		stage.Must(t, p.A.Crash())
		stage.Served(t, p, "b")
		stage.Crashed(t, p, sniff, crash, p.A, p.B)
		figure.Add(p.Asker.Gap(crash).Length(), stage.Stillness(p.Asker, p.Control, crash, time.Now()))
		stage.Must(t, p.Boot(p.A))
		stage.Said(t, p.Monitor(p.A), "row=W6")
		stage.Unchanged(t, p, 2*time.Second)
		stage.Must(t, p.Lab.Close())
	}
}

func TestPulledCableMovesTheAlias(t *testing.T) {
	t.Parallel()
	pulledCableMovesTheAlias(t, stage.Stage{})
}

func pulledCableMovesTheAlias(t *testing.T, on stage.Stage) {
	p := on.Begun(t)
	pull := time.Now()
	stage.Must(t, p.A.Port().Down())
	stage.Served(t, p, "b")
	figure := stage.NewFigures(t, "the client's gap at a pulled cable", 2*time.Second)
	figure.Add(p.Asker.Gap(pull).Length(), stage.Stillness(p.Asker, p.Control, pull, time.Now()))
	stage.Held(t, p, "b")
	stage.Must(t, p.A.Port().Up())
	stage.Unchanged(t, p, 2*time.Second)
}

func TestDeadRouterMovesNothing(t *testing.T) {
	t.Parallel()
	deadRouterMovesNothing(t, stage.Stage{})
}

func deadRouterMovesNothing(t *testing.T, on stage.Stage) {
	p := on.Begun(t)
	stage.MovesNothing(t, p, 2*time.Second, p.Router.Crash, p.Router.Boot)
	stage.Must(t, p.A.Crash())
	stage.Said(t, p.Monitor(p.B), "row=W8")
	stage.Held(t, p)
	stage.Unchanged(t, p, 2*time.Second)
	stage.Must(t, p.Router.Boot())
	stage.Served(t, p, "b")
}

func TestCutOffHostTakesNothing(t *testing.T) {
	t.Parallel()
	cutOffHostTakesNothing(t, stage.Stage{})
}

func cutOffHostTakesNothing(t *testing.T, on stage.Stage) {
	p := on.Begun(t)
	stage.Must(t, p.B.Port().Mute())
	stage.Said(t, p.Monitor(p.B), "row=W8")
	stage.Unchanged(t, p, 3*time.Second)
	stage.Must(t, p.B.Port().Unmute())
	stage.Unchanged(t, p, 3*time.Second)
}

func TestLossTakesNothing(t *testing.T) {
	t.Parallel()
	lossTakesNothing(t, stage.Stage{})
}

func lossTakesNothing(t *testing.T, on stage.Stage) {
	d := 8 * time.Second // at the usual rhythm this has more rounds than a minute has at one second
	if stage.Soak() {
		d = 5 * time.Minute
	}
	p := on.Begun(t)
	stage.Must(t, p.B.Port().Loss(30, 30))
	stage.Unchanged(t, p, d)
}

func TestForeignHostIsDefendedAgainst(t *testing.T) {
	t.Parallel()
	foreignHostIsDefendedAgainst(t, stage.Stage{})
}

func foreignHostIsDefendedAgainst(t *testing.T, on stage.Stage) {
	p := on.Begun(t)
	foreign, err := p.Lab.Host(lab.HostSpec{Name: "foreign", NICs: []lab.NICSpec{{
		Name: "eth0", Switch: p.Switch, Addrs: []netip.Prefix{p.Foreign, netip.PrefixFrom(p.Alias, p.Foreign.Bits())},
	}}})
	stage.Must(t, err)
	sniff, err := p.User.Port().Sniff()
	stage.Must(t, err)
	defer sniff.Close()
	stage.Must(t, foreign.NIC("eth0").Send(lab.Gratuitous(p.Alias, foreign.NIC("eth0").MAC)))
	stage.Said(t, p.Monitor(p.A), `reason="foreign host claims`)
	mac := p.A.NIC("eth0").MAC.String()
	_, err = sniff.Wait(stage.Patiently(t), func(f lab.Frame) bool {
		return f.Claim(p.Alias) && f.SenderHW.String() == mac
	})
	stage.Must(t, err)
	<-time.After(3 * time.Second)
	if h := p.Holders.Holders(); !slices.Contains(h, "a") {
		t.Fatalf("A yielded to a foreign host; held by %v", h)
	}
	out, _, code := p.Run(stage.Patiently(t), p.A, "Status")
	if code != 1 {
		t.Errorf("Status exits with %d under an alarm, want 1:\n%s", code, out)
	}
}

// TestDefaultRhythmTakesOverWithin25SecondsInTheLab has no settings. The rhythm does
// not change the order of events, which the other stories judge; make soak measures
// what it costs.
func TestDefaultRhythmTakesOverWithin25SecondsInTheLab(t *testing.T) {
	t.Parallel()
	figure := stage.NewFigures(t, "the client's gap at a crash, at the default rhythm", 25*time.Second)
	for range stage.Runs(12) {
		p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: "# the defaults"})
		sniff, err := p.User.Port().Sniff()
		stage.Must(t, err)
		stage.Must(t, p.Begin(stage.Patience))
		crash := time.Now()
		stage.Must(t, p.A.Crash())
		stage.Served(t, p, "b")
		stage.Crashed(t, p, sniff, crash, p.A, p.B)
		figure.Add(p.Asker.Gap(crash).Length(), stage.Stillness(p.Asker, p.Control, crash, time.Now()))
		stage.Must(t, p.Lab.Close())
	}
}

func TestTwoPrimariesEndWithOneHolder(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true, PrimaryB: true})
	stage.Must(t, p.Begin(stage.Patience))
	<-time.After(time.Second)
	low := "a"
	if slices.Compare(p.B.NIC("eth0").MAC, p.A.NIC("eth0").MAC) < 0 {
		low = "b"
	}
	if len(p.Holders.Holders()) == 1 {
		stage.Must(t, p.Lab.Lookup(p.Holders.Holders()[0]).Port().Mute())
		stage.Held(t, p, "a", "b")
		stage.Must(t, p.A.Port().Unmute())
		stage.Must(t, p.B.Port().Unmute())
	}
	stage.Held(t, p, low)
	stage.Unchanged(t, p, 3*time.Second)
}

func TestTwoNonPrimariesWait(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{})
	for _, h := range []*lab.Host{p.A, p.B} {
		m, err := p.Start(h)
		stage.Must(t, err)
		stage.Said(t, m, "row=W12")
	}
	stage.Unchanged(t, p, 5*time.Second)
	stage.Must(t, p.A.Crash())
	stage.Served(t, p, "b")
}

func TestPartnerWithoutADaemonInTheLab(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	b, err := p.Start(p.B)
	stage.Must(t, err)
	stage.Must(t, b.WaitOutput(stage.Patiently(t), "row=W12")) // A's host is alive, but has no daemon
	_, err = p.Start(p.A)
	stage.Must(t, err)
	stage.Served(t, p, "a")
}

func TestKilledMonitorsAliasIsAdopted(t *testing.T) {
	t.Parallel()
	killedMonitorsAliasIsAdopted(t, stage.Stage{})
}

func killedMonitorsAliasIsAdopted(t *testing.T, on stage.Stage) {
	p := on.Begun(t)
	// The other host has seen it serve, and decides anew while A has no daemon.
	stage.Said(t, p.Monitor(p.B), "row=W6")
	kill := time.Now()
	stage.Killed(t, p.Monitor(p.A))
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, m, "action=adopt")
	stage.Unchanged(t, p, 2*time.Second)
	if n := p.Holders.Tenure(kill, time.Time{}); n.Takes != 0 || n.Nobody > 0 {
		t.Errorf("the kill moved the alias: %+v", n)
	}
	if g := stage.Gaps(p.Asker, p.Control, kill); len(g) > 0 {
		t.Errorf("the client's gaps: %v", g)
	}
}

func TestSignalsEndAsToldAndReload(t *testing.T) {
	t.Parallel()
	p := stage.Begun(t)
	m := p.Monitor(p.A)
	stage.Must(t, os.WriteFile(p.File(p.A, "hostname.alias"), []byte("eth0:1 | 10.77.0.100 | 255.0.255.0 | 10.77.0.2 | true\n"), 0o644))
	stage.Must(t, m.Signal(unix.SIGHUP))
	stage.Said(t, m, "event=reload_mistake")
	stage.Unchanged(t, p, 2*time.Second)
	stage.Must(t, p.Write(p.A, p.OwnB.Addr(), true, "interval = \"100ms\"\non_exit = \"release\""))
	stage.Must(t, m.Signal(unix.SIGHUP))
	stage.Said(t, m, "event=reloaded aliases=1") // the one before was refused
	stage.Must(t, m.Signal(unix.SIGUSR2))
	if !stage.Ended(t, m) {
		return
	}
	if h := p.Holders.Holders(); !slices.Equal(h, []string{"a"}) {
		t.Fatalf("USR2 keeps the alias whatever on_exit says; held by %v", h)
	}
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, m, "action=adopt")
	stage.Must(t, m.Signal(unix.SIGTERM))
	if stage.Ended(t, m) {
		stage.Held(t, p)
	}
}

func TestSecondMonitorNamesTheFirst(t *testing.T) {
	t.Parallel()
	p := stage.Begun(t)
	out, errs, code := p.Run(stage.Patiently(t), p.A, "Monitor")
	if code != 1 || !strings.Contains(errs, strconv.Itoa(p.Monitor(p.A).Pid())) {
		t.Errorf("exit %d, want 1 and the pid %d:\n%s%s", code, p.Monitor(p.A).Pid(), out, errs)
	}
	stage.Unchanged(t, p, time.Second)
}

func TestMissingNICIsWaitedForInTheLab(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	row := "eth7 | 10.77.0.100 | 255.255.255.0 | 10.77.0.2 | true\n"
	stage.Must(t, os.WriteFile(p.File(p.A, "hostname.alias"), []byte(row), 0o644))
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, m, `reason="no link"`)
	<-time.After(3 * time.Second)
	if n := strings.Count(m.Output(), `reason="no link"`); n != 1 {
		t.Errorf("said %d times:\n%s", n, m.Output())
	}
}

func TestNoDefaultRouterIsW8(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	stage.Must(t, p.A.DelDefaultRoute())
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, m, "row=W8")
	stage.Unchanged(t, p, 3*time.Second)
	if n := strings.Count(m.Output(), `reason="no router known"`); n != 1 {
		t.Errorf("said %d times:\n%s", n, m.Output())
	}
	stage.Must(t, p.A.SetDefaultRoute(p.RouterAt.Addr()))
	stage.Served(t, p, "a")
}
