package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/rehearse"
)

func (a *app) rehearseCmd() *cobra.Command {
	var q rehearse.Request
	asJSON := false
	c := &cobra.Command{
		Use:   "Rehearse",
		Short: "Replay your files in namespaces on this machine, with real faults",
		Long: `Replay your own files in network namespaces on this machine: the hosts, the
router and a client that asks each alias each millisecond, with real Monitors.
Then the holder crashes and returns, its cable is pulled, it is cut off silently,
stopped, the router is lost, the network is divided and healed. A table tells
how long the client waited, who served it before and after, for how long two
hosts had the alias, and whether that is what Alias Defender promises. The exit
code is 1 where a verdict is bad.

Where the settings have a key, the rehearsed daemons talk to each other with one
that is made for the rehearsal, never with yours; then the aliases are handed over
and back, a host goes into maintenance, and a daemon is killed and not restarted,
whose alias the partner takes when its lease ends: that takes as long as the
lease. Without a key these are not played: they need the channel.

No root is needed. Nothing of the real network is touched: names of partners are
looked up and this host's addresses are read, no more. Hooks and checks are not
run; socket, state and log are the rehearsal's own. Without files the sample
of the article is played at a rhythm of one second. It needs Linux.`,
		Example: `  aliasdefender Rehearse
  aliasdefender Rehearse --interval 1s --only crash,partition
  aliasdefender Rehearse --only handover,maintenance,kill
  aliasdefender Rehearse --aliases new.alias --settings new.toml --json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			named := c.Flags().Changed("aliases") || c.Flags().Changed("settings")
			return a.rehearse(c.Context(), q, named, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print all that was measured, as JSON")
	c.Flags().StringSliceVar(&q.Only, "only", nil, "scenarios: "+strings.Join(rehearse.Scenarios(), ", "))
	c.Flags().DurationVar(&q.Interval, "interval", 0, "another rhythm than that of the settings, from 10ms to 1h")
	return c
}

// rehearse is one run of Rehearse. Where files are named on the command line they
// have to be there; else the sample does without.
func (a *app) rehearse(ctx context.Context, q rehearse.Request, named, asJSON bool) error {
	files := fmt.Sprintf("the sample of the article (there is no %s)", a.aliases)
	if _, err := os.Stat(a.aliases); named || !errors.Is(err, fs.ErrNotExist) {
		files, q.Load = a.aliases, a.load
		if _, err := os.Stat(a.settings); err == nil {
			files += " and " + a.settings
		}
	}
	q.Resolve = daemon.Resolve
	r, err := rehearse.Prepare(ctx, q)
	if wrong := (*rehearse.RequestError)(nil); errors.As(err, &wrong) {
		return usagef("--%w", wrong)
	}
	if err != nil {
		return refusedLab(err)
	}

	// A reader that goes away must not leave files behind, nor a Ctrl-C.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	words := a.stdout
	if asJSON {
		words = a.stderr
	}
	outline := r.Outline()
	printIntroduction(words, files, outline, q.Interval != 0)
	progress := newProgress(a.stderr, outline.Expected)
	report, err := r.Run(ctx, progress.say)
	progress.end()
	if ctx.Err() != nil {
		return errors.New("interrupted; nothing of the rehearsal is left")
	}
	if err != nil {
		return refusedLab(err)
	}
	return a.showReport(report, asJSON)
}

// showReport prints a report. The error may be only the exit code.
func (a *app) showReport(r *rehearse.Report, asJSON bool) (err error) {
	if asJSON {
		out := json.NewEncoder(a.stdout)
		out.SetIndent("", "  ")
		err = out.Encode(r)
	} else {
		err = printReport(a.stdout, r)
	}
	if err == nil && !r.Good {
		return &exit{code: exitFailed}
	}
	return err
}

// refusedLab adds to a refusal what else can be done.
func refusedLab(err error) error {
	if errors.Is(err, lab.ErrRefused) {
		return fmt.Errorf("%w; change that, or run it with sudo", err)
	}
	return err
}
