package inspect

import (
	"fmt"
	"slices"
	"strings"

	"alias-defender/aliasdefender/config"
)

// hookPrograms are the programs of all hooks, each once, with one hook that has it.
func (s *Subject) hookPrograms() (programs []string, of map[string]config.HookName) {
	of = map[string]config.HookName{}
	for _, a := range s.Config.Aliases {
		for _, name := range config.HookNames() {
			if p := a.Hooks.Programs[name]; len(p) > 0 && of[p[0]] == "" {
				of[p[0]] = name
				programs = append(programs, p[0])
			}
		}
	}
	return programs, of
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

// unitShutsHooksIn finds hooks that run in the unit's sandbox.
func unitShutsHooksIn(s *Subject) (found []Finding) {
	u := s.judged()
	if u == nil {
		return nil
	}
	programs, of := s.hookPrograms()
	for _, p := range programs {
		if by := u.hides(p); by != "" {
			found = append(found, u.hiddenProgram(fmt.Sprintf("%s: hooks.%s", s.Settings, of[p]), p, by))
		}
	}
	shut := u.shut()
	if len(programs) == 0 || len(shut) == 0 {
		return found
	}
	return append(found, Finding{
		Severity: Warning, About: s.Settings + ": hooks",
		What: fmt.Sprintf("hooks are set, and %s of this host shuts them in: %s", u.Name, strings.Join(shut, ", ")),
		Why:  "hooks run in the sandbox of the Monitor: most files cannot be written, /root is empty, and root's other powers are missing",
		Mend: "put the examples' hooks.conf (share/doc/aliasdefender/examples) into /etc/systemd/system/aliasdefender.service.d, without the lines that your hooks do not need; then systemctl daemon-reload, and restart the unit",
	})
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
