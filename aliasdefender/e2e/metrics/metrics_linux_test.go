package metrics

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab/pair"
)

const examples = "../../../etc/examples/monitoring"

// of is a row about the pair's alias.
func of(name string, value any, more ...string) string {
	labels := strings.Join(append([]string{`alias="10.77.0.100"`, `nic="eth0:1"`}, more...), ",")
	return fmt.Sprintf("%s{%s} %v", name, labels, value)
}

func handOvers(outcome string, n int) string {
	return of("hand_overs_total", n, `outcome="`+outcome+`"`)
}

// TestMetricsTellTheStory: a hand-over, a hand-over back, a crash, and what each host shows.
func TestMetricsTellTheStory(t *testing.T) {
	t.Parallel()
	p := talking(t, "")
	a := shows(t, p.A, of("held", 1), of("expected_holder", 1), of("primary", 1), of("takes_total", 1), of("releases_total", 0), of("standby_ready", 1), of("partner_heard", 1),
		of("link_good", 1), of("problem", 0), of("rival", 0), of("hand_over_ready", 1), "configuration_stale 0", `decisions_total{row="H9"} 1`)
	for _, name := range []string{"announcements_total", "fact_age_seconds", "last_transition_timestamp_seconds", "probes_sent_total", "round_trip_seconds_count", "loop_lag_seconds_count", "build_info", "channel_last_heard_timestamp_seconds"} {
		if !strings.Contains(a, "\naliasdefender_"+name) {
			t.Errorf("A does not show %s", name)
		}
	}
	shows(t, p.B, of("held", 0), of("expected_holder", 0), of("takes_total", 0), of("standby_ready", 1), of("fact", 1, `fact="alias elsewhere"`))

	stage.Obeyed(t, p, p.A, "Handover")
	stage.Held(t, p, "b")
	shows(t, p.A, of("held", 0), of("releases_total", 1), handOvers("given", 1), handOvers("taken", 0))
	shows(t, p.B, of("held", 1), of("takes_total", 1), handOvers("taken", 1), handOvers("given", 0), `decisions_total{row="W5"} 1`)

	stage.Obeyed(t, p, p.B, "Handover")
	stage.Held(t, p, "a")
	shows(t, p.A, of("held", 1), of("takes_total", 2), handOvers("taken", 1))
	shows(t, p.B, of("held", 0), of("releases_total", 1), handOvers("given", 1))

	stage.Must(t, p.A.Crash())
	stage.Held(t, p, "b")
	shows(t, p.B, of("held", 1), of("takes_total", 2), of("partner_heard", 0), handOvers("taken", 1), of("fact", 0, `fact="partner"`), `decisions_total{row="W14"} 1`)
}

// TestARefusedReloadIsStale: and the address stays until a restart.
func TestARefusedReloadIsStale(t *testing.T) {
	t.Parallel()
	p := talking(t, "")
	shows(t, p.A, "configuration_stale 0")
	good := stage.Read(t, p.File(p.A, "aliasdefender.toml"))
	stage.Place(t, p.File(p.A, "aliasdefender.toml"), strings.Replace(good, "listen", "listens", 1))
	if err := stage.Reload(p, p.A); err == nil {
		t.Fatal("a bad file is accepted")
	}
	shows(t, p.A, "configuration_stale 1")
	stage.Place(t, p.File(p.A, "aliasdefender.toml"), strings.Replace(good, listens, "127.0.0.1:9721", 1))
	stage.Must(t, stage.Reload(p, p.A))
	stage.Said(t, p.Monitor(p.A), "reload: status.listen stays 127.0.0.1:9720 until a restart")
	shows(t, p.A, "configuration_stale 0")
}

