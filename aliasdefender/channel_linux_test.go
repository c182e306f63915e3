package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/lab/pair"
)

// untilSaid waits until A's Status has the partner say something.
func untilSaid(t *testing.T, p *pair.Pair, says string) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	for {
		out, _, _ := p.Run(ctx, p.A, "Status")
		if strings.Contains(out, "\n  the partner says: "+says) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("Status on A never has the partner say %q:\n%s", says, out)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestHandoverAndMaintenanceAtTheCommandLine(t *testing.T) {
	p := talking(t, time.Second)
	saying(t, p, p.A, 0, []string{"10.77.0.100: would be offered to the partner, who says that it would take it"}, "Handover", "--dry-run")
	held(t, p, time.Second, "a")
	saying(t, p, p.A, 0, []string{"10.77.0.100: handed over: the partner has it\n  next: the partner keeps it, and this host stands by"},
		"Handover", "10.77.0.100", "--timeout", "5s")
	held(t, p, time.Second, "b")
	saying(t, p, p.A, 0, []string{"10.77.0.100: it is not on this host"}, "Handover")
	saying(t, p, p.A, 0, []string{"offered it to the partner (H2): an operator ordered it.", "released it (H1): the partner took it and confirmed."}, "Why")

	saying(t, p, p.B, 0, []string{"would be handed over to the partner, and kept off until 'Maintenance off'"}, "Maintenance", "on", "--dry-run")
	saying(t, p, p.B, 0, []string{"handed over: the partner has it; here it stays off until 'Maintenance off'"}, "Maintenance", "on")
	held(t, p, time.Second, "a")
	if text := parked(t, p, p.B); !strings.Contains(text, "\nmaintenance\n") || strings.Contains(text, "\n10.77") {
		t.Errorf("the state file:\n%s", text)
	}
	untilSaid(t, p, "parked")
	saying(t, p, p.A, 1, []string{"it stays here: the partner says: parked: an operator took the alias off this host"}, "Handover")

	// Over a restart too, and whoever dies.
	must(t, p.Monitor(p.B).Kill())
	<-p.Monitor(p.B).Done()
	_, err := p.Start(p.B)
	must(t, err)
	must(t, p.Monitor(p.B).WaitOutput(within(t, 10*time.Second), "this host is in maintenance"))
	saying(t, p, p.B, 0, []string{"in maintenance: this host stays out of all aliases until 'aliasdefender Maintenance off'\nALIAS "}, "Status")
	saying(t, p, p.B, 1, []string{"refused: this host is in maintenance; 'Maintenance off' ends it"}, "AddAlias")
	untilSaid(t, p, "parked")
	saying(t, p, p.A, 0, []string{"released: it is off this host, and stays off until 'Maintenance off'",
		"next: nobody serves it for now: the partner says: parked: an operator took the alias off this host; run AddAlias there, or 'Maintenance off' here"}, "Maintenance", "on")
	held(t, p, time.Second)
	saying(t, p, p.B, 0, []string{"this host serves it again if its rules say so"}, "Maintenance", "off")
	held(t, p, 20*time.Second, "b")
	saying(t, p, p.A, 0, []string{"this host serves it again if its rules say so"}, "Maintenance", "off")
	unchanged(t, p, 3*time.Second)
}

func TestMaintenanceWithoutAMonitor(t *testing.T) {
	p := stage(t, pair.Spec{PrimaryA: true})
	saying(t, p, p.A, 0, []string{"taken: this host has it"}, "AddAlias")
	held(t, p, time.Second, "a")
	saying(t, p, p.A, 1, []string{"no Monitor is running"}, "Handover")
	saying(t, p, p.A, 0, []string{"would be released and kept off until 'Maintenance off'"}, "Maintenance", "on", "--dry-run")
	saying(t, p, p.A, 0, []string{"released: it is off this host, and kept off until 'Maintenance off'", "(W12)"}, "Maintenance", "on")
	held(t, p, time.Second)
	saying(t, p, p.A, 1, []string{"10.77.0.100: refused: this host is in maintenance; 'Maintenance off' ends it"}, "AddAlias")
	a, err := p.Start(p.A)
	must(t, err)
	must(t, a.WaitOutput(within(t, 10*time.Second), "this host is in maintenance: it stays out of all aliases"))
	must(t, a.WaitOutput(within(t, 10*time.Second), "row=W1 "))
	must(t, a.Kill())
	<-a.Done()
	saying(t, p, p.A, 0, []string{"the next Monitor serves it again"}, "Maintenance", "off")
	_, err = p.Start(p.A)
	must(t, err)
	held(t, p, 10*time.Second, "a")
}

func TestAddAliasThatMaintenanceRefusesDoesNotUnpark(t *testing.T) {
	p := stage(t, pair.Spec{PrimaryA: true})
	saying(t, p, p.A, 0, []string{"is parked"}, "RemoveAlias")
	saying(t, p, p.A, 0, []string{"kept off until 'Maintenance off'"}, "Maintenance", "on")
	saying(t, p, p.A, 1, []string{"refused: this host is in maintenance"}, "AddAlias")
	saying(t, p, p.A, 0, []string{"it stays parked"}, "Maintenance", "off")
}

// TestReloadOpensAndClosesTheChannelAndSaysWhatStays: keys come and go with a
// reload; the port of an open channel does not.
func TestReloadOpensAndClosesTheChannelAndSaysWhatStays(t *testing.T) {
	p := begun(t)
	key := newKey()
	reload := func(settings string, keys ...string) {
		t.Helper()
		p.SetKeys(p.A, keys...)
		p.SetKeys(p.B, keys...)
		must(t, p.Write(p.A, pair.OwnB.Addr(), true, settings))
		must(t, p.Write(p.B, pair.OwnA.Addr(), false, settings))
		saying(t, p, p.A, 0, []string{"reloaded"}, "Reload")
		saying(t, p, p.B, 0, []string{"reloaded"}, "Reload")
	}
	reload(`interval = "1s"`, key)
	untilSaid(t, p, "able")
	settings := p.File(p.A, "aliasdefender.toml")
	text, err := os.ReadFile(settings)
	must(t, err)
	place(t, settings, string(text)+"port = 7000\nlisten = \"10.77.0.1\"\n")
	saying(t, p, p.A, 0, []string{"reloaded"}, "Reload")
	must(t, p.Monitor(p.A).WaitOutput(within(t, 5*time.Second), "reload: peer.port stays 6940 until a restart"))
	must(t, p.Monitor(p.A).WaitOutput(within(t, 5*time.Second), "reload: peer.listen stays any until a restart"))
	untilSaid(t, p, "able")
	reload(`interval = "1s"`)
	if out := saying(t, p, p.A, 0, nil, "Status"); strings.Contains(out, "the partner says") {
		t.Error("a channel without a key")
	}
	saying(t, p, p.A, 1, []string{"refused: there is no channel to the partner"}, "Handover")
	held(t, p, time.Second, "a")
}
