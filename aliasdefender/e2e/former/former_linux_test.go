package former

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

func TestMain(m *testing.M) { lab.Main(m.Run) }

// formerCommit is the last one whose datagrams have words only of the first form.
const formerCommit = "3a94028"

// settings are the settings of both hosts, for the former program too.
const settings = `interval = "500ms"
max_takes = 1000
on_exit = "handover"`

// programs are the two, each built in a directory of its own.
type programs struct{ former, present string }

// built builds both, the former out of the repository's own history.
func built(t *testing.T) programs {
	t.Helper()
	for _, tool := range []string{"git", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			lab.Skip(t, "%v", err)
		}
	}
	root := filepath.Dir(strings.TrimSpace(output(t, "", nil, "go", "env", "GOMOD")))
	if out, err := exec.Command("git", "-C", root, "cat-file", "-e", formerCommit+"^{commit}").CombinedOutput(); err != nil {
		lab.Skip(t, "commit %s is not in the history of %s: a shallow clone? %s", formerCommit, root, out)
	}
	dir := t.TempDir()
	output(t, dir, []byte(output(t, root, nil, "git", "archive", formerCommit)), "tar", "-x")
	p := programs{filepath.Join(dir, "former"), filepath.Join(dir, "present")}
	output(t, dir, nil, "go", "build", "-buildvcs=false", "-o", p.former, "./aliasdefender")
	output(t, root, nil, "go", "build", "-buildvcs=false", "-o", p.present, "./aliasdefender")
	return p
}

// output is what a command prints; the command must succeed.
func output(t *testing.T, dir string, stdin []byte, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir, c.Stdin = dir, bytes.NewReader(stdin)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", c, err, errs.Bytes())
	}
	return string(out)
}

// story is a pair under test.
type story struct {
	*testing.T
	*pair.Pair
}

// staged is a pair with a key: its primary serves, and the daemons hear each other.
func staged(t *testing.T, a, b string) story {
	t.Helper()
	l := lab.ForTest(t)
	dir, err := os.MkdirTemp("", "ad") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p, err := pair.New(l, pair.Spec{Dir: dir, PrimaryA: true, Settings: settings, Keys: []string{string(config.NewKey().File())}})
	if err != nil {
		t.Fatal(err)
	}
	s := story{t, p}
	s.SetProgram(s.A, a)
	s.SetProgram(s.B, b)
	s.must(s.Begin(time.Minute))
	s.holds("a")
	return s
}

func (s story) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s story) patiently() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.Cleanup(cancel)
	return ctx
}

// holds waits until this host alone has the alias, and both daemons have heard that
// from each other.
func (s story) holds(name string) {
	s.Helper()
	if err := s.Holders.Wait(s.patiently(), name); err != nil {
		s.Fatalf("want the alias held by %s: %v (held by %v)", name, err, s.Holders.Holders())
	}
	for _, h := range []*lab.Host{s.A, s.B} {
		if h.Name == name {
			s.hears(h, "able")
		} else {
			s.hears(h, "holding")
		}
	}
}

// said is what a host's Status says about the pair.
type said struct {
	Aliases []struct {
		Level string   `json:"level"`
		Pair  []string `json:"pair"`
		Says  struct {
			Daemon string `json:"daemon"`
			State  string `json:"state"`
		} `json:"says"`
	} `json:"aliases"`
}

// hears waits until a host's Status shows that the partner's daemon is heard with
// that standing, and nothing wrong with the pair. It asks the host's own program,
// because the two versions may show things differently.
func (s story) hears(h *lab.Host, state string) {
	s.Helper()
	ctx := s.patiently()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for {
		out, errs, _ := s.Pair.Run(ctx, h, "Status", "--json")
		var got said
		if json.Unmarshal([]byte(out), &got) == nil && len(got.Aliases) == 1 {
			a := got.Aliases[0]
			if a.Says.Daemon == "heard" && a.Says.State == state {
				if len(a.Pair) > 0 || a.Level == "alarm" {
					s.Fatalf("%s has something against the pair:\n%s", h.Name, out)
				}
				return
			}
		}
		if ctx.Err() == nil {
			last = out + errs // an answer that the end of the wait cut off does not count
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.Fatalf("%s does not hear that its partner is %s:\n%s", h.Name, state, last)
		}
	}
}

// orders runs a verb on a host.
func (s story) orders(h *lab.Host, verb string, args ...string) {
	s.Helper()
	if out, errs, code := s.Pair.Run(s.patiently(), h, verb, args...); code != 0 {
		s.Fatalf("%s on %s: exit %d\n%s%s", verb, h.Name, code, out, errs)
	}
}

// ends ends a host's Monitor with a signal.
func (s story) ends(h *lab.Host, signal unix.Signal) {
	s.Helper()
	m := s.Monitor(h)
	s.must(m.Signal(signal))
	if code, err := m.Wait(s.patiently()); err != nil || code != 0 {
		s.Fatalf("%s on %s: exit %d, %v", signal, h.Name, code, err)
	}
}

