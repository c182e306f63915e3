//go:build !race

package peer

import "testing"

// Heard and its words are the receiver's to keep; else nothing is allocated.
func TestAHeartbeatAllocatesWhatIsKeptAndNothingElse(t *testing.T) {
	beat := heartbeat(t, 3)
	beat()
	if n := testing.AllocsPerRun(1000, beat); n > 2 {
		t.Errorf("%v allocations", n)
	}
}
