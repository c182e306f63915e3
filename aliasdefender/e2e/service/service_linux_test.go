package service

import (
	"net"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// served is a pair with a channel and a web server on each host, both known to be well,
// and the primary serving pages.
func served(t *testing.T, settings string) (p *pair.Pair, onA, onB *lab.Process, r *reader) {
	t.Helper()
	p = stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Rhythm(500*time.Millisecond) + "\nchecks = [\"web\"]\n" + settings + web, Keys: []string{stage.NewKey()}})
	onA, onB = nginx(t, p.A, ""), nginx(t, p.B, "")
	stage.Begin(t, p)
	wellOn(t, p, p.A, "good")
	wellOn(t, p, p.B, "good")
	r = read(t, p)
	r.wait(t, "a", time.Now())
	return p, onA, onB, r
}

// TestTheAliasLeavesAHostWhoseServiceIsDead, comes back with failback when it lives, and
// stays where it is when both are dead.
func TestTheAliasLeavesAHostWhoseServiceIsDead(t *testing.T) {
	t.Parallel()
	stage.Proven(t, func() bool { return leavesADeadService(t) })
}

// leavesADeadService tells whether that proves something: the machine may have hindered it.
func leavesADeadService(t *testing.T) bool {
	p, onA, onB, r := served(t, "failback = true\nfailback_after = \"2s\"\n")
	figure := stage.NewFigures(t, "from a dead web server to the partner's page", 2*time.Second)
	began := time.Now()

	killed := time.Now()
	stage.Killed(t, onA)
	lost, after := r.wait(t, "b", killed)
	figure.Add(after, stage.Stillness(p.Control, p.Control, killed, time.Now()))
	t.Logf("dead: the first page from b after %v, %d lost until then", after, lost)
	stage.Held(t, p, "b")
	inOrder(t, p.Monitor(p.A), "event=check_failing reason=\"connection refused: 127.0.0.1:80\" check=web", "event=hand_over_begun", "row=H1 reason=\"handed over\"")
	stage.Said(t, p.Monitor(p.B), "row=W5 reason=offered")
	fromB := time.Now()
	stage.Until(t, p, p.A, "W3 with its reason", func(_ control.Snapshot, a control.Alias) bool {
		return a.Standby != nil && a.Standby.Row == "W3" && a.Standby.Reason == "service failing"
	})
	if out, _, code := p.Run(stage.Patiently(t), p.A, "Why"); code != 0 || !strings.Contains(out, "check web (http): failing for") || !strings.Contains(out, "connection refused: 127.0.0.1:80") {
		t.Errorf("Why (exit %d) does not say which check, and why:\n%s", code, out)
	}

	onA = nginx(t, p.A, "")
	r.wait(t, "a", time.Now())
	stage.Held(t, p, "a")
	inOrder(t, p.Monitor(p.A), "event=check_good", "event=check_failing", "event=check_good", "row=W5 reason=offered")
	var wrong stage.Wrong
	if missed := r.lost(p, fromB); len(missed) > 0 {
		wrong.Add("on the way back these pages were lost: %v; held by %v", missed, p.Holders.Spans())
	}
	if gone := p.Holders.Tenure(began, time.Time{}).LongestNobody; gone > 0 {
		wrong.Add("nobody had the alias for %v", gone)
	}
	if !wrong.Judged(t, stage.Hindered(began, p.Monitor(p.A), p.Monitor(p.B))) {
		return false
	}

	stage.Killed(t, onB)
	wellOn(t, p, p.B, "failing")
	stage.Killed(t, onA)
	stage.Until(t, p, p.A, "that both services fail", func(_ control.Snapshot, a control.Alias) bool {
		return a.Row == "H4" && a.Reason == "both services failing" && a.Level == "alarm"
	})
	stage.Unchanged(t, p, 3*time.Second)
	stage.Held(t, p, "a")
	return true
}

// A server that hangs takes connections and never answers.
func TestTheAliasLeavesAHostWhoseServiceHangs(t *testing.T) {
	t.Parallel()
	p, onA, _, r := served(t, "")
	hung := time.Now()
	stage.Must(t, onA.Freeze())
	lost, after := r.wait(t, "b", hung)
	t.Logf("hung: the first page from b after %v, %d lost until then", after, lost)
	stage.Held(t, p, "b")
	inOrder(t, p.Monitor(p.A), "event=check_failing reason=\"timeout: not done within 300ms, while ", "event=hand_over_begun")
}

