package convert

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// inside is an instance that goes over without a remark, with more lines in it.
func inside(more string) string {
	return "vrrp_instance web {\nstate MASTER\npriority 150\ninterface eth0\nunicast_peer {\n172.16.1.5\n}\nvirtual_ipaddress {\n172.16.1.2/24\n}\n" + more + "}\n"
}

// converted are the files of a configuration, with all remarks without the directory.
func converted(t *testing.T, conf string, change func(*Options)) (rows, set []string, remarks string) {
	t.Helper()
	o := options(t, conf)
	if change != nil {
		change(&o)
	}
	got, err := Convert(o)
	if err != nil {
		t.Fatal(err)
	}
	return bare(got.Aliases), bare(got.Settings), strings.ReplaceAll(strings.Join(got.Remarks, "\n"), filepath.Dir(o.Path)+"/", "")
}

// has tells whether a line is among those of a file.
func has(lines []string, line string) bool {
	return strings.Contains("\n"+strings.Join(lines, "\n")+"\n", "\n"+line+"\n")
}

// TestAQuestionForAProcessIsACheckOfAProcess: in the unit's sandbox these commands would find
// nothing on either host, and nobody would take the alias.
func TestAQuestionForAProcessIsACheckOfAProcess(t *testing.T) {
	for _, c := range []struct{ script, process string }{
		{`"killall -0 haproxy"`, "haproxy"},
		{`"/usr/bin/killall -0 haproxy"`, "haproxy"},
		{`"/usr/bin/killall -q -0 haproxy"`, "haproxy"},
		{`"pidof nginx"`, "nginx"},
		{`/bin/pidof /usr/sbin/nginx`, "nginx"},
		{`"pgrep -x haproxy"`, "haproxy"},
		{`"/usr/bin/pgrep haproxy"`, "haproxy"},
		{`"pidof haproxy > /dev/null 2>&1"`, "haproxy"},
		{`"killall -9 haproxy"`, ""},
		{`"killall -0 -u root haproxy"`, ""},
		{`"pgrep -f haproxy.cfg"`, ""},
		{`"pgrep hap.*y"`, ""},
		{`"pidof a b"`, ""},
	} {
		_, set, remarks := converted(t, "vrrp_script s {\nscript "+c.script+"\ninterval 2\nfall 3\n}\n"+inside("track_script {\ns\n}\n"), nil)
		if c.process == "" {
			if has(set, `process = "haproxy"`) || !strings.Contains(remarks, "hooks.conf") && !strings.Contains(remarks, "is not found") && !strings.Contains(remarks, "does not exist") {
				t.Errorf("%s: %q\n%s", c.script, set, remarks)
			}
			continue
		}
		if !has(set, "process = \""+c.process+"\"\ninterval = \"2s\"\ntimeout = \"2s\"\nrise = 1\nfall = 3") || strings.Contains(strings.Join(set, "\n"), "command") {
			t.Errorf("%s: %q", c.script, set)
		}
		if !strings.Contains(remarks, "ProtectProc=default") {
			t.Errorf("%s: nothing is said of what the unit hides: %s", c.script, remarks)
		}
	}
}

// TestProgramsInTheUnitsSandboxAreSpokenOf: commands of checks, and hooks.
func TestProgramsInTheUnitsSandboxAreSpokenOf(t *testing.T) {
	_, _, remarks := converted(t, "vrrp_script s {\nscript /usr/local/bin/check\n}\n"+inside("track_script {\ns\n}\n"), nil)
	if !strings.Contains(remarks, "keepalived.conf:1: vrrp_script s: ") || !strings.Contains(remarks, "hooks.conf") {
		t.Errorf("a command: %s", remarks)
	}
	_, _, remarks = converted(t, inside("notify /usr/local/bin/notify\n"), nil)
	if !strings.Contains(remarks, "keepalived.conf:11: vrrp_instance web: ") || !strings.Contains(remarks, "hooks.conf") {
		t.Errorf("a hook: %s", remarks)
	}
	_, _, remarks = converted(t, "vrrp_script s {\nscript \"</dev/tcp/127.0.0.1/80\"\n}\n"+inside("track_script {\ns\n}\n"), nil)
	if remarks != "" {
		t.Errorf("a port: %s", remarks)
	}
}