// TestOthersNeedAToken: an address that others reach without one is a mistake of the file,
// with its line.
func TestOthersNeedAToken(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: "[status]\nlisten = \"0.0.0.0:9720\""})
	_, errs, code := p.Run(stage.Patiently(t), p.A, "Monitor")
	if want := "aliasdefender.toml:2: status.listen: other hosts reach 0.0.0.0:9720, so a reader has to show a token"; code != 3 || !strings.Contains(errs, want) {
		t.Errorf("exit code %d:\n%s", code, errs)
	}

	token := p.File(p.A, "token")
	stage.Must(t, os.WriteFile(token, []byte("correct-horse-battery-staple\n"), 0o600))
	stage.Must(t, p.Write(p.A, p.OwnB.Addr(), true, fmt.Sprintf("[status]\nlisten = \"0.0.0.0:9720\"\ntoken_file = %q", token)))
	m, err := p.Start(p.A)
	stage.Must(t, err)
	stage.Said(t, m, "event=started")
	if _, err := page(p.A); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without the token: %v", err)
	}
	if out, errs, code := p.Run(stage.Patiently(t), p.A, "Status", "--json"); strings.Contains(out+errs+m.Output(), "correct-horse") {
		t.Errorf("the token is shown (exit %d)", code)
	}
	showing := func(token string) error {
		_, err := answered(p.A, strings.TrimSuffix(question, "\r\n")+"Authorization: Bearer "+token+"\r\n\r\n")
		return err
	}
	stage.Must(t, showing("correct-horse-battery-staple"))
	stage.Must(t, os.WriteFile(token, []byte("# the next\nanother-token-of-the-kind\n"), 0o600))
	stage.Must(t, stage.Reload(p, p.A))
	stage.Must(t, showing("another-token-of-the-kind"))
	if err := showing("correct-horse-battery-staple"); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("with the former token: %v", err)
	}
	stage.Must(t, os.Chmod(token, 0o644))
	if err := stage.Reload(p, p.A); err == nil || !strings.Contains(err.Error(), "has mode 0644") {
		t.Errorf("a token that others can read: %v", err)
	}
}

// TestAnAddressThatCannotBeHadIsAProblemAndNoMore: the aliases matter more.
func TestAnAddressThatCannotBeHadIsAProblemAndNoMore(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Rhythm(time.Second) + "\n[status]\nlisten = \"127.0.0.1:9720\""})
	stage.Must(t, p.A.Do(func() error {
		ln, err := net.Listen("tcp4", listens)
		if err == nil {
			t.Cleanup(func() { ln.Close() })
		}
		return err
	}))
	stage.Must(t, p.Begin(stage.Patience))
	stage.Held(t, p, "a")
	stage.Saying(t, p, p.A, 1, []string{"[status] listen has no effect: 127.0.0.1:9720: address already in use"}, "Status")
	shows(t, p.B, of("held", 0))
}

// TestFiftyReadersHalfOfThemStuckChangeNothing: all who read are answered, and the loop goes
// on as before. By how much it is late is judged in make soak.
func TestFiftyReadersHalfOfThemStuckChangeNothing(t *testing.T) {
	p := pairOf(t, "")
	stage.Crowd(t, p, p.A)
	stage.Begin(t, p)
	if n := len(shows(t, p.A)); n < stage.KernelsKeep {
		t.Fatalf("with an answer of %d bytes nobody is stuck", n)
	}
	sumBefore, wokenBefore := late(t, p)
	since := time.Now()
	for i := range 25 {
		c, err := connected(p.A)
		stage.Must(t, err)
		defer c.Close()
		if i%2 == 0 { // asks, and does not read; the others say half of what they want
			stage.Must(t, c.(*net.TCPConn).SetReadBuffer(4<<10))
			_, err = io.WriteString(c, question)
		} else {
			_, err = io.WriteString(c, question[:10])
		}
		stage.Must(t, err)
	}
	sum, woken := sumBefore, wokenBefore
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for rounds := 0; rounds < 10 || woken < wokenBefore+time.Duration(stage.Runs(300))*10; rounds++ {
		done := make(chan error, 25)
		for range cap(done) {
			go func() {
				_, err := page(p.A)
				done <- err
			}()
		}
		for range cap(done) {
			stage.Must(t, <-done)
		}
		sum, woken = late(t, p)
		<-tick.C
	}
	stage.Until(t, p, p.A, "it holds", func(_ control.Snapshot, a control.Alias) bool { return a.Holder == "us" })
	if n := p.Holders.Tenure(since, time.Time{}).Takes; n != 0 {
		t.Errorf("the alias moved %d times", n)
	}
	figure := stage.NewFigures(t, "by how much the loop wakes late on average, with stuck readers", 5*time.Millisecond)
	figure.Add((sum-sumBefore)/max(woken-wokenBefore, 1), stage.Stillness(p.Asker, p.Control, since, time.Now()))
}

