// Package initscript checks what the init script and the systemd unit promise. The
// stage tests how the script drives a Monitor.
package initscript

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
)

func TestScriptsAreGoodForEachShell(t *testing.T) {
	for _, shell := range []string{"dash", "ksh"} {
		t.Run(shell, func(t *testing.T) {
			stage.Wanted(t, shell, shell)
			for _, script := range []string{"../../../init/AliasDefender", "../../../init/install"} {
				if out, err := exec.Command(shell, "-n", script).CombinedOutput(); err != nil {
					t.Errorf("%s -n %s: %v\n%s", shell, script, err, out)
				}
			}
		})
	}
}

// We have no original Bourne shell to try the script with. These are words of later
// shells that would be errors in it, or would silently mean something else.
func TestScriptHasNothingThatABourneShellDoesNotKnow(t *testing.T) {
	later := regexp.MustCompile(`\$\(|\$\{#|\$\{\w+[#%]|\[\[|^\s*(if|while|until)? *! |\blocal |\bexport \w+=|\bfunction\b|\bcommand\b|` +
		`\bid -u\b|\[ -e|\bread -r|&>|<<<|\bprintf\b|==|\bkill -s|~/|\bsource\b|\$'`)
	text := stage.Read(t, "../../../init/AliasDefender")
	for i, line := range strings.Split(text, "\n") {
		code, _, _ := strings.Cut(" "+line, " #")
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if found := later.FindString(code); found != "" {
			t.Errorf("AliasDefender:%d: %q in %s", i+1, found, line)
		}
	}
	// In that shell functions and variables share one name space.
	for _, f := range regexp.MustCompile(`(?m)^(\w+)\(\) \{`).FindAllStringSubmatch(text, -1) {
		if regexp.MustCompile(`(?m)^\s*` + f[1] + `=|\bfor ` + f[1] + ` `).MatchString(text) {
			t.Errorf("%s is a function and a variable", f[1])
		}
	}
}

// unit is the path of the unit as installed with a program that is there.
func unit(t *testing.T) string {
	t.Helper()
	stage.Wanted(t, "systemd-analyze", "systemd")
	dir := t.TempDir()
	program := filepath.Join(dir, "aliasdefender")
	stage.Must(t, os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755))
	text := strings.ReplaceAll(stage.Read(t, "../../../init/aliasdefender.service"), "/usr/local/sbin/aliasdefender", program)
	path := filepath.Join(dir, "aliasdefender.service")
	stage.Must(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func TestUnitIsUnderstoodBySystemd(t *testing.T) {
	path := unit(t)
	// It also exits with 0 if it has only skipped a line; then it says so.
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput()
	if err != nil || strings.Contains(string(out), "aliasdefender.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

func TestUnitStaysHardened(t *testing.T) {
	path := unit(t)
	// 2.3 of 10, measured with systemd 252. Most of that is for being root on the
	// host's own network, which is the job.
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=25", path).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// Go ends with 2 after a panic, and after the watchdog's signal; after both systemd
// must restart. e2e/manager tests the exit code.
func TestUnitRestartsAMonitorThatPanics(t *testing.T) {
	text := stage.Read(t, "../../../init/aliasdefender.service")
	if !strings.Contains(text, "\nRestart=always\n") || !strings.Contains(text, "\nRestartPreventExitStatus=3 4\n") {
		t.Error("a Monitor that panics is not restarted")
	}
}

// A line without a reason becomes one that nobody dares to touch.
func TestUnitGivesAReasonForEachLine(t *testing.T) {
	reason := false
	for i, line := range strings.Split(stage.Read(t, "../../../init/aliasdefender.service"), "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
			reason = true
		case line == "" || strings.HasPrefix(line, "["):
			reason = false
		case regexp.MustCompile(`^(Description|Documentation|WantedBy)=`).MatchString(line):
		case !reason:
			t.Errorf("aliasdefender.service:%d: no comment above: %s", i+1, line)
		}
	}
}
