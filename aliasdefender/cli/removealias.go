package cli

import (
	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/control"
)

func (a *app) removeAliasCmd() *cobra.Command {
	o := control.Order{Remove: true}
	c := &cobra.Command{
		Use:   "RemoveAlias [ip]",
		Short: "Take one alias, or all of the file, off this host and park it",
		Long: `Take one alias, or all of the file, off this host and park it: it stays off, over
a restart and a reboot too, until AddAlias. The order goes to the running
Monitor; where none runs this command acts itself.

What it prints says who will serve the alias. With a channel to the partner, the
partner takes it first, if it can. Without one a partner that is not primary takes
nothing while this host answers its pings (W12): after RemoveAlias on the primary
nobody does, until somebody says AddAlias here or there.`,
		Example: `  aliasdefender RemoveAlias --dry-run
  aliasdefender RemoveAlias 172.16.1.2`,
		Args:              oneAlias,
		ValidArgsFunction: a.completeAlias,
		RunE: func(c *cobra.Command, args []string) error {
			o.Alias, _ = argAlias(c, args)
			return a.order(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "only say what would be done")
	return c
}
