package hook

import (
	"context"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/program"
)

// grace is how long a hook has between TERM and KILL.
const grace = 500 * time.Millisecond

// programs runs hooks.
type programs struct{ program.Runner }

// run runs a hook until its end, or soon after that of ctx, whose cause is then the error.
// What it writes comes to out, a line at a time, as far as program.Lines allows.
func (r *programs) run(ctx context.Context, p config.Program, env []string, out func(string)) error {
	o := program.Lines{Out: out}
	err := r.Run(ctx, program.Command{Argv: p, Env: env, Output: &o, Grace: grace})
	o.Close()
	return err
}
