package rehearse

import (
	"path/filepath"
	"strings"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/rehearse"
)

// A router's own files: a hop dies, and returns.
func TestRehearseARoute(t *testing.T) {
	for name, more := range map[string]string{"failback": "", "no failback": "failback = false\n", "spread": "mode = \"spread\"\n"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := []string{filepath.Join(dir, "hostname.alias"), filepath.Join(dir, "aliasdefender.toml")}
			stage.Place(t, files[0], "# none\n")
			stage.Place(t, files[1], "[[route]]\nprefix = \"192.0.2.32/27\"\nvia = [\"10.1.0.2\", \"10.2.0.2\", \"10.1.0.3\"]\n"+more)
			report, text, ok := plays(t, []string{"route begins", "next hop dead", "next hop back"}, func(s rehearse.Step) string { return s.Step },
				"--aliases", files[0], "--settings", files[1], "--interval", "200ms")
			if !ok {
				return
			}
			for _, s := range report.Steps {
				if s.Route != "192.0.2.32/27" || s.ServedBy == "" {
					t.Errorf("%+v\n%s", s, text)
				}
			}
			if dead := report.Steps[1]; dead.Before[0] == dead.ServedBy || dead.GapMS == 0 {
				t.Errorf("%+v", dead)
			}
			if back := report.Steps[2].ServedBy; name == "failback" && back != "hop 10.1.0.2" || name == "no failback" && back != "hop 10.2.0.2" {
				t.Errorf("in the end %s serves", back)
			}
			out, code := fast(t, nil, "--aliases", files[0], "--settings", files[1], "--only", "crash")
			if code != stage.Usage || out != "" {
				t.Errorf("crash of an alias: exit %d, %s", code, out)
			}
		})
	}
}

func TestRehearseSaysWhatItPlaysOfRoutes(t *testing.T) {
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "hostname.alias"), filepath.Join(dir, "aliasdefender.toml")}
	stage.Place(t, files[0], "# none\n")
	stage.Place(t, files[1], "[[route]]\nprefix = \"2001:db8:1::/48\"\nvia = [\"fe80::2%eth1\", \"2001:db8::2\"]\n")
	out, code := fast(t, nil, "--aliases", files[0], "--settings", files[1], "--interval", "200ms")
	if code != stage.Done && !strings.Contains(out, "BAD: nobody answered for longer") { // which is a busy machine's
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{"route 2001:db8:1::/48: on a router of its own", "next hop dead", "2001:db8:1::/48", "hop fe80::2%eth1", "hop 2001:db8::2"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not said:\n%s", want, out)
		}
	}
}
