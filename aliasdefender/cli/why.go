package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

func (a *app) whyCmd() *cobra.Command {
	last, asJSON, since, now := 10, false, "", false
	c := &cobra.Command{
		Use:   "Why [ip]",
		Short: "Show the last decisions about each alias, with their facts",
		Long: `Show the last decisions about one alias or all, oldest first: when, by which row of
the rules, and from which facts, with their ages. With a channel, they include how
hand-overs went, and contradictions between the two hosts' files. Above them stand the
checks of the alias's service, each with what it said last, and a command's output;
below them is how far the recovery of the partner's service has come, and the last run
of each hook. A route is named by its prefix, such as 192.0.2.32/27; without a name
those of all routes follow those of the aliases.

The facts about an alias in a group include whether all of the group could be on this
host, and at the partner. About one on a loopback interface nobody is asked: its facts
are those of this host and of its service.

The running Monitor answers. It remembers the last 64 decisions about each alias,
fewer if there are very many aliases; its event log keeps them over a restart or a
reboot. If no Monitor is running, Why reads the event log itself, and the exit code
is 1.

With --since it shows everything that the event log has since then, whether a Monitor
runs or not, over restarts and reboots: about the alias, and about the Monitor as a whole;
what this host did, and what its partner said. The time is how long ago (2h, 3d), a time of
today (05:00) or a date ('2026-11-28 05:00'). It shows the newest 10000 events, or --last.

With --now the running Monitor says which row decides at this moment, and what each row
above it needs to decide instead: one thing, or two. It finds that by asking the rules. If
there are more than 32 aliases, name one.` + ofNIC,
		Example: `  aliasdefender Why
  aliasdefender Why --last 3 172.16.1.2
  aliasdefender Why --since 05:00 172.16.1.2
  aliasdefender Why --now 172.16.1.2`,
		Args: func(c *cobra.Command, args []string) error {
			if last < 1 {
				return usagef("--last %d is too small: at least 1; try '%s --last 3'", last, c.CommandPath())
			}
			if now && (c.Flags().Changed("since") || c.Flags().Changed("last")) {
				return usagef("--now tells of this moment, and goes with neither --since nor --last; try '%s --now'", c.CommandPath())
			}
			if _, route := argRoute(args); route {
				if now {
					return usagef("--now tells of aliases, and %s is a route; try '%s %s'", args[0], c.CommandPath(), args[0])
				}
				return nil
			}
			return oneAlias(c, args)
		},
		ValidArgsFunction: a.completeWhy,
		RunE: func(c *cobra.Command, args []string) error {
			prefix, route := argRoute(args)
			if route {
				args = nil
			}
			addr, _ := argAlias(c, args)
			if now {
				return a.now(c.Context(), addr, asJSON)
			}
			if c.Flags().Changed("since") {
				return a.since(c, since, subject{addr: addr, prefix: prefix}, last, asJSON)
			}
			socket, err := a.socket()
			if err != nil {
				return err
			}
			s, err := control.Dial(socket).Status(c.Context(), true)
			var code error
			if errors.Is(err, control.ErrNotRunning) {
				if s, err = a.written(err); err == nil {
					code = &exit{code: exitFailed} // no Monitor keeps the aliases alive
				}
			}
			if err != nil {
				return err
			}
			var told []whyAlias
			if !route {
				if told, err = tell(s, addr, last); err != nil {
					return err
				}
			}
			var routes []whyRoute
			if !addr.IsValid() {
				if routes, err = tellRoutes(s, prefix, last); err != nil {
					return err
				}
			}
			if asJSON {
				all := []any{}
				for _, al := range told {
					all = append(all, al)
				}
				for _, r := range routes {
					all = append(all, r)
				}
				out := json.NewEncoder(a.stdout)
				out.SetIndent("", "  ")
				return errors.Join(out.Encode(all), code)
			}
			printWhy(a.stdout, s.Now, told)
			if len(told) > 0 && len(routes) > 0 {
				fmt.Fprintln(a.stdout)
			}
			printWhyRoutes(a.stdout, s.Now, routes)
			return code
		},
	}
	c.Flags().IntVar(&last, "last", last, "how many decisions to show about each alias; with --since how many events in all")
	c.Flags().StringVar(&since, "since", "", "show from the event log all that has happened since then: 2h, 05:00, '2026-11-28 05:00'")
	c.Flags().BoolVar(&now, "now", false, "say which row of the rules decides now, and what the rows above it need")
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return c
}

