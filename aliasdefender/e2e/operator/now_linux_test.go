package operator

import (
	"encoding/json"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab/pair"
)

// What Why --now says that a row lacks is brought about on a real host: then that row decides.
func TestWhyNowTellsWhatWouldDecideInstead(t *testing.T) {
	p := stage.Talking(t, 500*time.Millisecond)
	asked := func() control.Now {
		t.Helper()
		out, errs, code := p.Run(stage.Patiently(t), p.B, "Why", "--now", "--json", pair.Alias.String())
		var all []control.Now
		if err := json.Unmarshal([]byte(out), &all); err != nil || code != stage.Done || len(all) != 1 {
			t.Fatalf("exit %d, %v:\n%s%s", code, err, out, errs)
		}
		return all[0]
	}
	if n := asked(); n.Row != "W6" || n.Reason != "served" || n.Alias != pair.Alias.String() {
		t.Errorf("the standby: %+v", n)
	}
	stage.Saying(t, p, p.B, stage.Done, []string{"row W6 decides (wait: another host serves the alias)", "W1 (wait: parked) needs: an operator parks it", "W5 (take: offered) needs: the partner offers it"},
		"Why", "--now")
	stage.Obeyed(t, p, p.B, "RemoveAlias")
	if n := asked(); n.Row != "W1" || n.Reason != "parked" || len(n.Above) != 0 {
		t.Errorf("parked: %+v", n)
	}
	stage.Saying(t, p, p.B, stage.Failed, []string{"10.77.0.9 is no alias of the running Monitor's file"}, "Why", "--now", "10.77.0.9")
	stage.Killed(t, p.Monitor(p.B))
	stage.Saying(t, p, p.B, stage.Failed, []string{"no Monitor is running"}, "Why", "--now")
}
