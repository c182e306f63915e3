package inspect

import (
	"fmt"
	"slices"
	"strings"

	"alias-defender/aliasdefender/config"
)

// runs is a program of the administrator's, with a setting that has it.
type runs struct{ program, setting string }

// programs are those of all hooks and recoveries, each once.
func (s *Subject) programs() (hooks, recoveries []runs) {
	seen := map[string]bool{}
	add := func(all *[]runs, p config.Program, setting string) {
		if len(p) > 0 && !seen[p[0]] {
			seen[p[0]] = true
			*all = append(*all, runs{p[0], setting})
		}
	}
	for _, a := range s.Config.Aliases {
		for _, name := range config.HookNames() {
			add(&hooks, a.Hooks.Programs[name], "hooks."+string(name))
		}
	}
	for _, a := range s.Config.Aliases {
		add(&recoveries, a.Recover.Process, "recover.process")
		add(&recoveries, a.Recover.Restart, "recover.restart")
		add(&recoveries, a.Recover.Fence, "recover.fence")
	}
	return hooks, recoveries
}

// shut are the settings of the unit that keep hooks from most of what they are for.
func (u *Unit) shut() (all []string) {
	if !u.has("CAP_DAC_OVERRIDE") {
		all = append(all, "CapabilityBoundingSet")
	}
	if u.Last("ProtectSystem") == "strict" {
		all = append(all, "ProtectSystem")
	}
	for _, name := range []string{"ProtectHome", "NoNewPrivileges"} {
		if u.on(name) {
			all = append(all, name)
		}
	}
	if slices.ContainsFunc(u.service["SystemCallFilter"], func(v string) bool { return v != "" }) {
		all = append(all, "SystemCallFilter")
	}
	return all
}

// blind are those that keep a command from what it asks for, too.
func (u *Unit) blind() []string {
	all := u.shut()
	if u.hidesProcesses() {
		all = append(all, "ProtectProc")
	}
	return all
}

// hidesProcesses tells whether the Monitor sees the processes of no other user.
func (u *Unit) hidesProcesses() bool {
	return slices.Contains([]string{"invisible", "noaccess", "ptraceable"}, u.Last("ProtectProc"))
}

// lacks is what programs of the administrator's lack in the unit.
const lacks = "they run in the Monitor's sandbox: they cannot write most files, /root is empty, and they lack root's other powers"

// unitShutsHooksIn finds hooks, recoveries and commands of checks that run in the unit's
// sandbox.
func unitShutsHooksIn(s *Subject) (found []Finding) {
	u := s.judged()
	if u == nil {
		return nil
	}
	hooks, recoveries := s.programs()
	for _, p := range append(slices.Clone(hooks), recoveries...) {
		if by := u.hides(p.program); by != "" {
			found = append(found, u.hiddenProgram(s.Settings+": "+p.setting, p.program, by))
		}
	}
	var commands []runs
	for _, c := range s.Config.Used() {
		if len(c.Command) > 0 {
			commands = append(commands, runs{c.Command[0], "check." + c.Name})
		}
	}
	for _, of := range []struct {
		what, setting, need, why string
		programs                 []runs
		shut                     []string
	}{
		{"hooks are set", "hooks", "hooks", lacks, hooks, u.shut()},
		{"programs of a recovery are set", "recover", "programs", lacks, recoveries, u.shut()},
		{"commands of checks are set", "checks", "commands", "they run in the sandbox of the Monitor, and see less there than when you try them by hand: one that fails only there fails on both hosts, and nobody takes the alias", commands, u.blind()},
	} {
		if len(of.programs) == 0 || len(of.shut) == 0 {
			continue
		}
		found = append(found, Finding{
			Severity: Warning, About: s.Settings + ": " + of.setting,
			What: fmt.Sprintf("%s, and %s of this host shuts them in: %s", of.what, u.Name, strings.Join(of.shut, ", ")),
			Why:  of.why,
			Mend: fmt.Sprintf("put the examples' hooks.conf (share/doc/aliasdefender/examples) into /etc/systemd/system/aliasdefender.service.d, without the lines that your %s do not need; then systemctl daemon-reload, and restart the unit", of.need),
		})
	}
	return found
}

// hiddenProgram is the finding about a program of the settings that a setting of the unit
// hides.
func (u *Unit) hiddenProgram(about, program, by string) Finding {
	return Finding{
		Severity: Mistake, About: about,
		What: fmt.Sprintf("%s of this host hides %s from the Monitor: %s", u.Name, program, by),
		Why:  "to the Monitor the program does not exist, which is a mistake in its files: it does not start",
		Mend: "move the program, such as to /usr/local/lib/aliasdefender; or " + edit(by+"=no"),
	}
}