// written returns what the event log has about the aliases and routes of the files, for when no
// Monitor answers. If it has nothing the error is the Monitor's.
func (a *app) written(absent error) (control.Snapshot, error) {
	cfg, err := a.load()
	if err != nil {
		return control.Snapshot{}, absent
	}
	named := make([]record.Alias, len(cfg.Aliases))
	for i, al := range cfg.Aliases {
		named[i] = record.Alias{Addr: al.Addr, NIC: al.NIC}
	}
	ring := record.NewRing(named...)
	routes := make([]string, len(cfg.Routes))
	for i, r := range cfg.Routes {
		routes[i] = r.Name()
	}
	ring.KeepRoutes(routes)
	_, err = record.Load(cfg.Settings.StateDir, ring)
	s := control.Snapshot{Now: time.Now()}
	some := false
	for i, al := range cfg.Aliases {
		journal := defender.Journal(ring.Of(named[i]))
		some = some || len(journal) > 0
		s.Aliases = append(s.Aliases, control.Alias{Alias: al.Addr.String(), NIC: al.Label, Holder: "unknown", Journal: journal})
	}
	for i, r := range cfg.Routes {
		journal := defender.Journal(ring.OfRoute(routes[i]))
		some = some || len(journal) > 0
		s.Routes = append(s.Routes, control.Route{Route: routes[i], Prefix: r.Prefix.String(), Kept: "unknown", Journal: journal})
	}
	if err != nil || !some {
		return control.Snapshot{}, errors.Join(absent, err)
	}
	fmt.Fprintf(a.stderr, "aliasdefender: %v; showing the event log in %s instead\n", absent, cfg.Settings.StateDir)
	return s, nil
}

// whyAlias is what Why says about one alias. Its JSON form does not change from
// version to version.
type whyAlias struct {
	Alias    string            `json:"alias"`
	NIC      string            `json:"nic"`
	Holder   string            `json:"holder"`
	Row      string            `json:"row"`
	Why      string            `json:"why"`
	Recovery *control.Recovery `json:"recovery,omitempty"` // of the partner's service
	Hooks    []control.Hook    `json:"hooks,omitempty"`    // the last run of each
	Checks   []control.Check   `json:"checks,omitempty"`   // of its service
	Journal  []control.Entry   `json:"journal"`
}

// tell picks out of a snapshot what was asked for.
func tell(s control.Snapshot, addr netip.Addr, last int) ([]whyAlias, error) {
	told := []whyAlias{}
	known := make([]string, len(s.Aliases))
	for i, al := range s.Aliases {
		known[i] = al.Alias
	}
	addr, err := daemon.Which(addr, "the running Monitor's file", known)
	if err != nil {
		return nil, err
	}
	for _, al := range s.Aliases {
		if addr.IsValid() && al.Alias != addr.String() {
			continue
		}
		told = append(told, whyAlias{
			Alias: al.Alias, NIC: al.NIC, Holder: al.Holder, Row: al.Row, Why: al.Why, Checks: checksOf(s, al), Hooks: al.Hooks, Recovery: al.Recovery,
			Journal: append([]control.Entry{}, al.Journal[max(0, len(al.Journal)-last):]...),
		})
	}
	return told, nil
}

