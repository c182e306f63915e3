package service

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// lossy has the segment lose three of ten frames.
func lossy(t *testing.T, p *pair.Pair) {
	t.Helper()
	for _, h := range []*lab.Host{p.A, p.B, p.Router, p.User} {
		stage.Must(t, h.Port().Loss(30, 0))
	}
}

// TestAServiceThatSeemsToFail: a check that asks over a segment that loses frames sees a
// service fail that does not, and a check of this host's own service does not.
func TestAServiceThatSeemsToFail(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		seldom bool // it takes minutes, and loss is random: in make soak only
		play   func(t *testing.T)
	}{
		{"comes and goes, and is left alone in the end", false, comesAndGoes},
		{"by a check over a lossy segment, and is left alone in the end", true, overTheSegment},
		{"does not by a check on loopback, whatever the segment loses", true, onLoopback},
	} {
		if tt.seldom && !stage.Soak() {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.play(t)
		})
	}
}

// onLoopback: the alias stays where it is for ten minutes. Neither does the service fail,
// nor are two hosts with a channel easily silent to each other. The check has the fall that
// docs/checks.md advises, so that a machine that stands still for seconds is no dead service.
func onLoopback(t *testing.T) {
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: "interval = \"1s\"\nchecks = [\"web\"]\n[check.web]\nhttp = \"http://127.0.0.1/\"\ninterval = \"1s\"\ntimeout = \"1s\"\nfall = 5\n", Keys: []string{stage.NewKey()}})
	for _, h := range []*lab.Host{p.A, p.B} {
		nginx(t, h, "")
	}
	stage.Begin(t, p)
	wellOn(t, p, p.A, "good")
	wellOn(t, p, p.B, "good")
	lossy(t, p)
	stage.Unchanged(t, p, 10*time.Minute)
	wellOn(t, p, p.A, "good")
	wellOn(t, p, p.B, "good")
}

// releasing is a pair without a channel whose primary, host A, releases the alias when its
// service fails. B is not the primary, and takes nothing from a host that lives.
func releasing(t *testing.T, check func(p *pair.Pair) string, most, fall int) *pair.Pair {
	t.Helper()
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: "interval = \"500ms\"\n"})
	stage.Must(t, p.Write(p.A, p.OwnB.Addr(), true, fmt.Sprintf("interval = \"500ms\"\nmax_takes = %d\nchecks = [\"service\"]\non_service_failure = \"release\"\n[check.service]\n%s\ninterval = \"500ms\"\ntimeout = \"400ms\"\nrise = 1\nfall = %d\n", most, check(p), fall)))
	return p
}

// begins starts both hosts. A has the alias.
func begins(t *testing.T, p *pair.Pair) {
	t.Helper()
	_, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Held(t, p, "a")
	_, err = p.Start(p.B)
	stage.Must(t, err)
}

// leftAlone waits until host A says that the alias was taken too often.
func leftAlone(t *testing.T, p *pair.Pair) {
	t.Helper()
	stage.Said(t, p.Monitor(p.A), "row=W9 reason=flapping")
	stage.Saying(t, p, p.A, stage.Failed, []string{"taken too often within an hour"}, "Status")
}

// comesAndGoes: after max_takes takes nobody takes the alias for a minute, and that is said.
func comesAndGoes(t *testing.T) {
	well := ""
	p := releasing(t, func(p *pair.Pair) string {
		well = filepath.Join(filepath.Dir(p.File(p.A, "x")), "well")
		return fmt.Sprintf("command = [\"/usr/bin/test\", \"-e\", %q]", well)
	}, 2, 5)
	stage.Place(t, well, "")
	begins(t, p)
	for _, last := range []bool{false, true} {
		wellOn(t, p, p.A, "good")
		stage.Must(t, os.Remove(well))
		stage.Held(t, p)
		stage.Place(t, well, "")
		if !last {
			stage.Held(t, p, "a")
		}
	}
	leftAlone(t, p)
	if n := p.Holders.Tenure(time.Time{}, time.Time{}).Takes; n != 2 {
		t.Errorf("taken %d times", n)
	}
}

// overTheSegment: host A asks a third one's page, which is there all the time.
func overTheSegment(t *testing.T) {
	p := releasing(t, func(p *pair.Pair) string {
		return fmt.Sprintf("http = \"http://%s/\"", userOf(t, p))
	}, 10, 2)
	nginx(t, p.User, "")
	begins(t, p)
	wellOn(t, p, p.A, "good")
	lossy(t, p)
	from := time.Now()
	for ctx := t.Context(); !strings.Contains(p.Monitor(p.A).Output(), "row=W9 reason=flapping"); {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			t.Fatal("the test is to end")
		}
		if time.Since(from) > 20*time.Minute {
			t.Fatalf("not said within 20 minutes; held %+v", p.Holders.Tenure(from, time.Time{}))
		}
	}
	leftAlone(t, p)
	t.Logf("figure: a check over a segment that loses three of ten frames: left alone after %v, %d takes", time.Since(from).Round(time.Second), p.Holders.Tenure(from, time.Time{}).Takes)
}
