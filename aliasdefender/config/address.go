package config

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLabel is the longest NIC name or label that Linux takes: IFNAMSIZ less the final
// zero. The kernel would refuse a longer one at the worst moment, the take.
const maxLabel = 15

// shortLabel is how long the part after the colon may be on any NIC: if all together is
// too long, the kernel is given less of the NIC's name.
const shortLabel = 3

// parseHost reads the address of one host, of either family. The problem is empty if a
// host may own the address.
func parseHost(s string) (addr netip.Addr, problem string) {
	addr, problem = parseAddr(s)
	if problem == "" {
		problem = unusable(addr)
	}
	if problem != "" {
		return netip.Addr{}, problem
	}
	return addr, ""
}

// parseAddr reads an address of either family, and says in its own words what is wrong
// with it: netip's errors speak to programmers. Only a link-local address of IPv6 may
// have a zone, the name of a NIC.
func parseAddr(s string) (netip.Addr, string) {
	addr, err := netip.ParseAddr(s)
	switch {
	case err == nil && addr.Is4():
		return addr, ""
	case err == nil && addr.Is4In6():
		return netip.Addr{}, fmt.Sprintf("%s is an IPv4-mapped IPv6 address; write %s", show(s), addr.Unmap().WithZone(""))
	case err == nil && addr.Zone() == "":
		return addr, ""
	case err == nil && !addr.IsLinkLocalUnicast():
		return netip.Addr{}, fmt.Sprintf("%s: only a link-local address has a NIC behind it; write %s", show(s), addr.WithZone(""))
	case err == nil:
		if nic, problem := splitNIC(addr.Zone()); problem != "" {
			return netip.Addr{}, fmt.Sprintf("%s: the NIC %s", show(s), problem)
		} else if nic != addr.Zone() {
			return netip.Addr{}, fmt.Sprintf("%s: a NIC without a label is expected behind the address; write %s", show(s), addr.WithZone(nic))
		}
		return addr, ""
	case s == "":
		return netip.Addr{}, "is missing"
	}
	if before, _, found := strings.Cut(s, "/"); found {
		if _, problem := parseAddr(before); problem == "" {
			return netip.Addr{}, fmt.Sprintf("%s: an address without a prefix length is expected; write %s", show(s), before)
		}
	}
	if inside, is := strings.CutPrefix(s, "["); is {
		inside, _, _ = strings.Cut(inside, "]")
		if addr, problem := parseAddr(inside); problem == "" {
			return netip.Addr{}, fmt.Sprintf("%s: an address without brackets is expected; write %s", show(s), addr)
		}
	}
	if decimal, ok := withoutLeadingZeros(s); ok {
		return netip.Addr{}, fmt.Sprintf("%s has leading zeros, which some programs read as octal; write %s", show(s), decimal)
	}
	switch {
	case strings.Contains(s, ":"):
		return netip.Addr{}, fmt.Sprintf("%s is not an IPv6 address, such as 2001:db8::2", show(s))
	case s[0] >= '0' && s[0] <= '9':
		return netip.Addr{}, fmt.Sprintf("%s is not an IPv4 address, such as 172.16.1.2", show(s))
	}
	return netip.Addr{}, fmt.Sprintf("%s is not an address, such as 172.16.1.2 or 2001:db8::2", show(s))
}

// withoutLeadingZeros returns the address without leading zeros, if they are all that is
// wrong with it.
func withoutLeadingZeros(s string) (string, bool) {
	octets := strings.Split(s, ".")
	for i, o := range octets {
		if trimmed := strings.TrimLeft(o, "0"); trimmed != "" || o == "" {
			octets[i] = trimmed
		} else {
			octets[i] = "0"
		}
	}
	decimal := strings.Join(octets, ".")
	addr, err := netip.ParseAddr(decimal)
	return decimal, err == nil && addr.Is4()
}

// unusable says why no host can own the address; empty means that one can.
// The kernel would add some of these without a word.
func unusable(addr netip.Addr) string {
	kind := ""
	switch {
	case addr.IsLoopback():
		kind = "a loopback address, which never leaves this host"
	case addr.IsMulticast():
		kind = "a multicast address"
	case addr.Is6() && addr.IsUnspecified():
		kind = "the unspecified address, which no host can own"
	case addr.Is6():
		return ""
	case addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		kind = "the broadcast address"
	case addr.As4()[0] == 0:
		kind = "in 0.0.0.0/8, which no host can own"
	case addr.As4()[0] >= 240:
		kind = "in class E, which is reserved"
	default:
		return ""
	}
	return addr.String() + " is " + kind
}

