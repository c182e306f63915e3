package look

import "testing"

// What Check does not follow in a keepalived.conf is unknown, and not the end of it.
func TestAKeepalivedConfThatLeadsOnIsNotReadWhole(t *testing.T) {
	for text, want := range map[string]bool{
		"vrrp_instance a {\n virtual_ipaddress {\n  10.0.0.1/24\n }\n}\n": false,
		" include /etc/keepalived/conf.d/*.conf\n":                        true,
		"@high 10.0.0.1\n":                true,
		"$VIP=10.0.0.1\n":                 true,
		" virtual_ipaddress { ${VIP} }\n": true,
	} {
		if got := leadsOn(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
