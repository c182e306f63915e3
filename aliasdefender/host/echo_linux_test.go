package host_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/nstest"
	"alias-defender/aliasdefender/probe"
)

// TestEchoIsAnsweredByWhoHasTheAddress: B has one on the cable and one elsewhere, and
// answers for both in a frame to its NIC. C, behind it, would answer for a third if B
// forwarded what is not its own, and B does forward.
func TestEchoIsAnsweredByWhoHasTheAddress(t *testing.T) {
	a, b := pair(t)
	c := nstest.New(t)
	nstest.Cable(t, b, "eth1", c, "eth0")
	b.Address(t, "eth1", "10.0.1.2/24")
	c.Address(t, "eth0", "10.0.1.3/24")
	c.Route(t, "eth0", "10.0.1.2", nil)
	b.Do(func() {
		for file, value := range map[string]string{"ip_forward": "1", "conf/eth0/arp_ignore": "1", "conf/eth0/arp_announce": "2"} {
			if err := os.WriteFile("/proc/sys/net/ipv4/"+file, []byte(value), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	})
	w, _ := listener(t, a.space)
	var p *probe.Pinger
	a.space.Do(func() {
		var err error
		if p, err = probe.NewPinger(); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { p.Close() })
	hwB := host.HW(b.HW(t, "eth0"))
	heard := make(chan string, 8)
	ask := func(target string, to host.HW) {
		t.Helper()
		addr := netip.MustParseAddr(target)
		q := probe.Question{Target: addr, Source: addrA, Timeout: nstest.Patience, Send: func(icmp []byte) error { return w.Echo(addr, addrA, to, icmp) }}
		if err := p.Ask(q, func(_ time.Time, err error) { heard <- target }); err != nil {
			t.Fatal(err)
		}
	}
	ask("10.0.1.3", hwB)    // C's
	ask("10.0.0.2", nobody) // B's, in a frame to somebody else
	ask("10.0.0.200", hwB)  // nobody's
	for _, target := range []string{"10.0.1.2", "10.0.0.2"} {
		ask(target, hwB)
		if got := wait(t, "an answer", heard); got != target {
			t.Errorf("answered as %s, want %s", got, target)
		}
	}
	if err := w.Echo(addrB, netip.MustParseAddr("fe80::1"), hwB, nil); err == nil || !strings.Contains(err.Error(), "not an IPv4 address") {
		t.Errorf("of IPv6: %v", err)
	}
	if err := w.Echo(addrB, addrA, hwB, make([]byte, 2000)); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("of 2000 bytes: %v", err)
	}
}
