package config

import (
	"strings"
	"testing"
)

func TestAliasOfSolarisNeedsAUnit(t *testing.T) {
	for nic, good := range map[string]bool{
		"iprb1:1": true, "net0:12": true, "bge1000g0:1": true, "vlan_a0:3": true, "ip.tun0:1": true,
		"iprb1": false, "iprb1:0": false, "iprb1:01": false, "iprb1:web": false, "eth:1": false, "iprb1:1a": false,
	} {
		table := readTable(read(strings.NewReader(nic+" | 172.16.1.2 | /24 | 172.16.1.5 | true\n"), "hostname.alias"))
		if len(table.mistakes) != 0 {
			t.Fatalf("%s is a mistake on every system: %v", nic, table.mistakes)
		}
		table.checkUnits()
		switch err := table.mistakes.err(); {
		case good && err != nil:
			t.Errorf("%s: %v", nic, err)
		case !good && (err == nil || err.Error() != "hostname.alias:1: nic: "+nic+
			": on this system an alias needs a NIC and a unit of it with a number from 1, such as net0:1"):
			t.Errorf("%s: %v", nic, err)
		}
	}
}
