package system

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// manager is a program that gives the hosts their own addresses.
type manager struct {
	name  string
	are   []string // what stories can ask for: systemd or sysv first, then everything else that it is
	files func(own netip.Prefix) map[string]string
}

// kind is the kind of Debian system that it runs on.
func (m manager) kind() string { return m.are[0] }

// is tells whether it is all of these.
func (m manager) is(words string) bool {
	for _, w := range strings.Fields(words) {
		if !slices.Contains(m.are, w) {
			return false
		}
	}
	return true
}

// The managers, each set up as its documentation says.
var managers = []manager{
	{"networkd", []string{"systemd", "networkd"}, func(own netip.Prefix) map[string]string {
		return networkd(fmt.Sprintf("Address=%s\nGateway=%s\n", own, routerAddr.Addr()))
	}},
	{"networkd, KeepConfiguration=static", []string{"systemd", "networkd"}, func(own netip.Prefix) map[string]string {
		return networkd(fmt.Sprintf("Address=%s\nGateway=%s\nKeepConfiguration=static\n", own, routerAddr.Addr()))
	}},
	{"networkd, DHCP", []string{"systemd", "networkd", "DHCP"}, func(netip.Prefix) map[string]string {
		return networkd("DHCP=ipv4\n")
	}},
	{"NetworkManager", []string{"systemd", "NetworkManager"}, func(own netip.Prefix) map[string]string {
		return networkManager(fmt.Sprintf("method=manual\naddress1=%s,%s\n", own, routerAddr.Addr()))
	}},
	{"NetworkManager, DHCP", []string{"systemd", "NetworkManager", "DHCP"}, func(netip.Prefix) map[string]string {
		return networkManager("method=auto\n")
	}},
	{"ifupdown", []string{"systemd", "ifupdown"}, func(own netip.Prefix) map[string]string {
		all := ifupdown(own)
		all[units+"NetworkManager.service"] = "-> /dev/null"
		all[units+"NetworkManager-wait-online.service"] = "-> /dev/null"
		return all
	}},
	{"sysvinit, ifupdown", []string{"sysv", "ifupdown"}, ifupdown},
}

const units = "etc/systemd/system/"

// networkd are the files of a machine whose addresses systemd-networkd manages.
func networkd(network string) map[string]string {
	return map[string]string{
		"etc/systemd/network/eth0.network":                         "[Match]\nName=eth0\n\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n" + network,
		units + "multi-user.target.wants/systemd-networkd.service": "-> /lib/systemd/system/systemd-networkd.service",
		units + "NetworkManager.service":                           "-> /dev/null",
		units + "NetworkManager-wait-online.service":               "-> /dev/null",
		units + "networking.service":                               "-> /dev/null",
	}
}

// networkManager are the files of a machine whose addresses NetworkManager manages.
func networkManager(ipv4 string) map[string]string {
	return map[string]string{
		"etc/NetworkManager/system-connections/eth0.nmconnection": "[connection]\nid=eth0\nuuid=6c5f9f0a-5a0f-4f5e-9a53-0c1f0f6b7a11\ntype=ethernet\ninterface-name=eth0\n\n" +
			"[ipv4]\n" + ipv4 + "\n[ipv6]\nmethod=disabled\n",
		units + "NetworkManager-wait-online.service": "-> /dev/null",
		units + "networking.service":                 "-> /dev/null",
	}
}

// ifupdown are the files of a machine whose addresses Debian's own scripts manage.
func ifupdown(own netip.Prefix) map[string]string {
	return map[string]string{
		"etc/network/interfaces": fmt.Sprintf("auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n\taddress %s\n\tgateway %s\n",
			own, routerAddr.Addr()),
	}
}
