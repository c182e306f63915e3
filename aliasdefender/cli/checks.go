package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
)

// checksOf are the checks of an alias's service.
func checksOf(s control.Snapshot, a control.Alias) (all []control.Check) {
	for _, c := range s.Checks {
		if slices.Contains(a.Checks, c.Name) {
			all = append(all, c)
		}
	}
	return all
}

// printChecks prints a line for each check of a service.
func printChecks(w io.Writer, s control.Snapshot) {
	for _, c := range s.Checks {
		printCheck(w, c, s.Now)
	}
}

// printCheck prints what is known of one check.
func printCheck(w io.Writer, c control.Check, now time.Time) {
	text := fmt.Sprintf("check %s (%s): %s for %s: %s", c.Name, c.Kind, c.State, ago(now.Sub(c.Since)), c.Why)
	if !c.Asked.IsZero() {
		text += fmt.Sprintf(" (asked %s ago)", ago(now.Sub(c.Asked)))
	}
	if c.Late > 0 {
		text += fmt.Sprintf("; %d questions could not be put in their turn", c.Late)
	}
	if c.Level != "" {
		text = c.Level + ": " + text
	}
	fmt.Fprintln(w, text)
}

// printConfigChecks says what the settings of checks mean.
func printConfigChecks(w io.Writer, cfg *config.Config) {
	for _, c := range cfg.Checks {
		if !slices.ContainsFunc(cfg.Used(), func(u config.Check) bool { return u.Name == c.Name }) && !ofRoutes(cfg, c) {
			continue
		}
		var users []string
		for _, a := range cfg.Aliases {
			if slices.Contains(a.Checks, c.Name) {
				users = append(users, a.Addr.String())
			}
		}
		if n := len(users); n > mostUsers {
			users = append(users[:mostUsers], fmt.Sprintf("%d more", n-mostUsers))
		}
		when := ""
		if c.Holding {
			when = " while this host has the alias"
			if len(users) > 1 {
				when = " while this host has one of them"
			}
			if c.Settle > 0 {
				when += fmt.Sprintf(", from %s after it came", config.Tidy(c.Settle))
			}
		}
		of := strings.Join(users, ", ")
		switch {
		case ofRoutes(cfg, c):
			of = "the next hops of routes"
		case len(users) == 0:
			of = "the partner's service" // it is a recovery's
		}
		bad := "one answer that is not good"
		if c.Fall > 1 {
			bad = fmt.Sprintf("%d answers in a row that are not good", c.Fall)
		}
		fmt.Fprintf(w, "check %s of %s: %s every %s%s; failing after %s, so within %s; good after %d\n",
			c.Name, of, question(c), config.Tidy(c.Interval), when, bad, config.Tidy(time.Duration(c.Fall)*c.Interval+c.Timeout), c.Rise)
	}
}

// printRecovery says what the settings of a recovery mean.
func printRecovery(w io.Writer, r config.Recover) {
	if !r.Any() {
		return
	}
	var steps []string
	for _, step := range []struct {
		name    string
		program config.Program
	}{{"process", r.Process}, {"restart", r.Restart}, {"fence", r.Fence}} {
		if len(step.program) > 0 {
			steps = append(steps, step.name+" by "+strings.Join(step.program, " "))
		}
	}
	fmt.Fprintf(w, "  recovery of the partner's service, if it fails the check %s: %s; %s after the restart the check is asked anew; %d within an hour at most\n",
		r.Check, strings.Join(steps, ", "), config.Tidy(r.Settle), r.Budget)
}

// mostUsers is how many aliases of a check are named.
const mostUsers = 3

// question says how a check asks.
func question(c config.Check) string {
	switch c.Kind {
	case config.CheckHTTP:
		return "asks " + c.HTTP.URL
	case config.CheckTCP:
		return "asks " + c.Address + " by TCP"
	case config.CheckCommand:
		return "runs " + strings.Join(c.Command, " ")
	case config.CheckProcess:
		return "looks for the process " + c.Process
	}
	return "looks at the carrier of " + c.Link
}
