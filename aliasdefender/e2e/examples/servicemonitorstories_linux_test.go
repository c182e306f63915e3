package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// TestServiceMonitorRestartsWhatDied: the server's process is killed; B starts it again, and
// takes nothing.
func TestServiceMonitorRestartsWhatDied(t *testing.T) {
	t.Parallel()
	m := newServiceMonitor(t, asItIs)
	died := m.dies(false)
	m.page(m.a)
	t.Logf("figure: from a dead web server to its next page: %v", time.Since(died).Round(time.Millisecond))
	m.said(`event=check_failing`, `the partner answers for the alias, and its service does not: the check web-there: `, `; a recovery begins, number 1 of 3 within an hour event=recovery_step`,
		`process: gone: exit code 1`, `restart: done; the service has 1s to start`, `recovered: the check web-there is good again`, `event=recovery_ended`)
	m.stays(died)
	logged := m.log.read()
	for _, want := range []string{"service-monitor: the service's process is not there", "service-monitor: the service is restarted"} {
		if n := strings.Count(logged, want); n != 1 && !(n > 1 && m.disturbed(died)) {
			t.Errorf("A does not log %q once:\n%s", want, logged)
		}
	}
	if s := m.until("an end", func(s control.Snapshot) bool { return s.Aliases[0].Recovery.Step == "idle" }); s.Aliases[0].Recovery.Begun != 1 && !m.disturbed(died) || !s.Tally().Well() {
		t.Errorf("Status: %+v, %v", s.Aliases[0].Recovery, s.Problems)
	}
	if out := m.run(m.b, "Why"); !strings.Contains(out, "recovered: the check web-there is good again") || !strings.Contains(out, " of 3 begun within an hour") {
		t.Errorf("Why:\n%s", out)
	}
}

// TestServiceMonitorFencesWhatCannotStart: A gives the address up, and B takes it although
// A's host lives.
func TestServiceMonitorFencesWhatCannotStart(t *testing.T) {
	t.Parallel()
	m := newServiceMonitor(t, asItIs)
	died := m.dies(true)
	m.held(m.holder, m.b)
	t.Logf("figure: from a dead web server to the take: %v", time.Since(died).Round(time.Millisecond))
	m.said(`restart: failed: exit code 126`, `is still failing`, `the partner is fenced now`, `the partner is fenced: the alias is taken once it is silent event=recovery_ended`, `action=take row=W11 reason="partner fenced"`)
	m.answered(m.asks(servedAlias), m.b)
	if took := m.holder.Tenure(died, time.Time{}); took.Both != 0 {
		t.Errorf("both had it: %+v", took)
	}
	if logged := m.log.read(); !strings.Contains(logged, "service-monitor: fenced: 172.16.1.2/24 is taken off eth0") {
		t.Errorf("A logs:\n%s", logged)
	}
	m.until("the fence in Status", func(s control.Snapshot) bool {
		return !s.Aliases[0].Recovery.Fenced.IsZero() && s.Aliases[0].Partner.Answer == "answered"
	})
}

// TestServiceMonitorWithoutSSHTakesNothing: neither restart nor fence can be had. A keeps
// the alias, and B says so.
func TestServiceMonitorWithoutSSHTakesNothing(t *testing.T) {
	t.Parallel()
	m := newServiceMonitor(t, asItIs)
	stage.Killed(t, m.sshd)
	died := m.dies(false)
	m.said(`process: unknown: exit code 255`, `restart: failed: exit code 255`, `the partner could not be fenced: exit code 255`, `the budget of 3/h is used up`)
	m.stays(died)
	if n := strings.Count(m.monitors[m.b].Output(), "could not be fenced"); n != 3 && !(n > 0 && m.disturbed(died)) {
		t.Errorf("%d recoveries, want 3", n)
	}
	out, _, code := m.b.RunCommand(stage.Patiently(t), m.verb(m.b, "Status"))
	if code != stage.Failed || !strings.Contains(out, "problem: the partner's service behind 172.16.1.2 is failing, and nothing is done about it: the budget of 3/h is used up") {
		t.Errorf("Status: exit %d\n%s", code, out)
	}
}

// TestServiceMonitorTakesNothingThatAnswers: the fence says that it has done what it has
// not.
func TestServiceMonitorTakesNothingThatAnswers(t *testing.T) {
	t.Parallel()
	m := newServiceMonitor(t, func(_ *example, _ *lab.Host, settings string) string {
		_, fence, _ := strings.Cut(settings, "\nfence = ")
		fence, _, _ = strings.Cut(fence, "\n")
		return replaced(t, settings, fence, `["/bin/true"]`)
	})
	died := m.dies(true)
	m.said(`the partner is fenced: the alias is taken once it is silent event=recovery_ended`, `action=wait row=W6 reason="fenced, and answers"`)
	m.until("the alarm", func(s control.Snapshot) bool {
		return s.Aliases[0].Reason == "fenced, and answers" && s.Aliases[0].Level == "alarm" && !s.Tally().Well()
	})
	m.stays(died)
}

