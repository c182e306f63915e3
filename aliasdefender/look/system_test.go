package look

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/inspect"
)

// tree writes files below a root; what begins with "-> " is a symbolic link.
func tree(t *testing.T, all map[string]string) system {
	t.Helper()
	root := t.TempDir()
	for name, text := range all {
		at := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		err := error(nil)
		if to, is := cutLink(text); is {
			err = os.Symlink(to, at)
		} else {
			err = os.WriteFile(at, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return system{root}
}

func cutLink(text string) (string, bool) {
	if len(text) > 3 && text[:3] == "-> " {
		return text[3:], true
	}
	return "", false
}

// Programs in our network namespace count, others do not, and one that hides says so.
func TestProgramsOfThisNetworkAreSeen(t *testing.T) {
	here, there := "-> net:[1]", "-> net:[2]"
	y := tree(t, map[string]string{
		"proc/self/ns/net": here,
		"proc/10/comm":     "systemd-network\n", "proc/10/cmdline": "/lib/systemd/systemd-networkd\x00", "proc/10/ns/net": here,
		"proc/11/comm": "NetworkManager\n", "proc/11/cmdline": "NetworkManager\x00", "proc/11/ns/net": there,
		"proc/12/comm": "dhclient\n", "proc/12/cmdline": "dhclient\x00eth0\x00",
		"proc/13/comm": "keepalived\n", "proc/13/cmdline": "keepalived\x00-f\x00/etc/k.conf\x00", "proc/13/ns/net": here,
		"proc/13/root/etc/k.conf": "vrrp_instance a {\n  virtual_ipaddress {\n    10.0.0.1/24 dev eth0 # 10.0.0.9\n    2001:db8::1\n  }\n}\n",
		"proc/14/comm":            "aliasdefender\n", "proc/14/cmdline": "aliasdefender\x00Monitor\x00--aliases\x00other.alias\x00", "proc/14/ns/net": here,
		"proc/14/cwd/other.alias": "eth0:1 | 10.0.0.7 | /24 | 10.0.0.5 | true\n",
		"proc/15/comm":            "aliasdefender\n", "proc/15/cmdline": "aliasdefender\x00Status\x00", "proc/15/ns/net": here,
		"proc/16/comm": "sshd\n", "proc/16/cmdline": "sshd\x00", "proc/16/ns/net": here,
		"proc/17/comm": "keepalived\n", "proc/17/cmdline": "keepalived\x00", "proc/17/ns/net": here,
		"proc/12/status": "Name:\tdhclient\nUid:\t101\t101\t101\t101\nGid:\t0\t0\t0\t0\n", "proc/13/status": "Uid:\t0\t0\t0\t0\n",
		"proc/14/status": "Uid:\t1000\t0\t0\t0\n", "proc/17/status": "Uid:\t0\t0\t0\t0\n", // 14 has been started from a set-user-ID program
		"proc/10/status": "Uid:\t0\t0\t0\t0\n",
	})
	got := y.programs()
	slices.SortFunc(got, func(a, b inspect.Program) int { return a.PID - b.PID })
	unread := got[len(got)-1].Unread
	got[len(got)-1].Unread = ""
	want := []inspect.Program{
		{PID: 10, Name: "systemd-network", Args: []string{"/lib/systemd/systemd-networkd"}},
		{PID: 12, Name: "dhclient", UID: 101, Args: []string{"dhclient", "eth0"}, Hidden: true},
		{PID: 13, Name: "keepalived", Args: []string{"keepalived", "-f", "/etc/k.conf"}, File: "/etc/k.conf", Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")}},
		{PID: 14, UID: 1000, Name: "aliasdefender", Args: []string{"aliasdefender", "Monitor", "--aliases", "other.alias"}, File: "other.alias", Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.7")}},
		{PID: 17, Name: "keepalived", Args: []string{"keepalived"}, File: "/etc/keepalived/keepalived.conf"},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || unread == "" {
		t.Errorf("%s\nunread: %q", diff, unread)
	}
}

// The files are those of Debian 12: systemd-networkd 252 and NetworkManager 1.42.
func TestWhatManagesANICIsReadFromFiles(t *testing.T) {
	const state = "# This is private data. Do not parse.\nADMIN_STATE=configured\nOPER_STATE=routable\nNETWORK_FILE=/etc/systemd/network/eth0.network\nNETWORK_FILE_DROPINS=\"\"\n"
	nics := []host.NIC{{Name: "eth0", Index: 2}, {Name: "eth1", Index: 3}, {Name: "eth2", Index: 4}, {Name: "eth3", Index: 5}}
	y := tree(t, map[string]string{
		"run/systemd/netif/links/2":                    state,
		"run/systemd/netif/links/3":                    "ADMIN_STATE=unmanaged\n",
		"etc/systemd/network/eth0.network":             "[Match]\nName=eth0\nDHCP=no\n[Network]\n# KeepConfiguration=no\nDHCP=ipv4\n[DHCPv4]\nKeepConfiguration=no\n",
		"etc/systemd/network/eth0.network.d/keep.conf": "[Network]\nKeepConfiguration=Static\n",
		"run/NetworkManager/devices/4":                 "[device]\nmanaged=true\nconnection-uuid=6c5f9f0a-5a0f-4f5e-9a53-0c1f0f6b7a11\n",
		"run/NetworkManager/devices/5":                 "[device]\nmanaged=false\n",
	})
	want := map[string]inspect.Link{"eth0": {NetworkFile: "/etc/systemd/network/eth0.network", Keep: "static", DHCP: "ipv4"}, "eth1": {}, "eth2": {NetworkManager: true}, "eth3": {}}
	if diff := cmp.Diff(want, y.links(nics)); diff != "" {
		t.Error(diff)
	}
}

// This is what iproute2 6.1 prints with -json -details, shortened.
func TestVRFsAreReadFromText(t *testing.T) {
	const text = `[{"ifindex":1,"ifname":"lo"},{"ifindex":2,"ifname":"eth0","master":"red","linkinfo":{"info_kind":"veth","info_slave_kind":"vrf","info_slave_data":{"table":10}}},
		{"ifindex":3,"ifname":"eth1","master":"br0","linkinfo":{"info_slave_kind":"bridge"}},{"ifindex":4,"ifname":"red","linkinfo":{"info_kind":"vrf","info_data":{"table":10}}}]`
	if diff := cmp.Diff(map[string]string{"eth0": "red"}, vrfs([]byte(text))); diff != "" {
		t.Error(diff)
	}
	if got := vrfs(nil); len(got) > 0 {
		t.Error(got)
	}
}

func TestRulesOfSourcesAreReadFromText(t *testing.T) {
	const text = `[{"priority":0,"src":"all","table":"local"},{"priority":100,"src":"10.0.0.4","table":"100"},{"priority":101,"src":"10.1.0.0","srclen":16,"table":"101"},
		{"priority":102,"src":"10.2.0.0","srclen":16,"iif":"eth1","table":"102"},{"priority":32766,"src":"all","table":"main"}]`
	want := []inspect.SourceRule{{Source: netip.MustParsePrefix("10.0.0.4/32"), Table: "100"}, {Source: netip.MustParsePrefix("10.1.0.0/16"), Table: "101"}}
	if got := sourceRules([]byte(text)); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
