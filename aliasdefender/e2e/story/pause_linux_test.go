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
// port, as a virtual machine is frozen and thawed. Its kernel still has the
// alias, which the partner took meanwhile. With E2E_RUNS above 1 both hosts are
// woken in both ways.
func TestFrozenHolderThatThawsLeavesOneHolder(t *testing.T) {
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
		if tt.seldom && stage.Runs() == 1 {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // they wait most of their time
			for range stage.Runs() {
				p := stage.Begun(t)
				frozen, other := p.A, p.B
				if tt.standby {
					frozen, other = p.B, p.A
					crashedOnce(t, p)
				}
				stage.Must(t, frozen.Port().Mute())
				stage.Must(t, p.Monitor(frozen).Signal(unix.SIGSTOP))
				stage.Held(t, p, 10*time.Second, "a", "b")
				stage.Served(t, p, 5*time.Second, other.Name)
				<-time.After(10 * time.Second)
				thaw := []func() error{func() error { return p.Monitor(frozen).Signal(unix.SIGCONT) }, frozen.Port().Unmute}
				if tt.cableFirst {
					slices.Reverse(thaw)
				}
				thawed := time.Now()
				for _, f := range thaw {
					stage.Must(t, f())
				}
				stage.Held(t, p, 10*time.Second, "a") // the one that is not primary yields
				both := time.Since(thawed)
				if still := stage.Stillness(p.Asker, p.Control, thawed, time.Now()); both > time.Second+still {
					t.Errorf("held by both for %v after the thaw, want at most 1 s", both)
				}
				stage.Served(t, p, time.Second, "a")
				answered := time.Since(thawed)
				stage.Unchanged(t, p, 2*time.Second)
				longest := p.Asker.Report(thawed, time.Time{})
				t.Logf("held by both for %v after the thaw, the client answered by the holder after %v; its longest gap %v",
					both, answered, longest.Longest.Length())
				if end := time.Now(); p.Asker.Report(end.Add(-2*time.Second), end.Add(-time.Second)).By["b"] > 0 {
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
	stage.Held(t, p, 10*time.Second, "b")
	stage.Must(t, p.Boot(p.A))
	stage.Must(t, p.Monitor(p.A).WaitOutput(stage.Within(t, 10*time.Second), "row=W6"))
}

// TestStoppedDaemonMovesNothing stops a daemon alone: without a channel its
// partner sees nothing of it, for the kernel goes on answering.
func TestStoppedDaemonMovesNothing(t *testing.T) {
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
			stage.Must(t, p.Monitor(p.B).WaitOutput(stage.Within(t, 10*time.Second), "row=W6"))
			m, since := p.Monitor(tt.of(p)), time.Now()
			stage.Must(t, m.Signal(unix.SIGSTOP))
			stage.Unchanged(t, p, 4*time.Second) // detection takes 350 ms
			stage.Must(t, m.Signal(unix.SIGCONT))
			stage.Must(t, m.WaitOutput(stage.Within(t, 5*time.Second), "this process was away"))
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
