package cli

import (
	"time"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
)

// What Handover may be told to wait. One that takes longer than the longest has
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
		Short: "Give one alias, or all that this host has, to the partner",
		Long: `Give one alias, or all that this host has, to the partner: it takes the alias,
announces it and asks the router from it, and only then does this host let it
go. Clients notice nothing. The command answers when that is done or will not be.

What the partner cannot or will not take stays here, and the reason is said; the
exit code is then 1. Nothing is parked: this host stands by afterwards.

It needs a running Monitor, and a channel to the partner's: [peer] key_file in
the settings of both hosts. Without one, RemoveAlias here and AddAlias there
move an alias with a gap.`,
		Example: `  aliasdefender Handover --dry-run
  aliasdefender Handover --timeout 5s 172.16.1.2`,
		Args: func(c *cobra.Command, args []string) error {
			if o.Within < handoverLeast || o.Within > handoverMost {
				return usagef("--timeout %s: from %s to %s; try '%s --timeout 5s'",
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
	c.Flags().DurationVar(&o.Within, "timeout", o.Within, "how long to wait; what is not done by then is withdrawn")
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "only say what would be done")
	return c
}
