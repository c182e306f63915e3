package story

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// TestEveryHealEndsWithOneHolderThatServes cuts the holder off so that it does not
// notice, heals, and checks what a heal promises: only the primary has the alias, and
// no later question goes to the wrong host. It does so again and again on one stage,
// because caches remember: each cut once, and in make soak dozens of times.
func TestEveryHealEndsWithOneHolderThatServes(t *testing.T) {
	t.Parallel()
	everyHealEndsWithOneHolderThatServes(t, stage.Stage{})
}

func everyHealEndsWithOneHolderThatServes(t *testing.T, on stage.Stage) {
	const interval = 200 * time.Millisecond
	p := on.BegunWith(t, 1, `interval = "200ms"`)
	port := func(hosts ...*lab.Host) (all []*lab.Port) {
		for _, h := range hosts {
			all = append(all, h.Port())
		}
		return all
	}
	cuts := []struct {
		name    string
		cut     func() error
		heal    func() error
		standby bool // B has the alias at first
	}{
		{"the holder's port is mute", p.A.Port().Mute, p.A.Port().Unmute, false},
		{"the holder is alone", func() error {
			return p.Switch.Partition(port(p.A), port(p.B, p.Router, p.User))
		}, p.Switch.Heal, false},
		{"the client is with the old holder", func() error {
			return p.Switch.Partition(port(p.A, p.User), port(p.B, p.Router))
		}, p.Switch.Heal, false},
		{"the holder that is not primary is alone", func() error {
			return p.Switch.Partition(port(p.B), port(p.A, p.Router, p.User))
		}, p.Switch.Heal, true},
		{"the client is with the old holder, which is not primary", func() error {
			return p.Switch.Partition(port(p.B, p.User), port(p.A, p.Router))
		}, p.Switch.Heal, true},
	}
	both := stage.NewFigures(t, "held by both after a heal", interval+100*time.Millisecond)
	served := stage.NewFigures(t, "the client is with the holder after a heal", 2*interval+100*time.Millisecond)
	for i := range len(cuts) * stage.Runs(12) {
		c := cuts[i%len(cuts)]
		if c.standby {
			crashedOnce(t, p)
		}
		stage.Must(t, c.cut())
		stage.Held(t, p, "a", "b")
		// As long as a cache believes what it heard, or shorter.
		<-time.After(time.Duration(i%3) * interval)
		heal := time.Now()
		stage.Must(t, c.heal())
		stage.Held(t, p, "a") // the primary
		one := p.Holders.Tenure(heal, time.Time{}).LongestBoth
		stage.Served(t, p, "a")
		settled := time.Now()
		still := stage.Stillness(p.Asker, p.Control, heal, settled)
		both.Add(one, still)
		served.Add(settled.Sub(heal), still)
		stage.Unchanged(t, p, 4*interval)
		if r := p.Asker.Report(settled, time.Now().Add(-10*time.Millisecond)); r.By["b"] > 0 || len(stage.Gaps(p.Asker, p.Control, settled)) > 0 {
			t.Errorf("run %d, %s: after the heal answered by %v, %d questions of %d lost, gaps %v", i, c.name, r.By, r.Lost, r.Sent,
				stage.Gaps(p.Asker, p.Control, settled))
		}
	}
}
