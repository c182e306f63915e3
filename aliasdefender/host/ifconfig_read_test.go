package host

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listings are texts as ifconfig -a prints them, in testdata/ifconfig, and what
// they say of the NICs but the loopback.
var listings = map[string][]NIC{
	// Of the article, Solaris 8, before and after the alias came.
	"article-before": {{Name: "spwr0", Index: 2, Up: true, Carrier: true, Addrs: []Address{addr("172.16.1.1/24", "spwr0")}}},
	"article-after": {{Name: "spwr0", Index: 2, Up: true, Carrier: true,
		Addrs: []Address{addr("172.16.1.1/24", "spwr0"), addr("172.16.1.2/24", "spwr0:1")}}},

	"solaris-2.6": {{Name: "le0", Index: 2, HW: HW{8, 0, 0x20, 7, 0xa, 0xbc}, Up: true, Carrier: true,
		Addrs: []Address{addr("172.16.1.4/24", "le0")}}}, // le0:1 is there, and has no address
	"solaris-10-zones": {
		{Name: "bge0", Index: 2, HW: HW{0, 3, 0xba, 1, 2, 3}, Up: true, Carrier: true,
			Addrs: []Address{addr("172.16.1.4/24", "bge0"), addr("172.16.1.2/24", "bge0:2")}}, // bge0:1 is zone web's
		{Name: "bge1", Index: 3, HW: HW{0, 3, 0xba, 1, 2, 4}, Carrier: true}, // plumbed, and not up
	},
	"solaris-10-ipmp-failed": {{Name: "ce0", Index: 2, HW: HW{0, 3, 0xba, 1, 2, 3}, Up: true,
		Addrs: []Address{addr("172.16.1.4/24", "ce0"), addr("172.16.1.14/24", "ce0:1")}}}, // FAILED
	"solaris-11": {{Name: "net0", Index: 2, HW: HW{0, 0xc, 0x29, 0x70, 0x65, 0x29}, Up: true, Carrier: true,
		Addrs: []Address{addr("172.16.1.4/20", "net0")}}}, // IPv6 passed over
	"solaris-11-duplicate": {{Name: "net0", Index: 2, Up: true, Carrier: true, Addrs: []Address{addr("172.16.1.4/24", "net0")}}},
	"illumos-no-cable": {{Name: "e1000g0", Index: 2, HW: HW{2, 8, 0x20, 0xb2, 0xe8, 0x3a}, Up: true,
		Addrs: []Address{addr("172.16.1.4/24", "e1000g0"), addr("172.16.1.2/24", "e1000g0:1")}}},
	"wrapped": {{Name: "e1000g0", Index: 2, HW: HW{2, 8, 0x20, 0xb2, 0xe8, 0x3a}, Up: true, Carrier: true,
		Addrs: []Address{addr("172.16.1.4/24", "e1000g0"), addr("172.16.1.2/24", "e1000g0:1")}}},
	"tunnel": {{Name: "ip.tun0", Index: 3, Up: true, Carrier: true, Addrs: []Address{addr("10.0.0.1/32", "ip.tun0")}}},
}

func addr(prefix, label string) Address {
	return Address{Prefix: netip.MustParsePrefix(prefix), Label: label}
}

func TestListingsAreRead(t *testing.T) {
	files, err := filepath.Glob("testdata/ifconfig/*.txt")
	if err != nil || len(files) != len(listings) {
		t.Errorf("%d files for %d listings, %v", len(files), len(listings), err)
	}
	for name, want := range listings {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata/ifconfig", name+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			units, err := parseUnits(string(text))
			if err != nil {
				t.Fatal(err)
			}
			s := state(units, nil)
			if n, _ := s.NIC("lo0"); len(n.Addrs) != 1 || n.Addrs[0].Prefix.String() != "127.0.0.1/8" {
				t.Errorf("lo0 read as %+v", n)
			}
			equal := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
			if diff := cmp.Diff(want, s.NICs[1:], equal); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var duplicates []netip.Addr
			if name == "solaris-11-duplicate" {
				duplicates = []netip.Addr{netip.MustParseAddr("172.16.1.2")}
			}
			if diff := cmp.Diff(duplicates, s.Duplicates, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("duplicates (-want +got):\n%s", diff)
			}

			// Lines that end as in a DOS file, or have lost their indentation,
			// say the same.
			for _, old := range []string{"\n\t", "\n        "} {
				changed := strings.ReplaceAll(strings.ReplaceAll(string(text), old, "\n"), "\n", "\r\n")
				again, err := parseUnits(changed)
				if diff := cmp.Diff(s.NICs, state(again, nil).NICs, equal); diff != "" || err != nil {
					t.Errorf("changed: %v (-want +got):\n%s", err, diff)
				}
			}
		})
	}
}

