package cli

import (
	"encoding/json"
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
	"alias-defender/aliasdefender/inspect"
)

func (a *app) checkCmd() *cobra.Command {
	partner, filesOnly, asJSON := "", false, false
	c := &cobra.Command{
		Use:   "Check",
		Short: "Say what the files mean, and what is wrong with them, this host and its network",
		Long: `Read both files and the keys and certificates that they name, and look at the programs
of hooks, checks and recoveries. If all is good, say what they mean, with a line
for each alias, its hooks and the recovery of the partner's service, for the channel to
the partner, and for each check, group and route. If not, list every mistake and exit
with 3.
Then say what on this host keeps the aliases from being defended well, why it matters,
and how to fix it. If one of these is a mistake the exit code is 3 too.

Then find out how the network stands now: who has each alias; whether partner, router,
witnesses and next hops answer pings and ARP or NDP, and how fast; whether the router
answers pings from the alias; and what may take an alias away or make a take fail. Check
asks the running Monitor about the channel and the partner. What is good is a short line.
The exit code is 1 if one of these findings is a fault (an alias is not where it should
be, or could not move) or a warning. Notes do not change the exit code, nor does what is
unknown because Check could not look at it.

Check changes nothing and sends only questions. It asks about 256 addresses at most, and
a router from 8 aliases at most; what it left out is unknown. It takes a few seconds. To
ask the network it must run as root. Otherwise run it as the user that runs the Monitor:
that user's own programs count as safe.

With --files, look only at the files: for scripts that must know, before they stop
a Monitor, whether the next one would start. Then the exit code is 0 or 3.

With --partner-file, compare the table with the other host's: both must have the
same aliases and masks, name each other as partner, and have one primary for each
alias. Check lists what does not match, and exits with 1. Rows of a loopback interface
are not compared: any number of hosts may have them.`,
		Example: `  aliasdefender Check
  aliasdefender Check --files && systemctl restart aliasdefender
  scp partner:/etc/hostname.alias /tmp/partner.alias
  aliasdefender Check --partner-file /tmp/partner.alias`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := a.loadWithKeys()
			if err != nil {
				return err
			}
			if !asJSON {
				a.printConfig(cfg)
			}
			found, network := []inspect.Finding{}, []inspect.Finding(nil)
			if !filesOnly {
				s, system := a.subject(c.Context(), cfg)
				if partner == "" {
					network = lookFrom(c.Context(), s, system)
				}
				found = slices.Concat(found, inspect.Inspect(s), network)
			}
			if err := a.showFindings(found, asJSON); err != nil {
				return err
			}
			if partner != "" {
				fit := a.stdout
				if asJSON { // it is all that the file says
					fit = io.Discard
				}
				err = a.checkPartner(fit, cfg.Aliases, partner)
			}
			if err == nil && slices.ContainsFunc(network, func(f inspect.Finding) bool { return f.Severity >= inspect.Warning }) {
				err = &exit{code: exitFailed}
			}
			if slices.ContainsFunc(found, func(f inspect.Finding) bool { return f.Severity == inspect.Mistake }) {
				err = &exit{exitConfig, err}
			}
			return err
		},
	}
	c.Flags().BoolVar(&filesOnly, "files", false, "look at the files alone, not at this host and its network")
	c.Flags().BoolVar(&asJSON, "json", false, "print what was found on this host and in its network as JSON, and nothing else")
	c.Flags().StringVar(&partner, "partner-file", "", "compare with the table of the other host")
	return c
}

// showFindings prints each finding: where and what it is, what follows from it, and
// how to fix it.
func (a *app) showFindings(found []inspect.Finding, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(a.stdout)
		out.SetIndent("", "  ")
		return out.Encode(slices.DeleteFunc(slices.Clone(found), func(f inspect.Finding) bool { return f.Severity == inspect.Good }))
	}
	for _, f := range found {
		if f.Severity == inspect.Good {
			fmt.Fprintf(a.stdout, "%s: %s\n", f.About, f.What)
			continue
		}
		fmt.Fprintf(a.stdout, "%s: %s: %s\n    why: %s\n", f.About, f.Severity, f.What, f.Why)
		if f.Mend != "" {
			fmt.Fprintf(a.stdout, "    mend: %s\n", f.Mend)
		}
	}
	return nil
}

