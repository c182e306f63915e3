package cli

import (
	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/control"
)

func (a *app) addAliasCmd() *cobra.Command {
	var o control.Order
	c := &cobra.Command{
		Use:   "AddAlias [ip]",
		Short: "Take one alias, or all of the file, and unpark it",
		Long: `Take one alias, or all of the file, onto this host, and forget that it was
parked. The order goes to the running Monitor. Where none runs this command acts
itself: it looks by ARP for about a second, adds, and announces twice.

An alias that another host answers for is refused, with the hardware address of
that host; with a channel to the partner, what the partner has is handed over by
it, without a gap. The exit code is 0 where all was done, and 1 where any was refused.`,
		Example: `  aliasdefender AddAlias
  aliasdefender AddAlias --dry-run 172.16.1.2`,
		Args:              oneAlias,
		ValidArgsFunction: a.completeAlias,
		RunE: func(c *cobra.Command, args []string) error {
			o.Alias, _ = argAlias(c, args)
			return a.order(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.Force, "force", false, "take it though another host answers for it")
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "only say what would be done")
	return c
}
