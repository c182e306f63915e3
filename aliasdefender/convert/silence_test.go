package convert

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The keywords of keepalived.conf(5) that no setting of ours comes of: each has to be
// spoken of where it stands.
const (
	ofTheInstance = `use_vmac use_vmac_addr vmac_xmit_base use_ipvlan unicast_fault_no_peer check_unicast_src old_unicast_checksum native_ipv6 vrf
		dont_track_primary mcast_src_ip unicast_src_ip mcast_dst_ip track_src_ip virtual_router_id unicast_ttl version promote_secondaries
		linkbeat_use_polling v3_checksum_as_v2 accept no_accept skip_check_adv_addr strict_mode preempt debug notify_stop notify_deleted
		notify_master_rx_lower_pri smtp_alert notify_priority_changes lvs_sync_daemon_interface garp_master_delay garp_master_refresh
		garp_master_repeat garp_master_refresh_repeat garp_lower_prio_delay garp_lower_prio_repeat down_timer_adverts timer_expired_backup
		thread_timer_expired garp_extra_if vmac_garp_intvl lower_prio_no_advert higher_prio_send_advert owner_ignore_adverts kernel_rx_buf_size
		authentication virtual_rules track_file track_bfd nonsense`
	ofTheGroup  = `smtp_alert global_tracking sync_group_tracking_weight notify_stop notify_deleted notify_priority_changes track_file track_bfd nonsense`
	ofTheScript = `user init_fail nonsense`
	atTheTop    = `track_group static_ipaddress static_routes static_rules garp_group linkbeat_interfaces interface_up_down_delays linkbeat_use_polling
		net_namespace net_namespace_ipvs namespace_with_ipsets use_pid_dir instance child_wait_time bfd_instance track_file vrrp_track_file
		virtual_server virtual_server_group SSL nonsense`
	ofTheGlobals = `process_names process_name vrrp_process_name router_id notification_email_from smtp_server smtp_helo_name smtp_connect_timeout
		notification_email smtp_alert startup_script startup_script_timeout shutdown_script max_auto_priority dynamic_interfaces no_email_faults
		disable_local_igmp lvs_timeouts lvs_flush lvs_sync_daemon vrrp_mcast_group4 vrrp_garp_master_delay vrrp_garp_interval vrrp_version
		vrrp_iptables vrrp_ipsets nftables nftables_priority vrrp_check_unicast_src vrrp_strict vrrp_priority vrrp_no_swap vrrp_rt_priority
		notify_fifo vrrp_notify_fifo_script vrrp_notify_priority_changes checker_priority bfd_priority snmp_socket enable_traps enable_snmp_vrrp
		enable_dbus script_user enable_script_security vrrp_netlink_cmd_rcv_bufs vrrp_startup_delay vrrp_delay_after_boot umask reload_file
		include_check config_save_dir nonsense`
)

// TestNothingIsDroppedInSilence: of each line either something comes, or it is spoken of.
func TestNothingIsDroppedInSilence(t *testing.T) {
	var b strings.Builder
	line, spoken := 0, map[int]string{}
	add := func(format string, args ...any) {
		line++
		fmt.Fprintf(&b, format+"\n", args...)
	}
	all := func(keywords string) {
		for k := range strings.FieldsSeq(keywords) {
			add("%s something", k)
			spoken[line] = k
		}
	}
	add("vrrp_instance web {")
	add("state MASTER")
	add("interface eth0")
	add("unicast_peer {")
	add("172.16.1.5 min_ttl 3")
	spoken[line] = "min_ttl"
	add("}")
	add("virtual_ipaddress {")
	for _, option := range []string{"scope link", "no_track", "-nodad", "autojoin", "peer 172.16.1.9", "preferred_lft 3", "use_vmac"} {
		add("172.16.1.%d/24 %s", line, option)
		spoken[line] = option
	}
	add("172.16.1.77/24 label other")
	spoken[line] = "label other"
	add("}")
	add("track_interface {")
	add("eth7 weight 10")
	spoken[line] = "weight"
	add("eth8 sideways")
	spoken[line] = "sideways"
	add("}")
	add("track_script {")
	add("absent")
	spoken[line] = "absent"
	add("}")
	all(ofTheInstance)
	add("}")
	add("vrrp_instance other {")
	spoken[line] = "no address"
	add("}")
	add("vrrp_instance owner {")
	spoken[line] = "priority 255"
	add("state MASTER")
	add("interface eth0")
	add("priority 255")
	add("unicast_peer {")
	add("172.16.1.5")
	add("}")
	add("virtual_ipaddress {")
	add("172.16.1.99/24")
	add("}")
	add("}")
	add("vrrp_sync_group alone {")
	spoken[line] = "a group of one"
	add("group {")
	add("web2")
	add("}")
	all(ofTheGroup)
	add("}")
	add("vrrp_script unused {")
	spoken[line] = "unused"
	add("script /usr/local/bin/check")
	all(ofTheScript)
	add("}")
	add("vrrp_track_process unused {")
	spoken[line] = "unused"
	add("process haproxy here")
	spoken[line] = "haproxy here"
	all("quorum quorum_max param_match delay full_command nonsense")
	add("}")
	add("global_defs {")
	all(ofTheGlobals)
	add("}")
	all(atTheTop)

	o := options(t, b.String())
	got, err := Convert(o)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, m := range regexp.MustCompile(`keepalived\.conf:(\d+)\b`).FindAllStringSubmatch(string(got.Aliases)+string(got.Settings), -1) {
		said[m[1]] = true
	}
	lines := strings.Split(string(got.Aliases)+string(got.Settings), "\n")
	for n, k := range spoken {
		// A meaning that needs nobody to do anything is said once, with all its keywords.
		together := false
		for _, l := range lines {
			together = together || slices.Contains(strings.Fields(ofTheInstance), k) && strings.HasPrefix(l, "# ") && (strings.Contains(l, " "+k+",") || strings.Contains(l, " "+k+":"))
		}
		if !said[fmt.Sprint(n)] && !together {
			t.Errorf("line %d is dropped in silence: %s", n, strings.Split(b.String(), "\n")[n-1])
		}
	}
}