// edge says whether addr is an address of its subnet that no host can have: of IPv4 the
// network or the broadcast address, of IPv6 the subnet-router anycast address (RFC 4291,
// 2.6.1). Empty means that it is none of them. A /31 and a /127 have no such addresses
// (RFC 3021, RFC 6164), nor has a single address.
func edge(addr netip.Addr, subnet netip.Prefix) string {
	if !holds(subnet, addr) || subnet.Bits() >= addr.BitLen()-1 {
		return ""
	}
	if addr.Is6() {
		if addr.WithZone("") == subnet.Masked().Addr() {
			return fmt.Sprintf("%s is the subnet-router anycast address of %s, which every router there answers for", addr, subnet.Masked())
		}
		return ""
	}
	hosts := uint32(1)<<(32-subnet.Bits()) - 1
	octets := addr.As4()
	switch binary.BigEndian.Uint32(octets[:]) & hosts {
	case 0:
		return fmt.Sprintf("%s is the network address of %s", addr, subnet.Masked())
	case hosts:
		return fmt.Sprintf("%s is the broadcast address of %s", addr, subnet.Masked())
	}
	return ""
}

// splitNIC reads an interface with an optional ":label" as Linux has them
// (dev_valid_name, in net/core/dev.c). It also refuses names with unprintable characters:
// the name goes into the log and onto terminals.
func splitNIC(s string) (nic, problem string) {
	nic, number, labelled := strings.Cut(s, ":")
	switch {
	case s == "":
		return "", "is missing"
	case len(nic) > maxLabel:
		return "", fmt.Sprintf("%s has %d bytes; the name of an interface has at most %d", show(nic), len(nic), maxLabel)
	case len(s) > maxLabel && len(number) > shortLabel:
		return "", fmt.Sprintf("%s has %d bytes; the system takes at most %d, the label included; a label of %d bytes fits on any interface", show(s), len(s), maxLabel, shortLabel)
	case nic == "":
		return "", fmt.Sprintf("%s has no interface before the colon", show(s))
	case nic == "." || nic == "..":
		return "", fmt.Sprintf("%s is not a name that an interface can have", show(s))
	case labelled && number == "":
		return "", fmt.Sprintf("%s has nothing after the colon; write %s:1 or %s", show(s), show(nic), show(nic))
	case strings.Contains(nic, "@"):
		name, _, _ := strings.Cut(nic, "@")
		return "", fmt.Sprintf("%s is how the command ip writes an interface and what it is linked to; write %s", show(s), show(name+s[len(nic):]))
	case strings.Contains(number, ":"):
		return "", fmt.Sprintf("%s has more than one colon", show(s))
	case !utf8.ValidString(s):
		return "", fmt.Sprintf("%s is not UTF-8", show(s))
	}
	for _, r := range s {
		if r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return "", fmt.Sprintf("%s contains %q, which no interface name can have", show(s), r)
		}
	}
	return nic, ""
}

// parsePartner reads an address, which may be spelt in many ways and has one name for all
// of them, or a host name as in RFC 1123, section 2.1, but with the underscores that hosts
// files also have.
func parsePartner(s string) (Partner, string) {
	if s == "" {
		return Partner{}, "is missing"
	}
	if addressLike(s) {
		addr, problem := parseHost(s)
		if problem != "" {
			return Partner{}, problem
		}
		return Partner{Name: addr.String(), Addr: addr}, ""
	}
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	if strings.EqualFold(labels[len(labels)-1], "localhost") {
		return Partner{}, fmt.Sprintf("%s is this host; write the name or address of the other", s)
	}
	if len(s) > 253 {
		return Partner{}, fmt.Sprintf("%s has %d bytes; a host name has at most 253", show(s), len(s))
	}
	for _, l := range labels {
		if !hostLabel(l) {
			return Partner{}, fmt.Sprintf("%s is neither an address nor a host name", show(s))
		}
	}
	return Partner{Name: s}, ""
}

// addressLike tells whether the text was meant as an address: a misspelt address must not
// be taken for a name, for which the resolver would then look in vain. No top-level
// domain is all digits, and so the last label of a name is not either.
func addressLike(s string) bool {
	s = strings.TrimSuffix(s, ".")
	last := s[strings.LastIndexByte(s, '.')+1:]
	return strings.ContainsAny(s, ":/") || strings.Trim(last, "0123456789") == ""
}

func hostLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}
