package cli

import (
	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/control"
)

func (a *app) addAliasCmd() *cobra.Command {
	var o control.Order
	c := &cobra.Command{
		Use:   "AddAlias [ip]",
		Short: "Take one alias, or all in the file, and unpark it",
		Long: `Take one alias, or all in the file, onto this host, and unpark it. The order goes
to the running Monitor. If none is running, this command acts itself: it probes by ARP
or neighbour discovery for about a second, adds the alias, and announces it twice.

If another host answers for an alias, the order is refused, and the answer names
that host's hardware address. With a channel, the partner hands over the aliases
that it has, without a gap. The exit code is 0 if every alias was taken, 1 if any
was refused, or if the disk could not remember the order: it then holds until the
next start of a Monitor.

An alias in a group is taken with all of its group. This is refused if this host could
not have all of it and the partner could; where when_split is "release", also if neither
could.

An alias on a loopback interface is added whoever else has it, but not while a check of
its service fails, even with --force. With --force the order does not wait for a check
that is still unknown. If no Monitor runs, no check is asked.

If a recovery has fenced the partner, the fence no longer counts after AddAlias.` + ofNIC,
		Example: `  aliasdefender AddAlias
  aliasdefender AddAlias --dry-run 172.16.1.2`,
		Args:              oneAlias,
		ValidArgsFunction: a.completeAlias,
		RunE: func(c *cobra.Command, args []string) error {
			o.Alias, _ = argAlias(c, args)
			return a.order(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.Force, "force", false, "take it even if another host answers for it")
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and do nothing")
	return c
}
