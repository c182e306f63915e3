package cli

import (
	"time"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
)

// The limits of Handover's --timeout. A hand-over that takes longer than the longest has
// ended by itself.
const (
	handoverWithin = 10 * time.Second
	handoverLeast  = 100 * time.Millisecond
	handoverMost   = time.Minute
)

func (a *app) handoverCmd() *cobra.Command {
	o := control.Order{Give: true, Within: handoverWithin}
	c := &cobra.Command{
		Use:   "Handover [ip]",
		Short: "Hand one alias, or all that this host has, over to the partner",
		Long: `Hand one alias, or all that this host has, over to the partner. The partner takes
the alias, announces it and pings the router from it; only then does this host
release it. Clients notice nothing. The command returns when the hand-over has
succeeded or failed.

An alias that the partner cannot or will not take stays here. The answer says why,
and the exit code is 1. Nothing is parked: afterwards this host is the standby.

An alias in a group is handed over with all of its group. One on a loopback interface
is on many hosts at once, so there is nothing to hand over: if you name it the order is
refused, and an order for all leaves it as it is.

It needs a running Monitor and a channel to the partner's: set [peer] key_file on
both hosts. Without a channel, RemoveAlias here and AddAlias there move an alias,
with a gap.` + ofNIC,
		Example: `  aliasdefender Handover --dry-run
  aliasdefender Handover --timeout 5s 172.16.1.2`,
		Args: func(c *cobra.Command, args []string) error {
			if o.Within < handoverLeast || o.Within > handoverMost {
				return usagef("--timeout %s is out of range: from %s to %s; try '%s --timeout 5s'",
					config.Tidy(o.Within), config.Tidy(handoverLeast), config.Tidy(handoverMost), c.CommandPath())
			}
			return oneAlias(c, args)
		},
		ValidArgsFunction: a.completeAlias,
		RunE: func(c *cobra.Command, args []string) error {
			o.Alias, _ = argAlias(c, args)
			return a.order(c.Context(), o)
		},
	}
	c.Flags().DurationVar(&o.Within, "timeout", o.Within, "how long to wait; what is not done by then is cancelled")
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and do nothing")
	return c
}
