package recovery

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/program"
)

// A program runs as the table of docs/recovery.md has it, and not if others could have
// changed it since the files were read.
func TestAProgramOfARecoveryRunsWithWhatItIsTold(t *testing.T) {
	programs := new(programs)
	var lines []string
	out := func(line string) { lines = append(lines, line) }
	j := Job{Step: Restart, Argv: config.Program{"/bin/sh", "-c", `echo "$AD_STEP in $(pwd)"; exit 7`}, Env: []string{"PATH=" + program.SearchPath, "AD_STEP=restart"}}
	err := programs.run(t.Context(), j, out)
	if exit, ok := errors.AsType[*program.ExitError](err); !ok || exit.Code != 7 || strings.Join(lines, "|") != "restart in /" {
		t.Errorf("%v, %q", err, lines)
	}
	if err := programs.run(t.Context(), Job{Step: Fence}, out); err == nil || err.Error() != "no program is given" {
		t.Errorf("no program: %v", err)
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o757); err != nil {
		t.Fatal(err)
	}
	j.Argv = config.Program{open}
	if err := programs.run(t.Context(), j, out); err == nil || !strings.Contains(err.Error(), "others can change it") {
		t.Errorf("others can change it: %v", err)
	}
}
