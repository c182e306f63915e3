package cli

import (
	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/control"
)

func (a *app) removeAliasCmd() *cobra.Command {
	o := control.Order{Remove: true}
	c := &cobra.Command{
		Use:   "RemoveAlias [ip]",
		Short: "Take one alias, or all in the file, off this host and park it",
		Long: `Take one alias, or all in the file, off this host and park it: it stays off until
AddAlias, even after a restart or a reboot. The order goes to the running Monitor.
If none is running, this command acts itself.

If the disk cannot remember the order, the answer says so, and the exit code is 1:
the order then holds until the next start of a Monitor, and no longer.

The answer says who will serve the alias. With a channel, the partner takes it
first, if it can. Without a channel, a partner that is not primary takes nothing
while this host answers its pings (W12): after RemoveAlias on the primary, nobody
serves the alias until you run AddAlias on one of the hosts.

An alias that is the last address of its NIC is not removed unless --force is given,
because this host would lose its routes there too.

An alias in a group goes with all of its group. An alias on a loopback interface leaves
only this host: other hosts that have it keep it. While an alias is parked here, this
host does not recover the partner's service behind it.` + ofNIC,
		Example: `  aliasdefender RemoveAlias --dry-run
  aliasdefender RemoveAlias 172.16.1.2`,
		Args:              oneAlias,
		ValidArgsFunction: a.completeAlias,
		RunE: func(c *cobra.Command, args []string) error {
			o.Alias, _ = argAlias(c, args)
			return a.order(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.Force, "force", false, "take it off even if it is the last address of its NIC")
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and do nothing")
	return c
}
