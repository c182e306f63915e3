package main

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

const (
	hup  = unix.SIGHUP
	term = unix.SIGTERM
	usr2 = unix.SIGUSR2
)

func prefixes(s ...string) (all []netip.Prefix) {
	for _, p := range s {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// runs is how often a story is played: E2E_RUNS, or once.
func runs() int {
	if n, err := strconv.Atoi(os.Getenv("E2E_RUNS")); err == nil && n > 0 {
		return n
	}
	return 1
}

// What a stage has that is given nothing else.
var (
	stageSettings = `interval = "1s"`
	stageKeys     []string
)

// stage builds the pair, which runs this test binary as the program.
func stage(t *testing.T, spec pair.Spec) *pair.Pair {
	t.Helper()
	l := lab.ForTest(t)
	dir, err := os.MkdirTemp("", "ad") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	spec.Dir = dir
	spec.Program = []string{lab.Self()}
	spec.Env = append(spec.Env, runMain+"=1")
	if spec.Settings == "" {
		spec.Settings = stageSettings
	}
	if spec.Keys == nil {
		spec.Keys = stageKeys
	}
	p, err := pair.New(l, spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// begun is a pair with the primary serving.
func begun(t *testing.T) *pair.Pair {
	t.Helper()
	p := stage(t, pair.Spec{PrimaryA: true})
	must(t, p.Begin(20*time.Second))
	held(t, p, 10*time.Second, "a")
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// held waits until just these hosts have the alias.
func held(t *testing.T, p *pair.Pair, d time.Duration, hosts ...string) {
	t.Helper()
	if err := p.Holders.Wait(within(t, d), hosts...); err != nil {
		t.Fatalf("want the alias held by %v: %v (held by %v)", hosts, err, p.Holders.Holders())
	}
}

// unchanged watches for a while that the alias stays where it is: absence can
// only be waited for.
func unchanged(t *testing.T, p *pair.Pair, d time.Duration) {
	t.Helper()
	from, before := time.Now(), p.Holders.Holders()
	<-time.After(d)
	if n := p.Holders.Tenure(from, time.Time{}).Takes; n != 0 || !slices.Equal(before, p.Holders.Holders()) {
		t.Fatalf("%d takes in %v, held by %v and before by %v", n, d, p.Holders.Holders(), before)
	}
}

// served waits until the client is answered by a host.
func served(t *testing.T, p *pair.Pair, d time.Duration, by string) {
	t.Helper()
	if err := p.Asker.WaitAnswer(within(t, d), by); err != nil {
		t.Fatalf("the client is not answered by %q: %v", by, err)
	}
}

// noisy tells whether the machine itself stood still since a moment: then what
// was measured says nothing, and the run is repeated.
func noisy(t *testing.T, p *pair.Pair, since time.Time) bool {
	t.Helper()
	r := p.Control.Report(since, time.Time{})
	away := false
	for _, h := range []*lab.Host{p.A, p.B} {
		away = away || strings.Contains(p.Monitor(h).Output(), "this process was away")
	}
	if away || r.Stall > 200*time.Millisecond || r.Longest.Length() > 200*time.Millisecond {
		t.Logf("the machine stood still (a process was away: %v, the control client's longest gap %v): repeated", away, r.Longest.Length())
		return true
	}
	return false
}

func TestCrashIsTakenOverAndTheReturnMovesNothing(t *testing.T) {
	for done, repeats := 0, 0; done < runs(); {
		p := begun(t)
		crash := time.Now()
		must(t, p.A.Crash())
		served(t, p, 20*time.Second, "b")
		gap := p.Asker.Gap(crash).Length()
		t.Logf("the client's gap: %v", gap)
		if gap > 2*time.Second {
			if repeats++; repeats > 5 || !noisy(t, p, crash) {
				t.Errorf("the client's gap was %v, more than 2 s", gap)
			} else {
				must(t, p.Lab.Close())
				continue
			}
		}
		must(t, p.Boot(p.A))
		unchanged(t, p, 5*time.Second)
		must(t, p.Lab.Close())
		done++
	}
}

func TestPulledCableMovesTheAlias(t *testing.T) {
	p := begun(t)
	pull := time.Now()
	must(t, p.A.Port().Down())
	served(t, p, 10*time.Second, "b")
	t.Logf("the client's gap: %v", p.Asker.Gap(pull).Length())
	held(t, p, 5*time.Second, "b")
	must(t, p.A.Port().Up())
	unchanged(t, p, 4*time.Second)
}

func TestDeadRouterMovesNothing(t *testing.T) {
	p := begun(t)
	must(t, p.Router.Crash())
	unchanged(t, p, 5*time.Second)
	must(t, p.A.Crash())
	<-time.After(5 * time.Second)
	if h := p.Holders.Holders(); len(h) != 0 {
		t.Fatalf("taken by %v though the router is silent", h)
	}
	must(t, p.Router.Boot())
	served(t, p, 10*time.Second, "b")
}

func TestCutOffHostTakesNothing(t *testing.T) {
	p := begun(t)
	must(t, p.B.Port().Mute())
	unchanged(t, p, 6*time.Second)
	must(t, p.B.Port().Unmute())
	unchanged(t, p, 3*time.Second)
}

func TestLossTakesNothing(t *testing.T) {
	d := 15 * time.Second
	if runs() > 1 {
		d = time.Minute
	}
	p := begun(t)
	must(t, p.B.Port().Loss(30, 30))
	unchanged(t, p, d)
}

func TestForeignHostIsDefendedAgainst(t *testing.T) {
	p := begun(t)
	foreign, err := p.Lab.Host(lab.HostSpec{Name: "foreign", NICs: []lab.NICSpec{{
		Name: "eth0", Switch: p.Switch, Addrs: prefixes("10.77.0.66/24", "10.77.0.100/24"),
	}}})
	must(t, err)
	sniff, err := p.User.Port().Sniff()
	must(t, err)
	defer sniff.Close()
	must(t, foreign.NIC("eth0").SendARP(lab.Gratuitous(pair.Alias, foreign.NIC("eth0").MAC)))
	must(t, p.Monitor(p.A).WaitOutput(within(t, 5*time.Second), "a host that is not the partner claims the alias"))
	mac := p.A.NIC("eth0").MAC.String()
	_, err = sniff.Wait(within(t, 5*time.Second), func(f lab.ARP) bool {
		return f.Claim(pair.Alias) && f.SenderHW.String() == mac
	})
	must(t, err)
	<-time.After(3 * time.Second)
	if h := p.Holders.Holders(); !slices.Contains(h, "a") {
		t.Fatalf("A yielded to a foreign host; held by %v", h)
	}
	out, _, code := p.Run(within(t, 5*time.Second), p.A, "Status")
	if code != 1 {
		t.Errorf("Status exits with %d under an alarm, want 1:\n%s", code, out)
	}
}

func TestDefaultRhythmTakesOverWithin25SecondsInTheLab(t *testing.T) {
	p := stage(t, pair.Spec{PrimaryA: true, Settings: "# the defaults"})
	must(t, p.Begin(60*time.Second))
	crash := time.Now()
	must(t, p.A.Crash())
	served(t, p, 40*time.Second, "b")
	gap := p.Asker.Gap(crash).Length()
	t.Logf("the client's gap: %v", gap)
	if gap > 25*time.Second {
		t.Errorf("the client's gap was %v, more than 25 s", gap)
	}
}

func TestTwoPrimariesEndWithOneHolder(t *testing.T) {
	p := stage(t, pair.Spec{PrimaryA: true, PrimaryB: true})
	must(t, p.Begin(20*time.Second))
	<-time.After(time.Second)
	low := "a"
	if slices.Compare(p.B.NIC("eth0").MAC, p.A.NIC("eth0").MAC) < 0 {
		low = "b"
	}
	if len(p.Holders.Holders()) == 1 {
		must(t, p.Lab.Lookup(p.Holders.Holders()[0]).Port().Mute())
		held(t, p, 10*time.Second, "a", "b")
		must(t, p.A.Port().Unmute())
		must(t, p.B.Port().Unmute())
	}
	held(t, p, 30*time.Second, low)
	unchanged(t, p, 3*time.Second)
}

func TestTwoNonPrimariesWait(t *testing.T) {
	p := stage(t, pair.Spec{})
	for _, h := range []*lab.Host{p.A, p.B} {
		m, err := p.Start(h)
		must(t, err)
		must(t, m.WaitOutput(within(t, 20*time.Second), "row=W12"))
	}
	unchanged(t, p, 5*time.Second)
	must(t, p.A.Crash())
	served(t, p, 10*time.Second, "b")
}

func TestPartnerWithoutADaemonInTheLab(t *testing.T) {
	p := stage(t, pair.Spec{PrimaryA: true})
	b, err := p.Start(p.B)
	must(t, err)
	must(t, b.WaitOutput(within(t, 20*time.Second), "row=W12")) // A's host lives, no daemon
	_, err = p.Start(p.A)
	must(t, err)
	served(t, p, 20*time.Second, "a")
}

func TestKilledMonitorsAliasIsAdopted(t *testing.T) {
	p := begun(t)
	kill := time.Now()
	must(t, p.Monitor(p.A).Kill())
	<-p.Monitor(p.A).Done()
	m, err := p.Start(p.A)
	must(t, err)
	must(t, m.WaitOutput(within(t, 10*time.Second), "it was found on this host"))
	unchanged(t, p, 4*time.Second)
	if gap := p.Asker.Gap(kill).Length(); gap > 500*time.Millisecond {
		t.Errorf("the client's gap was %v", gap)
	}
}

func TestSignalsEndAsToldAndReload(t *testing.T) {
	p := begun(t)
	m := p.Monitor(p.A)
	must(t, os.WriteFile(p.File(p.A, "hostname.alias"), []byte("eth0:1 | 10.77.0.100 | 255.0.255.0 | 10.77.0.2 | true\n"), 0o644))
	must(t, m.Signal(hup))
	must(t, m.WaitOutput(within(t, 5*time.Second), "255.0.255.0 has gaps"))
	unchanged(t, p, 2*time.Second)
	must(t, p.Write(p.A, pair.OwnB.Addr(), true, "interval = \"500ms\"\non_exit = \"release\""))
	must(t, m.Signal(hup))
	must(t, m.WaitOutput(within(t, 5*time.Second), "reloaded"))
	must(t, m.Signal(usr2))
	if code, err := m.Wait(within(t, 5*time.Second)); err != nil || code != 0 {
		t.Fatalf("exit %d, %v after USR2", code, err)
	}
	if h := p.Holders.Holders(); !slices.Equal(h, []string{"a"}) {
		t.Fatalf("USR2 keeps the alias whatever on_exit says; held by %v", h)
	}
	m, err := p.Start(p.A)
	must(t, err)
	must(t, m.WaitOutput(within(t, 10*time.Second), "it was found on this host"))
	must(t, m.Signal(term))
	if code, err := m.Wait(within(t, 5*time.Second)); err != nil || code != 0 {
		t.Fatalf("exit %d, %v after TERM", code, err)
	}
	held(t, p, time.Second)
}

func TestSecondMonitorNamesTheFirst(t *testing.T) {
	p := begun(t)
	out, errs, code := p.Run(within(t, 10*time.Second), p.A, "Monitor")
	if code != 1 || !strings.Contains(errs, strconv.Itoa(p.Monitor(p.A).Pid())) {
		t.Errorf("exit %d, want 1 and the pid %d:\n%s%s", code, p.Monitor(p.A).Pid(), out, errs)
	}
	unchanged(t, p, time.Second)
}

func TestMissingNICIsWaitedForInTheLab(t *testing.T) {
	p := stage(t, pair.Spec{PrimaryA: true})
	row := "eth7 | 10.77.0.100 | 255.255.255.0 | 10.77.0.2 | true\n"
	must(t, os.WriteFile(p.File(p.A, "hostname.alias"), []byte(row), 0o644))
	m, err := p.Start(p.A)
	must(t, err)
	must(t, m.WaitOutput(within(t, 5*time.Second), "the NIC is missing"))
	<-time.After(3 * time.Second)
	if n := strings.Count(m.Output(), "the NIC is missing"); n != 1 {
		t.Errorf("said %d times:\n%s", n, m.Output())
	}
}

func TestNoDefaultRouterIsW8(t *testing.T) {
	p := stage(t, pair.Spec{PrimaryA: true})
	must(t, p.A.DelDefaultRoute())
	m, err := p.Start(p.A)
	must(t, err)
	must(t, m.WaitOutput(within(t, 10*time.Second), "row=W8"))
	unchanged(t, p, 3*time.Second)
	if n := strings.Count(m.Output(), "nobody can prove"); n != 1 {
		t.Errorf("said %d times:\n%s", n, m.Output())
	}
	must(t, p.A.SetDefaultRoute(pair.Router.Addr()))
	served(t, p, 10*time.Second, "a")
}
