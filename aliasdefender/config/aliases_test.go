package config

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// netip's types are comparable, and cmp must not look into them.
var compareNetip = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
}

func row(line int, label, addr string, bits int, partner string, primary bool) Alias {
	nic, _, _ := strings.Cut(label, ":")
	partnerAddr, _ := netip.ParseAddr(partner)
	alias, _ := onNIC(netip.MustParseAddr(addr), nic)
	return Alias{
		Line: line, NIC: nic, Label: label,
		Addr:    alias,
		Prefix:  netip.PrefixFrom(netip.MustParseAddr(addr), bits),
		Partner: Partner{Name: partner, Addr: partnerAddr},
		Primary: primary,
	}
}

func TestARowIsReadAsItWasMeant(t *testing.T) {
	plain := []Alias{row(1, "eth0:1", "172.16.1.2", 24, "172.16.1.5", true)}
	tests := map[string]struct {
		text string
		want []Alias
	}{
		"as the original has it":    {exampleRow, plain},
		"a line end":                {exampleRow + "\n", plain},
		"CRLF":                      {exampleRow + "\r\n\r\n", plain},
		"a BOM":                     {"\xef\xbb\xbf" + exampleRow, plain},
		"a comment behind":          {exampleRow + " # the web | server", plain},
		"no space":                  {"eth0:1|172.16.1.2|255.255.255.0|172.16.1.5|true", plain},
		"tabs":                      {"\teth0:1\t|\t172.16.1.2\t|\t/24\t|\t172.16.1.5\t|\tTRUE\t", plain},
		"a comment in Latin-1":      {exampleRow + " # f\xfcr uns", plain},
		"blank lines count":         {"# head\n\n \t\n" + exampleRow, []Alias{row(4, "eth0:1", "172.16.1.2", 24, "172.16.1.5", true)}},
		"no label":                  {"eth0|172.16.1.2|24|hostb|False", []Alias{row(1, "eth0", "172.16.1.2", 24, "hostb", false)}},
		"a partner by name":         {"eth0:1|172.16.1.2|24|host_b.example.com.|false", []Alias{row(1, "eth0:1", "172.16.1.2", 24, "host_b.example.com.", false)}},
		"a name that begins in 172": {"eth0:1|172.16.1.2|24|172.example|true", []Alias{row(1, "eth0:1", "172.16.1.2", 24, "172.example", true)}},
		"fifteen bytes":             {"enp0s31f6.100:1|172.16.1.2|24|b|true", []Alias{row(1, "enp0s31f6.100:1", "172.16.1.2", 24, "b", true)}},
		"the first of a /31":        {"eth0:1|172.16.1.2|31|172.16.1.3|true", []Alias{row(1, "eth0:1", "172.16.1.2", 31, "172.16.1.3", true)}},
		"the second of a /31":       {"eth0:1|172.16.1.3|31|172.16.1.2|true", []Alias{row(1, "eth0:1", "172.16.1.3", 31, "172.16.1.2", true)}},
		"a /32 on any number":       {"eth0:1|172.16.1.255|32|172.16.1.0|true", []Alias{row(1, "eth0:1", "172.16.1.255", 32, "172.16.1.0", true)}},
		".0 amidst its subnet":      {"eth0:1|172.16.1.0|23|172.16.0.255|true", []Alias{row(1, "eth0:1", "172.16.1.0", 23, "172.16.0.255", true)}},
		"a partner elsewhere":       {"eth0:1|172.16.1.2|24|10.0.0.255|true", []Alias{row(1, "eth0:1", "172.16.1.2", 24, "10.0.0.255", true)}},
		"an alias of IPv6":          {"eth0:1|2001:DB8:0::2|64|2001:db8::0:5|true", []Alias{row(1, "eth0:1", "2001:db8::2", 64, "2001:db8::5", true)}},
		"both families":             {"eth0:1|172.16.1.2|24|b|true\neth0:2|2001:db8::2|/64|b|true", []Alias{row(1, "eth0:1", "172.16.1.2", 24, "b", true), row(2, "eth0:2", "2001:db8::2", 64, "b", true)}},
		"a link-local alias":        {"eth0:1|fe80::1|64|fe80::5|true", []Alias{row(1, "eth0:1", "fe80::1", 64, "fe80::5%eth0", true)}},
		"with its NIC":              {"eth0:1|fe80::1%eth0|64|fe80::5%eth0|true", []Alias{row(1, "eth0:1", "fe80::1", 64, "fe80::5%eth0", true)}},
		"the same on two NICs":      {"eth0|fe80::1|64|fe80::5|true\neth1|fe80::1|64|fe80::5|true", []Alias{row(1, "eth0", "fe80::1", 64, "fe80::5%eth0", true), row(2, "eth1", "fe80::1", 64, "fe80::5%eth1", true)}},
		"a link-local partner":      {"eth0|2001:db8::2|64|fe80::5|true", []Alias{row(1, "eth0", "2001:db8::2", 64, "fe80::5%eth0", true)}},
		"the first of a /127":       {"eth0|2001:db8::|127|2001:db8::1|true", []Alias{row(1, "eth0", "2001:db8::", 127, "2001:db8::1", true)}},
		"a /128 on any number":      {"eth0|2001:db8::|128|2001:db8:1::|true", []Alias{row(1, "eth0", "2001:db8::", 128, "2001:db8:1::", true)}},
		"one NIC and three labels": {"eth0|172.16.1.2|24|b|true\neth0:1|172.16.1.3|24|b|true\neth0:2|172.16.1.4|24|b|false", []Alias{
			row(1, "eth0", "172.16.1.2", 24, "b", true), row(2, "eth0:1", "172.16.1.3", 24, "b", true), row(3, "eth0:2", "172.16.1.4", 24, "b", false)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			readAs(t, tt.text, tt.want)
		})
	}
}

