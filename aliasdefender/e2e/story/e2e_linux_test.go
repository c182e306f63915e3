package story

import (
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
	crashIsTakenOverAndTheReturnMovesNothing(t, stage.Stage{})
}

func crashIsTakenOverAndTheReturnMovesNothing(t *testing.T, on stage.Stage) {
	for done, repeats := 0, 0; done < stage.Runs(); {
		p := on.Begun(t)
		crash := time.Now()
		stage.Must(t, p.A.Crash())
		stage.Served(t, p, 20*time.Second, "b")
		gap := p.Asker.Gap(crash).Length()
		t.Logf("the client's gap: %v", gap)
		if gap > 2*time.Second {
			if repeats++; repeats > 5 || !stage.Noisy(t, p, crash) {
				t.Errorf("the client's gap was %v, more than 2 s", gap)
			} else {
				stage.Must(t, p.Lab.Close())
				continue
			}
		}
		stage.Must(t, p.Boot(p.A))
		stage.Unchanged(t, p, 5*time.Second)
		stage.Must(t, p.Lab.Close())
		done++
	}
}

func TestPulledCableMovesTheAlias(t *testing.T) { pulledCableMovesTheAlias(t, stage.Stage{}) }

func pulledCableMovesTheAlias(t *testing.T, on stage.Stage) {
	p := on.Begun(t)
	pull := time.Now()
	stage.Must(t, p.A.Port().Down())
	stage.Served(t, p, 10*time.Second, "b")
	t.Logf("the client's gap: %v", p.Asker.Gap(pull).Length())
	stage.Held(t, p, 5*time.Second, "b")
	stage.Must(t, p.A.Port().Up())
	stage.Unchanged(t, p, 4*time.Second)
}

func TestDeadRouterMovesNothing(t *testing.T) { deadRouterMovesNothing(t, stage.Stage{}) }

func deadRouterMovesNothing(t *testing.T, on stage.Stage) {
	p := on.Begun(t)
	stage.Must(t, p.Router.Crash())
	stage.Unchanged(t, p, 5*time.Second)
	stage.Must(t, p.A.Crash())
	<-time.After(5 * time.Second)
	if h := p.Holders.Holders(); len(h) != 0 {
		t.Fatalf("taken by %v though the router is silent", h)
	}
	stage.Must(t, p.Router.Boot())
	stage.Served(t, p, 10*time.Second, "b")
}

func TestCutOffHostTakesNothing(t *testing.T) { cutOffHostTakesNothing(t, stage.Stage{}) }

func cutOffHostTakesNothing(t *testing.T, on stage.Stage) {
	p := on.Begun(t)
	stage.Must(t, p.B.Port().Mute())
	stage.Unchanged(t, p, 6*time.Second)
	stage.Must(t, p.B.Port().Unmute())
	stage.Unchanged(t, p, 3*time.Second)
}

func TestLossTakesNothing(t *testing.T) { lossTakesNothing(t, stage.Stage{}) }

func lossTakesNothing(t *testing.T, on stage.Stage) {
	d := 15 * time.Second
	if stage.Runs() > 1 {
		d = time.Minute
	}
	p := on.Begun(t)
	stage.Must(t, p.B.Port().Loss(30, 30))
	stage.Unchanged(t, p, d)
}

func TestForeignHostIsDefendedAgainst(t *testing.T) { foreignHostIsDefendedAgainst(t, stage.Stage{}) }

func foreignHostIsDefendedAgainst(t *testing.T, on stage.Stage) {
	p := on.Begun(t)
	foreign, err := p.Lab.Host(lab.HostSpec{Name: "foreign", NICs: []lab.NICSpec{{
		Name: "eth0", Switch: p.Switch, Addrs: stage.Prefixes("10.77.0.66/24", "10.77.0.100/24"),
	}}})
	stage.Must(t, err)
	sniff, err := p.User.Port().Sniff()
	stage.Must(t, err)
	defer sniff.Close()
	stage.Must(t, foreign.NIC("eth0").SendARP(lab.Gratuitous(pair.Alias, foreign.NIC("eth0").MAC)))
	stage.Must(t, p.Monitor(p.A).WaitOutput(stage.Within(t, 5*time.Second), "a host that is not the partner claims the alias"))
	mac := p.A.NIC("eth0").MAC.String()
	_, err = sniff.Wait(stage.Within(t, 5*time.Second), func(f lab.ARP) bool {
		return f.Claim(pair.Alias) && f.SenderHW.String() == mac
	})
	stage.Must(t, err)
	<-time.After(3 * time.Second)
	if h := p.Holders.Holders(); !slices.Contains(h, "a") {
		t.Fatalf("A yielded to a foreign host; held by %v", h)
	}
	out, _, code := p.Run(stage.Within(t, 5*time.Second), p.A, "Status")
	if code != 1 {
		t.Errorf("Status exits with %d under an alarm, want 1:\n%s", code, out)
	}
}

func TestDefaultRhythmTakesOverWithin25SecondsInTheLab(t *testing.T) {
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: "# the defaults"})
	stage.Must(t, p.Begin(60*time.Second))
	crash := time.Now()
	stage.Must(t, p.A.Crash())
	stage.Served(t, p, 40*time.Second, "b")
	gap := p.Asker.Gap(crash).Length()
	t.Logf("the client's gap: %v", gap)
	if gap > 25*time.Second {
		t.Errorf("the client's gap was %v, more than 25 s", gap)
	}
}

