package main

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/lab"
)

var v4 = addressesOf(false)

func TestMain(m *testing.M) { lab.Main(m.Run) }

func TestParsers(t *testing.T) {
	t.Run("children", func(t *testing.T) {
		for in, want := range map[string][]int{"": nil, "12 ": {12}, "12 345\n": {12, 345}} {
			if got, err := parseChildren([]byte(in)); err != nil || !cmp.Equal(got, want) {
				t.Errorf("%q is %v, %v; want %v", in, got, err, want)
			}
		}
		if _, err := parseChildren([]byte("12 x")); err == nil {
			t.Error("x is a process")
		}
	})
	t.Run("memory", func(t *testing.T) {
		status := "Name:\tx\nVmPeak:\t   99 kB\nVmRSS2:\t1 kB\nVmRSS:\t   13128 kB\nThreads:\t3\n"
		if n, err := parseKilobytes([]byte(status), "VmRSS"); err != nil || n != 13128 {
			t.Errorf("%d, %v; want 13128", n, err)
		}
		for _, key := range []string{"Pss", "Threads", "Name"} {
			if n, err := parseKilobytes([]byte(status), key); err == nil {
				t.Errorf("%s is %d kB", key, n)
			}
		}
	})
	t.Run("processor", func(t *testing.T) {
		for in, want := range map[string]string{
			"processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel name\t: other\n": "AMD EPYC",
			"processor : 0\nModel : A board\n": "A board",
		} {
			if got := parseModel([]byte(in)); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		if got := parseModel(nil); got == "" {
			t.Error("nameless")
		}
	})
}

func TestCostOfAProcessThatForksCountsBoth(t *testing.T) {
	l := lab.ForTest(t)
	h, err := l.Host(lab.HostSpec{Name: "a"})
	must(t, err)
	p, err := h.Start("parent", "sh", "-c", "sleep 1000 & i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo worked; wait")
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	must(t, p.WaitOutput(ctx, "worked"))
	c, err := costOf(p)
	must(t, err)
	if len(c.pids) != 2 || c.pids[0] != p.Pid() || c.cpu <= 0 || c.resident <= 0 || c.proportionate <= 0 || c.proportionate > c.resident {
		t.Errorf("%+v", c)
	}
	again, err := costOf(p)
	must(t, err)
	if again.cpu < c.cpu || again.cpu > c.cpu+time.Second {
		t.Errorf("%v of CPU time, then %v", c.cpu, again.cpu)
	}
	must(t, kill(p))
	if code, err := p.Wait(ctx); err != nil || code != -1 {
		t.Errorf("killed, it ends with %d, %v", code, err)
	}
}

func TestFilesOfTheHosts(t *testing.T) {
	s := setup{entry: entry{Settings: `on_exit = "release"`}, rate: tenth, aliases: v4.aliases(2)}
	wantVRRP := `global_defs {
	router_id b
	vrrp_version 3
}

vrrp_instance bench {
	state BACKUP
	interface eth0
	virtual_router_id 77
	priority 100
	advert_int 0.1
	virtual_ipaddress {
		10.77.1.1/16 dev eth0
		10.77.1.2/16 dev eth0
	}
}
`
	if diff := cmp.Diff(wantVRRP, vrrpConfig(s, false, "b")); diff != "" {
		t.Error(diff)
	}
	wantRows := "eth0:1 | 10.77.1.1 | /16 | 10.77.0.2 | true\neth0:2 | 10.77.1.2 | /16 | 10.77.0.2 | true\n"
	if diff := cmp.Diff(wantRows, aliasFile(s, v4.ownB.Addr(), true)); diff != "" {
		t.Error(diff)
	}
	wantSettings := "interval = \"100ms\"\non_exit = \"release\"\n[control]\nsocket = \"/d/sock\"\n[state]\ndir = \"/d/state\"\n[log]\nto = \"stderr\"\n"
	if diff := cmp.Diff(wantSettings, settingsFile(s, "/d")); diff != "" {
		t.Error(diff)
	}
	s.rate = defaultRate
	if got := settingsFile(s, "/d"); strings.Contains(got, "interval") {
		t.Errorf("the default is not written: %s", got)
	}
}

func TestAThousandAliasesAreDistinct(t *testing.T) {
	seen := map[netip.Addr]bool{}
	for _, a := range v4.aliases(1000) {
		if seen[a.Addr()] || !v4.ownA.Contains(a.Addr()) || a.Addr() == v4.router.Addr() {
			t.Errorf("%s", a)
		}
		seen[a.Addr()] = true
	}
}

func TestLastAnnouncementIsOfTheAliasThatCameLast(t *testing.T) {
	mine, other := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}
	all := v4.aliases(2)
	claim := func(after time.Duration, ip netip.Addr, mac net.HardwareAddr) lab.Frame {
		a := lab.Gratuitous(ip, mac)
		a.At = monday.Add(after)
		return a
	}
	frames := []lab.Frame{
		claim(1, all[1].Addr(), other), claim(2, all[0].Addr(), mine), claim(5, all[1].Addr(), mine), claim(9, all[0].Addr(), mine),
	}
	if at, err := lastAnnounced(frames, all, mine.String()); err != nil || !at.Equal(monday.Add(5)) {
		t.Errorf("%v, %v", at, err)
	}
	if _, err := lastAnnounced(frames[:2], all, mine.String()); err == nil || !strings.HasPrefix(err.Error(), "1 of 2 aliases") {
		t.Errorf("%v", err)
	}
}

