package check

import (
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestALivingProcessIsFoundByItsName(t *testing.T) {
	self := filepath.Base(os.Args[0])
	if got := process(t.Context(), self); got.State != Good {
		t.Errorf("this test, %s: %+v", self, got)
	}
	if got := process(t.Context(), "no-such-process-here"); got.State != Failing || got.Reason != `there is no process "no-such-process-here"` {
		t.Errorf("%+v", got)
	}
}

// A zombie has a name, but does not serve.
func TestAZombieDoesNotCount(t *testing.T) {
	dir := t.TempDir()
	for pid, stat := range map[string]string{"7": "7 (web) Z 1", "8": "8 (a (b) c) S 1", "x": ""} {
		if err := os.Mkdir(filepath.Join(dir, pid), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, pid, "stat"), stat)
		write(t, filepath.Join(dir, pid, "cmdline"), "/usr/sbin/longer\x00-x\x00")
	}
	if got := processIn(t.Context(), dir, "web"); got.State != Unknown || !strings.HasPrefix(got.Reason, "the processes of others are hidden") {
		t.Errorf("where process 1 is hidden: %+v", got)
	}
	if err := os.Mkdir(filepath.Join(dir, "1"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "1", "stat"), "1 (init) S 0")
	write(t, filepath.Join(dir, "1", "cmdline"), "")
	for name, want := range map[string]State{"web": Failing, "a (b) c": Good, "longer": Good, "-x": Failing} {
		if got := processIn(t.Context(), dir, name); got.State != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := processIn(t.Context(), dir+"/none", "web"); got.State != Unknown {
		t.Errorf("without /proc: %+v", got)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A Monitor catches SIGPIPE. What it starts dies of it, as in any shell.
func TestACommandDiesOfABrokenPipe(t *testing.T) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGPIPE)
	defer signal.Stop(caught)
	if got := run(t, time.Minute, "pipe"); got.Output != "signal: broken pipe" {
		t.Errorf("%+v", got)
	}
}

func TestTheCarrierOfALink(t *testing.T) {
	if got := link("lo"); got.State == Unknown {
		t.Errorf("lo: %+v", got)
	}
	if got := link("nothere7"); got.State != Failing || got.Reason != "there is no interface nothere7" {
		t.Errorf("%+v", got)
	}
}
