package convert

import (
	"net/netip"
)

// commonShapes are pairs as most of them are, with a key for the channel.
var commonShapes = []shape{
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
version 3
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
		set: []string{`interval = "1s"`, "failback = true", `failback_after = "3s"`, "[peer]", `key_file = "/key"`},
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
}
