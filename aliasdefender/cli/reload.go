package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/control"
)

func (a *app) reloadCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "Reload",
		Short: "Have the running Monitor read its files again",
		Long: `Have the running Monitor read its files again, as HUP does. An alias whose row
and settings did not change is not touched. Where the files have mistakes they
are listed, nothing changes, and the exit code is 3.

The Monitor reads the files that it was started with; --aliases and --settings
only tell this command where the Monitor is.`,
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
