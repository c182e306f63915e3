package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
	shown "alias-defender/aliasdefender/metrics"
)

// alerts are the names of all alerts.
func alerts(t *testing.T) (all []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(stage.Read(t, "../../../etc/examples/monitoring/alerts.yml"), -1) {
		all = append(all, m[1])
	}
	if len(all) < 10 {
		t.Fatalf("found only %q", all)
	}
	return all
}

// TestEachAlertFires in a test of its own that ships with the rules.
func TestEachAlertFires(t *testing.T) {
	stage.Wanted(t, "promtool", "prometheus")
	tests := stage.Read(t, "../../../etc/examples/monitoring/alerts_test.yml")
	for _, alert := range alerts(t) {
		if _, own, _ := strings.Cut(tests, "- name: "+alert+"\n"); !strings.Contains(strings.Split(own, "- name: ")[0], "alertname: "+alert+"\n        exp_alerts:") {
			t.Errorf("no test has %s fire", alert)
		}
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}, {"check", "config", "--syntax-only", "prometheus.yml"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = filepath.FromSlash("../../../etc/examples/monitoring")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}

// TestTheExamplesNameMetricsThatAreThere: a name that is wrong is an alert that never fires,
// and an empty panel.
func TestTheExamplesNameMetricsThatAreThere(t *testing.T) {
	var names []string
	for _, f := range shown.Families() {
		names = append(names, f.Name)
		if f.Type == shown.Histogram {
			names = append(names, f.Name+"_bucket")
		}
	}
	used := map[string]bool{}
	for _, file := range []string{"alerts.yml", "alerts_test.yml", "grafana.json"} {
		for _, name := range regexp.MustCompile(`aliasdefender_\w+`).FindAllString(stage.Read(t, "../../../etc/examples/monitoring/"+file), -1) {
			if used[name] = true; !slices.Contains(names, name) {
				t.Errorf("%s has %s, which there is not", file, name)
			}
		}
	}
	if len(used) < 20 {
		t.Errorf("only %d names are used", len(used))
	}
}

// TestTheDashboardIsWhatGrafanaReads as far as that can be told without Grafana: each panel
// has a type, a place of its own and an expression that Prometheus understands.
func TestTheDashboardIsWhatGrafanaReads(t *testing.T) {
	type place struct{ X, Y, W, H int }
	var board struct {
		Title  string
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos place
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(stage.Read(t, "../../../etc/examples/monitoring/grafana.json")), &board); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for i, p := range board.Panels {
		if p.Title == "" || p.Type == "" || len(p.Targets) == 0 || seen[p.ID] || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d: %+v", i, p)
		}
		seen[p.ID] = true
		for _, other := range board.Panels[:i] {
			a, b := p.GridPos, other.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%s lies on %s", p.Title, other.Title)
			}
		}
	}
	if len(board.Panels) < 10 {
		t.Errorf("%d panels", len(board.Panels))
	}
	stage.Wanted(t, "promtool", "prometheus")
	rules := "groups:\n  - name: dashboard\n    rules:\n"
	for _, p := range board.Panels {
		for i, q := range p.Targets {
			rules += fmt.Sprintf("      - {record: 'panel:%d:%d', expr: '%s'}\n", p.ID, i, strings.NewReplacer("$instance", ".*", "$alias", ".*").Replace(q.Expr))
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	stage.Must(t, os.WriteFile(file, []byte(rules), 0o644))
	if out, err := exec.Command("promtool", "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