// The tests look for these words in the daemon's output. If the daemon changed them,
// no run would ever count as disturbed.
func TestPauseIsSaidInTheDefendersWords(t *testing.T) {
	files, err := filepath.Glob("../../defender/*.go")
	must(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		must(t, err)
		if !strings.HasSuffix(f, "_test.go") && strings.Contains(string(b), defender{}.pause()) {
			return
		}
	}
	t.Errorf("%q is nowhere in %d files", defender{}.pause(), len(files))
}

// Both programs go through the same code, as in make bench, in both families. It does not
// matter here what a busy machine does to the figures.
func TestCrashIsPlayedForBothPrograms(t *testing.T) {
	_ = lab.ForTest(t) // skips where there can be none
	if _, err := exec.LookPath(findKeepalived()); err != nil {
		lab.Skip(t, "%v: make test-deps installs it", err)
	}
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw.json")
	var stdout, stderr strings.Builder
	args := []string{"-only", "crash", "-rates", "100ms", "-runs", "1", "-noise", "1s", "-raw", raw, "-out", filepath.Join(dir, "docs")}
	if code := run(t.Context(), args, &stdout, &stderr); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, stdout.String(), stderr.String())
	}
	t.Log(stderr.String())
	found, err := load(raw)
	must(t, err)
	g := found.group("crash", "100ms", 1)
	if g == nil || len(g.Runs) != 4 {
		t.Fatalf("%+v", found)
	}
	for i, r := range g.Runs { // by turns, in each family
		if r.Program != []string{keepalived, ours}[i%2] || (r.Variant == ipv6) != (i >= 2) {
			t.Fatalf("%+v", found)
		}
	}
	for _, r := range g.Runs {
		gap, open, ok := r.value("gap_ms")
		if r.Failed != "" || !ok || open || gap < 10 { // how long is up to the machine
			t.Errorf("%+v", r)
		}
	}
	if page, err := os.ReadFile(filepath.Join(dir, "docs", "benchmarks.md")); err != nil || !strings.Contains(string(page), "crash of the holder") {
		t.Errorf("%v:\n%s", err, page)
	}
}

func TestBadCommandLinesAreRefused(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"crash"}, 2, `"crash" is no flag`},
		{[]string{"-runs", "-1"}, 2, "-runs -1: 0 or more are wanted"},
		{[]string{"-noise", "0s"}, 2, "-noise 0s: more than 0 is wanted"},
		{[]string{"-only", "crush"}, 1, `-only: "crush" is none of crash,`},
		{[]string{"-runs", "0", "-raw", "/nonexistent/raw.json"}, 1, "no run is known"},
		{[]string{"-program", "/nonexistent/ad", "-raw", "/nonexistent/raw.json"}, 1, "name a program with -program"},
		{[]string{"-program", "/bin/true", "-keepalived", "/nonexistent/k", "-raw", "/nonexistent/raw.json"}, 1, "make test-deps installs it"},
	} {
		var stdout, stderr strings.Builder
		if code := run(t.Context(), tt.args, &stdout, &stderr); code != tt.code || !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("%v: exit %d, want %d and %q:\n%s", tt.args, code, tt.code, tt.want, stderr.String())
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
