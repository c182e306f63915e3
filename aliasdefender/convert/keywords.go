package convert

import (
	"slices"
	"strings"
)

// meant says what becomes of a keyword that gives no setting of ours.
type meant struct {
	todo bool
	text string
}

func note(text string) meant { return meant{false, text} }
func todo(text string) meant { return meant{true, text} }

// unlessOff is the meaning of a statement that may switch off what it is about.
func (m meant) unlessOff(n *node) meant {
	if strings.HasPrefix(n.words[0], "smtp_alert") && slices.Contains([]string{"off", "false", "no"}, n.word(0)) {
		return note("is off, and no mail is sent by the Monitor either")
	}
	return m
}

var (
	ofVRRP    = note("is about VRRP, which Alias Defender does not speak")
	ofProcess = note("is about keepalived's own processes")
	ofIPVS    = note("is about IPVS, which Alias Defender does not do")
	ofMail    = todo("the Monitor itself sends no mail; docs/mail-on-alarm.md has a hook that does")
	announced = note("an alias is announced when it is taken, 1, 2, 3, 4 and 5 s later, and each minute; this cannot be set")
	virtualMA = todo("an alias has the hardware address of its NIC, and moves by gratuitous ARP or unsolicited neighbour advertisements; make sure that switches and neighbours accept these")
	ofFIFO    = todo("there is no FIFO; use hooks (docs/hooks.md), or read the event log (docs/events.md)")
	ofSNMP    = todo("there is neither SNMP nor D-Bus; metrics are for Prometheus: docs/metrics.md")
	ofTracked = todo("is not converted; write a check that asks the same, such as one of kind command (docs/checks.md)")
)

// globals are the keywords of global_defs. Whole families of names stand at the end of
// globalMeaning.
var globals = map[string]meant{
	"notification_email":      note("the Monitor itself sends no mail; docs/mail-on-alarm.md has a hook that does"),
	"notification_email_from": note("the Monitor itself sends no mail"),
	"no_email_faults":         note("the Monitor itself sends no mail"),
	"router_id":               note("a host has a number of its own, in its state directory"),
	"enable_script_security":  note("is always on: a program that anybody but root could change is not run"),
	"vrrp_version":            ofVRRP,
	"vrrp_strict":             ofVRRP,
	"startup_script":          todo("is not run; have the unit run it first: systemctl edit aliasdefender, ExecStartPre="),
	"shutdown_script":         todo("is not run; have the unit run it last: systemctl edit aliasdefender, ExecStopPost="),
	"startup_script_timeout":  note("goes with startup_script"),
	"shutdown_script_timeout": note("goes with shutdown_script"),
	"vrrp_startup_delay":      todo("the Monitor starts to probe at once; start the unit after what has to be up: systemctl edit aliasdefender, After="),
	"vrrp_delay_after_boot":   todo("the Monitor starts to probe at once; start the unit after what has to be up: systemctl edit aliasdefender, After="),
	"vrrp_garp_master_delay":  announced, "vrrp_garp_master_repeat": announced,
	"vrrp_garp_master_refresh": announced, "vrrp_garp_master_refresh_repeat": announced,
	"vrrp_garp_lower_prio_delay": announced, "vrrp_garp_lower_prio_repeat": announced,
	"vrrp_garp_interval": announced, "vrrp_gna_interval": announced, "vrrp_min_garp": announced,
	"vrrp_garp_extra_if": announced, "vrrp_vmac_garp_intvl": announced,
	"vrrp_iptables": todo("nothing is filtered here: an alias is an address like any other of its host; filter with rules of your own"),
	"nftables":      todo("nothing is filtered here: an alias is an address like any other of its host; filter with rules of your own"),
	"vrrp_ipsets":   note("goes with vrrp_iptables"),
	"smtp_alert":    ofMail, "smtp_alert_vrrp": ofMail,
	"smtp_alert_checker": ofIPVS,
	"use_symlink_paths":  ofProcess, "set_supplementary_groups": ofProcess, "umask": ofProcess,
	"disable_local_igmp": ofVRRP, "v3_checksum_as_v2": ofVRRP, "log_unknown_vrids": ofVRRP, "vmac_prefix": ofVRRP, "vmac_addr_prefix": ofVRRP,
	"random_seed": ofProcess, "data_use_instance": ofProcess, "json_version": ofProcess, "iproute_usr_dir": ofProcess, "iproute_etc_dir": ofProcess,
	"dynamic_interfaces": note("a NIC may come and go; until it is there nothing is taken on it"),
}

// globalMeaning finds the meaning of a keyword of global_defs.
func globalMeaning(keyword string) (meant, bool) {
	if m, known := globals[keyword]; known {
		return m, true
	}
	for _, f := range []struct {
		part string
		meant
	}{
		{"notify_fifo", ofFIFO}, {"snmp", ofSNMP}, {"dbus", ofSNMP}, {"enable_traps", ofSNMP},
		{"smtp_", note("the Monitor itself sends no mail")},
		{"lvs_", ofIPVS}, {"checker_", ofIPVS}, {"nftables_ipvs", ofIPVS}, {"rs_init", ofIPVS},
		{"nftables", note("goes with nftables")},
		{"process_name", ofProcess}, {"priority", ofProcess}, {"no_swap", ofProcess}, {"rlimit", ofProcess},
		{"affinity", ofProcess}, {"rcv_bufs", ofProcess}, {"reload_", ofProcess}, {"config_", ofProcess},
		{"include_check", ofProcess}, {"dump_file", ofProcess}, {"tmp_config", ofProcess},
		{"vrrp_", ofVRRP}, {"bfd_", ofProcess},
	} {
		if strings.Contains(keyword, f.part) {
			return f.meant, true
		}
	}
	return meant{}, false
}

