package route

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// quick is the rhythm of the stories that need no other.
const quick = "interval = \"500ms\""

func TestASubnetMovesWhenItsServerCrashes(t *testing.T) {
	t.Parallel()
	if !stage.Soak() {
		crashes(t, 500*time.Millisecond)
		return
	}
	for _, interval := range []time.Duration{time.Second, 100 * time.Millisecond} {
		t.Run(interval.String(), func(t *testing.T) { crashes(t, interval) })
	}
}

func crashes(t *testing.T, interval time.Duration) {
	w := newTown(t, first(fmt.Sprintf("interval = %q", interval), ""))
	noticed := interval + 3*interval/4 // three misses of a quarter each
	if out, errs, code := w.verb("Check"); code != stage.Done || !strings.Contains(out, "route 192.0.2.32/27 to the first of 10.1.0.2") {
		t.Fatalf("Check (exit %d): %s%s", code, out, errs)
	}
	w.begun()
	each, router := w.asks()
	crashed := time.Now()
	stage.Must(t, w.servers[0].Crash())
	w.answered(each[0], 1)
	gap := each[0].Gap(crashed).Length()
	t.Logf("nobody answered for %v; a crash is noticed within %v", gap, noticed)
	if stage.Soak() && len(stage.GapsOver(noticed+50*time.Millisecond, each[0], router, crashed)) > 0 { // and the machine itself did not stand still
		t.Error("that is too long")
	}
	for n := 1; n < subnets; n++ {
		w.undisturbed("another subnet, at the crash: "+subnet(n), each[n], router, crashed)
	}
	w.await("Status is well, and names the dead hop", func() bool {
		out, _, code := w.verb("Status")
		return code == stage.Done && strings.Contains(out, "next hop 10.1.0.2: silent")
	})

	back := time.Now()
	stage.Must(t, w.servers[0].Boot())
	w.serve(0) // the router is not told: it finds that the hop answers before its addresses are there, as with a real boot
	w.arrive(0, "0")
	w.answered(each[0], 0)
	for n := 1; n < subnets; n++ {
		w.undisturbed("another subnet, at the return: "+subnet(n), each[n], router, back)
	}
	out, _, code := w.verb("Why", subnet(0))
	if code != stage.Done || !strings.Contains(out, "R9") || !strings.Contains(out, "R8") {
		t.Errorf("Why (exit %d):\n%s", code, out)
	}
}

func TestWithoutFailbackASubnetStaysWhereItIs(t *testing.T) {
	t.Parallel()
	w := newTown(t, first(quick, "failback = false"))
	w.begun()
	stage.Must(t, w.servers[0].Crash())
	w.arrive(0, "1")
	stage.Must(t, w.servers[0].Boot())
	w.serve(0)
	w.await("the router knows that it is back", func() bool {
		return w.snapshot().Routes[0].Hops[0].Answer == "answered"
	})
	stage.Must(t, w.servers[2].Crash()) // what is decided of all routes after that has seen the return
	w.arrive(2, "3")
	if strings.Contains(w.monitor.Output(), "row=R8") {
		t.Errorf("a failback:\n%s", w.monitor.Output())
	}
	if leads := w.leads(0); leads != "1" {
		t.Errorf("leads to %q", leads)
	}
}

func TestRoutesOutliveTheirMonitorAndAreAdopted(t *testing.T) {
	t.Parallel()
	w := newTown(t, first(quick, "failback = false"))
	w.begun()
	each, router := w.asks()
	begun := time.Now()
	stage.Killed(t, w.monitor)
	for n := range subnets {
		if leads := w.leads(n); leads != fmt.Sprint(n) {
			t.Errorf("after kill -9 %s leads to %q", subnet(n), leads)
		}
	}
	w.start()
	stage.Must(t, w.monitor.WaitOutput(stage.Patiently(t), "adopt: an earlier Monitor put it there"))
	w.await("all is well", func() bool { return w.snapshot().Tally().Well() })
	for n := range subnets {
		w.undisturbed(subnet(n), each[n], router, begun)
	}
	if strings.Contains(w.monitor.Output(), "row=R6") {
		t.Errorf("something was added:\n%s", w.monitor.Output())
	}

	// TERM keeps them, and with on_exit = "release" they go.
	stage.Must(t, w.monitor.Signal(syscall.SIGTERM))
	w.ended(stage.Done)
	if leads := w.leads(0); leads != "0" {
		t.Errorf("after TERM it leads to %q", leads)
	}
	w.settings("on_exit = \"release\"\n" + first(quick, ""))
	w.begun()
	stage.Must(t, w.monitor.Signal(syscall.SIGUSR2))
	w.ended(stage.Done)
	if leads := w.leads(0); leads != "0" {
		t.Errorf("after USR2 it leads to %q", leads)
	}
	for tries := 3; tries > 0; tries-- {
		w.begun()
		stage.Must(t, w.monitor.Signal(syscall.SIGTERM))
		w.ended(stage.Done)
		if !strings.Contains(w.monitor.Output(), "event=not_withdrawn") { // a kernel that does not answer in time
			break
		}
	}
	for n := range subnets {
		if leads := w.leads(n); leads != "" {
			t.Errorf("after TERM with on_exit = release %s leads to %q", subnet(n), leads)
		}
	}
}