func (a *app) printConfig(cfg *config.Config) {
	w := a.stdout
	for _, alias := range cfg.Aliases {
		if alias.Loopback() {
			printLoopback(w, alias)
		} else {
			printAlias(w, alias, len(cfg.Settings.Peer.Keys) > 0)
		}
		printHooks(w, alias.Hooks)
	}
	s := cfg.Settings
	exit := exits[s.OnExit]
	if len(cfg.Aliases) == 0 {
		exit = string(s.OnExit) // each route says what becomes of it
	}
	fmt.Fprintf(w, "on exit %s; log to %s at level %s; socket %s\n", exit, s.LogTo, s.LogLevel, s.Socket)
	if at := s.Status.Listen; at.IsValid() {
		shown := "no token"
		if s.Status.TokenFile != "" {
			shown = "the token of " + s.Status.TokenFile
		}
		fmt.Fprintf(w, "the page at http://%s/ and metrics at http://%s/metrics, with %s\n", at, at, shown)
	}
	printPeer(w, cfg)
	printConfigChecks(w, cfg)
	printConfigGroups(w, cfg)
	printConfigRoutes(w, cfg)
	if _, err := os.Stat(a.settings); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(w, "%s does not exist: every setting has its default\n", a.settings)
	}
	if len(cfg.Routes) > 0 {
		fmt.Fprintf(w, "%s: %d good\n", a.settings, len(cfg.Routes))
	}
	if len(cfg.Aliases) > 0 || len(cfg.Routes) == 0 {
		fmt.Fprintf(w, "%s: %d good\n", a.aliases, len(cfg.Aliases))
	}
}

// exits are the values of on_exit, with what happens to the aliases.
var exits = map[config.OnExit]string{
	config.ExitKeep:     "keep: the aliases stay on this host",
	config.ExitRelease:  "release: the aliases are removed",
	config.ExitHandover: "handover: the partner takes the aliases first; what it does not take stays on this host",
}

// printPeer prints what the settings of the channel mean.
func printPeer(w io.Writer, cfg *config.Config) {
	p := cfg.Settings.Peer
	if len(p.Keys) == 0 {
		fmt.Fprintln(w, "no peer channel: no key_file under [peer]; all that is known of the partner is what it answers to probes")
		return
	}
	from := ""
	if len(p.Listen) > 0 {
		from = " of " + strings.Trim(fmt.Sprint(p.Listen), "[]")
	}
	keys := "1 key"
	if n := len(p.Keys); n > 1 {
		keys = fmt.Sprintf("%d keys, the one in %s seals", n, p.KeyFiles[0])
	}
	fmt.Fprintf(w, "peer channel on UDP port %d%s, %s; firewalls must pass it both ways, from this port to this port\n", p.Port, from, keys)
	for _, partner := range slices.Sorted(maps.Keys(p.Paths)) {
		fmt.Fprintf(w, "more paths to %s: %s\n", partner, strings.Trim(fmt.Sprint(p.Paths[partner]), "[]"))
	}
}

// printAlias describes one alias in a sentence.
func printAlias(w io.Writer, a config.Alias, channel bool) {
	role := "not primary: takes it only when the partner is silent too"
	if a.Primary {
		role = "primary: takes it whether or not the partner is alive"
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
	if len(a.Checks) > 0 && a.OnServiceFailure == config.ServiceRelease {
		more = append(more, "without a channel released when its service is failing")
	}
	more = append(more, fmt.Sprintf("a dead holder is noticed within %s (probed every %s, then %d × %s without an answer)",
		config.Tidy(a.Detect()), config.Tidy(a.Interval), a.Misses, config.Tidy(a.Timeout)))
	p := defender.PolicyOf(a, channel)
	if channel {
		more = append(more, fmt.Sprintf("a dead partner daemon is noticed within %s (it sends every %s)", config.Tidy(p.ChannelSilent()), config.Tidy(p.Heartbeat())))
	}
	if d := p.Lifetime(); d > 0 && host.Leases {
		more = append(more, fmt.Sprintf("the system drops it %s after its daemon dies", config.Tidy(d)))
	} else {
		more = append(more, "it stays if its daemon dies")
	}
	fmt.Fprintf(w, "%s on %s, partner %s, %s; %s; %s\n", a.Prefix, a.Label, a.Partner.Name, role, router, strings.Join(more, "; "))
	printRecovery(w, a.Recover)
}

// printLoopback describes an alias on a loopback interface in a sentence.
func printLoopback(w io.Writer, a config.Alias) {
	here := "here always: it has no check"
	switch named := strings.Join(a.Checks, ", "); {
	case len(a.Checks) == 0:
	case a.OnServiceFailure == config.ServiceRelease:
		here = "here while its checks are good (" + named + "), released when one fails"
	default:
		here = "here as soon as its checks are good (" + named + "), and kept when one fails"
	}
	fmt.Fprintf(w, "%s on %s, shared: other hosts have it at the same time, and nobody is asked about it; %s; it stays if its daemon dies\n", a.Prefix, a.Label, here)
}

// printHooks says in a line below an alias which programs run for it, and when.
func printHooks(w io.Writer, h config.Hooks) {
	var all []string
	for _, name := range config.HookNames() {
		p := h.Programs[name]
		if len(p) == 0 {
			continue
		}
		within, veto := h.Timeout, ""
		if name == config.BeforeTake || name == config.BeforeRelease {
			if within = h.Before(name); h.Veto {
				veto = ", and may veto it"
			}
		}
		all = append(all, fmt.Sprintf("%s %s (within %s%s)", name, strings.Join(p, " "), config.Tidy(within), veto))
	}
	if h.ExitAfter == config.AfterTake {
		all = append(all, "after a take the Monitor ends with exit code 4")
	}
	if len(all) > 0 {
		fmt.Fprintf(w, "  hooks: %s\n", strings.Join(all, "; "))
	}
}
