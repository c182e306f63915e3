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
		Short: "Hand all aliases over and keep this host out of them, or end that",
		Long: `With on: hand all aliases of this host over to the partner and stay out of all of
them, over a restart and a reboot too, until "Maintenance off". What nobody takes
over, for there is no channel or the partner cannot serve it, is released all the
same, as RemoveAlias does it, and the answer says for each alias who will serve it.

With off: this host stands by again. It takes an alias when its rules say so;
what was parked by RemoveAlias stays parked.

The order goes to the running Monitor; where none runs this command acts itself.`,
		Example: `  aliasdefender Maintenance --dry-run on
  aliasdefender Maintenance on
  aliasdefender Maintenance off`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("Maintenance takes one word, on or off; '%s on' hands all aliases over and keeps this host out, '%s off' ends that", c.CommandPath(), c.CommandPath())
			}
			switch o.Maintenance = control.Switch(strings.ToLower(args[0])); o.Maintenance {
			case control.On, control.Off:
				return nil
			}
			return usagef("%q is neither on nor off; try '%s on', or '%s --help'", args[0], c.CommandPath(), c.CommandPath())
		},
		ValidArgsFunction: cobra.FixedCompletions([]string{
			"on\thand all aliases over and stay out", "off\tstand by again",
		}, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(c *cobra.Command, _ []string) error { return a.order(c.Context(), o) },
	}
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "only say what would be done")
	return c
}
