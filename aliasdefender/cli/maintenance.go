package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/control"
)

func (a *app) maintenanceCmd() *cobra.Command {
	var o control.Order
	c := &cobra.Command{
		Use:   "Maintenance on|off",
		Short: "Hand over all aliases and keep them off this host, or end that",
		Long: `on: hand all aliases of this host over to the partner, and serve none until
"Maintenance off", even after a restart or a reboot. If there is no channel, or the
partner cannot serve an alias, this host releases it anyway, as RemoveAlias does.
The answer says who will serve each alias. One that is the last address of its NIC
stays here, and the exit code is 1; RemoveAlias --force takes it off. If all stay here
for that reason this host does not go into maintenance.

off: this host is the standby again, and takes an alias when the rules say so. An
alias that RemoveAlias parked stays parked.

The order goes to the running Monitor. If none is running, this command acts itself.
If the disk cannot remember the order, the answer says so, and the exit code is 1:
the order then holds until the next start of a Monitor, and no longer.`,
		Example: `  aliasdefender Maintenance --dry-run on
  aliasdefender Maintenance on
  aliasdefender Maintenance off`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("Maintenance takes one word, on or off; '%s on' hands over all aliases and keeps them off this host, '%s off' ends that", c.CommandPath(), c.CommandPath())
			}
			switch o.Maintenance = control.Switch(strings.ToLower(args[0])); o.Maintenance {
			case control.On, control.Off:
				return nil
			}
			return usagef("%q is neither on nor off; try '%s on', or '%s --help'", args[0], c.CommandPath(), c.CommandPath())
		},
		ValidArgsFunction: cobra.FixedCompletions([]string{
			"on\thand over all aliases and serve none", "off\tbe the standby again",
		}, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(c *cobra.Command, _ []string) error { return a.order(c.Context(), o) },
	}
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and do nothing")
	return c
}
