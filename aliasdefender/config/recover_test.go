package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestARecoverysSettingsAndDefaults(t *testing.T) {
	cfg := joined(t, `[check.there]
http = "http://172.16.1.2/"
[alias."172.16.1.2".recover]
check = "there"
process = ["/bin/ssh", "partner", "process"]
fence = ["/bin/ssh"]
settle = "2m"
budget = "60/h"
[alias."172.16.1.3"]
recover = { check = "there", restart = ["/bin/ssh"] }
`)
	want := []Recover{
		{Check: "there", Process: Program{"/bin/ssh", "partner", "process"}, Fence: Program{"/bin/ssh"}, Settle: 2 * time.Minute, Budget: 60},
		{Check: "there", Restart: Program{"/bin/ssh"}, Settle: 5 * time.Second, Budget: 3},
	}
	if diff := cmp.Diff(want, []Recover{cfg.Aliases[0].Recover, cfg.Aliases[1].Recover}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if used := cfg.Used(); len(used) != 1 || used[0].Name != "there" {
		t.Errorf("the check of a recovery is asked: %v", used)
	}
	if own := cfg.OfServices(); len(own) != 0 {
		t.Errorf("it is not of this host's service: %v", own)
	}
	if joined(t, "").Aliases[0].Recover.Any() {
		t.Error("without a table there is no recovery")
	}
}

// The programs of a recovery run as root, as hooks do.
func TestTheProgramsOfARecoveryAreLookedAt(t *testing.T) {
	t.Chdir(t.TempDir())
	at, err := filepath.EvalSymlinks(".")
	if err != nil {
		t.Fatal(err)
	}
	if at, err = filepath.Abs(at); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(at, "open")
	write(t, open, "#!/bin/sh\n")
	if err := os.Chmod(open, 0o757); err != nil {
		t.Fatal(err)
	}
	write(t, "a", exampleRow)
	write(t, "s", "[check.there]\ntcp = \"172.16.1.2:80\"\n[alias.\"172.16.1.2\".recover]\ncheck = \"there\"\nprocess = [\""+at+"/no\"]\nrestart = [\"/\"]\nfence = [\""+open+"\"]\n")
	_, err = LoadWithKeys("a", "s", true)
	for _, want := range []string{
		"s:5: alias.\"172.16.1.2\".recover.process: " + at + "/no does not exist",
		"s:6: alias.\"172.16.1.2\".recover.restart: / is a directory",
		"s:7: alias.\"172.16.1.2\".recover.fence: " + open + " root runs it, and others can change it: it has mode 0757",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in:\n%v", want, err)
		}
	}
	if _, err := Load("a", "s", true); err != nil {
		t.Errorf("without a look at the programs: %v", err)
	}
}
