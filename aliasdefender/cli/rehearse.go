package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/files"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/rehearse"
)

func (a *app) rehearseCmd() *cobra.Command {
	var q rehearse.Request
	asJSON, svg := false, ""
	c := &cobra.Command{
		Use:   "Rehearse",
		Short: "Try your files in namespaces on this machine, with real faults",
		Long: `Try your own files in network namespaces on this machine: the hosts with real
Monitors, the router, and a client that probes each alias every millisecond. Then
the holder crashes and returns, its cable is pulled, it is cut off silently, it is
stopped, the router fails, and the network is partitioned and heals. A table shows
how long the client waited, who served it before and after, how long two hosts had
the alias, and whether Alias Defender kept its promises. The exit code is 1 if any
verdict is bad.

If the settings have a key, the daemons talk to each other with a key made for the
rehearsal, never with yours. Then three more scenarios are played: the aliases are
handed over and back; a host goes into maintenance; a daemon is killed and not
restarted, and the partner takes its alias when the lease ends. The last one takes
as long as the lease. Without a key there is no channel, and these are left out. The
holder of the first group whose members are on more than one NIC loses the cable of one
of them.

If an alias has checks, a dead service is played too: on the host that has the
alias, then on both, then it lives again, first where the alias is. Your checks are
never run: a switch of the rehearsal's stands in for them, in the rhythm of your
slowest one.

If there is a route with two next hops or more, the first such is played on a router
of its own: the hop that serves the client dies and returns. Its hops are pinged,
whatever check is set for them. A host that only keeps routes plays nothing else.

With --svg FILE it also draws who had each alias when: a lane for each host, and where
nobody or both had it.

It needs no root and does not touch the real network: it only looks up the names
of partners and reads this host's addresses. Hooks, checks and recoveries are not run,
and rows of a loopback interface are left out. Socket, state and log are the
rehearsal's own. If there are no files, it plays the sample of the article, with an
interval of one second. It needs Linux.`,
		Example: `  aliasdefender Rehearse
  aliasdefender Rehearse --interval 1s --only crash,partition
  aliasdefender Rehearse --only handover,maintenance,kill
  aliasdefender Rehearse --only service
  aliasdefender Rehearse --svg rehearsal.svg
  aliasdefender Rehearse --aliases new.alias --settings new.toml --json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			named := c.Flags().Changed("aliases") || c.Flags().Changed("settings")
			return a.rehearse(c.Context(), q, named, asJSON, svg)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print everything measured, as JSON")
	c.Flags().StringVar(&svg, "svg", "", "draw who had each alias when, into this file")
	c.Flags().StringSliceVar(&q.Only, "only", nil, "scenarios: "+strings.Join(rehearse.Scenarios(), ", "))
	c.Flags().DurationVar(&q.Interval, "interval", 0, "probe at this interval instead of the settings' own, from 10ms to 1h")
	return c
}

// rehearse is one run of Rehearse. Files that are named on the command line have to
// exist; without any it plays the sample.
func (a *app) rehearse(ctx context.Context, q rehearse.Request, named, asJSON bool, svg string) error {
	if info, err := os.Stat(filepath.Dir(svg)); svg != "" && (err != nil || !info.IsDir()) { // not only when all is played
		return usagef("--svg %s: there is no directory %s", svg, filepath.Dir(svg))
	}
	played := fmt.Sprintf("the sample of the article (there is no %s)", a.aliases)
	if _, err := os.Stat(a.aliases); named || !errors.Is(err, fs.ErrNotExist) {
		played, q.Load = a.aliases, a.load
		if _, err := os.Stat(a.settings); err == nil {
			played += " and " + a.settings
		}
	}
	q.Resolve = daemon.ResolveAny
	r, err := rehearse.Prepare(ctx, q)
	if wrong := (*rehearse.RequestError)(nil); errors.As(err, &wrong) {
		return usagef("--%w", wrong)
	}
	if err != nil {
		return refusedLab(err)
	}

	// Neither a Ctrl-C nor a reader that goes away may leave files behind.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	words := a.stdout
	if asJSON {
		words = a.stderr
	}
	outline := r.Outline()
	printIntroduction(words, played, outline, q.Interval != 0)
	progress := newProgress(a.stderr, outline.Expected)
	report, err := r.Run(ctx, progress.say)
	progress.end()
	if ctx.Err() != nil {
		return errors.New("interrupted; the rehearsal left nothing behind")
	}
	if err != nil {
		return refusedLab(err)
	}
	var undrawn error
	if svg != "" {
		if err := files.Replace(svg, report.Timeline.SVG(), 0o644); err != nil {
			undrawn = fmt.Errorf("--svg %s: %w", svg, err)
		}
	}
	return errors.Join(undrawn, a.showReport(report, asJSON))
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

// refusedLab adds to a refusal what else the user can do.
func refusedLab(err error) error {
	if errors.Is(err, lab.ErrRefused) {
		return fmt.Errorf("%w; change that, or run it with sudo", err)
	}
	return err
}
