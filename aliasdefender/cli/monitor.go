package cli

import (
	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/daemon"
)

func (a *app) monitorCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "Monitor",
		Short: "Keep the aliases alive: the daemon, in the foreground",
		Long: `Keep the aliases alive: the daemon, in the foreground. An init script or a unit
starts it.

  TERM, INT  end; what becomes of the aliases is on_exit's to say
  HUP        read the files again; where they have mistakes nothing changes
  USR2       end and keep the aliases, for the next Monitor to go on with`,
		Example: `  aliasdefender Monitor
  aliasdefender Monitor --aliases ./hostname.alias --settings ./aliasdefender.toml`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return daemon.Run(c.Context(), daemon.Options{
				Load: a.loadWithKeys, Aliases: a.aliases, Version: a.version, Stderr: a.stderr, Open: a.open,
			})
		},
	}
}
