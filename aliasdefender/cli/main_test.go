package cli

import (
	"context"
	"io"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// program is the name by which the scripts call it.
const program = "aliasdefender"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){program: func() {
		os.Exit(Run(context.Background(), os.Args[1:], Options{Version: "test", Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}))
	}})
}

// run runs a command line in this process. Both streams go to out.
func run(t *testing.T, out io.Writer, args ...string) int {
	t.Helper()
	return Run(t.Context(), args, Options{Version: "test", Stdout: out, Stderr: out})
}
