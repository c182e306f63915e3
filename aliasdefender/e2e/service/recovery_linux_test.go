package service

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab/pair"
)

// recovered is a pair with a channel whose standby asks a port of the holder's for itself,
// and writes down which programs it runs.
func recovered(t *testing.T, port int) (p *pair.Pair, ran func() string) {
	t.Helper()
	p = stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Rhythm(500 * time.Millisecond), Keys: []string{stage.NewKey()}})
	at := filepath.Join(t.TempDir(), "ran")
	program := func(step string) string { return fmt.Sprintf(`["/bin/sh", "-c", "echo %s >>%s"]`, step, at) }
	settings := stage.Rhythm(500*time.Millisecond) + "\nchecks = [\"web\"]\n" + strings.Replace(web, "fall = 2", "fall = 5", 1) + fmt.Sprintf(`
[check.there]
tcp = "%s:%d"
interval = "500ms"
timeout = "300ms"
fall = 5
[alias."%[1]s".recover]
check = "there"
restart = %[3]s
fence = %[4]s
settle = "500ms"
budget = "2/h"
`, p.Alias, port, program("restart"), program("fence"))
	stage.Put(t, p, p.A, settings, stage.RowsOf(p.Addresses, 1, true))
	stage.Put(t, p, p.B, settings, stage.RowsOf(p.Addresses, 1, false))
	return p, func() string {
		text, err := os.ReadFile(at)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", " ")
	}
}

// TestAPartnerThatSaysItIsWellIsNeverFenced: the standby does not reach a service that the
// partner's own check finds well. It has it restarted, and no more.
func TestAPartnerThatSaysItIsWellIsNeverFenced(t *testing.T) {
	t.Parallel()
	p, ran := recovered(t, 81) // where nobody listens
	nginx(t, p.A, "")
	nginx(t, p.B, "")
	stage.Begin(t, p)
	wellOn(t, p, p.A, "good")
	wellOn(t, p, p.B, "good")
	began := time.Now()
	inOrder(t, p.Monitor(p.B), "event=recovery_step", "the partner is not fenced, and the alias stays with it: the partner's daemon says that its service is well", "the budget of 2/h is used up")
	if got := ran(); got != "restart restart" {
		t.Errorf("ran %q", got)
	}
	if tenure := p.Holders.Tenure(began, time.Time{}); tenure.Takes != 0 || tenure.Nobody != 0 {
		t.Errorf("the alias did not stay: %+v", tenure)
	}
	stage.Until(t, p, p.B, "the problem", func(s control.Snapshot, a control.Alias) bool {
		return a.Recovery != nil && a.Recovery.Level == "alarm" && len(s.Problems) > 0
	})
}

// TestAPartnerThatSaysItFailsHandsOver: the rules move the alias, and nobody is fenced. The
// standby's check may be the first to know; then it has begun with a restart.
func TestAPartnerThatSaysItFailsHandsOver(t *testing.T) {
	t.Parallel()
	p, ran := recovered(t, 80)
	onA := nginx(t, p.A, "")
	nginx(t, p.B, "")
	stage.Begin(t, p)
	wellOn(t, p, p.A, "good")
	wellOn(t, p, p.B, "good")
	stage.Killed(t, onA)
	stage.Held(t, p, "b")
	inOrder(t, p.Monitor(p.A), "event=hand_over_begun", "row=H1 reason=\"handed over\"")
	if got := ran(); strings.Contains(got, "fence") {
		t.Errorf("ran %q", got)
	}
}
