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

	"alias-defender/aliasdefender/config"
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
works. Without an address do so with each alias that this host has, one after the
other, up to the first that is not good; a host that has none has nothing to do. An
alias in a group moves with all of its group. Run it on the host that has the alias,
once a month, say, by a timer.

Both hosts ping the alias each 10 ms, and say what they saw: this host prints both
hosts' figures, and both have them in the event log, where Why reads them. Only
durations are told, so the hosts' clocks may differ. A partner of an earlier version
measures nothing; then there are only the figures of this host.

A drill is refused while Check finds a mistake or a fault, and while
Status would: without a channel, or if the partner's daemon is not heard, the standby
is not ready, the alias is parked, or a hand-over is open. It needs a running Monitor.
If the alias does not come back, the answer says who has it and what to do. The drill
goes on if you interrupt the command.

The exit code is 0 if each alias went and came back, and no host saw a gap of more than
100 ms. It is 1 if one did, if a gap may have been missed, if the alias did not come
back, and if the drill was refused.` + ofNIC,
		Example: `  aliasdefender Drill 172.16.1.2
  aliasdefender Drill --json`,
		Args:              oneAlias,
		ValidArgsFunction: a.completeAlias,
		RunE: func(c *cobra.Command, args []string) error {
			alias, _ := argAlias(c, args)
			return a.drill(c.Context(), alias, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print what became of each drill as JSON")
	return c
}

// drill does the drills, one after the other, up to the first that is not good.
func (a *app) drill(ctx context.Context, alias netip.Addr, asJSON bool) error {
	cfg, err := a.loadWithKeys()
	if err != nil {
		return err
	}
	var done []control.Drill
	s, system := a.subject(ctx, cfg)
	found := slices.Concat(inspect.Inspect(s), lookFrom(ctx, s, system))
	if red := slices.DeleteFunc(found, func(f inspect.Finding) bool { return !f.Severity.Red() }); len(red) > 0 {
		done = []control.Drill{refusedByCheck(red)}
	} else if done, err = a.drills(ctx, alias, cfg); err != nil {
		return err
	}
	code := error(nil)
	for _, d := range done {
		if d.Outcome != control.DrillGood {
			code = &exit{code: exitFailed}
		}
	}
	if asJSON {
		out := json.NewEncoder(a.stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(done); err != nil {
			return err
		}
		return code
	}
	if len(done) == 0 { // well: a timer may run on both hosts
		fmt.Fprintln(a.stdout, "nothing to drill: this host has no alias that could move")
	}
	for _, d := range done {
		a.showDrill(d)
	}
	return code
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

// drills has the Monitor do the drills.
func (a *app) drills(ctx context.Context, alias netip.Addr, cfg *config.Config) (done []control.Drill, err error) {
	client := control.Dial(cfg.Settings.Socket)
	s, err := client.Status(ctx, false)
	if err != nil {
		return nil, err
	}
	all := []string{alias.String()}
	if !alias.IsValid() {
		all = drillable(s)
	}
	if logs.IsTerminal(a.stderr) {
		late := time.AfterFunc(progressAfter, func() {
			fmt.Fprintln(a.stderr, "the drill is under way; Ctrl-C does not end it, and Why will say what came of it")
		})
		defer late.Stop()
	}
	done = []control.Drill{}
	for _, one := range all {
		d, err := client.Drill(ctx, one)
		var refusal *control.Refusal
		switch {
		case errors.As(err, &refusal) && refusal.Kind == control.KindDrill:
			d = refusedDrill(refusal.Text, "", one)
		case err != nil:
			return nil, err
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
