package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bin is a directory with one program, a shell script.
func bin(t *testing.T, name, script string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestProgramIsRunInTheLanguageThatIsRead(t *testing.T) {
	t.Setenv("LC_ALL", "ja_JP.PCK")
	t.Setenv("LANG", "ja_JP.PCK")
	got, err := Programs(t.TempDir(), bin(t, "ifconfig", `echo "$LC_ALL.$LANG.$1"`))(t.Context(), "ifconfig", "-a")
	if got != "C..-a\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestProgramThatFailsIsQuoted(t *testing.T) {
	run := Programs(bin(t, "ifconfig", "echo 'ifconfig: iprb1:1: permission denied' >&2; exit 1"))
	_, err := run(t.Context(), "ifconfig", "iprb1:1", "plumb")
	if want := "ifconfig iprb1:1 plumb: ifconfig: iprb1:1: permission denied (exit status 1)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := run(t.Context(), "arp", "-an"); err == nil || !strings.Contains(err.Error(), "arp -an: not in /") {
		t.Errorf("of a program that is missing: %v", err)
	}
}

func TestProgramThatHangsIsKilledWithWhatItHasStarted(t *testing.T) {
	dir := bin(t, "ifconfig", `sleep 1000 &
echo $! >"$(dirname "$0")/pid.new"
mv "$(dirname "$0")/pid.new" "$(dirname "$0")/pid"
wait`)
	over := errors.New("over")
	ctx, cancel := context.WithCancelCause(t.Context())
	child := make(chan int, 1)
	go func() {
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
			if text, err := os.ReadFile(filepath.Join(dir, "pid")); err == nil {
				pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
				child <- pid
				break
			}
		}
		cancel(over)
	}()
	if _, err := Programs(dir)(ctx, "ifconfig", "-a"); !errors.Is(err, over) {
		t.Errorf("%v", err)
	}
	pid := <-child
	if pid < 2 {
		t.Fatalf("pid %d", pid)
	}
	for deadline := time.Now().Add(10 * time.Second); !ended(pid); {
		if time.Now().After(deadline) {
			t.Fatalf("%d lives still", pid)
		}
	}
}

// ended tells that a process has ended, be it reaped or not.
func ended(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestNoMoreProgramsAreStartedWhileManyHang(t *testing.T) {
	run := Programs(bin(t, "ifconfig", "exec sleep 1000"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2*maxCommands)
	for range 2 * maxCommands {
		go func() {
			_, err := run(ctx, "ifconfig", "-a")
			done <- err
		}()
	}
	for range maxCommands {
		if err := <-done; err == nil || !strings.Contains(err.Error(), "earlier programs still hang") {
			t.Fatalf("%v", err)
		}
	}
	cancel()
	for range maxCommands {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}
