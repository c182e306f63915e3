package handover

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// drillable waits until the host has the alias and would do a drill of it.
func drillable(t *testing.T, p *pair.Pair, h *lab.Host) {
	t.Helper()
	stage.Until(t, p, h, "a drill can be done", func(s control.Snapshot, a control.Alias) bool {
		return a.Holder == "us" && a.Level == "" && len(s.Problems) == 0 && a.Says != nil && a.Says.Daemon == "heard" &&
			a.Standby != nil && a.Standby.Ready == "yes" && a.Standby.HandOver == "yes" && a.Handover == ""
	})
}

// drilled runs Drill on a host, and is what it says.
func drilled(t *testing.T, p *pair.Pair, h *lab.Host) (d control.Drill, code int) {
	t.Helper()
	out, errs, code := p.Run(stage.Patiently(t), h, "Drill", "--json", p.Alias.String())
	var all []control.Drill
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
		t.Fatalf("Drill: exit %d, %v\n%s%s", code, err, out, errs)
	}
	t.Logf("Drill: exit %d: %s", code, all[0].Text)
	return all[0], code
}

// TestADrillIsNotNoticed does a drill while a client asks each millisecond. Each time some
// host has the alias at every instant, both hosts tell their figures and have them in their
// event logs, and no question of the client's is unanswered for 100 ms, unless the machine
// itself stood still.
func TestADrillIsNotNoticed(t *testing.T) {
	t.Parallel()
	for _, family := range []string{"IPv4", "IPv6"} {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Rhythm(time.Second), Keys: []string{stage.NewKey()}, Every: time.Millisecond, IPv6: family == "IPv6"})
			stage.Begin(t, p)
			for range stage.Runs(10) {
				stage.Proven(t, func() bool { return drillIsNotNoticed(t, p) })
			}
		})
	}
}

// drillIsNotNoticed does one drill. It tells whether that proves something: the machine may
// have hindered it.
func drillIsNotNoticed(t *testing.T, p *pair.Pair) bool {
	drillable(t, p, p.A)
	from, monitors := time.Now(), []*lab.Process{p.Monitor(p.A), p.Monitor(p.B)}
	d, code := drilled(t, p, p.A)
	stage.Hears(t, p, p.A, "able")
	stage.Held(t, p, "a")
	to := time.Now()
	<-time.After(time.Second) // until an answer counts as lost
	r := p.Asker.Report(from, to)
	still := max(stage.Stillness(p.Asker, p.Control, r.Longest.From, r.Longest.To), time.Millisecond)
	hindered := stage.Hindered(from.Add(-time.Second), monitors...)
	calm := still < 10*time.Millisecond && !hindered
	excused := hindered && !stage.Soak()
	var wrong stage.Wrong
	switch {
	case d.Outcome == control.DrillFailed || d.Outcome == control.DrillRefused:
		// A ping is lost, or a word late, if the machine stands still for longer than this.
		if late := stage.Stillness(p.Asker, p.Control, from.Add(-time.Second), to); late < 50*time.Millisecond || stage.Soak() {
			wrong.Add("%s; the machine stood still for %v", d.Text, late)
		}
		wrong.Judged(t, excused)
		return false
	case (d.Outcome == control.DrillGood) != (code == stage.Done):
		wrong.Add("%s, exit %d", d.Outcome, code)
	// What the hosts measured need not lie in the client's longest gap.
	case d.Outcome == control.DrillGap && calm && stage.KernelStood(from, to) < 50*time.Millisecond, d.Outcome != control.DrillGood && stage.Soak():
		wrong.Add("%s; the machine stood still for %v", d.Text, still)
	case r.Longest.Length() > 100*time.Millisecond && still < r.Longest.Length()/2:
		wrong.Add("the client's longest gap was %v, %d questions lost; the machine stood still for %v", r.Longest.Length(), r.Lost, still)
	}
	if d.Outcome == control.DrillUnmeasured && !calm && !stage.Soak() {
		wrong.Judged(t, excused)
		return false // the partner may not have told its figures in time
	}
	if gone := p.Holders.Tenure(from, to).LongestNobody; gone > 0 && !(hindered && stage.Soak()) { // the machine excuses this in make soak, too
		wrong.Add("nobody had the alias for %v", gone)
	}
	if len(d.Aliases) != 1 || d.Aliases[0].Us == nil || d.Aliases[0].Partner == nil || d.Aliases[0].Us.Asked < 50 || d.Aliases[0].Partner.Asked < 50 {
		wrong.Add("figures: %+v", d.Aliases)
	}
	if !slices.ContainsFunc(p.Holders.Spans(), func(s lab.Span) bool { return s.By == "b" && s.From.After(from) }) {
		wrong.Add("b never had the alias")
	}
	why, _, _ := p.Run(stage.Patiently(t), p.A, "Why", "--last", "40", p.Alias.String())
	if !strings.Contains(why, "began a drill: "+p.Alias.String()) || !strings.Contains(why, "the partner measured") {
		wrong.Add("a's Why:\n%s", why)
	}
	if why, _, _ = p.Run(stage.Patiently(t), p.B, "Why", "--last", "40", p.Alias.String()); !strings.Contains(why, "ended a drill: measured for a drill of the partner's") {
		wrong.Add("b's Why:\n%s", why)
	}
	status, _, _ := p.Run(stage.Patiently(t), p.A, "Status", "--json")
	if !strings.Contains(status, `"drill"`) {
		wrong.Add("a's Status has no drill:\n%s", status)
	}
	return wrong.Judged(t, excused)
}

