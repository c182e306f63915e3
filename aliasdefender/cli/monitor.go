package cli

import (
	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/daemon"
)

func (a *app) monitorCmd() *cobra.Command {
	observe := false
	c := &cobra.Command{
		Use:   "Monitor",
		Short: "Keep the aliases alive: run the daemon in the foreground",
		Long: `Keep the aliases alive: run the daemon in the foreground. An init script or a unit
starts it.

  TERM, INT  end; on_exit says what becomes of the aliases
  HUP        read the files again; if they have mistakes, or no row any more for an
             alias that is here (Reload --drop), nothing changes
  USR2       end and keep the aliases; the next Monitor adopts them

With --observe, decide and log what would be done, and do nothing: take, release and
announce nothing, run no hooks, say nothing on the channel, write nothing in the state
directory. Addresses are asked as ever.

The exit code is 4 if exit_after in the settings has ended the Monitor after a take.`,
		Example: `  aliasdefender Monitor
  aliasdefender Monitor --observe --settings ./trial.toml
  aliasdefender Monitor --aliases ./hostname.alias --settings ./aliasdefender.toml`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return daemon.Run(c.Context(), daemon.Options{
				Load: a.loadWithKeys, Aliases: a.aliases, Version: a.version, Stderr: a.stderr, Open: a.open, Observe: observe,
			})
		},
	}
	c.Flags().BoolVar(&observe, "observe", false, "decide and log, and change nothing")
	return c
}
