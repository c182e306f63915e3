package defender

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// What a claimant answers to a question from before the last one that it did not answer
// comes too late: the fact is of a newer time.
func TestAnOlderAnswerOfAClaimantIsNoNews(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		told := make(chan [2]rules.Value, 1)
		w.a.daemon.post(func(l *loop) {
			a := l.list[0]
			c := &claimant{claimantKey: claimantKey{host.Side{NIC: "eth0", Family: family}, host.HW{2, 0, 0, 0, 0, 99}, a.partner.Addr}, users: []*alias{a}}
			c.due.Do = func() {}
			l.net.claimants[c.claimantKey] = c
			defer func() {
				c.users = nil
				l.tidyClaimant(c)
			}()
			var got [2]rules.Value
			l.fileClaimant(c, rules.Silent, l.now)
			l.claimantAnswered(c, l.now.Add(-time.Second))
			got[0] = c.fact.Value
			l.claimantAnswered(c, l.now)
			got[1] = c.fact.Value
			told <- got
		})
		if got := <-told; got != [2]rules.Value{rules.Silent, rules.Answered} {
			w.fail("after an older answer, and after one to the last question: %v", got)
		}
	})
}