// TestADrillIsRefusedOnWhateverIsRed: nothing moves while something is wrong, and the answer
// says what. What Check finds is in package check.
func TestADrillIsRefusedOnWhateverIsRed(t *testing.T) {
	t.Parallel()
	p := stage.Talking(t, 200*time.Millisecond)
	drillable(t, p, p.A)
	refused := func(h *lab.Host, words string) {
		t.Helper()
		// On a busy machine something else may be red for a while.
		busy := func(d control.Drill) bool {
			return strings.Contains(d.Text, "the Monitor has a problem") || stage.Hindered(time.Now().Add(-10*time.Second), p.Monitor(p.A), p.Monitor(p.B))
		}
		d, code := drilled(t, p, h)
		for ctx := stage.Patiently(t); !stage.Soak() && !strings.Contains(d.Text, words) && busy(d) && ctx.Err() == nil; {
			<-time.After(250 * time.Millisecond)
			d, code = drilled(t, p, h)
		}
		if d.Outcome != control.DrillRefused || code != stage.Failed || !strings.Contains(d.Text, words) {
			t.Errorf("%s: %s, exit %d: %s", words, d.Outcome, code, d.Text)
		}
	}
	refused(p.B, "done on the host that has the alias")

	stage.Obeyed(t, p, p.B, "RemoveAlias") // parks it there
	stage.Hears(t, p, p.A, "parked")
	refused(p.A, "would not take "+p.Alias.String()+": it says: parked")
	stage.Obeyed(t, p, p.B, "Maintenance", "on")
	stage.Obeyed(t, p, p.B, "Maintenance", "off")
	stage.Obeyed(t, p, p.B, "AddAlias", "--force")
	stage.Obeyed(t, p, p.B, "Handover")
	drillable(t, p, p.A)

	stage.Obeyed(t, p, p.A, "Maintenance", "on")
	refused(p.A, "in maintenance")
	stage.Obeyed(t, p, p.A, "Maintenance", "off")
	stage.Obeyed(t, p, p.A, "AddAlias")
	drillable(t, p, p.A)

	stage.Must(t, p.Monitor(p.B).Signal(unix.SIGKILL))
	stage.Until(t, p, p.A, "the partner has fallen silent", func(_ control.Snapshot, a control.Alias) bool {
		return a.Says != nil && a.Says.Daemon == "fallen silent"
	})
	refused(p.A, "refused: ")
	if !slices.Equal(p.Holders.Holders(), []string{"a"}) {
		t.Errorf("the alias is held by %v", p.Holders.Holders())
	}
}

// underWay has a do a drill, until b has the alias. It returns what the command will say.
func underWay(t *testing.T, p *pair.Pair) <-chan string {
	t.Helper()
	from, done := time.Now(), make(chan string, 1)
	go func() {
		for ctx := stage.Patiently(t); ; {
			out, errs, _ := p.Run(ctx, p.A, "Drill", p.Alias.String())
			if stage.Soak() || ctx.Err() != nil || !strings.Contains(errs, "aliasdefender: refused: ") { // a busy machine loses pings
				done <- out + errs
				return
			}
		}
	}()
	for ctx := stage.Patiently(t); !slices.ContainsFunc(p.Holders.Spans(), func(s lab.Span) bool { return s.By == "b" && s.From.After(from) }); {
		if ctx.Err() != nil {
			t.Fatal("b never had the alias")
		}
		stage.Must(t, p.Holders.Wait(ctx, "b"))
	}
	return done
}

// TestADrillGivesWayToAnOperator: what is ordered on either host while b has the alias stays.
func TestADrillGivesWayToAnOperator(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ on, order string }{{"a", "RemoveAlias"}, {"b", "AddAlias"}} {
		t.Run(c.order+" on "+c.on, func(t *testing.T) {
			t.Parallel()
			p := stage.Talking(t, 200*time.Millisecond)
			drillable(t, p, p.A)
			done := underWay(t, p)
			stage.Obeyed(t, p, p.Lab.Lookup(c.on), c.order, p.Alias.String())
			said := <-done
			t.Log(said)
			stage.Held(t, p, "b") // also if the order came when the alias was on its way back
			stage.Until(t, p, p.A, "it is parked there if somebody parked it", func(_ control.Snapshot, a control.Alias) bool { return a.Parked == (c.on == "a") })
			if !strings.Contains(said, "broken off, because "+p.Alias.String()) && !strings.Contains(said, "another order was given meanwhile") &&
				!strings.Contains(said, "broken off, because an operator") && !strings.Contains(said, "there and back") {
				t.Errorf("Drill said %q", said)
			}
		})
	}
}

// TestAHostThatDiesInADrillLeavesTheAliasToTheRules kills one of the daemons while the alias
// is at the partner. If it is a's, the partner keeps it; if it is b's, a takes it when its
// lease has ended.
func TestAHostThatDiesInADrillLeavesTheAliasToTheRules(t *testing.T) {
	t.Parallel()
	for _, dies := range []string{"a", "b"} {
		t.Run(dies, func(t *testing.T) {
			t.Parallel()
			p := stage.Talking(t, 200*time.Millisecond)
			drillable(t, p, p.A)
			stays := "b"
			if dies == "b" {
				stays = "a"
			}
			done := underWay(t, p)
			stage.Must(t, p.Monitor(p.Lab.Lookup(dies)).Signal(unix.SIGKILL))
			said := <-done
			t.Log(said) // of a's Monitor the command hears no more
			stage.Held(t, p, stays)
			if dies == "b" && !strings.Contains(said, "there and back") && !strings.Contains(said, "the drill failed") {
				t.Errorf("Drill said %q", said)
			}
		})
	}
}