// readAs requires that a table is read as these rows.
func readAs(t *testing.T, text string, want []Alias) {
	t.Helper()
	got, err := ParseAliases(strings.NewReader(text), "hostname.alias")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, compareNetip); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
}

func TestANetmaskMayBeWrittenInEveryFormThatToolsPrint(t *testing.T) {
	for s, want := range map[string]int{
		"255.255.255.0": 24, "/24": 24, "24": 24, "ffffff00": 24, "FFFFFF00": 24, "0xffffff00": 24, "0XFFFFFF00": 24,
		"255.255.255.255": 32, "32": 32, "/32": 32, "ffffffff": 32,
		"255.255.254.0": 23, "fffffffe": 31, "128.0.0.0": 1, "/1": 1, "80000000": 1,
	} {
		got, problem := parseMask(s, netip.MustParseAddr("172.16.1.2"))
		if problem != "" || got != want {
			t.Errorf("parseMask(%q) = %d, %q, want %d", s, got, problem, want)
		}
	}
	for s, want := range map[string]int{
		"64": 64, "/64": 64, "ffff:ffff:ffff:ffff::": 64, "FFFF:FFFF:FFFF:FFFF::0": 64, "/1": 1, "8000::": 1, "128": 128,
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": 128, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe": 127, "ffff:ffff:ffff:ff80::": 57,
	} {
		got, problem := parseMask(s, netip.MustParseAddr("2001:db8::2"))
		if problem != "" || got != want {
			t.Errorf("parseMask(%q) of IPv6 = %d, %q, want %d", s, got, problem, want)
		}
	}
}

