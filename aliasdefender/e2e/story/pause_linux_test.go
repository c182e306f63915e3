package story

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// TestFrozenHolderThatThawsLeavesOneHolder stops a holder's daemon and mutes its
// port, as when a virtual machine freezes and thaws. Its kernel still has the alias,
// which the partner took meanwhile. In make soak both hosts are woken in both ways.
func TestFrozenHolderThatThawsLeavesOneHolder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		standby    bool // the holder is the one that is not primary
		cableFirst bool // its port is heard before its daemon runs again
		seldom     bool
	}{
		{"the primary, its daemon awake first", false, false, false},
		{"the primary, its port open first", false, true, true},
		{"the other host, its daemon awake first", true, false, true},
		{"the other host, its port open first", true, true, false},
	} {
		if tt.seldom && !stage.Soak() {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // these tests mostly wait
			figure := stage.NewFigures(t, "held by both after a thaw: "+tt.name, time.Second)
			for range stage.Runs(6) {
				p := stage.Begun(t)
				frozen, other := p.A, p.B
				if tt.standby {
					frozen, other = p.B, p.A
					crashedOnce(t, p)
				}
				stage.Must(t, frozen.Port().Mute())
				stage.Must(t, p.Monitor(frozen).Freeze())
				stage.Held(t, p, "a", "b")
				stage.Served(t, p, other.Name)
				<-time.After(5 * time.Second)
				thaw := []func() error{func() error { return p.Monitor(frozen).Signal(unix.SIGCONT) }, frozen.Port().Unmute}
				if tt.cableFirst {
					slices.Reverse(thaw)
				}
				thawed := time.Now()
				for _, f := range thaw {
					stage.Must(t, f())
				}
				stage.Held(t, p, "a") // the one that is not primary yields
				figure.Add(time.Since(thawed), stage.Stillness(p.Asker, p.Control, thawed, time.Now()))
				stage.Served(t, p, "a")
				stage.Unchanged(t, p, 2*time.Second)
				if end := time.Now(); p.Asker.Report(end.Add(-time.Second), end).By["b"] > 0 {
					t.Error("the client is answered by a host that has let the alias go")
				}
				stage.Must(t, p.Lab.Close())
			}
		})
	}
}

// crashedOnce moves the alias to B for good: its primary died and came back.
func crashedOnce(t *testing.T, p *pair.Pair) {
	t.Helper()
	stage.Must(t, p.A.Crash())
	stage.Held(t, p, "b")
	stage.Must(t, p.Boot(p.A))
	stage.Said(t, p.Monitor(p.A), "row=W6")
}

// TestStoppedDaemonMovesNothing stops only a daemon: without a channel its partner
// does not see that, because the kernel goes on answering.
func TestStoppedDaemonMovesNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		of   func(p *pair.Pair) *lab.Host
	}{
		{"the holder's", func(p *pair.Pair) *lab.Host { return p.A }},
		{"the standby's", func(p *pair.Pair) *lab.Host { return p.B }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := stage.BegunWith(t, 1, `interval = "200ms"`)
			stage.Said(t, p.Monitor(p.B), "row=W6")
			m, since := p.Monitor(tt.of(p)), time.Now()
			stage.Must(t, m.Freeze())
			stage.Unchanged(t, p, 3*time.Second) // detection takes 350 ms
			stage.Must(t, m.Signal(unix.SIGCONT))
			stage.Said(t, m, "event=away")
			stage.Unchanged(t, p, time.Second)
			if n := p.Holders.Tenure(since, time.Time{}).Takes; n != 0 {
				t.Errorf("%d takes", n)
			}
			if g := stage.Gaps(p.Asker, p.Control, since); len(g) > 0 {
				t.Errorf("the client's gaps: %v", g)
			}
		})
	}
}
