package cli

import (
	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/daemon"
)

func (a *app) monitorCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "Monitor",
		Short: "Keep the aliases alive: run the daemon in the foreground",
		Long: `Keep the aliases alive: run the daemon in the foreground. An init script or a unit
starts it.

  TERM, INT  end; on_exit says what becomes of the aliases
  HUP        read the files again; if they have mistakes, or no row any more for an
             alias that is here (Reload --drop), nothing changes
  USR2       end and keep the aliases; the next Monitor adopts them`,
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
