package defender

import (
	"testing"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/rules"
)

// TestWhatADecisionWaitsForIsDecidedAtOnce: an answer of the router after the partner missed
// one has the value that the router had before, and W4 and W5 may wait for just that. So may
// a primary for the proof that a partner is still silent. To an alias of which nothing is
// known such proofs bring nothing otherwise.
func TestWhatADecisionWaitsForIsDecidedAtOnce(t *testing.T) {
	router := func(a *alias) *detect.Target { return a.router }
	partner := func(a *alias) *detect.Target { return a.partner }
	doubted := func(a *alias) { a.decision.Reason = rules.DoubtedTwice }
	for name, tt := range map[string]struct {
		set    func(*world)
		waits  func(*alias)
		newer  func(*alias) *detect.Target
		decide bool
	}{
		"nothing waits":                  {nothing, func(*alias) {}, router, false},
		"an order":                       {nothing, func(a *alias) { a.order = &order{command: rules.AddAlias} }, router, true},
		"what is offered":                {nothing, func(a *alias) { a.state.Handover.Side = rules.Getting }, router, true},
		"a primary, and a living host":   {nothing, doubted, partner, false},
		"a primary, and a silent host":   {func(w *world) { w.a.set(w.a.loseOwn) }, doubted, partner, true},
		"its own answer is another case": {nothing, func(*alias) {}, func(a *alias) *detect.Target { return a.alias }, true},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, 1, true, false, func(w *world) {
				w.settle()
				tt.set(w)
				w.wait(settleTime)
				decided := make(chan bool, 1)
				w.b.daemon.post(func(l *loop) {
					a := *l.list[0]
					a.alias = &detect.Target{} // nothing is known of it
					tt.waits(&a)
					l.follows(&a, detect.Change{Target: tt.newer(&a), What: detect.Newer})
					decided <- a.dirty
					l.marked = nil
				})
				if got := <-decided; got != tt.decide {
					w.fail("decided: %v", got)
				}
			})
		})
	}
}
