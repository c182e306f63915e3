package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/control"
)

func (a *app) statusCmd() *cobra.Command {
	asJSON, watch := false, false
	c := &cobra.Command{
		Use:   "Status",
		Short: "Show each alias: its holder, and why",
		Long: `Show each alias of the running Monitor: its holder (us, partner, a hardware
address, nobody, unknown), this host's role, whether router and partner answer,
since when, and why. For an alias on a loopback interface, which many hosts have at
once, HOLDER is us or -, and ROLE is shared.

STANDBY tells whether another host would take the alias if its holder failed now. For
an alias that is elsewhere, that other host is this one. For an alias that is here it is
the partner, as far as it tells on the channel. STANDBY is ready, not ready or parked. It
is unknown if the channel should tell but is not heard, and - if nothing can tell, or not
yet. A line below says why.

A line for each check of a service says whether it is good, failing or unknown, since
when, and what its last answer was. Where this host recovers the partner's
service, a line below the alias says how far that has come.

With a channel, a line below each alias shows what the partner says about it, and any
contradiction between the two hosts' files. A further line shows the last run of each
of its hooks. For an alias in a group a line says whether all of the group could be on
this host, and on the partner.

Each route that this host keeps has a line too: the next hops that it leads to, the
state of all that are set for it, since when, and why.

With --watch, show it again each second, until q or Ctrl-C: on a terminal in place,
otherwise one below the other, each with the time above it. Alarms and errors are red and
warnings yellow, unless NO_COLOR is set.

The exit code is 0 if all is well, and 1 if there is a problem or no Monitor is
running, so monitoring systems can call it. They need not be root: [control] readers
in the settings names a group that may ask.

Prometheus reads the same, and counters, at /metrics of the control socket and of the
address that [status] listen names. At that address a browser gets a live page.`,
		Example: `  aliasdefender Status
  aliasdefender Status --watch
  aliasdefender Status --json | jq -r '.aliases[] | .alias + " " + .holder'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			socket, err := a.socket()
			switch {
			case err != nil:
				return err
			case watch && asJSON:
				return usagef("--watch is for people, and --json for programs: choose one; try '%s --watch'", c.CommandPath())
			case watch:
				return a.watch(c.Context(), socket)
			}
			s, err := control.Dial(socket).Status(c.Context(), false)
			if err != nil {
				return err
			}
			return a.showStatus(s, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print everything known, as JSON")
	c.Flags().BoolVar(&watch, "watch", false, "show it again each second, until q or Ctrl-C")
	return c
}

// showStatus prints a snapshot. The error is only the exit code.
func (a *app) showStatus(s control.Snapshot, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(a.stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(s); err != nil {
			return err
		}
	} else if err := printStatus(a.stdout, s, a.version); err != nil {
		return err
	}
	if !s.Tally().Well() {
		return &exit{code: exitFailed}
	}
	return nil
}

func printStatus(w io.Writer, s control.Snapshot, ours string) error {
	if s.Maintenance {
		fmt.Fprintln(w, "in maintenance: this host stays out of all aliases until 'aliasdefender Maintenance off'")
	}
	if s.Observing {
		fmt.Fprintln(w, "observing: this Monitor says what it would do, and does nothing")
	}
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "ALIAS\tNIC\tHOLDER\tROLE\tROUTER\tPARTNER\tSTANDBY\tSINCE\tWHY")
	for _, a := range s.Aliases {
		fmt.Fprintf(t, "%s/%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.Alias, a.Prefix, a.NIC, a.Holder, a.Role,
			a.Router.Answer, a.Partner.Answer, readyOf(a.Standby), ago(s.Now.Sub(a.Since)), marked(a))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	// The columns belong to the whole table; the lines between its rows are added
	// afterwards.
	row := -1
	if len(s.Aliases) == 0 && len(s.Routes) > 0 { // a host that only keeps routes
		table.Reset()
	}
	for line := range strings.Lines(table.String()) {
		io.WriteString(w, line)
		if row >= 0 {
			printPair(w, s.Aliases[row], s.Now)
		}
		row++
	}
	if err := printRoutes(w, s); err != nil {
		return err
	}
	printChecks(w, s)
	if d := s.Drill; d != nil {
		fmt.Fprintf(w, "last drill, %s ago: %s\n", ago(s.Now.Sub(d.At)), d.Text)
	}
	for _, p := range s.Problems {
		fmt.Fprintln(w, "problem:", p)
	}
	for _, version := range partnerVersions(s) {
		fmt.Fprintf(w, "note: the running Monitor has version %s, a partner's has %s\n", s.Version, version)
	}
	if s.Version != ours {
		fmt.Fprintf(w, "note: the running Monitor has version %s, this program has %s\n", s.Version, ours)
	}
	return nil
}

// printPair prints below an alias's row what concerns both hosts: the partner's
// standing, an open hand-over, and contradictions between the two files.
func printPair(w io.Writer, a control.Alias, now time.Time) {
	if a.Says != nil {
		fold(w, "the partner"+saysOf(*a.Says, now))
	}
	for _, line := range standbyOf(a) {
		fold(w, line)
	}
	if a.Group != nil {
		fold(w, groupOf(a.Group))
	}
	if a.Handover != "" {
		fold(w, "hand-over open: "+a.Handover)
	}
	if a.Recovery != nil {
		fold(w, recoveryOf(*a.Recovery, now))
	}
	if len(a.Hooks) > 0 {
		fold(w, "hooks: "+hooksOf(a.Hooks, now))
	}
	for _, wrong := range a.Pair {
		fold(w, "ALARM: the pair does not fit: "+wrong)
	}
}

// recoveryOf is how far the recovery of the partner's service has come.
func recoveryOf(r control.Recovery, now time.Time) string {
	said := "recovery of the partner's service (check " + r.Check + "): "
	switch {
	case !r.Fenced.IsZero():
		said += fmt.Sprintf("the partner was fenced %s ago", ago(now.Sub(r.Fenced)))
	case r.Step != "idle":
		said += fmt.Sprintf("at the step %s for %s", r.Step, ago(now.Sub(r.Since)))
	case r.Held != "":
		said += "the service is failing, and nothing is done: " + r.Held
	default:
		said += "nothing to do"
	}
	said += fmt.Sprintf("; %d of %d begun within an hour", r.Begun, r.Budget)
	if r.Last != "" {
		said += fmt.Sprintf("; %s ago: %s", ago(now.Sub(r.LastAt)), r.Last)
	}
	if r.Level != "" {
		said = r.Level + ": " + said
	}
	return said
}

// hooksOf is the last run of each hook.
func hooksOf(hooks []control.Hook, now time.Time) string {
	all := make([]string, len(hooks))
	for i, h := range hooks {
		all[i] = fmt.Sprintf("%s %s %s ago", h.Hook, h.Result, ago(now.Sub(h.At)))
		if h.Error != "" {
			all[i] += " (" + h.Error + ")"
		}
	}
	return strings.Join(all, "; ")
}

// readyOf is whether the alias has a standby, in one word.
func readyOf(s *control.Standby) string {
	switch {
	case s == nil: // from an older Monitor
	case s.Ready == "yes":
		return "ready"
	case s.Ready == "no" && s.Level == "":
		return "parked"
	case s.Ready == "no":
		return "not ready"
	case s.Level != "":
		return "unknown"
	}
	return "-"
}

// standbyOf prints below an alias's row why no host stands by for it, and why it
// could not be handed over.
func standbyOf(a control.Alias) (lines []string) {
	s, says := a.Standby, a.Says
	if s == nil {
		return nil
	}
	switch {
	case s.Ready == "no" && s.Level != "" && says != nil && says.Why == s.Why: // the line above has it
		lines = append(lines, s.Level+": nobody would take the alias if this host failed")
	case !s.Problem():
	case s.Level == "" && s.Host == "us": // the row already says that it is parked
	case s.Level == "":
		lines = append(lines, "nobody would take the alias if this host failed: it is parked on the partner")
	case s.Host == "us" && s.Row != "":
		lines = append(lines, fmt.Sprintf("%s: if the holder failed now, this host would not take the alias (%s): %s", s.Level, s.Row, s.Why))
	case s.Ready == "unknown":
		lines = append(lines, fmt.Sprintf("%s: it is not known whether anybody would take the alias if this host failed: %s", s.Level, s.Why))
	default:
		lines = append(lines, fmt.Sprintf("%s: nobody would take the alias if this host failed: %s", s.Level, s.Why))
	}
	if s.HandOver == "no" && a.Handover == "" && s.HandOverWhy != s.Why {
		lines = append(lines, "a hand-over would not work now: "+s.HandOverWhy)
	}
	return lines
}

// screen is the width of the terminals on which Status is read.
const screen = 100 // columns

// fold prints a text below a row, on as many lines as it needs.
func fold(w io.Writer, text string) {
	line, lead := "  ", ""
	for _, word := range strings.Fields(text) {
		if len(line)+len(lead)+len(word) > screen {
			fmt.Fprintln(w, line)
			line, lead = "    ", ""
		}
		line += lead + word
		lead = " "
	}
	fmt.Fprintln(w, line)
}

// saysOf goes on after "the partner".
func saysOf(p control.Says, now time.Time) string {
	said := p.State
	if said != "" && said != "holding" && p.Why != "" { // why it holds the alias is its own affair
		said += ": " + p.Why
	}
	switch {
	case p.Daemon == "heard" && said == "":
		return " has said nothing about it yet"
	case p.Daemon == "heard":
		return " says: " + said
	case said == "":
		return "'s daemon: " + p.Daemon + " on the channel"
	}
	return fmt.Sprintf("'s daemon: %s on the channel; %s ago it said: %s", p.Daemon, ago(now.Sub(p.At)), said)
}

// partnerVersions are the versions of partners that differ from the Monitor's.
func partnerVersions(s control.Snapshot) (all []string) {
	for _, a := range s.Aliases {
		if a.Says != nil && a.Says.Version != "" && a.Says.Version != s.Version && !slices.Contains(all, a.Says.Version) {
			all = append(all, a.Says.Version)
		}
	}
	return all
}

// marked is the reason, with its level in front where a reader must not miss it.
func marked(a control.Alias) string {
	why := a.Why
	if len(a.Pair) == 0 { // an alarm about the pair has its own line
		why = loudly(a.Level, why)
	}
	if a.Parked {
		why = "parked: " + why
	}
	return why
}

// loudly is a reason with its level in front.
func loudly(level, why string) string {
	switch level {
	case "":
		return why
	case "alarm":
		return "ALARM: " + why // somebody has to act
	}
	return level + ": " + why
}

// ago is an age for people, in its two largest units.
func ago(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < day:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", d/day, int(d.Hours())%24)
}