// Without a channel the host lets go what it cannot serve, if the file says so, and a
// partner that is primary takes it.
func TestWithoutAChannelAFailingServiceReleases(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryB: true, Settings: stage.Rhythm(500*time.Millisecond) + "\nchecks = [\"web\"]\non_service_failure = \"release\"\n" + web})
	onA, _ := nginx(t, p.A, ""), nginx(t, p.B, "")
	_, err := p.Start(p.A)
	stage.Must(t, err)
	wellOn(t, p, p.A, "good")
	stage.Obeyed(t, p, p.A, "AddAlias") // by itself it takes nothing while its partner's host lives
	stage.Held(t, p, "a")
	_, err = p.Start(p.B)
	stage.Must(t, err)
	wellOn(t, p, p.B, "good")
	stage.Killed(t, onA)
	stage.Held(t, p, "b")
	inOrder(t, p.Monitor(p.A), "event=check_failing", "row=H8 reason=\"service released\"")
}

// Each fault has its reason, in Status and in Why.
func TestEachFaultIsSaidWithItsReason(t *testing.T) {
	t.Parallel()
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Usual() + `
checks = ["lacks", "status", "loop", "torn", "refused", "silent", "slow", "tls", "own", "gone"]
[check.lacks]
http = "http://127.0.0.1/lacks"
contains = "</html>"
fall = 1
[check.status]
http = "http://127.0.0.1/status"
fall = 1
[check.loop]
http = "http://127.0.0.1/loop"
fall = 1
[check.torn]
http = "http://127.0.0.1/torn"
fall = 1
[check.refused]
tcp = "127.0.0.1:81"
fall = 1
[check.silent]
http = "http://127.0.0.1:82/"
timeout = "500ms"
fall = 1
[check.slow]
http = "http://127.0.0.1/slow"
timeout = "1s"
fall = 1
[check.tls]
http = "https://127.0.0.1:80/"
fall = 1
[check.own]
command = ["/bin/sh", "-c", "echo the disk is full; exit 7"]
fall = 1
[check.gone]
process = "no-such-server"
fall = 1
`})
	nginx(t, p.A, `		location = /lacks { return 200 "<html>"; }
		location = /status { return 500; }
		location = /loop { return 302 /loop; }
		location = /torn { return 444; }
		location = /slow { limit_rate 1; return 200 "<html>a page that takes its time, a byte each second</html>"; }
`)
	stage.Must(t, p.A.Do(func() error {
		l, err := net.Listen("tcp", "127.0.0.1:82") // it takes connections, and nobody answers
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	}))
	_, err := p.Start(p.A)
	stage.Must(t, err)
	want := map[string]string{ // a timeout may come at any stage
		"lacks":   `status 200, but the page does not contain "</html>"`,
		"status":  "status 500, not one of those wanted",
		"loop":    "redirect loop: more than 10 redirects",
		"torn":    "the connection was closed before the answer was whole",
		"refused": "connection refused: 127.0.0.1:81",
		"silent":  "timeout: not done within 500ms, while ",
		"slow":    "timeout: not done within 1s, while ",
		"tls":     "http: server gave HTTP response to HTTPS client",
		"own":     "exit code 7",
		"gone":    `there is no process "no-such-server"`,
	}
	stage.Until(t, p, p.A, "each fault", func(s control.Snapshot, _ control.Alias) bool {
		said := 0
		for _, c := range s.Checks {
			if c.State == "failing" && strings.HasPrefix(c.Why, want[c.Name]) {
				said++
			}
		}
		return said == len(want)
	})
	out, _, _ := p.Run(stage.Patiently(t), p.A, "Why")
	for name, reason := range want {
		if !strings.Contains(out, "check "+name+" (") || !strings.Contains(out, reason) {
			t.Errorf("Why does not say of %s: %s", name, reason)
		}
	}
	if !strings.Contains(out, "| the disk is full") {
		t.Errorf("Why does not show what the command has written:\n%s", out)
	}
}
