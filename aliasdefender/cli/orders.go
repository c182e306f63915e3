package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/logs"
)

// progressAfter is how long an order may take before we tell the user that we are
// waiting.
const progressAfter = 2 * time.Second

// oneAlias accepts at most one argument, an alias; the zero Addr means all of
// the file. The caller checks whether the file has it.
func oneAlias(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("%s takes one alias, or none to mean all in the file, but got %d; try '%s --help'", c.Name(), len(args), c.CommandPath())
	}
	_, err := argAlias(c, args)
	return err
}

func argAlias(c *cobra.Command, args []string) (netip.Addr, error) {
	if len(args) == 0 {
		return netip.Addr{}, nil
	}
	addr, err := netip.ParseAddr(args[0])
	if err != nil || !addr.Is4() {
		return netip.Addr{}, usagef("%q is not an IPv4 address; try '%s %s', or '%s --help'", args[0], c.CommandPath(), exampleAlias, c.CommandPath())
	}
	return addr, nil
}

// exampleAlias is the alias of the samples.
const exampleAlias = "172.16.1.2"

// order has the running Monitor carry out an order, or this process if none runs, and
// prints what became of it.
func (a *app) order(ctx context.Context, o control.Order) error {
	socket, err := a.socket()
	if err != nil {
		return err
	}
	if logs.IsTerminal(a.stderr) {
		most := control.OrderWithin
		if o.Within > 0 {
			most = o.Within
		}
		late := time.AfterFunc(progressAfter, func() {
			fmt.Fprintf(a.stderr, "still waiting for the network to answer, for at most %s; Ctrl-C withdraws the order\n", config.Tidy(most))
		})
		defer late.Stop()
	}
	outcomes, err := control.Dial(socket).Order(ctx, o)
	if errors.Is(err, control.ErrNotRunning) && !o.Give { // a hand-over needs two Monitors
		outcomes, err = daemon.Alone(ctx, daemon.Options{Load: a.load, Aliases: a.aliases, Version: a.version, Open: a.open}, o)
	}
	if err != nil {
		return err
	}
	return a.showOutcomes(outcomes)
}

// showOutcomes prints what became of an order: on standard output what was done, on
// standard error what was not. The error it returns has only the exit code.
func (a *app) showOutcomes(outcomes []control.Outcome) error {
	var code error
	forgotten, anew := "", ""
	for _, out := range outcomes {
		to, lead := a.stdout, ""
		if !out.Done {
			to, lead, code = a.stderr, "aliasdefender: ", &exit{code: exitFailed}
		}
		fmt.Fprintf(to, "%s%s: %s\n", lead, out.Alias, out.Text)
		if out.Next != "" {
			fmt.Fprintf(to, "%s  next: %s\n", strings.Repeat(" ", len(lead)), out.Next)
		}
		if out.NotRemembered != "" {
			forgotten = out.NotRemembered
		}
		if out.Anew != "" {
			anew = out.Anew
		}
	}
	if anew != "" {
		fmt.Fprintf(a.stderr, "aliasdefender: %s\n", anew)
	}
	if forgotten != "" {
		fmt.Fprintf(a.stderr, "aliasdefender: not remembered over a restart: %s; this order holds until the next start of a Monitor, and no longer\n", forgotten)
		code = &exit{code: exitFailed}
	}
	return code
}
