package metrics_test

import (
	"os/exec"
	"strings"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/metrics"
)

// TestPromtoolFindsNothingWrong asks Prometheus's own linter.
func TestPromtoolFindsNothingWrong(t *testing.T) {
	stage.Wanted(t, "promtool", "prometheus")
	hostile := metrics.Whole()
	hostile.Aliases[0].NIC = "\"} 1\n# TYPE evil gauge\nevil \\"
	hostile.Checks[0].Name = "\xff\x00\r\n\u2028{"
	for name, s := range map[string]metrics.Source{"whole": metrics.Whole(), "empty": {}, "hostile": hostile} {
		cmd := exec.Command("promtool", "check", "metrics")
		cmd.Stdin = strings.NewReader(string(metrics.Write(s)))
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
