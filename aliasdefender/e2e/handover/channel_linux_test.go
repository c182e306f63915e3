package handover

import (
	"os"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab/pair"
)

// untilSaid waits until A's Status shows that the partner says something.
func untilSaid(t *testing.T, p *pair.Pair, says string) {
	t.Helper()
	ctx := stage.Patiently(t)
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
	t.Parallel()
	p := stage.Talking(t, time.Second)
	stage.Saying(t, p, p.A, 0, []string{"10.77.0.100: would be offered to the partner, who says that it would take it"}, "Handover", "--dry-run")
	stage.Held(t, p, "a")
	stage.Saying(t, p, p.A, 0, []string{"10.77.0.100: handed over: the partner has it\n  next: the partner keeps it, and this host stands by"},
		"Handover", "10.77.0.100", "--timeout", "5s")
	stage.Held(t, p, "b")
	stage.Saying(t, p, p.A, 0, []string{"10.77.0.100: it is not on this host"}, "Handover")
	stage.Saying(t, p, p.A, 0, []string{"offered it to the partner (H2): an operator ordered it.", "released it (H1): the partner took it and confirmed."}, "Why")

	stage.Saying(t, p, p.B, 0, []string{"would be handed over to the partner, and kept off until 'Maintenance off'"}, "Maintenance", "on", "--dry-run")
	stage.Saying(t, p, p.B, 0, []string{"handed over: the partner has it; here it stays off until 'Maintenance off'"}, "Maintenance", "on")
	stage.Held(t, p, "a")
	if text := stage.Parked(t, p, p.B); !strings.Contains(text, "\nmaintenance\n") || strings.Contains(text, "\n10.77") {
		t.Errorf("the state file:\n%s", text)
	}
	untilSaid(t, p, "parked")
	stage.Saying(t, p, p.A, 1, []string{"it stays here: the partner says: parked: an operator took the alias off this host"}, "Handover")

	// Over a restart too, and whichever host dies.
	stage.Killed(t, p.Monitor(p.B))
	_, err := p.Start(p.B)
	stage.Must(t, err)
	stage.Said(t, p.Monitor(p.B), "event=maintenance")
	stage.Saying(t, p, p.B, 1, []string{"in maintenance: this host stays out of all aliases until 'aliasdefender Maintenance off'\nALIAS "}, "Status")
	stage.Saying(t, p, p.B, 1, []string{"refused: this host is in maintenance; 'Maintenance off' ends it"}, "AddAlias")
	untilSaid(t, p, "parked")
	stage.Saying(t, p, p.A, 0, []string{"released: it is off this host, and stays off until 'Maintenance off'",
		"next: nobody serves it for now: the partner says: parked: an operator took the alias off this host; run AddAlias there, or 'Maintenance off' here"}, "Maintenance", "on")
	stage.Held(t, p)
	stage.Saying(t, p, p.B, 0, []string{"this host serves it again if its rules say so"}, "Maintenance", "off")
	stage.Held(t, p, "b")
	stage.Saying(t, p, p.A, 0, []string{"this host serves it again if its rules say so"}, "Maintenance", "off")
	stage.Unchanged(t, p, 3*time.Second)
}

func TestMaintenanceWithoutAMonitor(t *testing.T) {
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	stage.Saying(t, p, p.A, 0, []string{"taken: this host has it"}, "AddAlias")
	stage.Held(t, p, "a")
	stage.Saying(t, p, p.A, 1, []string{"no Monitor is running"}, "Handover")
	stage.Saying(t, p, p.A, 0, []string{"would be released and kept off until 'Maintenance off'"}, "Maintenance", "on", "--dry-run")
	stage.Saying(t, p, p.A, 0, []string{"released: it is off this host, and stays off until 'Maintenance off'", "(W12)"}, "Maintenance", "on")
	stage.Held(t, p)
	stage.Saying(t, p, p.A, 1, []string{"10.77.0.100: refused: this host is in maintenance; 'Maintenance off' ends it"}, "AddAlias")
	a, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, a, "event=maintenance")
	stage.Said(t, a, "row=W1 ")
	stage.Killed(t, a)
	stage.Saying(t, p, p.A, 0, []string{"the next Monitor serves it again"}, "Maintenance", "off")
	_, err = p.Start(p.A)
	stage.Must(t, err)
	stage.Held(t, p, "a")
}

func TestAddAliasThatMaintenanceRefusesDoesNotUnpark(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true})
	stage.Saying(t, p, p.A, 0, []string{"is parked"}, "RemoveAlias")
	stage.Saying(t, p, p.A, 0, []string{"stays off until 'Maintenance off'"}, "Maintenance", "on")
	stage.Saying(t, p, p.A, 1, []string{"refused: this host is in maintenance"}, "AddAlias")
	stage.Saying(t, p, p.A, 0, []string{"it stays parked"}, "Maintenance", "off")
}

// TestReloadOpensAndClosesTheChannelAndSaysWhatStays: keys come and go with a reload,
// but the port of an open channel does not change.
func TestReloadOpensAndClosesTheChannelAndSaysWhatStays(t *testing.T) {
	t.Parallel()
	p := stage.Begun(t)
	key := stage.NewKey()
	reload := func(settings string, keys ...string) {
		t.Helper()
		p.SetKeys(p.A, keys...)
		p.SetKeys(p.B, keys...)
		stage.Must(t, p.Write(p.A, p.OwnB.Addr(), true, settings))
		stage.Must(t, p.Write(p.B, p.OwnA.Addr(), false, settings))
		stage.Saying(t, p, p.A, 0, []string{"reloaded"}, "Reload")
		stage.Saying(t, p, p.B, 0, []string{"reloaded"}, "Reload")
	}
	reload(`interval = "1s"`, key)
	untilSaid(t, p, "able")
	settings := p.File(p.A, "aliasdefender.toml")
	text, err := os.ReadFile(settings)
	stage.Must(t, err)
	stage.Place(t, settings, string(text)+"port = 7000\nlisten = \"10.77.0.1\"\n")
	stage.Saying(t, p, p.A, 0, []string{"reloaded"}, "Reload")
	stage.Said(t, p.Monitor(p.A), "event=reload_fixed")
	for _, setting := range []string{"peer.port", "peer.listen"} {
		stage.Said(t, p.Monitor(p.A), setting)
	}
	untilSaid(t, p, "able")
	reload(`interval = "1s"`)
	if out := stage.Saying(t, p, p.A, 0, nil, "Status"); strings.Contains(out, "the partner says") {
		t.Error("a channel without a key")
	}
	stage.Saying(t, p, p.A, 1, []string{"refused: there is no channel to the partner"}, "Handover")
	stage.Held(t, p, "a")
}
