package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/host"
)

// printRoutes prints a table of the routes that this host keeps.
func printRoutes(w io.Writer, s control.Snapshot) error {
	if len(s.Routes) == 0 {
		return nil
	}
	if len(s.Aliases) > 0 {
		fmt.Fprintln(w)
	}
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "ROUTE\tMODE\tVIA\tHOPS\tSINCE\tWHY")
	for _, r := range s.Routes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Route, r.Mode, viaOf(r), hopsOf(r), ago(s.Now.Sub(r.Since)), loudly(r.Level, r.Why))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	row := -1
	for line := range strings.Lines(table.String()) {
		io.WriteString(w, line)
		if row >= 0 {
			for _, line := range hopLines(s.Routes[row]) {
				fold(w, line)
			}
			if hooks := s.Routes[row].Hooks; len(hooks) > 0 {
				fold(w, "hooks: "+hooksOf(hooks, s.Now))
			}
		}
		row++
	}
	return nil
}

// viaOf is where a route leads: "-" if it is not there.
func viaOf(r control.Route) string {
	if len(r.Via) == 0 {
		return "-"
	}
	all := make([]string, len(r.Via))
	for i, v := range r.Via {
		all[i] = v.Hop
		if v.Weight != 1 && len(r.Via) > 1 {
			all[i] += fmt.Sprintf("*%d", v.Weight)
		}
	}
	return strings.Join(all, ",")
}

// hopsOf counts the hops that are set by what is known of them: "3 of 4 live".
func hopsOf(r control.Route) string {
	live := 0
	for _, h := range r.Hops {
		if h.Lives == "yes" {
			live++
		}
	}
	return fmt.Sprintf("%d of %d live", live, len(r.Hops))
}

// hopLines name the hops that do not live, or not for all that is known, and say why.
func hopLines(r control.Route) (all []string) {
	for _, h := range r.Hops {
		if h.Lives == "yes" {
			continue
		}
		line := "next hop " + h.Hop + ": " + h.Answer
		if h.Link == "down" {
			line += ", " + h.NIC + " is down or without carrier"
		}
		if h.Why != "" {
			line += ": " + h.Why
		}
		all = append(all, line)
	}
	return all
}

// printConfigRoutes says what each route means, in a sentence.
func printConfigRoutes(w io.Writer, cfg *config.Config) {
	for _, r := range cfg.Routes {
		via := make([]string, len(r.Via))
		for i, hop := range r.Via {
			if via[i] = hop.String(); i < len(r.Weights) && r.Weights[i] != 1 {
				via[i] += fmt.Sprintf(" (weight %d)", r.Weights[i])
			}
		}
		to := "to the first of " + strings.Join(via, ", ") + " that lives"
		if r.Mode == config.RouteSpread {
			to = "spread over those of " + strings.Join(via, ", ") + " that live"
		}
		if len(via) == 1 {
			to = "to " + via[0]
		}
		var more []string
		if r.Mode == config.RouteFirst && len(via) > 1 && !r.Failback {
			more = append(more, "no failback")
		}
		if i := checkNamed(cfg, r.Check); i >= 0 {
			c := cfg.Checks[i]
			more = append(more, fmt.Sprintf("asked by the check %s, a dead hop is noticed within %s", c.Name, config.Tidy(time.Duration(c.Fall)*c.Interval+c.Timeout)))
		} else {
			more = append(more, fmt.Sprintf("a dead hop is noticed within %s (probed every %s, then %d × %s without an answer)",
				config.Tidy(r.Detect()), config.Tidy(r.Interval), r.Misses, config.Tidy(r.Timeout)))
		}
		dead := "it stays where it is"
		if r.OnAllDead == config.AllDeadWithdraw {
			dead = "it is withdrawn"
		}
		more = append(more, "when no hop lives "+dead)
		switch {
		case !r.Install:
			more = append(more, "not installed: only hooks are told")
		case cfg.Settings.OnExit == config.ExitRelease:
			more = append(more, "it goes with the Monitor")
		default:
			more = append(more, fmt.Sprintf("it outlives the Monitor (protocol %d)", host.RouteProtocol))
		}
		fmt.Fprintf(w, "route %s %s; %s\n", r.Name(), to, strings.Join(more, "; "))
		printHooks(w, r.Hooks)
	}
}

// ofRoutes tells whether a check asks through the next hops of routes.
func ofRoutes(cfg *config.Config, c config.Check) bool {
	return slices.ContainsFunc(cfg.Routes, func(r config.Route) bool { return r.Check == c.Name })
}

// checkNamed is the index of a check; -1: there is none.
func checkNamed(cfg *config.Config, name string) int {
	return slices.IndexFunc(cfg.Checks, func(c config.Check) bool { return c.Name == name })
}

// argRoute is the prefix of the route that an argument names, if it names one.
func argRoute(args []string) (prefix netip.Prefix, ok bool) {
	if len(args) != 1 {
		return prefix, false
	}
	p, err := netip.ParsePrefix(args[0])
	return p.Masked(), err == nil
}

// whyRoute is what Why says about one route. Its JSON form does not change from version to
// version.
type whyRoute struct {
	Route   string          `json:"route"`
	Kept    string          `json:"kept"`
	Via     []control.Via   `json:"via"`
	Row     string          `json:"row"`
	Why     string          `json:"why"`
	Hooks   []control.Hook  `json:"hooks,omitempty"`
	Journal []control.Entry `json:"journal"`
}

// tellRoutes picks the routes of a prefix out of a snapshot, or all of them.
func tellRoutes(s control.Snapshot, prefix netip.Prefix, last int) (told []whyRoute, err error) {
	var known []string
	for _, r := range s.Routes {
		known = append(known, r.Route)
		if prefix.IsValid() && r.Prefix != prefix.String() {
			continue
		}
		told = append(told, whyRoute{
			Route: r.Route, Kept: r.Kept, Via: r.Via, Row: r.Row, Why: r.Why, Hooks: r.Hooks,
			Journal: append([]control.Entry{}, r.Journal[max(0, len(r.Journal)-last):]...),
		})
	}
	if len(told) == 0 && prefix.IsValid() {
		return nil, fmt.Errorf("%s is no route of the running Monitor's file, which has %s", prefix, daemon.Listed(known, "none"))
	}
	return told, nil
}

// keptOf says whether a route is there.
func keptOf(r whyRoute) string {
	to := viaOf(control.Route{Via: r.Via})
	switch {
	case r.Kept == "unknown":
		return "not known to be there"
	case to == "-":
		return "not there"
	case r.Kept == "hooks":
		return "told to hooks: to " + to
	}
	return "to " + to
}

// printWhyRoutes prints journals of routes.
func printWhyRoutes(w io.Writer, now time.Time, told []whyRoute) {
	for i, r := range told {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "route %s, now %s\n", r.Route, keptOf(r))
		if len(r.Journal) == 0 {
			fmt.Fprintln(w, "nothing has been decided yet")
		}
		for _, e := range r.Journal {
			printEntry(w, now, e, tellRoute)
		}
		if len(r.Hooks) > 0 {
			fmt.Fprintf(w, "hooks: %s\n", hooksOf(r.Hooks, now))
		}
	}
}

// routeDeeds are the actions on routes in the past tense.
var routeDeeds = map[string]string{
	"rest": "left it as it is", "add": "added it", "replace": "moved it", "withdraw": "withdrew it", "adopt": "found it",
}
