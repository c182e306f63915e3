package keepalived

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/e2e/stage"
)

// TestTheHookCallsNotifyScriptsAsKeepalivedDoes: each with the arguments that it knows, and
// routes while the alias is here.
func TestTheHookCallsNotifyScriptsAsKeepalivedDoes(t *testing.T) {
	t.Parallel()
	hook, err := filepath.Abs("../../../etc/examples/from-keepalived/keepalived-notify")
	stage.Must(t, err)
	bin := t.TempDir()
	for name, text := range map[string]string{
		"ip":     "#!/bin/sh\necho ip \"$@\"\n",
		"script": "#!/bin/sh\nprintf '[%s]' \"$@\"\necho\n",
	} {
		stage.Must(t, os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755))
	}
	words := []string{
		"INSTANCE", "VI 1", "150", "master=script up 'a b'", "backup=script down", "fault=script bad", "notify=script all", "route=192.0.2.0/24 via 172.16.1.254",
		"route=-6 default via 2001:db8::1",
		"GROUP", "G1", "0", "notify=script 'the group'", "backup=false",
	}
	for _, c := range []struct {
		event, reason, want string
		code                int
	}{
		// Routes come first: a script may need them, and may take long.
		{"take", "partner silent", "ip route replace 192.0.2.0/24 via 172.16.1.254\nip -6 route replace default via 2001:db8::1\n[up][a b]\n[all][INSTANCE][VI 1][MASTER][150]\n[the group][GROUP][G1][MASTER][0]\n", 0},
		{"reasserted", "restored", "ip route replace 192.0.2.0/24 via 172.16.1.254\nip -6 route replace default via 2001:db8::1\n[up][a b]\n[all][INSTANCE][VI 1][MASTER][150]\n[the group][GROUP][G1][MASTER][0]\n", 0},
		// A script that fails keeps no other from being called.
		{"release", "handed over", "[down]\n[all][INSTANCE][VI 1][BACKUP][150]\n[the group][GROUP][G1][BACKUP][0]\n", 1},
		{"release", "no link", "[bad]\n[all][INSTANCE][VI 1][FAULT][150]\n[the group][GROUP][G1][FAULT][0]\n", 0},
		{"release", "service released", "[bad]\n[all][INSTANCE][VI 1][FAULT][150]\n[the group][GROUP][G1][FAULT][0]\n", 0},
		{"alarm", "flapping", "", 2},
	} {
		cmd := exec.Command(hook, words...)
		cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "AD_EVENT=" + c.event, "AD_REASON=" + c.reason}
		out, err := cmd.Output()
		code, ended := 0, (*exec.ExitError)(nil)
		if errors.As(err, &ended) {
			code = ended.ExitCode()
		} else {
			stage.Must(t, err)
		}
		if d := cmp.Diff(c.want, string(out)); d != "" || code != c.code {
			t.Errorf("%s, %s: exit code %d, want %d; wanted (-) and printed (+):\n%s", c.event, c.reason, code, c.code, d)
		}
	}
	for _, bad := range [][]string{{"nonsense"}, {"INSTANCE", "VI_1"}} {
		cmd := exec.Command(hook, bad...)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "AD_EVENT=take"}
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
