package stage

import (
	"testing"
	"time"
)

// TestAStandstillThatLastsCounts: whoever asks may have been let go first.
func TestAStandstillThatLastsCounts(t *testing.T) {
	defer wants(time.Time{})
	now := time.Now()
	for name, tt := range map[string]struct {
		due   time.Time
		least bool
	}{
		"for a second":            {now.Add(-time.Second), true},
		"not yet due":             {now.Add(time.Hour), false},
		"the watcher has stopped": {time.Time{}, false},
	} {
		wants(tt.due)
		if stood := KernelStood(now.Add(-kernelLate), now); stood >= time.Second != tt.least {
			t.Errorf("%s: it stood for %v", name, stood)
		}
	}
}