// printWhy prints journals; nothing here knows a rule.
func printWhy(w io.Writer, now time.Time, told []whyAlias) {
	for i, al := range told {
		if i > 0 {
			fmt.Fprintln(w)
		}
		holder := "held by " + al.Holder
		if al.Holder == "unknown" {
			holder = "holder unknown"
		}
		fmt.Fprintf(w, "%s on %s, now %s\n", al.Alias, al.NIC, holder)
		for _, c := range al.Checks {
			printCheck(w, c, now)
			for line := range strings.Lines(c.Output) {
				fmt.Fprintf(w, "    | %s\n", strings.TrimRight(line, "\n"))
			}
		}
		if len(al.Journal) == 0 {
			fmt.Fprintln(w, "nothing has been decided yet")
		}
		for _, e := range al.Journal {
			printEntry(w, now, e, tellAlias)
		}
		if al.Recovery != nil {
			fmt.Fprintln(w, recoveryOf(*al.Recovery, now))
		}
		if len(al.Hooks) > 0 {
			fmt.Fprintf(w, "hooks: %s\n", hooksOf(al.Hooks, now))
		}
	}
}

// printEntry prints a decision, and below it what was known then.
func printEntry(w io.Writer, now time.Time, e control.Entry, tell func(control.Entry) (said, facts string)) {
	said, facts := tell(e)
	fmt.Fprintf(w, "%s  %s\n", clock(e.At, now), said)
	if facts != "" {
		fmt.Fprintf(w, "    %s\n", facts)
	}
}

// clock is a time for people: with the date if it was another day.
func clock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04:05.000")
	}
	return t.Format("2006-01-02 15:04:05.000")
}

// deeds are the actions in the past tense.
var deeds = map[string]string{
	"wait": "left it alone", "keep": "kept it", "take": "took it", "announce": "announced it", "restore": "put it back",
	"release": "released it", "forget": "let it go", "adopt": "adopted it",
	"refresh": "renewed its lease", "reorder": "put it behind this host's own address",
	"ask for hand-over": "asked the partner for it", "hand over": "offered it to the partner",
	"hand-over ended": "the hand-over ended where it was", "alarm": "the pair does not fit",
	"drill begun": "began a drill", "drill ended": "ended a drill",
}

func pastOf(e control.Entry) string {
	if d, ok := deeds[e.Action]; ok {
		return d
	}
	if strings.HasPrefix(e.Action, "would ") { // of a Monitor that observed
		return e.Action + " it"
	}
	return e.Action // from a later Monitor
}

// factLine is the facts of a decision: the network's with their ages, this host's
// only where something is wrong.
func factLine(e control.Entry) string {
	link, parts := "link good", []string{}
	for _, f := range e.Facts {
		r, known := rules.FactNamed(f.Name) // otherwise it is a fact of a later Monitor
		switch {
		case !known:
		case r.Link && link == "link good": // name only the first that is wrong: the others follow from it
			link = linkOf(r, f.Value)
		case r.Short != "":
			parts = append(parts, answerOf(r.Short, f, e.At))
		case r.Service:
			parts = append(parts, answerOf(r.Name, f, e.At))
		case r.Group: // made of facts of all members, when the decision was
			parts = append(parts, r.Name+" "+f.Value)
		}
	}
	switch {
	case len(e.Facts) == 0:
		return "no facts known"
	case len(parts) == 0: // an alias without a check on a loopback interface: no network is asked about it
		return link
	}
	return strings.Join(parts, ", ") + "; " + link
}

// linkOf is what one of this host's own facts says about the link.
func linkOf(r rules.FactRow, value string) string {
	switch value {
	case r.Spell(rules.No):
		return r.No
	case r.Spell(rules.Unknown):
		return r.Unknown
	}
	return "link good"
}

// answerOf is a fact of the network, with its age when the decision was made.
func answerOf(name string, f control.Fact, at time.Time) string {
	text := name + " " + f.Value
	if by := f.By + f.Why; by != "" { // a fact has one of the two
		text += " by " + by
	}
	if !f.Asked.IsZero() {
		text += fmt.Sprintf(" (asked %s before)", span(at.Sub(f.Asked)))
	}
	return text
}

// span spells an age for a reader.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return ago(d)
}
