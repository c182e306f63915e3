package convert

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestIncludesPassOverWhatKeepalivedPassesOver: a pattern names no hidden files, such as those
// of an editor; folders and executable files are not read.
func TestIncludesPassOverWhatKeepalivedPassesOver(t *testing.T) {
	o := options(t, "include conf[.]d/*\n")
	dir := filepath.Join(filepath.Dir(o.Path), "conf.d")
	if err := os.MkdirAll(filepath.Join(dir, "old"), 0o700); err != nil {
		t.Fatal(err)
	}
	other := strings.ReplaceAll(strings.ReplaceAll(instance1, "1.2/", "1.3/"), "web", "other")
	for name, text := range map[string]string{"web.conf": inside(""), ".web.conf.swp": "b0VIM\x00", "run.conf": other} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "run.conf"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := Convert(o)
	if err != nil {
		t.Fatal(err)
	}
	if rows := bare(got.Aliases); len(rows) != 1 || !strings.Contains(rows[0], "172.16.1.2") {
		t.Errorf("%q", rows)
	}
	if remarks := strings.Join(got.Remarks, "\n"); len(got.Remarks) != 1 || !strings.Contains(remarks, "keepalived.conf:1: ") || !strings.Contains(remarks, "run.conf is executable") {
		t.Errorf("remarks: %s", remarks)
	}
	if !strings.Contains(string(got.Settings), "conf.d/old is a directory") {
		t.Errorf("nothing is said of the folder:\n%s", got.Settings)
	}
	// A folder whose name looks like a pattern is meant as it is.
	odd := filepath.Join(filepath.Dir(o.Path), "conf[1]")
	if err := os.Mkdir(odd, 0o700); err != nil {
		t.Fatal(err)
	}
	o.Path = filepath.Join(odd, "keepalived.conf")
	for name, text := range map[string]string{"keepalived.conf": "include web*\n", "web.conf": inside("")} {
		if err := os.WriteFile(filepath.Join(odd, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Convert(o); err != nil || len(got.Remarks) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// TestWhatStandsTwiceCountsAsForKeepalived, and is spoken of. keepalived 2.2.7 was asked.
func TestWhatStandsTwiceCountsAsForKeepalived(t *testing.T) {
	for _, c := range []struct{ name, conf, row, set, remark string }{
		{"an instance", inside("") + strings.ReplaceAll(inside(""), "1.2/", "1.3/"),
			"eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true", "", ":12: vrrp_instance web: one of that name is already at "},
		{"a script", "vrrp_script s {\nscript /usr/local/bin/check\n}\nvrrp_script s {\nscript /bin/sh\n}\n" + inside("track_script {\ns\n}\n"),
			"", `command = ["/usr/local/bin/check"]`, ":4: vrrp_script s: one of that name is already at "},
		{"a process", "vrrp_track_process p {\nprocess a\n}\nvrrp_track_process p {\nprocess b\n}\n" + inside("track_process {\np weight 0\n}\n"),
			"", `process = "a"`, ":4: vrrp_track_process p: one of that name is already at "},
		{"a group", inside("") + "vrrp_sync_group g {\ngroup {\nweb\n}\n}\nvrrp_sync_group g {\ngroup {\nother\n}\n}\n",
			"", "", ":17: vrrp_sync_group g: one of that name is already at "},
		{"a state", inside("state BACKUP\n"), "eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true", "", ":11: state BACKUP: the state MASTER above counts"},
		{"a priority", inside("priority 160\n"), "", "", ":11: priority: appears twice; this one counts, not the one at "},
		{"an interface", inside("interface eth1\n"), "eth1:1 | 172.16.1.2 | /24 | 172.16.1.5 | true", "", ":11: interface: appears twice; this one counts, not the one at "},
		{"a notify script", inside("notify /usr/local/bin/notify\nnotify /bin/sh\n"),
			"", `take = ["/hook", "INSTANCE", "web", "150", "notify=/usr/local/bin/notify"]`, ":12: notify: appears twice; the one at "},
		{"a script's program", "vrrp_script s {\nscript /bin/sh\nscript /usr/local/bin/check\n}\n" + inside("track_script {\ns\n}\n"),
			"", `command = ["/usr/local/bin/check"]`, ":3: vrrp_script s: script: appears twice; this one counts, not the one at "},
		{"a process's program", "vrrp_track_process p {\nprocess a\nprocess b\n}\n" + inside("track_process {\np weight 0\n}\n"),
			"", `process = "a"`, ":3: vrrp_track_process p: process: appears twice; the one at "},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, set, remarks := converted(t, c.conf, nil)
			if len(rows) != 1 || c.row != "" && rows[0] != c.row {
				t.Errorf("%q", rows)
			}
			if c.set != "" && !has(set, c.set) {
				t.Errorf("%q", set)
			}
			if !strings.Contains(remarks, "keepalived.conf"+c.remark) {
				t.Errorf("remarks: %s", remarks)
			}
		})
	}
}

// TestWordsThatNobodyReadsAreSpokenOf: those behind a value, and blocks where none belongs.
func TestWordsThatNobodyReadsAreSpokenOf(t *testing.T) {
	conf := strings.NewReplacer("web {", "web too { # odd", "MASTER", "MASTER really # odd", "150", "150 160 # odd", "eth0", "eth0 eth1 # odd",
		"172.16.1.2/24", "172.16.1.2/24 { # odd\nx\n}", "peer {", "peer 1 { # odd").Replace(inside(`nopreempt no # odd
advert_int 1 s # odd
preempt_delay 1 2 # odd
track_interface eth5 # odd
track_interface {
eth6 { # odd
x
}
}
notify_master /usr/local/bin/notify { # odd
}
unicast_src_ip 172.16.1.7 172.16.1.8 # odd
`))
	for _, more := range []string{
		"vrrp_script s t {\nscript /usr/local/bin/check\n}\n", "vrrp_script s {\nscript /usr/local/bin/check\ninterval 1 2\n}\n", "vrrp_script s {\nscript /usr/local/bin/check\nweight 1 sideways\n}\n",
		"vrrp_script s {\nscript /usr/local/bin/check\nfall 1 {\n}\n}\n", "vrrp_track_process p q {\n}\n", "vrrp_track_process p {\nprocess a\nweight 1 sideways\n}\n",
		"vrrp_track_process p {\nprocess a\nquorum 1 2\n}\n", "vrrp_sync_group g h {\n}\n", "vrrp_sync_group g {\ngroup a {\nweb\n}\n}\n", "global_defs x {\n}\n", "global_defs {\ndefault_interface eth0 eth1\n}\n",
	} {
		_, _, remarks := converted(t, more+inside(""), nil)
		if !strings.Contains(remarks, "not read") {
			t.Errorf("dropped in silence:\n%s%s", more, remarks)
		}
	}
	_, _, remarks := converted(t, conf, nil)
	for i, l := range strings.Split(conf, "\n") {
		if at := "keepalived.conf:" + strconv.Itoa(i+1) + ": "; strings.HasSuffix(l, "# odd") && !strings.Contains(remarks, at) {
			t.Errorf("%s is dropped in silence: %s\n%s", at, l, remarks)
		}
	}
}

// TestACommandIsSplitAsKeepalivedSplitsIt: what the quotes hold, and then once more.
// keepalived 2.2.7 was asked.
func TestACommandIsSplitAsKeepalivedSplitsIt(t *testing.T) {
	for _, c := range []struct{ script, command, remark string }{
		{`"/usr/local/bin/check a b"`, `["/usr/local/bin/check", "a", "b"]`, ""},
		{`"/usr/local/bin/check \"a b\" c"`, `["/usr/local/bin/check", "a b", "c"]`, ""},
		{`'/usr/local/bin/check "a b" c'`, `["/usr/local/bin/check", "a b", "c"]`, ""},
		{`"/usr/local/bin/check 'a b' c"`, `["/usr/local/bin/check", "a b", "c"]`, ""},
		{`"/usr/local/bin/check a\ b"`, `["/usr/local/bin/check", "a", "b"]`, ""},
		{`/usr/local/bin/check a b`, `["/usr/local/bin/check", "a", "b"]`, "keepalived runs /usr/local/bin/check without"},
		{`"/usr/local/bin/check" a "b c"`, `["/usr/local/bin/check", "a", "b c"]`, "keepalived runs /usr/local/bin/check without"},
	} {
		_, set, remarks := converted(t, "vrrp_script s {\nscript "+c.script+"\n}\n"+inside("track_script {\ns\n}\n"), nil)
		if !has(set, "command = "+c.command) {
			t.Errorf("%s: %q", c.script, set)
		}
		if got := strings.Contains(remarks, "keepalived runs "); got != (c.remark != "") || !strings.Contains(remarks, c.remark) {
			t.Errorf("%s: %s", c.script, remarks)
		}
	}
	for _, c := range []struct{ script, notify, user string }{
		{`"/usr/local/bin/notify \"a b\" c" root`, `notify=/usr/local/bin/notify 'a b' c`, ""},
		{`'/usr/local/bin/notify "a b"' daemon adm`, `notify=/usr/local/bin/notify 'a b'`, "as user daemon adm"},
		{`/usr/local/bin/notify daemon`, `notify=/usr/local/bin/notify`, "as user daemon"},
	} {
		_, set, remarks := converted(t, inside("notify "+c.script+"\n"), nil)
		if !has(set, `take = ["/hook", "INSTANCE", "web", "150", "`+c.notify+`"]`) {
			t.Errorf("%s: %q", c.script, set)
		}
		if got := strings.Contains(remarks, "as user "); got != (c.user != "") || !strings.Contains(remarks, c.user) {
			t.Errorf("%s: %s", c.script, remarks)
		}
	}
}

// TestTimesAreThoseThatKeepalivedUses: version 2 of VRRP knows whole seconds only, and a
// script with 0 seconds has 1.
func TestTimesAreThoseThatKeepalivedUses(t *testing.T) {
	for _, c := range []struct{ before, more, interval string }{
		{"", "advert_int 0.1\n", "1s"},
		{"", "advert_int 1.4\n", "1s"},
		{"", "advert_int 1.5\n", "2s"},
		{"", "advert_int 0.1\nversion 3\n", "100ms"},
		{"global_defs {\nvrrp_version 3\n}\n", "advert_int 0.1\n", "100ms"},
		{"global_defs {\nvrrp_version 3\n}\n", "advert_int 0.1\nversion 2\n", "1s"},
	} {
		_, set, remarks := converted(t, c.before+inside(c.more), nil)
		if !has(set, `interval = "`+c.interval+`"`) {
			t.Errorf("%q: %q", c.more, set)
		}
		if rounded := c.interval != "100ms"; rounded != strings.Contains(remarks, ": advert_int ") {
			t.Errorf("%q: %s", c.more, remarks)
		}
	}
	six := strings.NewReplacer("172.16.1.2/24", "2001:db8:1::2/64", "172.16.1.5", "2001:db8:1::5").Replace(inside("advert_int 0.1\n"))
	if _, set, remarks := converted(t, six, nil); !has(set, `interval = "100ms"`) || remarks != "" {
		t.Errorf("IPv6: %q %s", set, remarks)
	}
	_, set, _ := converted(t, "vrrp_script s {\nscript /usr/local/bin/check\ninterval 0\ntimeout 0\n}\n"+inside("track_script {\ns\n}\n"), nil)
	if !has(set, "interval = \"1s\"\ntimeout = \"1s\"") {
		t.Errorf("%q", set)
	}
}

// TestWordsOfAnAddressAreSpokenOf: its broadcast address, and a word whose value is missing,
// for which keepalived leaves the address out.
func TestWordsOfAnAddressAreSpokenOf(t *testing.T) {
	o := options(t, strings.Replace(inside(""), "172.16.1.2/24\n", "172.16.1.2/24 brd 172.16.1.255 scope global\n172.16.1.3/24 dev\n172.16.1.4/24 label\n172.16.1.5/24 scope\n172.16.1.6/24 mngtmpaddr autojoin\n172.16.1.7/24 preferred_lft forever\n", 1))
	got, err := Convert(o)
	if err != nil {
		t.Fatal(err)
	}
	remarks := strings.Join(got.Remarks, "\n")
	if rows := bare(got.Aliases); len(rows) != 3 {
		t.Errorf("%q", rows)
	}
	for line, what := range map[string]string{"10": "172.16.1.3/24: dev", "11": "172.16.1.4/24: label", "12": "172.16.1.5/24: scope"} {
		if !strings.Contains(remarks, "keepalived.conf:"+line+": "+what+" has no value, so keepalived leaves this address out") {
			t.Errorf("remarks: %s", remarks)
		}
	}
	if strings.Contains(remarks, ":9: ") || !strings.Contains(string(got.Aliases), "172.16.1.2/24: brd is not passed on") || strings.Contains(remarks, ":13: ") || strings.Contains(remarks, ":14: ") {
		t.Errorf("remarks: %s\n%s", remarks, got.Aliases)
	}
}

// TestAKeyThatIsThereAndCannotBeUsedIsNotMadeAnew: what is wrong with it is said instead.
func TestAKeyThatIsThereAndCannotBeUsedIsNotMadeAnew(t *testing.T) {
	_, set, remarks := converted(t, strings.Replace(inside("authentication {\nauth_type PASS\n}\ntrack_interface {\neth7\n}\nnotify /usr/local/bin/notify\n"), "172.16.1.2/24\n", "172.16.1.2/24\n172.16.1.3/24\n", 1), func(o *Options) { o.Key = "/locked" })
	if strings.Contains(remarks, "GenKey") || strings.Count(remarks, "/locked may not be read") != 3 || has(set, "[peer]") {
		t.Errorf("remarks: %s\n%q", remarks, set)
	}
}

// TestARemarkIsForSomebodyWhoCanAct: mail that is switched off, and the same thing said of
// many servers, need nobody's decision.
func TestARemarkIsForSomebodyWhoCanAct(t *testing.T) {
	_, _, remarks := converted(t, "global_defs {\nsmtp_alert false\ndisable_local_igmp\nvmac_prefix v\nrandom_seed 3\njson_version 2\n}\n"+inside("smtp_alert off\nno_virtual_ipaddress\ndont_track_primary\n"), nil)
	if remarks != "" {
		t.Errorf("remarks: %s", remarks)
	}
	_, _, remarks = converted(t, inside("")+strings.Repeat("virtual_server 172.16.1.2 80 {\n}\n", 3), nil)
	if strings.Count(remarks, "does not do IPVS") != 1 || !strings.Contains(remarks, "keepalived.conf:12: virtual_server 172.16.1.2 80 (also in lines 14, 16): ") {
		t.Errorf("remarks: %s", remarks)
	}
}
