package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
)

func (a *app) checkCmd() *cobra.Command {
	partner := ""
	c := &cobra.Command{
		Use:   "Check",
		Short: "Read the files, and say what they mean or what is wrong",
		Long: `Read both files and the keys that they name. Where they are good, say what was
understood, a line for each alias, and what the channel to the partner is; where
not, list every mistake and exit with 3. Nothing is asked on the network and
nothing is changed; no privilege is needed but to read the files.

With --partner-file the table is compared with the other host's: the same
aliases and masks, each naming the other as partner, one primary for each. What
does not fit is listed, and the exit code is then 1.`,
		Example: `  aliasdefender Check
  scp partner:/etc/hostname.alias /tmp/partner.alias
  aliasdefender Check --partner-file /tmp/partner.alias`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.loadWithKeys()
			if err != nil {
				return err
			}
			a.printConfig(cfg)
			if partner != "" {
				return a.checkPartner(cfg.Aliases, partner)
			}
			return nil
		},
	}
	c.Flags().StringVar(&partner, "partner-file", "", "compare with the table of the other host")
	return c
}

func (a *app) printConfig(cfg *config.Config) {
	w := a.stdout
	for _, alias := range cfg.Aliases {
		printAlias(w, alias, len(cfg.Settings.Peer.Keys) > 0)
	}
	s := cfg.Settings
	fmt.Fprintf(w, "on exit %s; log to %s from level %s; socket %s\n", exits[s.OnExit], s.LogTo, s.LogLevel, s.Socket)
	printPeer(w, cfg)
	if _, err := os.Stat(a.settings); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(w, "%s is absent: every setting has its default\n", a.settings)
	}
	fmt.Fprintf(w, "%s: %d good\n", a.aliases, len(cfg.Aliases))
}

// exits are the values of on_exit with what becomes of the aliases.
var exits = map[config.OnExit]string{
	config.ExitKeep:     "keep: the aliases stay on this host",
	config.ExitRelease:  "release: the aliases are removed",
	config.ExitHandover: "handover: the partner takes the aliases first; what it does not take stays on this host",
}

// printPeer says what the settings of the channel mean.
func printPeer(w io.Writer, cfg *config.Config) {
	p := cfg.Settings.Peer
	if len(p.Keys) == 0 {
		fmt.Fprintln(w, "no peer channel: there is no key_file under [peer]; the partner is known by its answers alone")
		return
	}
	from := ""
	if p.Listen.IsValid() {
		from = " of " + p.Listen.String()
	}
	keys := "1 key"
	if n := len(p.Keys); n > 1 {
		keys = fmt.Sprintf("%d keys, sealing with that of %s", n, p.KeyFiles[0])
	}
	fmt.Fprintf(w, "peer channel on UDP port %d%s, %s; a firewall must let it pass both ways, from this port to this port\n", p.Port, from, keys)
	for _, partner := range slices.Sorted(maps.Keys(p.Paths)) {
		fmt.Fprintf(w, "further paths to %s: %s\n", partner, strings.Trim(fmt.Sprint(p.Paths[partner]), "[]"))
	}
}

// printAlias says one alias as a sentence.
func printAlias(w io.Writer, a config.Alias, channel bool) {
	role := "not primary: taken while the partner is silent too"
	if a.Primary {
		role = "primary: taken whether the partner lives or not"
	}
	router := "router by the default route"
	if a.Router.IsValid() {
		router = "router " + a.Router.String()
	}
	for i, witness := range a.Witnesses {
		lead := ", "
		if i == 0 {
			lead = ", witness "
		}
		router += lead + witness.String()
	}
	var more []string
	if a.Failback {
		more = append(more, fmt.Sprintf("taken back after %s", config.Tidy(a.FailbackAfter)))
	}
	if a.OnIsolation == config.IsolationRelease {
		more = append(more, fmt.Sprintf("released when isolated for %s", config.Tidy(a.IsolatedAfter)))
	}
	more = append(more, fmt.Sprintf("a dead holder is noticed within %s (asked each %s, then %d × %s in vain)",
		config.Tidy(a.Detect()), config.Tidy(a.Interval), a.Misses, config.Tidy(a.Timeout)))
	p := defender.PolicyOf(a, channel)
	if channel {
		more = append(more, fmt.Sprintf("a dead daemon of the partner within %s (it speaks each %s)", config.Tidy(p.ChannelSilent()), config.Tidy(p.Heartbeat())))
	}
	if d := p.Lifetime(); d > 0 && host.Leases {
		more = append(more, fmt.Sprintf("the system drops it %s after a daemon that has it died", config.Tidy(d)))
	} else {
		more = append(more, "it outlives its daemon")
	}
	fmt.Fprintf(w, "%s on %s, partner %s, %s; %s; %s\n", a.Prefix, a.Label, a.Partner.Name, role, router, strings.Join(more, "; "))
}