func TestARoutersOwnCable(t *testing.T) {
	t.Parallel()
	w := newTown(t, first("interval = \"20s\"", "")) // no question would find it so soon
	w.begun()
	nic := w.router.NIC("eth1")
	stage.Must(t, nic.Port.Down())
	w.arrive(0, "2")
	w.arrive(1, "2")
	stage.Must(t, nic.Port.Up())
	w.arrive(0, "0")
	w.arrive(1, "1")
	stage.Must(t, nic.SetUp(false))
	w.arrive(0, "2")
	stage.Must(t, nic.SetUp(true))
	w.arrive(0, "0")
}

func TestAnAddressOfIPv6Moves(t *testing.T) {
	t.Parallel()
	six := func(n int) string { return inIPv6(netip.MustParseAddr(server(n))).String() }
	w := newTown(t, fmt.Sprintf("%s\n[[route]]\nprefix = \"%s/128\"\nvia = [%q, %q]\n[[route]]\nprefix = \"2001:db8:e::/48\"\nvia = [%q, %q, %q]\nmode = \"spread\"\nweights = [1, 2, 1]\n",
		quick, service6, six(0), six(1), six(0), six(1), six(2)))
	w.start()
	led := func(prefix, want string) func() bool {
		return func() bool {
			out := w.run(w.router, "ip", "-6", "route", "show", prefix, "proto", "77")
			var all []string
			for n := range subnets {
				if strings.Contains(out, "via "+six(n)+" ") {
					all = append(all, fmt.Sprint(n))
				}
			}
			return strings.Join(all, " ") == want
		}
	}
	w.await("to the first", led(service6.String(), "0"))
	w.await("spread", led("2001:db8:e::/48", "0 1 2"))
	c, err := w.client.Client(lab.ClientSpec{Target: service6, Every: 5 * time.Millisecond})
	stage.Must(t, err)
	w.answered(c, 0)
	stage.Must(t, w.servers[0].Crash())
	w.answered(c, 1)
	w.await("spread over those that live", led("2001:db8:e::/48", "1 2"))
	stage.Must(t, w.router.NIC("eth1").SetUp(false)) // its addresses of IPv6 go
	w.await("spread over what is left", led("2001:db8:e::/48", "2"))
	stage.Must(t, w.router.NIC("eth1").SetUp(true))
}

func TestASpreadOverFourServers(t *testing.T) {
	t.Parallel()
	var via []string
	for n := range subnets {
		via = append(via, fmt.Sprintf("%q", server(n)))
	}
	w := newTown(t, fmt.Sprintf("%s\n[[route]]\nprefix = \"192.0.2.0/24\"\nvia = [%s]\nmode = \"spread\"\n", quick, strings.Join(via, ", ")))
	w.start()
	led := func(want string) func() bool { return func() bool { return w.leadsTo("192.0.2.0/24") == want } }
	w.await("to all four", led("0 1 2 3"))
	stage.Must(t, w.servers[1].Crash())
	w.await("to the three that live", led("0 2 3"))
	stage.Must(t, w.servers[1].Boot())
	w.await("to all four again", led("0 1 2 3"))
}

// The kernel refuses a change that has a hop on no network of this host among its hops.
func TestASpreadDropsADeadServerBesideOneOnNoNetwork(t *testing.T) {
	t.Parallel()
	w := newTown(t, fmt.Sprintf("%s\n[[route]]\nprefix = %q\nvia = [%q, %q, %q]\nmode = \"spread\"\n", quick, subnet(0), server(0), server(1), server(2)))
	w.start()
	w.arrive(0, "0 1 2")
	w.run(w.router, "ip", "addr", "add", "10.77.0.1/24", "dev", "eth2") // otherwise the last address takes the routes along
	w.run(w.router, "ip", "addr", "del", "10.2.0.1/24", "dev", "eth2")
	w.await("a warning", func() bool { return w.snapshot().Routes[0].Reason == "hop unknown" })
	stage.Must(t, w.servers[0].Crash())
	w.arrive(0, "1")
}

// A NIC takes its routes along when it goes down. No other program has removed them, and the
// other network is good all the time.
func TestANICThatFlaps(t *testing.T) {
	t.Parallel()
	w := newTown(t, fmt.Sprintf("%s\n[[route]]\nprefix = %q\nvia = [%q, %q]\n", quick, subnet(0), server(0), server(2)))
	w.start()
	w.arrive(0, "0")
	for range 5 {
		w.run(w.router, "ip", "link", "set", "eth1", "down")
		w.arrive(0, "2")
		if r := w.snapshot().Routes[0]; r.Level == "alarm" {
			t.Errorf("Status says %q", r.Why)
		}
		w.run(w.router, "ip", "link", "set", "eth1", "up")
		w.arrive(0, "0")
	}
}

