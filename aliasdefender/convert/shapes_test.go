package convert

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A host of the tests has eth0 in 172.16.1.0/24 and 2001:db8:1::/64 and eth1 in
// 10.0.0.0/24, some programs, and a key if the path says so.
var testHost = Host{
	Subnets: func(nic string) []netip.Prefix {
		return map[string][]netip.Prefix{
			"eth0": {netip.MustParsePrefix("172.16.1.0/24"), netip.MustParsePrefix("2001:db8:1::/64"), netip.MustParsePrefix("172.16.1.2/32")},
			"eth1": {netip.MustParsePrefix("10.0.0.0/24")},
		}[nic]
	},
	Find: func(program string) string {
		if program == "killall" {
			return "/usr/bin/killall"
		}
		return ""
	},
	Program: func(path string) string {
		for _, good := range []string{"/bin/sh", "/usr/bin/killall", "/usr/local/bin/notify", "/usr/local/bin/check", "/hook"} {
			if path == good {
				return ""
			}
		}
		return "does not exist; name a program that does"
	},
	Key:  func(path string) bool { return path == "/key" },
	User: func(string) bool { return false },
}

// options are those of a test with a file.
func options(t *testing.T, text string) Options {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keepalived.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Options{Path: path, ConfigID: "main", Key: "/key", Hook: "/hook", Host: testHost}
}

// bare are the lines of a file without comments, blank lines and the name of the directory.
func bare(text []byte) (lines []string) {
	for l := range strings.Lines(string(text)) {
		if l = strings.TrimRight(l, "\n"); l != "" && l[0] != '#' {
			lines = append(lines, l)
		}
	}
	return lines
}

// shape is one kind of keepalived.conf, and all that has to come of it.
type shape struct {
	name    string
	conf    string
	change  func(*Options)
	rows    []string
	set     []string // the lines of aliasdefender.toml, comments aside
	remarks []string // without the directory
}