// TestNoRowIsMadeOnALoopbackInterface: it would be on both hosts at once.
func TestNoRowIsMadeOnALoopbackInterface(t *testing.T) {
	rows, set, remarks := converted(t, strings.Replace(inside(""), "172.16.1.2/24\n", "172.16.1.2/24\n192.0.2.33 dev lo\n", 1), nil)
	if len(rows) != 1 || strings.Contains(strings.Join(set, "\n"), "group") {
		t.Errorf("%q\n%q", rows, set)
	}
	if strings.Count(remarks, "\n") != 0 || !strings.Contains(remarks, "keepalived.conf:10: 192.0.2.33: there is no row for it: ") || !strings.Contains(remarks, "docs/loopback.md") {
		t.Errorf("remarks: %s", remarks)
	}
}

// TestWhoIsPrimaryIsTakenForSureOnlyWhereBothHostsFilesMustFit: both may be MASTER, or both
// BACKUP, and only the priorities differ.
func TestWhoIsPrimaryIsTakenForSureOnlyWhereBothHostsFilesMustFit(t *testing.T) {
	for _, c := range []struct {
		role string
		sure bool
	}{
		{"state MASTER\npriority 150", true},
		{"state MASTER\npriority 101", true},
		{"state MASTER\npriority 100", false},
		{"state MASTER", false},
		{"state MASTER\npriority 90", false},
		{"state BACKUP\npriority 99", true},
		{"state BACKUP\npriority 100", false},
		{"state BACKUP", false},
		{"state BACKUP\npriority 150", false},
		{"priority 90", false},
		{"", false},
	} {
		_, _, remarks := converted(t, strings.Replace(inside(""), "state MASTER\npriority 150", c.role, 1), nil)
		if sure := remarks == ""; sure != c.sure {
			t.Errorf("%q: %s", c.role, remarks)
		}
	}
}

// TestThePartnerFitsTheAlias: one that is named does not take the place of a peer that fits.
func TestThePartnerFitsTheAlias(t *testing.T) {
	named := func(o *Options) { o.Partners = []netip.Addr{netip.MustParseAddr("10.0.0.5")} }
	rows, _, remarks := converted(t, inside(""), named)
	if !has(rows, "eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true") || remarks != "" {
		t.Errorf("%q\n%s", rows, remarks)
	}
	// Where both fit, the one that is named counts.
	rows, _, remarks = converted(t, inside(""), func(o *Options) { o.Partners = []netip.Addr{netip.MustParseAddr("172.16.1.9")} })
	if !has(rows, "eth0:1 | 172.16.1.2 | /24 | 172.16.1.9 | true") || remarks != "" {
		t.Errorf("%q\n%s", rows, remarks)
	}
	rows, _, remarks = converted(t, strings.Replace(inside(""), "172.16.1.5", "192.0.2.5", 1), nil)
	if !has(rows, "eth0:1 | 172.16.1.2 | /24 | 192.0.2.5 | true") || !strings.Contains(remarks, "keepalived.conf:9: 172.16.1.2: the partner 192.0.2.5 is not in its subnet") {
		t.Errorf("%q\n%s", rows, remarks)
	}
}