func TestAnotherProgramsHandsOnTheTable(t *testing.T) {
	t.Parallel()
	w := newTown(t, first(quick, ""))
	w.begun()
	w.run(w.router, "ip", "route", "del", subnet(0))
	w.arrive(0, "0")
	w.run(w.router, "ip", "route", "prepend", subnet(1), "via", server(3), "proto", "static")
	w.await("the foreign route is an alarm", func() bool { return w.snapshot().Routes[1].Reason == "shadowed" })
	if out, _, code := w.verb("Status"); code != 1 || !strings.Contains(out, "ALARM: a route that is not ours") {
		t.Errorf("Status (exit %d):\n%s", code, out)
	}
	w.run(w.router, "ip", "route", "del", subnet(1), "via", server(3), "proto", "static")
	w.await("it has gone", func() bool { return w.snapshot().Tally().Well() })
}

func TestRoutesAreReloaded(t *testing.T) {
	t.Parallel()
	w := newTown(t, first(quick, ""))
	w.begun()
	all := first(quick, "")
	less := all[:strings.LastIndex(all, "[[route]]")]
	w.settings(less)
	if _, errs, code := w.verb("Reload"); code != stage.Failed || !strings.Contains(errs, "the [[route]] of "+subnet(3)+" is gone, and this host keeps that route") {
		t.Errorf("Reload (exit %d): %s", code, errs)
	}
	stage.Must(t, w.monitor.WaitOutput(stage.Patiently(t), "reload: nothing is changed: the files lack routes that this host keeps; "))
	if leads := w.leads(3); leads != "3" {
		t.Errorf("a refused reload: it leads to %q", leads)
	}
	if _, errs, code := w.verb("Reload", "--drop"); code != stage.Done {
		t.Errorf("Reload --drop (exit %d): %s", code, errs)
	}
	w.arrive(3, "")
	w.settings(all)
	if _, errs, code := w.verb("Reload"); code != stage.Done {
		t.Errorf("Reload (exit %d): %s", code, errs)
	}
	w.arrive(3, "3")
}

func TestHooksAreToldOfRoutesThatAreNotInstalled(t *testing.T) {
	t.Parallel()
	w := newTown(t, "")
	program := w.file("told")
	stage.Must(t, os.WriteFile(program, []byte("#!/bin/sh\necho \"$AD_EVENT $AD_PREFIX [$AD_VIA] [$AD_VIA_OLD]\" >> "+w.file("said")+"\n"), 0o755))
	w.settings(first(quick, "install = false") + fmt.Sprintf("[hooks]\nroute = [%q]\n", program))
	w.start()
	said := func(line string) {
		t.Helper()
		w.await("a hook was told "+line, func() bool {
			text, _ := os.ReadFile(w.file("said"))
			return strings.Contains(string(text), line+"\n")
		})
	}
	said("route " + subnet(0) + " [10.1.0.2] []")
	stage.Must(t, w.servers[0].Crash())
	said("route " + subnet(0) + " [10.1.0.3] [10.1.0.2]")
	if out := w.run(w.router, "ip", "route", "show", "proto", "77"); out != "" {
		t.Errorf("something is installed: %s", out)
	}
}

func TestAThousandRoutes(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString(quick + "\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "[[route]]\nprefix = \"172.%d.%d.0/24\"\nvia = [%q, %q]\n", 16+i/250, i%250, server(i%4), server((i+1)%4))
	}
	w := newTown(t, text.String())
	w.start()
	count := func(via int) int {
		return strings.Count(w.run(w.router, "ip", "route", "show", "proto", "77"), " via "+server(via)+" ")
	}
	w.await("all are there", func() bool { return count(0)+count(1)+count(2)+count(3) == 1000 && count(0) == 250 })
	stage.Must(t, w.servers[0].Crash())
	w.await("a quarter has moved", func() bool { return count(0) == 0 && count(1) == 500 })
	s := w.snapshot()
	var first, last time.Time
	for _, r := range s.Routes {
		if len(r.Via) > 0 && r.Via[0].Hop == server(1) && r.Hops[0].Hop == server(0) {
			if first.IsZero() || r.Hops[0].Since.Before(first) {
				first = r.Hops[0].Since
			}
			if r.Since.After(last) {
				last = r.Since
			}
		}
	}
	t.Logf("moved within %v after the silence", last.Sub(first))
	if stage.Soak() && last.Sub(first) > 200*time.Millisecond {
		t.Error("that is more than 200 ms")
	}
}