var shapes = []shape{
	{
		name: "a primary with one alias, a partner and nothing else goes over whole",
		conf: `vrrp_instance web {
	state MASTER
	interface eth0
	virtual_router_id 7
	priority 150
	advert_int 1
	unicast_src_ip 172.16.1.4
	unicast_peer {
		172.16.1.5
	}
	virtual_ipaddress {
		172.16.1.2/24 dev eth0 label eth0:web
	}
}
`,
		rows: []string{"eth0:web | 172.16.1.2 | /24 | 172.16.1.5 | true"},
		set:  []string{`interval = "1s"`, "failback = true", `failback_after = "3s"`, "[peer]", `key_file = "/key"`},
	},
	{
		name: "the other host of that pair is not primary, and an address without a mask gets that of the NIC",
		conf: `vrrp_instance web { state BACKUP
interface eth0
priority 50
advert_int 0.5
preempt_delay 10
unicast_peer { 172.16.1.4 }
virtual_ipaddress { 172.16.1.2 } }
`,
		rows: []string{"eth0:1 | 172.16.1.2 | /24 | 172.16.1.4 | false"},
		set:  []string{`interval = "500ms"`, "failback = true", `failback_after = "11.5s"`, "[peer]", `key_file = "/key"`},
	},
	{
		name: "both families in one instance, each with its partner, are a group, and keepalived ignores nopreempt",
		conf: `vrrp_instance both {
  state MASTER
  interface eth0
  nopreempt
  authentication {
    auth_type PASS
    auth_pass secret
  }
  unicast_peer {
    172.16.1.5
    2001:db8:1::5
  }
  virtual_ipaddress {
    172.16.1.2
  }
  virtual_ipaddress_excluded {
    2001:db8:1::2
    fe80::1
  }
}
`,
		rows: []string{"eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true", "eth0:2 | 2001:db8:1::2 | /64 | 2001:db8:1::5 | true"},
		set:  []string{`interval = "1s"`, "failback = true", `failback_after = "3s"`, "[peer]", `key_file = "/key"`, "[group.both]", `aliases = ["172.16.1.2", "2001:db8:1::2"]`},
		remarks: []string{
			"keepalived.conf:1: state is MASTER, but priority is 100: Primary is true;",
			"keepalived.conf:18: fe80::1: there is no row for it: unicast_peer has no link-local address;",
		},
	},
	{
		name: "a sync group over two NICs is a group, with hooks of the instance and of the group",
		conf: `vrrp_sync_group wall {
	group {
		outside
		inside
	}
	notify "/usr/local/bin/notify 'of the' group"
}
vrrp_instance outside {
	state MASTER
	interface eth0
	priority 200
	unicast_peer {
		172.16.1.5
	}
	virtual_ipaddress {
		172.16.1.1/24
	}
	notify_master "/usr/local/bin/notify up"
	notify_fault /usr/local/bin/notify
	virtual_routes {
		src 172.16.1.1 to 192.0.2.0/24 via 172.16.1.254 dev eth0 no_track
		blackhole 198.51.100.0/24
	}
}
vrrp_instance inside {
	state MASTER
	interface eth1
	priority 200
	unicast_peer {
		10.0.0.5
	}
	virtual_ipaddress {
		10.0.0.1/24
	}
}
`,
		rows: []string{"eth0:1 | 172.16.1.1 | /24 | 172.16.1.5 | true", "eth1:1 | 10.0.0.1 | /24 | 10.0.0.5 | true"},
		set: []string{
			`interval = "1s"`, "failback = true", `failback_after = "3s"`, "[peer]", `key_file = "/key"`,
			"[group.wall]", `aliases = ["172.16.1.1", "10.0.0.1"]`,
			`[alias."172.16.1.1".hooks]`,
			`take = ["/hook", "INSTANCE", "outside", "200", "route=192.0.2.0/24 src 172.16.1.1 via 172.16.1.254 dev eth0", "route=blackhole 198.51.100.0/24", "master=/usr/local/bin/notify up", "fault=/usr/local/bin/notify", "GROUP", "wall", "0", "notify=/usr/local/bin/notify 'of the' group"]`,
			`reasserted = ["/hook", "INSTANCE", "outside", "200", "route=192.0.2.0/24 src 172.16.1.1 via 172.16.1.254 dev eth0", "route=blackhole 198.51.100.0/24", "master=/usr/local/bin/notify up", "fault=/usr/local/bin/notify", "GROUP", "wall", "0", "notify=/usr/local/bin/notify 'of the' group"]`,
			`release = ["/hook", "INSTANCE", "outside", "200", "route=192.0.2.0/24 src 172.16.1.1 via 172.16.1.254 dev eth0", "route=blackhole 198.51.100.0/24", "master=/usr/local/bin/notify up", "fault=/usr/local/bin/notify", "GROUP", "wall", "0", "notify=/usr/local/bin/notify 'of the' group"]`,
			`timeout = "1m"`,
		},
		remarks: []string{"keepalived.conf:21: vrrp_instance outside: its notify scripts are called, and its routes changed, by hooks, which run in the sandbox of the unit:"},
	},
	{
		name: "what is tracked becomes checks",
		conf: `vrrp_script alive {
	script "killall -0 haproxy"
	interval 2
	timeout 1
	rise 2
	fall 3
}
vrrp_script port {
	script "</dev/tcp/127.0.0.1/80"
}
vrrp_script piped {
	script "/usr/local/bin/check a | grep -q b"
	interval 5
}
vrrp_track_process proxy {
	process /usr/sbin/haproxy
	weight 0
}
vrrp_instance web {
	state MASTER
	interface eth0
	unicast_peer {
		172.16.1.5
	}
	virtual_ipaddress {
		172.16.1.2/24
	}
	track_interface {
		eth0
		eth1
	}
	track_script {
		alive
		port
		piped
	}
	track_process {
		proxy
	}
}
`,
		rows: []string{"eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true"},
		set: []string{
			`interval = "1s"`, "failback = true", `failback_after = "3s"`, `checks = ["eth1", "alive", "port", "piped", "proxy"]`,
			"[peer]", `key_file = "/key"`,
			"[check.eth1]", `link = "eth1"`, `interval = "1s"`, "rise = 1", "fall = 2",
			"[check.alive]", `process = "haproxy"`, `interval = "2s"`, `timeout = "1s"`, "rise = 2", "fall = 3",
			"[check.port]", `tcp = "127.0.0.1:80"`, `interval = "1s"`, `timeout = "1s"`, "rise = 1", "fall = 1",
			"[check.piped]", `command = ["/bin/sh", "-c", "/usr/local/bin/check a | grep -q b"]`, `interval = "5s"`, `timeout = "5s"`, "rise = 1", "fall = 1",
			"[check.proxy]", `process = "haproxy"`, `interval = "1s"`, "rise = 1", "fall = 2",
		},
		remarks: []string{
			"keepalived.conf:1: vrrp_script alive: the unit as installed hides processes;",
			"keepalived.conf:11: vrrp_script piped: its command runs in the sandbox of the unit,",
			"keepalived.conf:15: vrrp_track_process proxy: the unit as installed hides processes;",
			"keepalived.conf:19: state is MASTER, but priority is 100: Primary is true;",
		},
	},
	{
		name: "definitions, conditional lines, sequences and blocks of several lines are read as keepalived reads them",
		conf: `! a comment, and a # in "quotes # here" would stay
$NET=172.16.1
$PEER=${NET}.${LAST}
@main   $LAST=5
@^main  $LAST=4
$NIC=eth0
$INSTANCE=\
	vrrp_instance VI_${NUM} { \
		@main   state MASTER \
		priority 150 \
		@other  state BACKUP \
		interface $NIC \
		unicast_peer { \
			$PEER \
		} \
		virtual_ipaddress { \
			${NET}.10${NUM}/24 \
		} \
	}
~SEQ(NUM, 1, 2) $INSTANCE
vrrp_instance VI_3
{
	state MASTER
	priority 150
	interface eth0
	unicast_peer {
		${PEER}
	}
	virtual_ipaddress {
		~SEQx(H, 0x10, 17) ${NET}.2${H}/24
		~SEQ(N, 3, -1, 2) ${NET}.20${N}/24
	}
}
`,
		rows: []string{
			"eth0:1 | 172.16.1.101 | /24 | 172.16.1.5 | true",
			"eth0:2 | 172.16.1.102 | /24 | 172.16.1.5 | true",
			"eth0:3 | 172.16.1.210 | /24 | 172.16.1.5 | true",
			"eth0:4 | 172.16.1.211 | /24 | 172.16.1.5 | true",
			"eth0:5 | 172.16.1.203 | /24 | 172.16.1.5 | true",
			"eth0:6 | 172.16.1.202 | /24 | 172.16.1.5 | true",
		},
		set:     []string{`interval = "1s"`, "failback = true", `failback_after = "3s"`, "[peer]", `key_file = "/key"`},
		remarks: []string{"keepalived.conf:21: VI_3: its 4 aliases are not one thing here:"},
	},
	{
		name: "multicast: the partner is named on the command line, by subnet",
		conf: `vrrp_instance a {
	interface eth0
	state MASTER
	priority 150
	virtual_ipaddress {
		172.16.1.2/24
	}
}
vrrp_instance b {
	interface eth1
	state BACKUP
	priority 50
	advert_int 2
	virtual_ipaddress {
		10.0.0.2/24
	}
}
`,
		change: func(o *Options) {
			o.Partners = []netip.Addr{netip.MustParseAddr("172.16.1.5"), netip.MustParseAddr("10.0.0.5")}
		},
		rows: []string{"eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true", "eth1:1 | 10.0.0.2 | /24 | 10.0.0.5 | false"},
		set: []string{
			"failback = true", `failback_after = "3s"`, "[peer]", `key_file = "/key"`,
			`[alias."172.16.1.2"]`, `interval = "1s"`, `[alias."10.0.0.2"]`, `interval = "2s"`,
		},
	},
	{
		name: "without a key what needs the channel is a comment, and a remark",
		conf: `vrrp_script alive {
	script /usr/local/bin/check
}
vrrp_instance wide {
	state MASTER
	interface eth0
	unicast_peer {
		172.16.1.5
	}
	virtual_ipaddress {
		172.16.1.2/24
		10.0.0.2/24 dev eth1
	}
	track_script {
		alive weight -20
	}
	notify /usr/local/bin/missing
}
`,
		change: func(o *Options) { o.Key = "/no/key" },
		rows:   []string{"eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true", "eth1:1 | 10.0.0.2 | /24 | 172.16.1.5 | true"},
		set: []string{
			`interval = "1s"`, "failback = true", `failback_after = "3s"`, `checks = ["alive"]`,
			"[check.alive]", `command = ["/usr/local/bin/check"]`, `interval = "1s"`, `timeout = "1s"`, "rise = 1", "fall = 1",
		},
		remarks: []string{
			"keepalived.conf:1: vrrp_script alive: its command runs in the sandbox of the unit,",
			"keepalived.conf:4: wide: aliases are kept together by a group, and a group needs a key;",
			"keepalived.conf:4: without a key an alias stays with a holder whose checks fail;",
			"keepalived.conf:4: state is MASTER, but priority is 100: Primary is true;",
			"keepalived.conf:12: 10.0.0.2: the partner 172.16.1.5 is not in its subnet:",
			"keepalived.conf:15: vrrp_script alive: weight -20: here there are no weights",
			"keepalived.conf:17: wide: /usr/local/bin/missing does not exist, so it is not called;",
		},
	},
	{
		name: "what has no counterpart is said, with its line and what to do",
		conf: `global_defs {
	notification_email {
		root@example.org
	}
	script_user nobody
	vrrp_startup_delay 5
	nonsense 1
}
static_routes {
	192.0.2.0/24 dev eth0
}
virtual_server 172.16.1.2 80 {
	real_server 172.16.1.8 80 {
		weight 1
	}
}
vrrp_instance odd {
	interface eth0
	use_vmac
	smtp_alert
	nopreempt
	unicast_peer {
		172.16.1.5
		172.16.1.6
	}
	virtual_rules {
		from 192.0.2.0/24 table 1
	}
	virtual_routes {
		192.0.2.0/24 via 172.16.1.8 or 172.16.1.9
	}
	track_file {
		f
	}
	notify_stop /usr/local/bin/notify
	virtual_ipaddress {
		172.16.1.2/24 scope link
		172.16.1.2/24
		172.16.1./24
		192.168.7.7
		172.16.1.255/24
	}
}
`,
		rows: []string{"eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | false", "eth0:2 | 192.168.7.7 | /32 | 172.16.1.5 | false"},
		set:  []string{`interval = "1s"`, "[peer]", `key_file = "/key"`},
		remarks: []string{
			"keepalived.conf:5: script_user nobody: the Monitor runs programs as root;",
			"keepalived.conf:6: vrrp_startup_delay: the Monitor starts to ask at once;",
			"keepalived.conf:7: nonsense: is no keyword that is known here;",
			"keepalived.conf:9: static_routes: a route that does not move",
			"keepalived.conf:12: virtual_server 172.16.1.2 80: IPVS is not what Alias Defender does: leave the virtual servers, and nothing else, in keepalived.conf, and let keepalived run beside it: where docs/from-keepalived.md stops keepalived, take the vrrp_ blocks out and reload it instead",
			"keepalived.conf:17: odd: its 2 aliases are not one thing here:",
			"keepalived.conf:17: with nopreempt both hosts have state BACKUP",
			"keepalived.conf:19: use_vmac: an alias has the hardware address of its NIC",
			"keepalived.conf:20: smtp_alert: no mail is sent",
			"keepalived.conf:22: unicast_peer has 2 hosts",
			"keepalived.conf:26: virtual_rules: no rules are added;",
			"keepalived.conf:30: route 192.0.2.0/24 via 172.16.1.8 or 172.16.1.9: or is not converted;",
			"keepalived.conf:32: track_file: is not converted;",
			"keepalived.conf:35: notify_stop: is not called;",
			"keepalived.conf:37: 172.16.1.2/24: scope link cannot be said;",
			"keepalived.conf:38: 172.16.1.2: is an alias already, by ",
			"keepalived.conf:39: 172.16.1./24: is no address, and there is no row for it",
			"keepalived.conf:40: 192.168.7.7: no address of eth0 on this host is in its subnet",
			"keepalived.conf:41: 172.16.1.255: there is no row for it: alias: 172.16.1.255 is the broadcast address",
		},
	},
	{
		name: "mixed roles, and one of two that goes back, have settings of their own",
		conf: `vrrp_script s {
	script "/usr/local/bin/check '1 2'"
	interval 1
	timeout 10
	weight 5
}
vrrp_instance mine {
	interface eth0
	state MASTER
	priority 110
	unicast_peer {
		172.16.1.5
	}
	virtual_ipaddress {
		172.16.1.2/255.255.255.0 label vip
	}
	track_script {
		s weight 0
	}
}
vrrp_instance yours {
	interface eth0
	state BACKUP
	priority 90
	advert_int 3
	unicast_peer {
		172.16.1.5
	}
	virtual_ipaddress {
		172.16.1.3/24
	}
}
vrrp_instance kept {
	interface eth0
	state BACKUP
	nopreempt
	unicast_peer {
		172.16.1.5
	}
	virtual_ipaddress {
		172.16.1.4/24
	}
}
`,
		rows: []string{
			"eth0:1 | 172.16.1.2 | /24 | 172.16.1.5 | true",
			"eth0:2 | 172.16.1.3 | /24 | 172.16.1.5 | false",
			"eth0:3 | 172.16.1.4 | /24 | 172.16.1.5 | false",
		},
		set: []string{
			"[peer]", `key_file = "/key"`,
			"[check.s]", `command = ["/usr/local/bin/check", "1 2"]`, `interval = "1s"`, `timeout = "1s"`, "rise = 1", "fall = 1",
			`[alias."172.16.1.2"]`, `interval = "1s"`, "failback = true", `failback_after = "3s"`, `checks = ["s"]`,
			`[alias."172.16.1.3"]`, `interval = "3s"`,
			`[alias."172.16.1.4"]`, `interval = "1s"`,
		},
		remarks: []string{
			"keepalived.conf:1: vrrp_script s: its command runs in the sandbox of the unit,",
			"keepalived.conf:1: vrrp_script s: its timeout of 10s is longer than its interval of 1s",
			"keepalived.conf:33: with nopreempt both hosts have state BACKUP",
		},
	},
}

func TestTenShapesHaveTheRightValues(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			o := options(t, s.conf)
			if s.change != nil {
				s.change(&o)
			}
			got, err := Convert(o)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(s.rows, bare(got.Aliases)); d != "" {
				t.Errorf("hostname.alias, wanted (-) and made (+):\n%s", d)
			}
			if d := cmp.Diff(s.set, bare(got.Settings)); d != "" {
				t.Errorf("aliasdefender.toml, wanted (-) and made (+):\n%s", d)
			}
			for i, r := range got.Remarks {
				r = strings.TrimPrefix(r, filepath.Dir(o.Path)+"/")
				if !strings.Contains(string(got.Aliases)+string(got.Settings), r) {
					t.Errorf("the remark is in neither file: %s", r)
				}
				if i >= len(s.remarks) || !strings.HasPrefix(r, s.remarks[i]) {
					t.Errorf("remark: %s", r)
				}
			}
			if len(got.Remarks) < len(s.remarks) {
				t.Errorf("%d remarks, and %d are wanted", len(got.Remarks), len(s.remarks))
			}
			if got.Rows != len(s.rows) {
				t.Errorf("%d rows are counted", got.Rows)
			}
		})
	}
}