func TestTwoPrimariesEndWithOneHolder(t *testing.T) {
	p := stage.Pair(t, pair.Spec{PrimaryA: true, PrimaryB: true})
	stage.Must(t, p.Begin(20*time.Second))
	<-time.After(time.Second)
	low := "a"
	if slices.Compare(p.B.NIC("eth0").MAC, p.A.NIC("eth0").MAC) < 0 {
		low = "b"
	}
	if len(p.Holders.Holders()) == 1 {
		stage.Must(t, p.Lab.Lookup(p.Holders.Holders()[0]).Port().Mute())
		stage.Held(t, p, 10*time.Second, "a", "b")
		stage.Must(t, p.A.Port().Unmute())
		stage.Must(t, p.B.Port().Unmute())
	}
	stage.Held(t, p, 30*time.Second, low)
	stage.Unchanged(t, p, 3*time.Second)
}

func TestTwoNonPrimariesWait(t *testing.T) {
	p := stage.Pair(t, pair.Spec{})
	for _, h := range []*lab.Host{p.A, p.B} {
		m, err := p.Start(h)
		stage.Must(t, err)
		stage.Must(t, m.WaitOutput(stage.Within(t, 20*time.Second), "row=W12"))
	}
	stage.Unchanged(t, p, 5*time.Second)
	stage.Must(t, p.A.Crash())
	stage.Served(t, p, 10*time.Second, "b")
}

func TestPartnerWithoutADaemonInTheLab(t *testing.T) {
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	b, err := p.Start(p.B)
	stage.Must(t, err)
	stage.Must(t, b.WaitOutput(stage.Within(t, 20*time.Second), "row=W12")) // A's host lives, no daemon
	_, err = p.Start(p.A)
	stage.Must(t, err)
	stage.Served(t, p, 20*time.Second, "a")
}

func TestKilledMonitorsAliasIsAdopted(t *testing.T) { killedMonitorsAliasIsAdopted(t, stage.Stage{}) }

func killedMonitorsAliasIsAdopted(t *testing.T, on stage.Stage) {
	p := on.Begun(t)
	kill := time.Now()
	stage.Must(t, p.Monitor(p.A).Kill())
	<-p.Monitor(p.A).Done()
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Must(t, m.WaitOutput(stage.Within(t, 10*time.Second), "it was found on this host"))
	stage.Unchanged(t, p, 4*time.Second)
	if gap := p.Asker.Gap(kill).Length(); gap > 500*time.Millisecond {
		t.Errorf("the client's gap was %v", gap)
	}
}

func TestSignalsEndAsToldAndReload(t *testing.T) {
	p := stage.Begun(t)
	m := p.Monitor(p.A)
	stage.Must(t, os.WriteFile(p.File(p.A, "hostname.alias"), []byte("eth0:1 | 10.77.0.100 | 255.0.255.0 | 10.77.0.2 | true\n"), 0o644))
	stage.Must(t, m.Signal(unix.SIGHUP))
	stage.Must(t, m.WaitOutput(stage.Within(t, 5*time.Second), "255.0.255.0 has gaps"))
	stage.Unchanged(t, p, 2*time.Second)
	stage.Must(t, p.Write(p.A, pair.OwnB.Addr(), true, "interval = \"500ms\"\non_exit = \"release\""))
	stage.Must(t, m.Signal(unix.SIGHUP))
	stage.Must(t, m.WaitOutput(stage.Within(t, 5*time.Second), "reloaded"))
	stage.Must(t, m.Signal(unix.SIGUSR2))
	if code, err := m.Wait(stage.Within(t, 5*time.Second)); err != nil || code != 0 {
		t.Fatalf("exit %d, %v after USR2", code, err)
	}
	if h := p.Holders.Holders(); !slices.Equal(h, []string{"a"}) {
		t.Fatalf("USR2 keeps the alias whatever on_exit says; held by %v", h)
	}
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Must(t, m.WaitOutput(stage.Within(t, 10*time.Second), "it was found on this host"))
	stage.Must(t, m.Signal(unix.SIGTERM))
	if code, err := m.Wait(stage.Within(t, 5*time.Second)); err != nil || code != 0 {
		t.Fatalf("exit %d, %v after TERM", code, err)
	}
	stage.Held(t, p, time.Second)
}

func TestSecondMonitorNamesTheFirst(t *testing.T) {
	p := stage.Begun(t)
	out, errs, code := p.Run(stage.Within(t, 10*time.Second), p.A, "Monitor")
	if code != 1 || !strings.Contains(errs, strconv.Itoa(p.Monitor(p.A).Pid())) {
		t.Errorf("exit %d, want 1 and the pid %d:\n%s%s", code, p.Monitor(p.A).Pid(), out, errs)
	}
	stage.Unchanged(t, p, time.Second)
}

func TestMissingNICIsWaitedForInTheLab(t *testing.T) {
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	row := "eth7 | 10.77.0.100 | 255.255.255.0 | 10.77.0.2 | true\n"
	stage.Must(t, os.WriteFile(p.File(p.A, "hostname.alias"), []byte(row), 0o644))
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Must(t, m.WaitOutput(stage.Within(t, 5*time.Second), "the NIC is missing"))
	<-time.After(3 * time.Second)
	if n := strings.Count(m.Output(), "the NIC is missing"); n != 1 {
		t.Errorf("said %d times:\n%s", n, m.Output())
	}
}

func TestNoDefaultRouterIsW8(t *testing.T) {
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	stage.Must(t, p.A.DelDefaultRoute())
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Must(t, m.WaitOutput(stage.Within(t, 10*time.Second), "row=W8"))
	stage.Unchanged(t, p, 3*time.Second)
	if n := strings.Count(m.Output(), "nobody can prove"); n != 1 {
		t.Errorf("said %d times:\n%s", n, m.Output())
	}
	stage.Must(t, p.A.SetDefaultRoute(pair.Router.Addr()))
	stage.Served(t, p, 10*time.Second, "a")
}
