package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/inspect"
	"alias-defender/aliasdefender/logs"
)

func (a *app) drillCmd() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "Drill [ip]",
		Short: "Hand an alias over and take it back, and measure the gaps",
		Long: `Hand one alias over to the partner and take it back after a second, to show that this
works. Without an address, do so with each alias that this host has, one after the
other, and stop at the first that is not good; a host that has none has nothing to do.
An alias in a group moves with all of its group. Run it on the host that has the alias,
from a timer, once a month, say.

Both hosts ping the alias every 10 ms. This host prints the figures of both, and both
hosts record figures in their event logs, where Why reads them. The hosts exchange only
durations and counts, so their clocks may differ. A partner of an earlier version measures
nothing; then there are only the figures of this host.

It needs a running Monitor and a channel. A drill is refused
  - while Check finds a mistake or a fault, or cannot ask the network;
  - while Status has a problem of the Monitor or of the alias, the partner's daemon is not
    heard, the standby is not ready, the alias is parked, or a hand-over is open;
  - if exit_after would end a Monitor once it has the alias.
If an operator orders something for the alias meanwhile, on either host, the order stands
and the drill is broken off. If the alias does not come back, the answer says who has it
and what to do. Interrupting the command does not end the drill.

The exit code is 0 if each alias went and came back, and no host saw a gap of more than
100 ms. It is 1 if a host saw one, if a gap may have been missed, if the alias did not
come back, or if the drill was refused.` + ofNIC,
		Example: `  aliasdefender Drill 172.16.1.2
  aliasdefender Drill --json`,
		Args:              oneAlias,
		ValidArgsFunction: a.completeAlias,
		RunE: func(c *cobra.Command, args []string) error {
			alias, _ := argAlias(c, args)
			return a.drill(c.Context(), alias, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the outcome of each drill as JSON")
	return c
}

// drill does the drills, one after the other, up to the first that is not good.
func (a *app) drill(ctx context.Context, alias netip.Addr, asJSON bool) error {
	cfg, err := a.loadWithKeys()
	if err != nil {
		return err
	}
	client := control.Dial(cfg.Settings.Socket)
	running, err := client.Status(ctx, false)
	if err != nil {
		return err
	}
	all := []string{alias.String()}
	if !alias.IsValid() {
		all = drillable(running)
	}
	done, failed := []control.Drill{}, error(nil)
	if len(all) > 0 { // a standby has nothing to drill, whatever Check finds there
		s, system := a.subject(ctx, cfg)
		found := slices.Concat(inspect.Inspect(s), lookFrom(ctx, s, system))
		if against := forbidding(s, found); len(against) > 0 {
			done = append(done, refusedByCheck(against))
		} else {
			defer a.sayUnderWay()()
			done, failed = drills(ctx, all, client.Drill)
		}
	}
	if len(done) > 0 || failed == nil {
		if err := a.showDrills(done, asJSON); err != nil {
			return err
		}
	}
	if failed == nil && slices.ContainsFunc(done, func(d control.Drill) bool { return d.Outcome != control.DrillGood }) {
		return &exit{code: exitFailed}
	}
	return failed
}

// forbidding are the findings of Check that forbid a drill: what is red, and that nobody on
// the network could be asked, because then nothing there could be red.
func forbidding(s *inspect.Subject, found []inspect.Finding) []inspect.Finding {
	return slices.DeleteFunc(found, func(f inspect.Finding) bool {
		return !f.Severity.Red() && (f.Severity != inspect.Unknown || f.About != inspect.AboutNetwork || s.Live.CannotAsk == "")
	})
}

// refusedByCheck is a drill that Check's findings refuse.
func refusedByCheck(found []inspect.Finding) control.Drill {
	f := found[0]
	text := fmt.Sprintf("%s: %s: %s", f.About, f.Severity, f.What)
	if more := len(found) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return refusedDrill("Check finds "+text, "'aliasdefender Check' says why it matters and how to mend it")
}

func refusedDrill(why, next string, aliases ...string) control.Drill {
	d := control.Drill{At: time.Now(), Outcome: control.DrillRefused, Text: "refused: " + why, Next: next, Aliases: []control.Drilled{}}
	for _, al := range aliases {
		d.Aliases = append(d.Aliases, control.Drilled{Alias: al})
	}
	return d
}

// sayUnderWay tells somebody at a terminal, after a while, what an interruption would do.
func (a *app) sayUnderWay() (end func() bool) {
	if !logs.IsTerminal(a.stderr) {
		return func() bool { return false }
	}
	return time.AfterFunc(progressAfter, func() {
		fmt.Fprintln(a.stderr, "the drill is under way; Ctrl-C does not end it, and Why will say how it ended")
	}).Stop
}

// drills has the Monitor do the drills. If one of them cannot be asked for, or its end is not
// heard, those before it have been done all the same.
func drills(ctx context.Context, all []string, do func(context.Context, string) (control.Drill, error)) (done []control.Drill, err error) {
	for _, one := range all {
		d, err := do(ctx, one)
		var refusal *control.Refusal
		switch {
		case errors.As(err, &refusal) && refusal.Kind == control.KindDrill:
			d = refusedDrill(refusal.Text, "", one)
		case err != nil:
			return done, fmt.Errorf("%s: %w", one, err)
		}
		if done = append(done, d); d.Outcome != control.DrillGood {
			break
		}
	}
	return done, nil
}

// drillable are the aliases that this host has and that can move; of a group the first one.
func drillable(s control.Snapshot) (all []string) {
	groups := map[string]bool{}
	for _, al := range s.Aliases {
		if al.Holder != "us" || al.Role == "shared" {
			continue
		}
		if g := al.Group; g != nil {
			if groups[g.Name] {
				continue
			}
			groups[g.Name] = true
		}
		all = append(all, al.Alias)
	}
	return all
}

// showDrills prints what came of the drills.
func (a *app) showDrills(done []control.Drill, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(a.stdout)
		out.SetIndent("", "  ")
		return out.Encode(done)
	}
	if len(done) == 0 { // well: a timer may run on both hosts
		fmt.Fprintln(a.stdout, "nothing to drill: this host has no alias that could move")
	}
	for _, d := range done {
		a.showDrill(d)
	}
	return nil
}

// showDrill prints one drill: on standard output a good one, on standard error any other.
func (a *app) showDrill(d control.Drill) {
	var names []string
	for _, one := range d.Aliases {
		names = append(names, one.Alias)
	}
	to, lead := a.stdout, ""
	if d.Outcome != control.DrillGood {
		to, lead = a.stderr, "aliasdefender: "
	}
	line := lead
	if len(names) > 0 {
		line += strings.Join(names, ", ") + ": "
	}
	fmt.Fprintf(to, "%s%s\n", line, d.Text)
	if d.Next != "" {
		fmt.Fprintf(to, "%s  next: %s\n", strings.Repeat(" ", len(lead)), d.Next)
	}
}
