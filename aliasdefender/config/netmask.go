package config

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// parseMask reads the netmask of an alias in any of the forms that ifconfig, ip and the
// Solaris tools print, and returns its length in bits: 1 to 32 or, for IPv6, to 128. Of
// an alias that could not be read the mask may be of either family.
func parseMask(s string, alias netip.Addr) (length int, problem string) {
	if strings.Contains(s, ":") {
		if alias.Is4() {
			return 0, fmt.Sprintf("%s is a netmask of IPv6, and the alias is an IPv4 address; write 255.255.255.0, /24 or 24", show(s))
		}
		return parseMask6(s)
	}
	if !alias.Is6() {
		return parseMask4(s, alias)
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "/"), 10, 16)
	switch {
	case s == "":
		return 0, "is missing"
	case err != nil || strconv.FormatUint(n, 10) != strings.TrimPrefix(s, "/"):
		return 0, fmt.Sprintf("%s is not a netmask of IPv6; write /64, 64 or ffff:ffff:ffff:ffff::", show(s))
	case n < 1 || n > 128:
		return 0, fmt.Sprintf("%s is out of range: a prefix length of IPv6 is 1 to 128", s)
	}
	return int(n), ""
}

// ones is the mask of a single address of IPv6.
var ones = netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")

// parseMask6 reads a netmask of IPv6 that is written as an address.
func parseMask6(s string) (length int, problem string) {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return 0, fmt.Sprintf("%s is not a netmask of IPv6, such as ffff:ffff:ffff:ffff::", show(s))
	}
	for _, b := range addr.As16() {
		length += bits.LeadingZeros8(^b)
		if b != 0xff {
			break
		}
	}
	switch {
	case addr.IsUnspecified():
		return 0, fmt.Sprintf("%s covers every address; write the mask of the alias's subnet", s)
	case netip.PrefixFrom(ones, length).Masked().Addr() != addr:
		return 0, show(s) + " has gaps"
	}
	return length, ""
}

// parseMask4 reads a netmask of IPv4.
func parseMask4(s string, alias netip.Addr) (length int, problem string) {
	switch {
	case s == "":
		return 0, "is missing"
	case strings.Contains(s, "."):
		addr, err := netip.ParseAddr(s)
		if err != nil || !addr.Is4() {
			return 0, fmt.Sprintf("%s is not a netmask, such as 255.255.255.0", show(s))
		}
		octets := addr.As4()
		return maskLength(s, binary.BigEndian.Uint32(octets[:]))
	}
	if digits, hex := cutHex(s); hex {
		if mask, err := strconv.ParseUint(digits, 16, 32); err == nil {
			return maskLength(s, uint32(mask))
		}
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "/"), 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != strings.TrimPrefix(s, "/") {
		return 0, fmt.Sprintf("%s is not a netmask; write 255.255.255.0, /24, 24 or ffffff00", show(s))
	}
	if n < 1 || n > 32 && (alias.IsValid() || n > 128) {
		return 0, fmt.Sprintf("%s is out of range: a prefix length is 1 to 32", s)
	}
	return int(n), ""
}

// cutHex tells a hexadecimal mask, as Solaris prints it, from a prefix length:
// it has all of its eight digits.
func cutHex(s string) (digits string, ok bool) {
	digits = strings.TrimPrefix(strings.ToLower(s), "0x")
	return digits, len(digits) == 8
}

// maskLength counts the ones of a mask that was written as s.
func maskLength(s string, mask uint32) (length int, problem string) {
	length = bits.LeadingZeros32(^mask)
	switch {
	case mask == 0:
		return 0, fmt.Sprintf("%s covers every address; write the mask of the alias's subnet", s)
	case mask == ^uint32(0)<<(32-length):
		return length, ""
	case mask&(mask+1) == 0:
		return 0, fmt.Sprintf("%s is a wildcard (an inverted netmask); write /%d", s, bits.LeadingZeros32(mask))
	}
	return 0, s + " has gaps"
}
