package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Defaults of [alias."…".recover].
const (
	DefaultRecoverSettle = 5 * time.Second
	DefaultRecoverBudget = 3 // within an hour
)

// The bounds of its settings. A service that needs more than ten minutes to start is down
// for longer than a take needs; and with more than sixty recoveries an hour there is no
// budget.
const (
	maxRecoverSettle = 10 * time.Minute
	maxRecoverBudget = 60
)

// Recover says how to recover the service of a partner whose host lives,
// [alias."…".recover].
type Recover struct {
	Check   string  // the name of the check that is asked from here; empty: there is no recovery
	Process Program // asks whether the service's process is there; exit code 0: it is, 1: it is not
	Restart Program // restarts the service
	Fence   Program // cuts the partner off; exit code 0: that is done
	Settle  time.Duration
	Budget  int // so many recoveries begin within an hour at most
}

// Any tells whether a recovery is set.
func (r Recover) Any() bool { return r.Check != "" }

// recoverScope is what one [alias."…".recover] gives. It is of one alias always.
type recoverScope struct {
	place
	check                   given[string]
	process, restart, fence given[Program]
	settle                  given[time.Duration]
	budget                  given[int]
}

// recoverKeys are the keys of [alias."…".recover].
func recoverKeys() map[string]key {
	const lib = "/usr/local/lib/aliasdefender/"
	keys := map[string]key{}
	add := func(name string, set func(*recoverScope, value) Mistakes) {
		keys[name] = func(_ *SettingsFile, s *scope, v value) Mistakes {
			s.recover.mention(v)
			return set(&s.recover, v)
		}
	}
	add("check", func(r *recoverScope, v value) Mistakes {
		return fill(&r.check, v, func(v value) (string, Mistakes) { return text(v, "web-there") })
	})
	add("process", func(r *recoverScope, v value) Mistakes { return fill(&r.process, v, program(lib+"process")) })
	add("restart", func(r *recoverScope, v value) Mistakes { return fill(&r.restart, v, program(lib+"restart")) })
	add("fence", func(r *recoverScope, v value) Mistakes { return fill(&r.fence, v, program(lib+"fence")) })
	add("settle", func(r *recoverScope, v value) Mistakes {
		return fill(&r.settle, v, duration(0, maxRecoverSettle))
	})
	add("budget", func(r *recoverScope, v value) Mistakes { return fill(&r.budget, v, budget) })
	return keys
}

// mention notes where the table begins.
func (r *recoverScope) mention(v value) {
	if r.line == 0 {
		r.place = place{v.line, joinPath(v.path[:3])}
	}
}

var perHour = regexp.MustCompile(`^([0-9]{1,4})/h$`)

// budget reads how many recoveries may begin within an hour: "3/h".
func budget(v value) (int, Mistakes) {
	const example = "3/h"
	s, mistakes := text(v, example)
	if mistakes != nil {
		return 0, mistakes
	}
	m := perHour.FindStringSubmatch(s)
	if m == nil {
		return 0, wrong(v, "%s is no number within an hour, such as %q", show(s), example)
	}
	n, _ := strconv.Atoi(m[1])
	if n < 1 || n > maxRecoverBudget {
		return 0, wrong(v, "%s is not from 1/h to %d/h; without recoveries leave the table out", show(s), maxRecoverBudget)
	}
	return n, nil
}

// settings fills in the defaults.
func (r recoverScope) settings() Recover {
	if r.line == 0 {
		return Recover{}
	}
	return Recover{
		Check: r.check.value, Process: r.process.value, Restart: r.restart.value, Fence: r.fence.value,
		Settle: r.settle.orDefault(DefaultRecoverSettle), Budget: r.budget.orDefault(DefaultRecoverBudget),
	}
}

// programs are those that are set.
func (r recoverScope) programs() []given[Program] {
	return slices.DeleteFunc([]given[Program]{r.process, r.restart, r.fence}, func(g given[Program]) bool { return len(g.value) == 0 || g.bad })
}

// checkRecoveries finds what in the recoveries does not fit the checks and the aliases.
func (j *joint) checkRecoveries() {
	for _, s := range j.settings.aliases {
		if s.recover.line != 0 && !j.settings.refused[s.recover.field] {
			j.checkRecovery(s)
		}
	}
}

func (j *joint) checkRecovery(s *scope) {
	r := s.recover
	if !r.restart.bad && !r.fence.bad && len(r.restart.value)+len(r.fence.value) == 0 {
		j.mistake(r.place, "does nothing: it has neither restart nor fence; write one of them, a program with its arguments")
	}
	switch {
	case !r.check.isSet() || !r.check.bad && r.check.value == "":
		j.mistake(r.place, "says nothing about what is to be recovered; write check, the name of a check that asks the partner's service from here")
	case r.check.bad:
	default:
		j.recoverCheck(s, r.check)
	}
}

// recoverCheck looks at the check of a recovery: it must ask the partner, by the alias or
// otherwise.
func (j *joint) recoverCheck(s *scope, name given[string]) {
	i := slices.IndexFunc(j.settings.checks, func(c *checkTable) bool { return c.name == name.value })
	if i < 0 {
		j.mistake(name.place(), j.noCheck(name.value))
		return
	}
	c := j.settings.checks[i]
	here := ""
	switch kind := c.kind.value; {
	case c.kind.bad || c.broken:
	case kind == CheckProcess || kind == CheckLink:
		here = fmt.Sprintf("asks by %s", kind)
	case c.target.isSet() && (c.target.value.IsLoopback() || c.target.value.IsUnspecified()):
		here = "asks " + c.target.value.String()
	}
	if here != "" {
		j.mistake(name.place(), fmt.Sprintf("the check %s (line %d) %s, which is this host and not the partner; write one that asks the alias or the partner's address", name.value, c.line, here))
	}
	if c.holding.value {
		j.mistake(name.place(), fmt.Sprintf("the check %s (line %d) is asked while the alias is here, and a recovery needs to know while it is not; leave when = \"holding\" out", name.value, c.holding.line))
	}
	if line := j.ownCheck(name.value); line > 0 {
		j.mistake(name.place(), fmt.Sprintf("the check %s asks the service of this host too (line %d); write another check, which asks the partner", name.value, line))
	}
}

// ownCheck is the line in which a check is named as one of this host's own service; 0:
// there is none.
func (j *joint) ownCheck(name string) int {
	scopes := []scope{j.settings.all}
	for _, s := range j.settings.aliases {
		scopes = append(scopes, *s)
	}
	for _, s := range scopes {
		for _, n := range s.checks.value {
			if n.name == name {
				return n.line
			}
		}
	}
	return 0
}

// recovers tells whether a check is that of a recovery.
func (j *joint) recovers(name string) bool {
	return slices.ContainsFunc(j.settings.aliases, func(s *scope) bool { return s.recover.check.value == name })
}