// late is by how much the loop of A has woken late, and how often it has woken.
func late(t *testing.T, p *pair.Pair) (sum, woken time.Duration) {
	t.Helper()
	late, n := stage.LoopLag(t, shows(t, p.A))
	return late, time.Duration(n)
}

// TestPromtoolLikesThePage of a real Monitor.
func TestPromtoolLikesThePage(t *testing.T) {
	stage.Wanted(t, "promtool", "prometheus")
	t.Parallel()
	p := talking(t, "")
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(shows(t, p.A, of("held", 1)))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestAlertsAreSilentOnAGoodPairAndFireAfterACrash feeds Prometheus what the pair shows.
func TestAlertsAreSilentOnAGoodPairAndFireAfterACrash(t *testing.T) {
	stage.Wanted(t, "promtool", "prometheus")
	t.Parallel()
	p := talking(t, "")
	good := map[string]string{"a": shows(t, p.A, of("held", 1), of("standby_ready", 1), of("problem", 0)), "b": shows(t, p.B, of("held", 0), of("standby_ready", 1), of("problem", 0))}
	prom(t, story(good, good, "up{job=\"aliasdefender\",instance=\"a\"}", "1x240", "up{job=\"aliasdefender\",instance=\"b\"}", "1x240"), nil)

	stage.Must(t, p.A.Crash())
	stage.Held(t, p, "b")
	after := map[string]string{"b": shows(t, p.B, of("held", 1), of("partner_heard", 0), of("standby_problem", 1))}
	prom(t, story(good, after, "up{job=\"aliasdefender\",instance=\"a\"}", "1x60 0x180", "up{job=\"aliasdefender\",instance=\"b\"}", "1x240"),
		[]string{"AliasMoved", "AliasWithoutStandby", "MonitorGone", "MonitorProblem", "PartnerNotHeard"})
}

// story is rows of pages as series of Prometheus: for an hour those of before, then for three
// hours those of after. A host without a page after is gone.
func story(before, after map[string]string, more ...string) string {
	var text strings.Builder
	for i := 0; i+1 < len(more); i += 2 {
		fmt.Fprintf(&text, "      - {series: '%s', values: '%s'}\n", more[i], more[i+1])
	}
	for host, page := range before {
		then := values(after[host])
		for row, value := range values(page) {
			series, with := strings.CutSuffix(row, "}")
			if with {
				series += ","
			} else {
				series += "{"
			}
			end, there := then[row]
			if there {
				end = " " + end + "x180"
			} else {
				end = " stale"
			}
			fmt.Fprintf(&text, "      - {series: '%sinstance=\"%s\"}', values: '%sx60%s'}\n", series, host, value, end)
		}
	}
	return text.String()
}

// values are the rows of a page.
func values(page string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(page) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			all[line[:i]] = strings.TrimSpace(line[i:])
		}
	}
	return all
}

// prom has promtool look which alerts fire before and after the change, as if none should:
// what it then complains of tells.
func prom(t *testing.T, series string, want []string) {
	t.Helper()
	rules, err := filepath.Abs(filepath.Join(examples, "alerts.yml"))
	stage.Must(t, err)
	var text strings.Builder
	fmt.Fprintf(&text, "rule_files: ['%s']\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n%s    alert_rule_test:\n", rules, series)
	for _, alert := range alerts(t) {
		for _, at := range []string{"30m", "63m", "80m"} {
			fmt.Fprintf(&text, "      - {eval_time: %s, alertname: %s}\n", at, alert)
		}
	}
	file := filepath.Join(t.TempDir(), "test.yml")
	stage.Must(t, os.WriteFile(file, []byte(text.String()), 0o644))
	out, err := exec.Command("promtool", "test", "rules", file).CombinedOutput()
	found := regexp.MustCompile(`alertname: (\w+), time: (\w+)`).FindAllStringSubmatch(string(out), -1)
	if err != nil && len(found) == 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	var fired []string
	for _, m := range found {
		if m[2] == "30m" {
			t.Errorf("%s fires on a good pair:\n%s", m[1], out)
		}
		fired = append(fired, m[1])
	}
	slices.Sort(fired)
	if d := cmp.Diff(want, slices.Compact(fired)); d != "" {
		t.Errorf("alerts that should fire (-) and do (+):\n%s\n%s", d, out)
	}
}
