package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/control"
)

func (a *app) reloadCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "Reload",
		Short: "Make the running Monitor read its files again",
		Long: `Make the running Monitor read its files again, as HUP does. It does not touch an
alias whose row and settings did not change. If the files have mistakes, Reload
lists them, nothing changes, and the exit code is 3.

The Monitor reads the files that it was started with; --aliases and --settings
only tell this command where to find the Monitor.`,
		Example: `  aliasdefender Check && aliasdefender Reload`,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			socket, err := a.socket()
			if err != nil {
				return err
			}
			if err := control.Dial(socket).Reload(c.Context()); err != nil {
				return err
			}
			fmt.Fprintln(a.stdout, "reloaded")
			return nil
		},
	}
}
