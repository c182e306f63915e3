package inspect

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/config"
)

func TestCheckFindsRecoveriesInTheUnitsSandbox(t *testing.T) {
	s := installed(t)
	s.Config.Aliases[0].Recover = config.Recover{Check: "there", Restart: config.Program{"/usr/bin/ssh"}, Fence: config.Program{"/root/fence"}}
	expect(t, everything(s),
		"mistake /etc/aliasdefender.toml: recover.fence aliasdefender.service of this host hides /root/fence from the Monitor: ProtectHome",
		"warning /etc/aliasdefender.toml: recover programs of a recovery are set, and aliasdefender.service of this host shuts them in: CapabilityBoundingSet, ProtectSystem, ProtectHome, NoNewPrivileges, SystemCallFilter")
}

func TestCheckFindsCommandsOfChecksInTheUnitsSandbox(t *testing.T) {
	s := installed(t)
	s.Config.Checks = []config.Check{{Name: "web", Kind: config.CheckCommand, Command: config.Program{"/usr/local/lib/web"}}}
	s.Config.Aliases[0].Checks = []string{"web"}
	s.Config.Settings.Peer.KeyFiles = []string{"/etc/aliasdefender.key"}
	expect(t, everything(s),
		"warning /etc/aliasdefender.toml: checks commands of checks are set, and aliasdefender.service of this host shuts them in: CapabilityBoundingSet, ProtectSystem, ProtectHome, NoNewPrivileges, SystemCallFilter, ProtectProc")
}

func TestCheckFindsHooksInTheUnitsSandbox(t *testing.T) {
	dropIn, err := os.ReadFile("../../init/aliasdefender.service.d/hooks.conf")
	if err != nil {
		t.Fatal(err)
	}
	shut := "warning /etc/aliasdefender.toml: hooks hooks are set, and aliasdefender.service of this host shuts them in: CapabilityBoundingSet, ProtectSystem, ProtectHome, NoNewPrivileges, SystemCallFilter"
	for _, c := range []struct {
		name    string
		dropIns []string
		program string
		want    []string
	}{
		{"no hooks", nil, "", nil},
		{"as installed", nil, "/usr/local/lib/hook", []string{shut}},
		{"with the drop-in", []string{string(dropIn)}, "/usr/local/lib/hook", nil},
		{"with a part of it", []string{string(dropIn), "[Service]\nProtectSystem=strict\n"}, "/usr/local/lib/hook",
			[]string{"warning /etc/aliasdefender.toml: hooks hooks are set, and aliasdefender.service of this host shuts them in: ProtectSystem"}},
		{"hidden", nil, "/root/hook", []string{"mistake /etc/aliasdefender.toml: hooks.take aliasdefender.service of this host hides /root/hook from the Monitor: ProtectHome", shut}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := installed(t, c.dropIns...)
			if c.program != "" {
				for i := range s.Config.Aliases {
					s.Config.Aliases[i].Hooks.Programs = map[config.HookName]config.Program{config.HookTake: {c.program, "x"}}
				}
			}
			expect(t, everything(s), c.want...)
		})
	}
}

// TestTheDropInOpensWhatTheUnitShuts: whatever of the sandbox is not opened for hooks is so
// on purpose.
func TestTheDropInOpensWhatTheUnitShuts(t *testing.T) {
	settings := func(path, from string) map[string]bool {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, found := strings.Cut(string(text), from)
		if !found {
			t.Fatalf("%s has no %q", path, from)
		}
		all := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^(\w+)=`).FindAllStringSubmatch(rest, -1) {
			all[m[1]] = true
		}
		return all
	}
	shut := settings("../../init/aliasdefender.service", "# Hooks, the programs of recoveries and the commands of checks run in what follows too")
	for name := range settings("../../init/aliasdefender.service.d/hooks.conf", "[Service]") {
		delete(shut, name)
	}
	kept := []string{"KeyringMode", "LockPersonality", "RestrictRealtime", "SystemCallErrorNumber", "WantedBy"}
	if diff := cmp.Diff(kept, slices.Sorted(maps.Keys(shut))); diff != "" {
		t.Errorf("not opened (-want +got):\n%s", diff)
	}
}