// TestServiceMonitorGoesOnAfterARestart: the Monitor is killed after the restart and before
// the fence. The next one goes on there, and the budget is the same.
func TestServiceMonitorGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	m := newServiceMonitor(t, func(_ *example, _ *lab.Host, settings string) string {
		return replaced(t, settings, `settle = "1s"`, `settle = "5s"`)
	})
	died := m.dies(true)
	m.said(`restart: failed: exit code 126`)
	m.onDisk("172.16.1.2 settle ", "172.16.1.2 check ") // if the machine is busy the time for settling may be over
	stage.Killed(t, m.monitors[m.b])
	m.start(m.b)
	m.held(m.holder, m.b)
	m.said(`a recovery that an earlier Monitor began goes on with the step `, `the partner is fenced now`, `action=take row=W11 reason="partner fenced"`)
	if took := m.holder.Tenure(died, time.Time{}); took.Both != 0 {
		t.Errorf("both had it: %+v", took)
	}
	if logged := m.log.read(); strings.Count(logged, "the service is restarted") != 1 && !m.disturbed(died) {
		t.Errorf("A was to be restarted once:\n%s", logged)
	}
	if s := m.status(stage.Patiently(t), m.b); s.Aliases[0].Recovery.Begun != 1 && !m.disturbed(died) {
		t.Errorf("%+v", s.Aliases[0].Recovery)
	}
}

// TestServiceMonitorsKeyOpensNothingElse: with the key B gets the three words, and from
// elsewhere nobody gets anything.
func TestServiceMonitorsKeyOpensNothingElse(t *testing.T) {
	t.Parallel()
	m := newServiceMonitor(t, asItIs)
	there := func(h *lab.Host, word string) int {
		_, _, code := h.RunCommand(stage.Patiently(t), lab.Command{Argv: []string{m.file(m.b, "there"), word}})
		return code
	}
	for word, want := range map[string]int{"process": 0, "sh": 255, "process; touch " + m.file(m.a, "broken"): 255, "": 255} {
		if got := there(m.b, word); got != want {
			t.Errorf("%q: exit code %d, want %d", word, got, want)
		}
	}
	if got := there(m.user, "process"); got != 255 {
		t.Errorf("from another host: exit code %d", got)
	}
	if _, err := os.Stat(m.file(m.a, "broken")); err == nil {
		t.Error("A has run what it was told")
	}
	m.held(m.holder, m.a)
}

// TestServiceMonitorsScriptsAnswerNothingWithoutTheirSettings: the Monitor reads 0 and 1 as
// an answer about A's service. Each shell has another code of its own for a file that it
// cannot read.
func TestServiceMonitorsScriptsAnswerNothingWithoutTheirSettings(t *testing.T) {
	t.Parallel()
	for script, env := range map[string]string{"there": "", "here": "SSH_ORIGINAL_COMMAND=process"} {
		good := stage.Read(t, filepath.Join(examples, "service-monitor", script+".conf"))
		lines := strings.SplitAfter(good, "\n")
		for what, text := range map[string]string{
			"no file": "", "an empty file": "\n", "a mistake of grammar": good + "if\n", "a command that fails": good + "false\n",
			"no first setting": strings.Join(lines[2:], ""), "no last setting": strings.Join(lines[:len(lines)-2], ""),
		} {
			conf := filepath.Join(t.TempDir(), "conf")
			if what != "no file" {
				stage.Place(t, conf, text)
			}
			for _, shell := range []string{"sh", "dash", "bash", "ksh"} {
				path, err := exec.LookPath(shell)
				if err != nil {
					continue
				}
				argv := map[string][]string{"there": {"process", conf}, "here": {conf}}[script]
				c := exec.Command(path, append([]string{filepath.Join(examples, "service-monitor", script)}, argv...)...)
				c.Env = append(os.Environ(), env)
				if out, err := c.CombinedOutput(); c.ProcessState == nil || c.ProcessState.ExitCode() != 255 || !strings.Contains(string(out), conf) {
					t.Errorf("%s, %s, in %s: %v, want exit code 255 and the file's name:\n%s", script, what, shell, err, out)
				}
			}
		}
	}
}

// TestServiceMonitorsUnitIsGood asks systemd, and sh of the scripts.
func TestServiceMonitorsUnitIsGood(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "systemd-analyze", "systemd")
	dir := t.TempDir()
	unit := stage.Read(t, filepath.Join(examples, "service-monitor", "service-alias.service"))
	// Where this machine lacks a program of it, another one stands for it.
	for _, program := range []string{"/usr/bin/arping", "/usr/sbin/ip"} {
		if !strings.Contains(unit, "="+program+" ") && !strings.Contains(unit, "=-"+program+" ") {
			t.Errorf("the unit does not run %s", program)
		}
		unit = strings.ReplaceAll(unit, program+" ", "/bin/true ")
	}
	path := filepath.Join(dir, "service-alias.service")
	stage.Place(t, path, unit)
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	for _, script := range []string{"here", "there", "here.conf", "there.conf"} {
		if out, err := exec.Command("sh", "-n", filepath.Join(examples, "service-monitor", script)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}