// FuzzAliases: whatever is accepted is fit for the kernel and for the rules,
// and reads the same when it is written down again.
func FuzzAliases(f *testing.F) {
	for _, seed := range []string{
		exampleRow,
		"\xef\xbb\xbf" + exampleRow + " # note\r\n\r\neth0|10.0.0.1|/31|10.0.0.0|FALSE",
		"eth0:1|172.16.1.2|ffffff00|b|true\neth0:1|172.16.1.2|0|172.16.1.2|",
		"e|1.1.1.1|0x00000000|1|true",
		"e:|::ffff:1.2.3.4%eth0|1|a.|true",
		"|||||\n# |\n\x00",
		"e:1|2001:db8::2|64|2001:db8::5|true\ne:2|FE80::1|ffff:ffff::|fe80::5%e|false\nf|fe80::1|/10|fe80::5|true",
		"e|::|128|::1|true\ne|fe80::1%e:1|64|fe80::5%\x01|true\ne|ff02::1|::|[::1]|true",
		"enx00e04c680001:123|1.0.0.1|8|1.0.0.2|true", // the longest of all names
		"e|1.0.0.1|33|" + strings.Repeat("a.", 130) + "|true",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		aliases, err := ParseAliases(bytes.NewReader(text), "hostname.alias")
		if err != nil {
			checkMistakes(t, err)
			return
		}
		labels, addrs := map[string]bool{}, map[netip.Addr]bool{}
		var again strings.Builder
		for _, a := range aliases {
			checkFields(t, a)
			if labels[a.Label] || addrs[a.Addr] {
				t.Errorf("twice: %+v", a)
			}
			labels[a.Label], addrs[a.Addr] = true, true
			again.WriteString(strings.Repeat("\n", a.Line-1-strings.Count(again.String(), "\n")) + a.Row())
		}
		if len(aliases) == 0 {
			t.Error("no alias and no mistake")
		}
		got, err := ParseAliases(strings.NewReader(again.String()), "hostname.alias")
		if err != nil {
			t.Fatalf("%v\nwritten again:\n%s", err, again.String())
		}
		if diff := cmp.Diff(aliases, got, compareNetip); diff != "" {
			t.Errorf("written again it reads differently: -first +second\n%s", diff)
		}
	})
}

// checkFields holds the promises that other packages build on.
func checkFields(t *testing.T, a Alias) {
	t.Helper()
	nic, number, labelled := strings.Cut(a.Label, ":")
	if nic != a.NIC || a.NIC == "" || len(nic) > maxLabel || len(a.Label) > maxLabel && len(number) > shortLabel || labelled && number == "" || strings.ContainsAny(a.Label, " \t\r\n/|#") {
		t.Errorf("no NIC of Linux: %+v", a)
	}
	if !a.Addr.IsValid() || a.Addr.Is4In6() || a.Addr.IsMulticast() || a.Addr.IsLoopback() || a.Addr.IsUnspecified() || a.Addr.Is4() && a.Addr.As4()[0] >= 240 {
		t.Errorf("no alias: %s", a.Addr)
	}
	if a.Prefix.Addr() != a.Addr.WithZone("") || a.Prefix.Bits() < 1 || a.Prefix.Bits() > a.Addr.BitLen() {
		t.Errorf("no prefix of %s: %s", a.Addr, a.Prefix)
	}
	for _, addr := range []netip.Addr{a.Addr, a.Partner.Addr} {
		zone := ""
		if addr.Is6() && addr.IsLinkLocalUnicast() {
			zone = a.NIC
		}
		if addr.Zone() != zone {
			t.Errorf("%s of %+v has another zone than its NIC", addr, a)
		}
	}
	if a.Partner.Addr.IsValid() && a.Partner.Addr.Is6() != a.Addr.Is6() || linkLocal(a.Addr) && !linkLocal(a.Partner.Addr) {
		t.Errorf("the partner judges nothing of the alias: %+v", a)
	}
	if a.Addr.Is6() && a.Prefix.Bits() < 127 && a.Prefix.Addr() == a.Prefix.Masked().Addr() {
		t.Errorf("every router's address: %s", a.Prefix)
	}
	if a.Addr.Is4() && a.Prefix.Bits() < 31 && (a.Addr == a.Prefix.Masked().Addr() || !a.Prefix.Contains(a.Addr.Next())) {
		t.Errorf("network or broadcast address: %s", a.Prefix)
	}
	if a.Partner.Name == "" || a.Partner.Addr == a.Addr {
		t.Errorf("no partner: %+v", a)
	}
	if _, err := netip.ParseAddr(a.Partner.Name); (err == nil) != a.Partner.Addr.IsValid() {
		t.Errorf("name or address? %+v", a.Partner)
	}
}

// checkMistakes holds what every error promises, whatever the input.
func checkMistakes(t *testing.T, err error) {
	t.Helper()
	ms, ok := err.(Mistakes)
	if !ok || len(ms) == 0 {
		t.Fatalf("not Mistakes: %#v", err)
	}
	for i, m := range ms {
		if m.File == "" || m.Text == "" {
			t.Errorf("an empty mistake: %#v", m)
		}
		if i > 0 && m.File == ms[i-1].File && m.Line < ms[i-1].Line {
			t.Errorf("out of order: %v", ms)
		}
		if strings.ContainsFunc(m.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("a control character reaches the terminal: %q", m.Error())
		}
	}
}
