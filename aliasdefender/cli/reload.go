package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/control"
)

func (a *app) reloadCmd() *cobra.Command {
	drop := false
	c := &cobra.Command{
		Use:   "Reload",
		Short: "Make the running Monitor read its files again",
		Long: `Make the running Monitor read its files again, as HUP does. It does not touch an
alias whose row and settings did not change. If the files have mistakes, Reload
lists them, nothing changes, and the exit code is 3.

If the table of aliases no longer has a row for an alias that this host holds, Reload
refuses it too, with exit code 1: the file may have been cut short. With --drop the
table comes into force, and the alias is released. A row that moves an alias to another
NIC needs no --drop. The same holds for settings that no longer have a route which this
host keeps.

The Monitor reads the files that it was started with; --aliases and --settings
only tell this command where to find the Monitor.`,
		Example: `  aliasdefender Check --files && aliasdefender Reload
  aliasdefender Reload --drop`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			socket, err := a.socket()
			if err != nil {
				return err
			}
			reload := control.Dial(socket).Reload
			if drop {
				reload = control.Dial(socket).ReloadAndDrop
			}
			if err := reload(c.Context()); err != nil {
				return err
			}
			fmt.Fprintln(a.stdout, "reloaded")
			return nil
		},
	}
	c.Flags().BoolVar(&drop, "drop", false, "also release aliases, and withdraw routes, of this host that the files no longer have")
	return c
}
