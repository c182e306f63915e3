package initscript

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

func TestInitScriptSignalsNoStranger(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s *script) {
		s.does(0, "started", "start")
		s.signal(unix.SIGKILL)
		gone(t, s)
		s.does(1, s.file("pid"), "status")
		stage.Must(t, os.Rename(s.file("pid"), s.file("pid.old")))
		s.does(2, s.file("subsys/AliasDefender"), "status")

		// The pid now belongs to another program, even one with similar words.
		stranger, err := s.host.Start("stranger", "sh", "-c", "sleep 1000; :", s.file("aliasdefender"), "Monitor")
		stage.Must(t, err)
		stage.Must(t, os.WriteFile(s.file("pid"), fmt.Appendf(nil, "%d\n%s\n", stranger.Pid(), stat(t, stranger.Pid())[19]), 0o644))
		s.does(1, "dead", "status")
		s.does(0, "not running", "stop")
		s.clean()

		// It belongs to another Monitor with its own files.
		stage.Must(t, s.pair.Write(s.pair.B, pair.OwnA.Addr(), false, ""))
		other, err := s.host.StartCommand(lab.Command{
			Name: "other",
			Argv: []string{s.file("aliasdefender"), "Monitor", "--aliases", s.pair.File(s.pair.B, "hostname.alias"), "--settings", s.pair.File(s.pair.B, "aliasdefender.toml")},
			Env:  []string{stage.RunMain + "=1"},
		})
		stage.Must(t, err)
		stage.Must(t, other.WaitOutput(stage.Patiently(t), "event=started"))
		stage.Must(t, os.WriteFile(s.file("pid"), fmt.Appendf(nil, "%d\n1\n", other.Pid()), 0o644))
		s.does(1, "dead", "status")
		s.does(0, "not running", "stop")

		// It is nonsense.
		for _, text := range []string{"", "\n", "x\n", "1\n", "-1\n", "0\n", "99999999999999999999\n"} {
			stage.Must(t, os.WriteFile(s.file("pid"), []byte(text), 0o644))
			s.does(0, "not running", "stop")
		}
		for _, p := range []*lab.Process{stranger, other} {
			select {
			case <-p.Done():
				t.Errorf("%s was ended by the script", p.Name)
			default:
			}
		}

		stage.Must(t, os.Rename(s.file("pid.old"), s.file("pid")))
		s.does(0, "started", "start")
		s.does(0, "stopped", "stop")
		s.clean()
	})
}

func TestInitScriptStopsAMonitorStartedByHand(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s *script) {
		m, err := s.host.StartCommand(lab.Command{
			Name: "Monitor",
			Argv: []string{s.file("aliasdefender"), "monitor", "--aliases", s.file("hostname.alias"), "--settings", s.file("aliasdefender.toml")},
			Env:  []string{stage.RunMain + "=1"},
		})
		stage.Must(t, err)
		stage.Must(t, m.WaitOutput(stage.Patiently(t), "event=started"))
		s.does(0, "running", "status")
		s.does(0, "already running", "start")
		s.does(0, "stopped", "stop")
		stage.Ended(t, m)
	})
}

// In a container, process 1 may not collect the exit codes of the children it
// inherits: a process that has ended then stays in the list.
func TestInitScriptStopsAMonitorThatBecomesAZombie(t *testing.T) {
	t.Parallel()
	inEachShell(t, func(t *testing.T, s *script) {
		s.set("WITHIN=5")
		m, err := s.host.StartCommand(lab.Command{
			Name: "Monitor",
			Argv: []string{"sh", "-c", `"$@" & exec sleep 1000`, "sh",
				s.file("aliasdefender"), "Monitor", "--aliases", s.file("hostname.alias"), "--settings", s.file("aliasdefender.toml")},
			Env: []string{stage.RunMain + "=1"},
		})
		stage.Must(t, err)
		stage.Must(t, m.WaitOutput(stage.Patiently(t), "event=started"))
		s.does(0, "running", "status")
		pid := s.pid()
		s.does(0, "stopped", "stop")
		if state := stat(t, pid)[0]; state != "Z" {
			t.Errorf("the test has shown nothing: the Monitor is in state %s", state)
		}
		s.does(3, "not running", "status")
	})
}