func TestWhatIsNoListingIsUnknown(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":              "",
		"blank lines":          "\n\n",
		"an error":             "ifconfig: cannot open /dev/ip\n",
		"cut in the flags":     "lo0: flags=849<UP,LOOPBACK,RUNNI",
		"without flags":        "lo0: flags=849\n\tinet 127.0.0.1\n",
		"cut in an address":    "lo0: flags=849<UP,LOOPBACK> mtu 8232\n\tinet 127.0.",
		"cut after inet":       "lo0: flags=849<UP,LOOPBACK> mtu 8232\n\tinet",
		"cut in a netmask":     "lo0: flags=849<UP,LOOPBACK> mtu 8232\n\tinet 127.0.0.1 netmask ",
		"an endless number":    "lo0:99999999999999999999: flags=849<UP> mtu 8232\n",
		"only the second half": "RUNNING,MULTICAST,IPv4> mtu 1500\nlo0: flags=849<UP,LOOPBACK> mtu 8232\n\tinet 127.0.0.1 netmask ff000000\n",
	} {
		if units, err := parseUnits(text); err == nil {
			t.Errorf("%s: read as %+v", name, units)
		}
	}
}

func TestRoutesAreRead(t *testing.T) {
	s := State{NICs: []NIC{
		{Name: "iprb0", Addrs: []Address{addr("10.0.0.4/8", "iprb0")}},
		{Name: "iprb1", Addrs: []Address{addr("172.16.1.4/24", "iprb1")}},
	}}
	router := netip.MustParseAddr("172.16.1.254")
	for name, c := range map[string]struct {
		text string
		want []Route
	}{
		"the NIC is named": {"default  172.16.1.254  UG  1  12 iprb1:1\n", []Route{{"iprb1", router}}},
		"it is blank":      {"default  172.16.1.254  UG  1  12  \n", []Route{{"iprb1", router}}},
		"two of them": {"default 172.16.1.254 UG 1 12 iprb1\n10.0.0.0 10.0.0.4 U 1 2 iprb0\ndefault 10.0.0.1 UG 1 0\n",
			[]Route{{"iprb1", router}, {"iprb0", netip.MustParseAddr("10.0.0.1")}}},
		"IPv6 only":            {"default  fe80::1  UG  1  12 iprb1\n", nil},
		"rejected":             {"default  172.16.1.254  GR  1  12 iprb1\n", nil},
		"an interface's route": {"default  172.16.1.4  U  1  12 iprb1\n", nil},
		"none":                 {"Routing Table: IPv4\n  Destination  Gateway  Flags  Ref  Use  Interface\n", nil},
	} {
		if diff := cmp.Diff(c.want, parseRoutes(c.text, s), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for text, want := range map[string]string{
		"   route to: default\n    gateway: 172.16.1.254\n  interface: iprb1:2\n": "iprb1",
		"    gateway: 172.16.1.254\n":               "iprb1",
		"    gateway: router\n  interface: iprb1\n": "",
		"default: not in table\n":                   "",
	} {
		got := ""
		if r := parseRoute(text, s); len(r) > 0 {
			got = r[0].NIC
		}
		if got != want {
			t.Errorf("%q: by %q, want %q", text, got, want)
		}
	}
}

func TestNeighboursAreRead(t *testing.T) {
	const table = `
Net to Media Table: IPv4
Device   IP Address               Mask      Flags      Phys Addr
------ -------------------- --------------- -------- ---------------
bge0   172.16.1.254         255.255.255.255          00:14:69:81:0b:c0
bge0   172.16.1.5           255.255.255.255 o        0:14:69:81:b:c1
bge0   172.16.1.4           255.255.255.255 SPLA     00:03:ba:01:02:03
bge0   172.16.1.77          255.255.255.255 U
bge0   172.16.1.78          255.255.255.255          00:00:00:00:00:00
bge0   172.16.1.79          255.255.255.255          00:03:ba:01:02:03
bge0   224.0.0.0            240.0.0.0       SM       01:00:5e:00:00:00
`
	s := State{NICs: []NIC{{Name: "bge0", HW: HW{0, 3, 0xba, 1, 2, 3}}}}
	got := parseNeighbours(table, s)
	delete(got, netip.MustParseAddr("224.0.0.0"))
	want := map[netip.Addr]HW{
		netip.MustParseAddr("172.16.1.254"): {0, 0x14, 0x69, 0x81, 0x0b, 0xc0},
		netip.MustParseAddr("172.16.1.5"):   {0, 0x14, 0x69, 0x81, 0x0b, 0xc1},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzIfconfig: whatever is printed, what is read of it is either nothing or
// units that can be named and addresses that a host can have, and what is cut
// off at the end never makes an address that was not there before.
func FuzzIfconfig(f *testing.F) {
	files, err := filepath.Glob("testdata/ifconfig/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), len(text)/2)
	}
	f.Fuzz(func(t *testing.T, text string, at int) {
		units, err := parseUnits(text)
		if err != nil {
			return
		}
		names := map[string]bool{}
		for _, u := range units {
			names[u.name] = true
			if u.nic == "" || nicOf(u.name) != u.nic || u.prefix.IsValid() && (!u.prefix.Addr().Is4() || u.prefix.Addr().IsUnspecified()) {
				t.Errorf("read as %+v", u)
			}
		}
		for _, n := range state(units, nil).NICs {
			for _, a := range n.Addrs {
				if !names[a.Label] {
					t.Errorf("%+v is on no unit", a)
				}
			}
		}
		if at < 0 || at > len(text) {
			return
		}
		cut, err := parseUnits(text[:at])
		if err == nil && len(cut) > len(units) {
			t.Errorf("%d units of a part, %d of the whole", len(cut), len(units))
		}
	})
}
