package convert

// remarkedShapes say what has no counterpart, or what somebody has to decide.
var remarkedShapes = []shape{
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
		set:  []string{`interval = "1s"`, "[peer]", `key_file = "/key"`, "[group.odd]", `aliases = ["172.16.1.2", "192.168.7.7"]`},
		remarks: []string{
			"keepalived.conf:5: script_user nobody: the Monitor runs programs as root;",
			"keepalived.conf:6: vrrp_startup_delay: the Monitor starts to probe at once;",
			"keepalived.conf:7: nonsense: is not a keyword that Convert knows;",
			"keepalived.conf:9: static_routes: a route that does not move",
			"keepalived.conf:12: virtual_server 172.16.1.2 80: Alias Defender does not do IPVS: leave the virtual servers, and nothing else, in keepalived.conf, and let keepalived run beside it: where docs/from-keepalived.md stops keepalived, take the vrrp_ blocks out and reload it instead",
			"keepalived.conf:17: with nopreempt both hosts have state BACKUP",
			"keepalived.conf:19: use_vmac: an alias has the hardware address of its NIC",
			"keepalived.conf:20: smtp_alert: the Monitor itself sends no mail",
			"keepalived.conf:22: unicast_peer has 2 hosts",
			"keepalived.conf:26: virtual_rules: no rules are added;",
			"keepalived.conf:30: route 192.0.2.0/24 via 172.16.1.8 or 172.16.1.9: or is not converted;",
			"keepalived.conf:32: track_file: is not converted;",
			"keepalived.conf:35: notify_stop: is not called;",
			"keepalived.conf:37: 172.16.1.2/24: scope link has no counterpart;",
			"keepalived.conf:38: 172.16.1.2: is an alias already, by ",
			"keepalived.conf:39: 172.16.1./24: is not an address, so there is no row for it",
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
