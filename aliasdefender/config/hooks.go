package config

import (
	"fmt"
	"time"
)

// Defaults of [hooks], and the bounds of its times.
const (
	DefaultHookTimeout   = 10 * time.Second
	DefaultBeforeTimeout = time.Second

	minHook, maxHook = 100 * time.Millisecond, time.Hour
	// A gate that takes longer than a minute is no gate: until then nobody has the alias.
	minBefore, maxBefore = 10 * time.Millisecond, time.Minute
)

// HookName is a hook by the name of its setting.
type HookName string

// The hooks. The first two are gates.
const (
	BeforeTake    HookName = "before_take"
	BeforeRelease HookName = "before_release"
	HookTake      HookName = "take"
	HookRelease   HookName = "release"
	HookAlarm     HookName = "alarm"
	HookRecovered HookName = "recovered"
	HookReassert  HookName = "reasserted"
	HookRoute     HookName = "route" // of routes, not of aliases
)

// HookNames returns all hooks, in the order in which they are shown.
func HookNames() []HookName {
	return []HookName{BeforeTake, HookTake, BeforeRelease, HookRelease, HookAlarm, HookRecovered, HookReassert, HookRoute}
}

// ExitAfter says after which hook the Monitor ends; empty: after none.
type ExitAfter string

// What the setting exit_after accepts, besides "".
const AfterTake ExitAfter = "take"

// Hooks are the administrator's programs that the Monitor tells of an alias's events, or
// asks before one.
type Hooks struct {
	Programs      map[HookName]Program // only those that are set
	Timeout       time.Duration        // of a run
	BeforeTimeout time.Duration        // of a gate's, counted from the decision; at most Timeout
	Veto          bool                 // a gate's exit code stops what it was asked about
	ExitAfter     ExitAfter
}

// releaseMost bounds before_timeout for a release: a Monitor that is told to end must end.
const releaseMost = 5 * time.Second

// ofRoutes tells which hooks are told of a route.
func (n HookName) ofRoutes() bool { return n == HookRoute || n == HookAlarm || n == HookRecovered }

// ofAliases tells which are told of an alias, or asked about it.
func (n HookName) ofAliases() bool { return n != HookRoute }

// Before returns how long a gate may take, counted from the decision; 0: it has no
// program.
func (h Hooks) Before(gate HookName) time.Duration {
	switch {
	case h.Programs[gate] == nil:
		return 0
	case gate == BeforeRelease:
		return min(h.BeforeTimeout, releaseMost)
	}
	return h.BeforeTimeout
}

// hookScope is what one [hooks] gives.
type hookScope struct {
	programs               map[HookName]given[Program]
	timeout, beforeTimeout given[time.Duration]
	veto                   given[bool]
	exitAfter              given[ExitAfter]
}

// hookKeys are the keys of [hooks], for all aliases or for one.
func hookKeys() map[string]key {
	keys := map[string]key{
		"timeout": func(_ *SettingsFile, s *scope, v value) Mistakes {
			return fill(&s.hooks.timeout, v, duration(minHook, maxHook))
		},
		"before_timeout": func(_ *SettingsFile, s *scope, v value) Mistakes {
			return fill(&s.hooks.beforeTimeout, v, duration(minBefore, maxBefore))
		},
		"veto": func(_ *SettingsFile, s *scope, v value) Mistakes { return fill(&s.hooks.veto, v, truth) },
		"exit_after": func(_ *SettingsFile, s *scope, v value) Mistakes {
			return fill(&s.hooks.exitAfter, v, oneOf("", AfterTake))
		},
	}
	for _, name := range HookNames() {
		keys[string(name)] = func(_ *SettingsFile, s *scope, v value) Mistakes {
			var g given[Program]
			mistakes := fill(&g, v, program("/usr/local/lib/aliasdefender/"+string(name)))
			if s.hooks.programs == nil {
				s.hooks.programs = map[HookName]given[Program]{}
			}
			s.hooks.programs[name] = g
			return mistakes
		}
	}
	return keys
}

// within joins it with the wider one around it, setting by setting.
func (h hookScope) within(wide hookScope) hookScope {
	programs := map[HookName]given[Program]{}
	for _, name := range HookNames() {
		if g := h.programs[name].or(wide.programs[name]); g.isSet() {
			programs[name] = g
		}
	}
	return hookScope{
		programs: programs,
		timeout:  h.timeout.or(wide.timeout), beforeTimeout: h.beforeTimeout.or(wide.beforeTimeout),
		veto: h.veto.or(wide.veto), exitAfter: h.exitAfter.or(wide.exitAfter),
	}
}

// hooks fills in the defaults. Programs are those of the hooks that are for it.
func (h hookScope) hooks(isFor func(HookName) bool) Hooks {
	out := Hooks{
		Timeout: h.timeout.orDefault(DefaultHookTimeout),
		Veto:    h.veto.orDefault(false), ExitAfter: h.exitAfter.orDefault(""),
	}
	// A timeout that is shorter than the default of the other takes that along.
	out.BeforeTimeout = h.beforeTimeout.orDefault(min(DefaultBeforeTimeout, out.Timeout))
	for name, g := range h.programs {
		if len(g.value) == 0 || g.bad || !isFor(name) {
			continue
		}
		if out.Programs == nil {
			out.Programs = map[HookName]Program{}
		}
		out.Programs[name] = g.value
	}
	return out
}

// check finds times that contradict each other in h, within wide. It blames only what h
// itself sets.
func (h hookScope) check(file string, wide hookScope) Mistakes {
	all := h.within(wide)
	if all.timeout.bad || all.beforeTimeout.bad {
		return nil
	}
	out := all.hooks(HookName.ofAliases)
	at := h.beforeTimeout.place()
	if at.line == 0 {
		at = h.timeout.place()
	}
	if out.BeforeTimeout <= out.Timeout || at.line == 0 {
		return nil
	}
	return Mistakes{{File: file, Line: at.line, Field: at.field, Text: fmt.Sprintf("the before_timeout of %s is longer than the timeout of %s, which ends every hook",
		Tidy(out.BeforeTimeout), Tidy(out.Timeout))}}
}

// checkPrograms looks at the programs of all hooks and recoveries on the disk.
func (f *SettingsFile) checkPrograms() {
	scopes := []hookScope{f.all.hooks}
	for _, s := range f.aliases {
		scopes = append(scopes, s.hooks)
	}
	for _, h := range scopes {
		for _, name := range HookNames() {
			g := h.programs[name]
			if len(g.value) == 0 || g.bad {
				continue
			}
			f.lookAt(g)
		}
	}
	for _, s := range f.aliases {
		for _, g := range s.recover.programs() {
			f.lookAt(g)
		}
	}
}

// lookAt looks at a program that will run as root.
func (f *SettingsFile) lookAt(g given[Program]) {
	if problem := LookAtProgram(g.value[0]); problem != "" {
		f.mistake(g.line, g.field, showPath(g.value[0])+" "+problem)
	}
}