// ofInstance are the keywords of a vrrp_instance that give no setting.
var ofInstance = map[string]meant{
	"virtual_router_id": ofVRRP, "version": ofVRRP, "mcast_src_ip": ofVRRP, "mcast_dst_ip": ofVRRP, "unicast_ttl": ofVRRP,
	"check_unicast_src": ofVRRP, "old_unicast_checksum": ofVRRP, "unicast_fault_no_peer": ofVRRP, "strict_mode": ofVRRP,
	"skip_check_adv_addr": ofVRRP, "lower_prio_no_advert": ofVRRP, "higher_prio_send_advert": ofVRRP, "v3_checksum_as_v2": ofVRRP,
	"owner_ignore_adverts": ofVRRP, "native_ipv6": ofVRRP, "thread_timer_expired": ofVRRP, "timer_expired_backup": ofVRRP,
	"kernel_rx_buf_size": ofProcess, "debug": ofProcess,
	"preempt":                 note("is what failback does"),
	"notify_priority_changes": note("there are no priorities that change"),
	"accept":                  note("packets to an alias are always accepted"),
	"promote_secondaries":     note("an alias is removed alone; if the kernel removes others with it, they are put back"),
	"track_src_ip":            note("a NIC without an address of its own takes no alias (row W2)"),
	"linkbeat_use_polling":    note("the kernel reports the carrier"),
	"garp_master_delay":       announced, "garp_master_repeat": announced, "garp_master_refresh": announced, "garp_master_refresh_repeat": announced,
	"garp_lower_prio_delay": announced, "garp_lower_prio_repeat": announced, "vmac_garp_intvl": announced, "garp_extra_if": announced,
	"use_vmac": virtualMA, "use_vmac_addr": virtualMA, "vmac_xmit_base": virtualMA, "use_ipvlan": virtualMA,
	"smtp_alert":                 ofMail,
	"no_accept":                  todo("packets to an alias are always accepted; filter them with rules of your own"),
	"dont_track_primary":         note("an alias always leaves a NIC without link (row H3), and no host without one takes it (row W2)"),
	"no_virtual_ipaddress":       note("an instance without an address is no alias"),
	"down_timer_adverts":         todo("a dead holder is missed after interval + misses x timeout; set misses (docs/man: aliasdefender.toml(5))"),
	"track_file":                 ofTracked,
	"track_bfd":                  ofTracked,
	"virtual_rules":              todo("no rules are added; write a hook for take and release that calls 'ip rule' (docs/hooks.md)"),
	"vrf":                        todo("the Monitor knows no VRF; start it in that one: ip vrf exec"),
	"notify_stop":                todo("is not called; have the unit run it last: systemctl edit aliasdefender, ExecStopPost="),
	"notify_deleted":             todo("is not called: for an alias that is gone from the file the hook release runs"),
	"notify_master_rx_lower_pri": todo("is not called; the hook reasserted runs when this host has kept an alias against a rival (docs/hooks.md)"),
	"lvs_sync_daemon_interface":  todo("is about IPVS, which Alias Defender does not do: leave that to keepalived or ipvsadm"),
	"global_tracking":            note("the aliases of a group have the checks of all of its instances"),
	"sync_group_tracking_weight": todo("there are no weights: a check that fails moves the group"),
}

// ofTop are the blocks and keywords at the top that are not converted.
var ofTop = map[string]meant{
	"virtual_server":            todo("Alias Defender does not do IPVS: leave the virtual servers, and nothing else, in keepalived.conf, and let keepalived run beside it: where docs/from-keepalived.md stops keepalived, take the vrrp_ blocks out and reload it instead"),
	"virtual_server_group":      note("is about IPVS, which Alias Defender does not do"),
	"SSL":                       note("is about IPVS, which Alias Defender does not do"),
	"static_ipaddress":          todo("an address that does not move belongs in the configuration of the network"),
	"static_routes":             todo("a route that does not move belongs in the configuration of the network"),
	"static_rules":              todo("a rule that does not move belongs in the configuration of the network"),
	"track_group":               note("is about static addresses"),
	"garp_group":                announced,
	"interface_up_down_delays":  todo("a link has to be gone for (misses - 1) x timeout; set those (docs/man: aliasdefender.toml(5))"),
	"linkbeat_interfaces":       note("the kernel reports the carrier"),
	"linkbeat_use_polling":      note("the kernel reports the carrier"),
	"net_namespace":             todo("start the Monitor in that namespace: systemctl edit aliasdefender, NetworkNamespacePath=/run/netns/NAME"),
	"net_namespace_ipvs":        note("is about IPVS, which Alias Defender does not do"),
	"namespace_with_ipsets":     ofProcess,
	"instance":                  note("two Monitors on one host have two sockets and two state directories: [control] socket, [state] dir"),
	"use_pid_dir":               ofProcess,
	"child_wait_time":           ofProcess,
	"bfd_instance":              ofTracked,
	"track_file":                ofTracked,
	"vrrp_track_file":           ofTracked,
	"process_names":             ofProcess,
	"config_save_dir":           ofProcess,
	"state_dump_file":           ofProcess,
	"include_check":             ofProcess,
	"reload_repeat":             ofProcess,
	"lvs_sync_daemon_interface": ofIPVS,
}