func (s story) starts(h *lab.Host) {
	s.Helper()
	_, err := s.Start(h)
	s.must(err)
}

// present are the Monitors of the present program. The former one names no events,
// and takes a partner that dies at an unlucky moment for one whose file lacks the
// alias.
func present(monitors ...*lab.Process) []*lab.Process {
	return slices.DeleteFunc(monitors, func(m *lab.Process) bool { return !strings.Contains(m.Output(), "event=started") })
}

// unhurt reads everything that the Monitors have said: they never doubted the pair,
// and no hand-over failed.
func (s story) unhurt(monitors ...*lab.Process) {
	s.Helper()
	for _, m := range monitors {
		for _, bad := range []string{"event=pair_misfit", "event=hand_over_ended", "event=partner_unreadable", "the pair does not fit", "the partner's file has", "the hand-over ended where it was", "cannot be read", "panic:"} {
			if strings.Contains(m.Output(), bad) {
				s.Errorf("a Monitor said %q:\n%s", bad, m.Output())
			}
		}
	}
}

// movesAbout hands the alias over in each way, to b and back again.
func (s story) movesAbout() {
	s.Helper()
	began := []*lab.Process{s.Monitor(s.A), s.Monitor(s.B)}
	alias := pair.Alias.String()
	s.orders(s.A, "Handover")
	s.holds("b")
	s.orders(s.B, "Handover")
	s.holds("a")
	s.orders(s.B, "AddAlias", alias) // asks for it
	s.holds("b")
	s.orders(s.A, "AddAlias", alias)
	s.holds("a")
	s.ends(s.A, unix.SIGTERM)
	s.must(s.Holders.Wait(s.patiently(), "b"))
	s.starts(s.A)
	s.holds("b")
	s.ends(s.B, unix.SIGTERM)
	s.must(s.Holders.Wait(s.patiently(), "a"))
	s.starts(s.B)
	s.holds("a")
	s.unhurt(append(began, s.Monitor(s.A), s.Monitor(s.B))...)
}

// drills has the upgraded host do a drill beside the former one: there are its own figures,
// and it says why there are no others. A former primary's verb does not exist, so the alias
// is handed over to the upgraded host first.
func (s story) drills(primary bool) {
	s.Helper()
	h, name := s.A, "a"
	if !primary {
		s.orders(s.A, "Handover")
		h, name = s.B, "b"
	}
	s.holds(name)
	for ctx := s.patiently(); ; {
		out, errs, code := s.Pair.Run(ctx, h, "Drill", "--json", pair.Alias.String())
		var all []struct {
			Outcome, Text string
			Aliases       []struct {
				Us         map[string]any `json:"us"`
				Partner    map[string]any `json:"partner"`
				PartnerWhy string         `json:"partner_why"`
			}
		}
		if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
			s.Fatalf("Drill: exit %d, %v\n%s%s", code, err, out, errs)
		}
		d := all[0]
		s.Logf("Drill: exit %d: %s", code, d.Text)
		if d.Outcome == "refused" || d.Outcome == "failed" { // readiness is not known at once, and the machine may be busy
			if ctx.Err() != nil {
				s.Fatalf("no drill: %s", d.Text)
			}
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		if x := d.Aliases[0]; x.Us == nil || x.Partner != nil || !strings.Contains(x.PartnerWhy, "earlier version") {
			s.Errorf("figures: %+v", d.Aliases)
		}
		break
	}
	s.holds(name)
	if !primary {
		s.orders(s.B, "Handover")
		s.holds("a")
	}
}

// relieves crashes the holder; the other takes over, and keeps the alias when the
// first is back.
func (s story) relieves() {
	s.Helper()
	s.must(s.A.Crash())
	s.must(s.Asker.WaitAnswer(s.patiently(), "b"))
	s.must(s.Boot(s.A))
	s.holds("b")
	s.unhurt(present(s.Monitor(s.A), s.Monitor(s.B))...)
}

func TestAnUpgradedHostAndAFormerOneAreAPair(t *testing.T) {
	t.Parallel()
	p := built(t)
	for _, tt := range []struct{ name, a, b string }{
		{"the primary is the former one", p.former, p.present},
		{"the primary is the upgraded one", p.present, p.former},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := staged(t, tt.a, tt.b)
			s.movesAbout()
			s.drills(tt.a == p.present)
			s.relieves()
		})
	}
	t.Run("upgraded and downgraded again one after the other", func(t *testing.T) {
		t.Parallel()
		s := staged(t, p.former, p.former)
		var all []*lab.Process
		for _, program := range []string{p.present, p.former} {
			for _, h := range []*lab.Host{s.B, s.A} {
				all = append(all, s.Monitor(h))
				s.ends(h, unix.SIGUSR2)
				s.SetProgram(h, program)
				s.starts(h)
				s.holds("a")
				s.orders(s.A, "Handover")
				s.holds("b")
				s.orders(s.B, "Handover")
				s.holds("a")
			}
		}
		s.unhurt(append(all, s.Monitor(s.A), s.Monitor(s.B))...)
	})
}
