package system

import (
	"maps"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
)

// theHook is what an administrator's hook does: it writes outside /var/lib, has systemd
// start or stop a service, and tells the partner by ssh, with a key in /root.
const theHook = `#!/bin/sh
set -eu
echo "$AD_EVENT" >>/srv/told
case $AD_EVENT in
take) systemctl start with-alias.service ;;
release) systemctl stop with-alias.service ;;
esac
ssh -i /root/.ssh/key -o BatchMode=yes -o StrictHostKeyChecking=accept-new "$AD_PARTNER" "echo $AD_EVENT >>/srv/heard"
`

const hooksInSettings = `
[hooks]
take = ["/usr/local/lib/aliasdefender/hook"]
release = ["/usr/local/lib/aliasdefender/hook"]
timeout = "1m"
`

const dropIn = units + "aliasdefender.service.d/hooks.conf"

// withHooks is a manager of addresses on machines that have hooks, and the drop-in of the
// unit, and may go to each other by ssh.
func withHooks(t *testing.T, m manager) manager {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hooks", "-f", key).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	inner := m.files
	m.files = func(own netip.Prefix) map[string]string {
		all := inner(own)
		maps.Copy(all, map[string]string{
			"etc/aliasdefender.toml":           settings + hooksInSettings,
			"usr/local/lib/aliasdefender/hook": theHook,
			dropIn:                             stage.Read(t, "../../../init/aliasdefender.service.d/hooks.conf"),
			units + "with-alias.service":       "[Service]\nExecStart=/bin/sleep infinity\n",
			"root/.ssh/key":                    stage.Read(t, key),
			"root/.ssh/authorized_keys":        stage.Read(t, key+".pub"),
		})
		return all
	}
	return m
}

// TestHooksOfARealSystem: hooks of the unit do what an administrator's program does, with
// the drop-in. Without it Check says so.
func TestHooksOfARealSystem(t *testing.T) {
	sweepDead(t, *systemDir)
	for _, m := range managers {
		if m.name != "networkd" {
			continue
		}
		s := newScene(t, withHooks(t, m))
		told := func(on *machine, file, last string) {
			t.Helper()
			ctx := patiently(t)
			until(t, ctx, on.host.Name+" has "+last+" at the end of "+file, func() bool {
				text, _, _ := on.in(ctx, "cat", file)
				return strings.HasSuffix(text, last+"\n")
			})
		}
		active := func(on *machine, want string) {
			t.Helper()
			ctx := patiently(t)
			until(t, ctx, "on "+on.host.Name+" the service is "+want, func() bool {
				is, _, _ := on.in(ctx, "systemctl", "is-active", "with-alias.service")
				return strings.TrimSpace(is) == want
			})
		}
		journal := func(on *machine, since string) string {
			t.Helper()
			return on.do(t, "journalctl", "--no-pager", "--output=cat", "--unit=aliasdefender", "--since="+since)
		}
		told(s.a, "/srv/told", "take")
		active(s.a, "active")
		// When a booted, b perhaps had no sshd yet.
		until(t, patiently(t), "the hook of the boot has ended", func() bool {
			all := journal(s.a, "yesterday")
			return strings.Contains(all, "event=hook_ran") || strings.Contains(all, "event=hook_failed")
		})
		moves := strings.TrimSpace(s.a.do(t, "date", "+%Y-%m-%d %H:%M:%S.%N"))
		s.a.do(t, "aliasdefender", "Handover")
		stage.Must(t, s.holders.Wait(patiently(t), "b"))
		told(s.b, "/srv/told", "take")
		told(s.a, "/srv/heard", "take") // b has told it
		told(s.b, "/srv/heard", "release")
		active(s.b, "active")
		active(s.a, "inactive")
		for _, on := range []*machine{s.a, s.b} {
			for line := range strings.Lines(journal(on, moves)) {
				if strings.Contains(line, "event=hook_failed") || strings.Contains(line, "event=hook_skipped") {
					t.Errorf("%s: %s", on.host.Name, line)
				}
			}
		}
		if out, errs, _ := s.a.in(patiently(t), "aliasdefender", "Check"); strings.Contains(out+errs, "hooks.conf") {
			t.Errorf("Check, with the drop-in: %s%s", out, errs)
		}
		s.a.do(t, "rm", "/"+dropIn)
		s.a.do(t, "systemctl", "daemon-reload")
		if out, errs, _ := s.a.in(patiently(t), "aliasdefender", "Check"); !strings.Contains(out+errs, "hooks.conf") {
			t.Errorf("Check, without the drop-in: %s%s", out, errs)
		}
	}
}
