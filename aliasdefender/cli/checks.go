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
	for _, c := range cfg.Used() {
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
			when = ", while one of them is here"
			if c.Settle > 0 {
				when += fmt.Sprintf(" for %s", config.Tidy(c.Settle))
			}
		}
		of := strings.Join(users, ", ")
		if len(users) == 0 {
			of = "the partner's service" // it is a recovery's
		}
		fmt.Fprintf(w, "check %s of %s: asks %s every %s%s; failing after %d answers in a row that are not good, so within %s; good after %d\n",
			c.Name, of, asks(c), config.Tidy(c.Interval), when, c.Fall, config.Tidy(time.Duration(c.Fall)*c.Interval+c.Timeout), c.Rise)
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

// asks is whom a check asks.
func asks(c config.Check) string {
	switch c.Kind {
	case config.CheckHTTP:
		return c.HTTP.URL
	case config.CheckTCP:
		return c.Address + " by TCP"
	case config.CheckCommand:
		return "the command " + strings.Join(c.Command, " ")
	case config.CheckProcess:
		return "for the process " + c.Process
	}
	return "for the carrier of " + c.Link
}
