package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"aliasdefender/control"
)

func (a *app) statusCmd() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "Status",
		Short: "Show each alias: its holder, and why",
		Long: `Show each alias of the running Monitor: who holds it (us, partner, a hardware
address, nobody, unknown), this host's role, what router and partner answer,
since when it is so, and why.

The exit code is 0 where all is well, and 1 where there is a problem or no
Monitor runs: fit for monitoring.`,
		Example: `  aliasdefender Status
  aliasdefender Status --json | jq -r '.aliases[] | .alias + " " + .holder'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			socket, err := a.socket()
			if err != nil {
				return err
			}
			s, err := control.Dial(socket).Status(c.Context(), false)
			if err != nil {
				return err
			}
			return a.showStatus(s, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print all that is known, as JSON")
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
	if !well(s) {
		return &exit{code: exitFailed}
	}
	return nil
}

// well tells whether nobody needs to look.
func well(s control.Snapshot) bool {
	for _, a := range s.Aliases {
		if a.Level != "" {
			return false
		}
	}
	return len(s.Problems) == 0
}

func printStatus(w io.Writer, s control.Snapshot, ours string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "ALIAS\tNIC\tHOLDER\tROLE\tROUTER\tPARTNER\tSINCE\tWHY")
	for _, a := range s.Aliases {
		fmt.Fprintf(t, "%s/%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.Alias, a.Prefix, a.NIC, a.Holder, a.Role,
			a.Router.Answer, a.Partner.Answer, ago(s.Now.Sub(a.Since)), marked(a))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range s.Problems {
		fmt.Fprintln(w, "problem:", p)
	}
	if s.Observe {
		fmt.Fprintln(w, "observing: the Monitor changes nothing")
	}
	if s.Version != ours {
		fmt.Fprintf(w, "note: the running Monitor is of version %s, this program of %s\n", s.Version, ours)
	}
	return nil
}

// marked is the reason with what a reader must not miss in front of it.
func marked(a control.Alias) string {
	why := a.Why
	switch a.Level {
	case "":
	case "alarm":
		why = "ALARM: " + why // somebody has to do something
	default:
		why = a.Level + ": " + why
	}
	if a.Parked {
		why = "parked: " + why
	}
	return why
}

// ago prints an age for reading, with its two weightiest units.
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