// TestTheMaskIsThatOfTheNarrowestSubnet: a NIC may have one subnet within another, in any order.
func TestTheMaskIsThatOfTheNarrowestSubnet(t *testing.T) {
	subnets := []netip.Prefix{netip.MustParsePrefix("172.16.0.0/16"), netip.MustParsePrefix("172.16.1.0/24")}
	for range 2 {
		rows, _, _ := converted(t, strings.Replace(inside(""), "172.16.1.2/24", "172.16.1.2", 1), func(o *Options) {
			o.Host.Subnets = func(string) []netip.Prefix { return subnets }
		})
		if !has(rows, "eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true") {
			t.Errorf("%v: %q", subnets, rows)
		}
		slices.Reverse(subnets)
	}
}

// TestNamesInTheFileForgeNothing: names of files stand in comments, and those of NICs in rows.
func TestNamesInTheFileForgeNothing(t *testing.T) {
	o := options(t, "include sub/*\n")
	sub := filepath.Join(filepath.Dir(o.Path), "sub")
	for _, err := range []error{os.Mkdir(sub, 0o700), os.WriteFile(filepath.Join(sub, "a\non_exit = \"release\"\n#"), []byte(inside("use_vmac\n")), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := Convert(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{got.Aliases, got.Settings, []byte("#" + strings.Join(got.Remarks, "\n#"))} {
		for _, l := range bare(text) {
			if strings.HasPrefix(l, "on_exit") {
				t.Errorf("forged: %s", text)
			}
		}
	}
	for _, nic := range []string{"eth0|", "eth0|9.9.9.9|/24|172.16.1.5|true", "\"eth0 1\"", "eth0:1"} {
		if got := refusal(t, options(t, strings.Replace(inside(""), "interface eth0", "interface "+nic, 1))); !strings.Contains(got, "is not the name of a NIC") {
			t.Errorf("%s: %s", nic, got)
		}
		if !strings.Contains(nic, "|") {
			continue
		}
		rows, _, _ := converted(t, strings.Replace(inside(""), "172.16.1.2/24", "172.16.1.2/24 label eth0:"+strings.TrimPrefix(nic, "eth0"), 1), nil)
		if !has(rows, "eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true") {
			t.Errorf("label of %s: %q", nic, rows)
		}
	}
}

// TestAMaskThatIsOnlyOursIsSpokenOf: after the way back to keepalived the address would stay
// beside keepalived's.
func TestAMaskThatIsOnlyOursIsSpokenOf(t *testing.T) {
	got, err := Convert(options(t, strings.Replace(inside(""), "172.16.1.2/24", "172.16.1.2", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got.Aliases), "ip address del 172.16.1.2/24 dev eth0") || len(got.Remarks) > 0 {
		t.Errorf("%s", got.Aliases)
	}
}

// TestFailbackIsThatOfTheInstanceWhoeverIsPrimary: a remark may ask to write true, and that
// must not bring along the failback of another instance.
func TestFailbackIsThatOfTheInstanceWhoeverIsPrimary(t *testing.T) {
	instance := func(name, role, alias string) string {
		return strings.NewReplacer("web", name, "state MASTER\npriority 150", role, "172.16.1.2/", alias+"/").Replace(inside(""))
	}
	files := func(conf string) string {
		got, err := Convert(options(t, conf))
		if err != nil {
			t.Fatal(err)
		}
		return string(got.Settings)
	}
	master := instance("a", "state MASTER\npriority 150", "172.16.1.2")
	for _, c := range []struct {
		name, conf, top, want, never string
	}{
		{"one of two has nopreempt", master + instance("b", "state BACKUP\npriority 150\nnopreempt", "172.16.1.3"), "", "[alias.\"172.16.1.2\"]\nfailback = true\nfailback_after = \"3s\"\n", "[alias.\"172.16.1.3\"]"},
		{"the other has it", instance("a", "state BACKUP\npriority 150\nnopreempt", "172.16.1.2") + instance("b", "state BACKUP\npriority 150", "172.16.1.3"), "",
			"[alias.\"172.16.1.3\"]\n# Where Primary becomes true:\n#failback = true\n#failback_after = \"3s\"\n", "\nfailback = true"},
		{"both go back", master + instance("b", "state BACKUP\npriority 150", "172.16.1.3"), "\nfailback = true\nfailback_after = \"3s\"\n", "", "[alias."},
	} {
		got := files(c.conf)
		top, rest, _ := strings.Cut(got, "\n[peer]")
		if strings.Contains(top, "\nfailback") != (c.top != "") || !strings.Contains(top, c.top) || !strings.Contains(rest, c.want) || strings.Contains(rest, c.never) {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// TestNopreemptIsIgnoredWhereKeepalivedIgnoresIt: of a MASTER, and of an owner.
func TestNopreemptIsIgnoredWhereKeepalivedIgnoresIt(t *testing.T) {
	for _, role := range []string{"state MASTER\npriority 150\nnopreempt", "nopreempt\nstate MASTER\npriority 150", "state BACKUP\nnopreempt\npriority 255"} {
		got, err := Convert(options(t, strings.Replace(inside(""), "state MASTER\npriority 150", role, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(got.Settings), "\nfailback = true\n") || !strings.Contains(string(got.Aliases), "nopreempt: keepalived ignores it") {
			t.Errorf("%q:\n%s%s", role, got.Aliases, got.Settings)
		}
	}
	// preempt takes back a nopreempt above it, and not one below it.
	for words, back := range map[string]bool{"nopreempt\npreempt": true, "preempt\nnopreempt": false} {
		_, set, _ := converted(t, strings.Replace(inside(""), "state MASTER\npriority 150", "state BACKUP\npriority 50\n"+words, 1), nil)
		if has(set, "failback = true") != back {
			t.Errorf("%q: %q", words, set)
		}
	}
}

// TestAnInstanceStaysOneThing: its aliases go together by themselves only as long as all
// facts about them are the same.
func TestAnInstanceStaysOneThing(t *testing.T) {
	two := strings.Replace(inside(""), "172.16.1.2/24\n", "172.16.1.2/24\n172.16.1.3/24\n", 1)
	families := strings.Replace(strings.Replace(inside(""), "172.16.1.2/24\n", "172.16.1.2/24\n2001:db8:1::2/64\n", 1), "172.16.1.5\n", "172.16.1.5\n2001:db8:1::5\n", 1)
	for _, c := range []struct {
		name, conf string
		group      bool
		remark     string
	}{
		{"one row", inside(""), false, ""},
		{"two of a subnet", two, false, ""},
		{"two of a family, in two subnets", strings.Replace(inside(""), "172.16.1.2/24\n", "172.16.1.2/25\n172.16.1.193/26\n", 1), true, "keepalived.conf:10: 172.16.1.193: the partner 172.16.1.5 is not in its subnet"},
		{"two with hooks", strings.TrimSuffix(two, "}\n") + "notify /usr/local/bin/notify\n}\n", true, "keepalived.conf:12: vrrp_instance web: its notify scripts"},
		{"two families", families, true, ""},
	} {
		_, set, remarks := converted(t, c.conf, nil)
		if has(set, "[group.web]") != c.group || !strings.HasPrefix(remarks, c.remark) || c.remark == "" && remarks != "" {
			t.Errorf("%s: %q\n%s", c.name, set, remarks)
		}
	}
}

// TestACheckThatCannotBeIsAComment, and keeps nothing else from being converted.
func TestACheckThatCannotBeIsAComment(t *testing.T) {
	for _, port := range []string{"127/80", "127.0.0.1/0", "127.0.0.1/99999"} {
		rows, set, remarks := converted(t, "vrrp_script s {\nscript \"</dev/tcp/"+port+"\"\n}\n"+inside("track_script {\ns\n}\n"), nil)
		if len(rows) != 1 || strings.Contains(strings.Join(set, "\n"), "check") || !strings.Contains(remarks, "vrrp_script s: the check is only a comment: ") {
			t.Errorf("%s: %q\n%s", port, set, remarks)
		}
	}
}
