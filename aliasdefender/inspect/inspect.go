// Package inspect finds, before the night it matters, what on this host keeps the
// aliases of the files from being defended well. It is what the verb Check says
// beside what the files mean.
//
// It reads nothing: whoever calls it reads the host into a Subject, and each rule is
// a pure function from that to findings, so that every finding is tested without a
// kernel. It refuses to know what the wire does: no rule asks another host. What was
// not read is unknown, and no rule finds anything in it.
//
// A new finding is a function on its own in the file of its kind, and a line in
// Rules. What it needs of the host and no rule needed before is a field of Subject,
// which cli/subject.go fills.
package inspect

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// Severity is how bad a finding is.
type Severity int

const (
	// Note is worth knowing; nothing needs to be done.
	Note Severity = iota + 1
	// Warning is that an alias is defended worse than its files promise.
	Warning
	// Mistake keeps the Monitor, or a row, from working at all.
	Mistake
)

// String is the word that Check prints, and that its JSON has.
func (s Severity) String() string {
	switch s {
	case Mistake:
		return "mistake"
	case Warning:
		return "warning"
	default:
		return "note"
	}
}

// MarshalText is String, for the JSON of Check.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is one thing that Check says of this host. The names of its JSON form are
// kept from version to version.
type Finding struct {
	Severity Severity `json:"severity"`
	About    string   `json:"about"`          // where: "hostname.alias:3", "aliasdefender.toml: router", or a NIC
	What     string   `json:"what"`           // what is the case, as one sentence without a full stop
	Why      string   `json:"why"`            // what comes of it here, in the same form
	Mend     string   `json:"mend,omitempty"` // the command or the line of a file that mends it; empty for some notes
}

// Subject is what was read of this host. A zero field was not read.
type Subject struct {
	Aliases  string // path of the table, as it was named
	Settings string // path of aliasdefender.toml
	Config   *config.Config

	Host *host.State // nil where it cannot be read

	// Sysctls are the kernel's settings below /proc/sys, by their names there:
	// "net/ipv4/conf/eth0/arp_ignore". Absent is unknown.
	Sysctls map[string]string

	// Names are the addresses of each partner that is written as a name, in the
	// resolver's order; absent where it does not resolve.
	Names map[string][]netip.Addr

	// NoReaders says why the group of [control] readers is none; empty: it is one, or
	// none is named.
	NoReaders string
	// ReadersGroup is what else that group is called: its number, or its name.
	ReadersGroup []string

	Unit  *Unit  // that starts the Monitor; nil: none is installed
	Files []File // that the Monitor has to read, as far as they could be looked at
}

// NICSettings are the settings of a NIC in each family that are read into Sysctls, for
// each NIC of the table and for "all".
var NICSettings = map[host.Family][]string{
	host.IPv4: {"arp_ignore", "arp_announce", "rp_filter", "promote_secondaries", "proxy_arp_pvlan"},
	host.IPv6: {"accept_ra", "disable_ipv6", "drop_unsolicited_na", "forwarding", "keep_addr_on_down", "ndisc_notify"},
}

// Sysctl is a setting of a NIC in one family, such as "rp_filter"; ok is false if it is
// unknown.
func (s *Subject) Sysctl(f host.Family, nic, setting string) (value string, ok bool) {
	value, ok = s.Sysctls[SysctlName(f, nic, setting)]
	return value, ok
}

// SysctlName is the name in Subject.Sysctls of a setting of a NIC in one family.
func SysctlName(f host.Family, nic, setting string) string {
	return "net/" + strings.ToLower(f.String()) + "/conf/" + nic + "/" + setting
}

// set is the command that sets a setting of a NIC. With slashes, for a NIC may have dots
// in its name: eth0.100.
func set(f host.Family, nic, setting, value string) string {
	return fmt.Sprintf("sysctl -w %s=%s", SysctlName(f, nic, setting), value)
}

// Row is the About of a row of the table.
func (s *Subject) Row(a config.Alias) string { return fmt.Sprintf("%s:%d", s.Aliases, a.Line) }

// Rules are all that is looked for, in the order in which findings of one severity
// are said.
var Rules = []func(*Subject) []Finding{
	nicMissing,
	nicDown,
	noCarrier,
	ipv6Disabled,
	noOwnAddress,
	onlyLinkLocal,
	dadFailed,
	noDefaultRoute,
	ownIsAlias,
	maskDiffers,
	ownBehind,
	strictPaths,
	routeThroughParty,
	partnerName,
	aliasElsewhere,
	answersForOthers,
	advertisementsLost,
	noRouterFlag,
	deafToAnnouncements,
	announcesByItself,
	noReaders,
	unitCannotRead,
	unitCannotWrite,
	unitNotInGroup,
	unitWithoutIPv6,
	nobodyAfterStop,
	leftOver,
}

// Inspect is what all rules find, the worst first.
func Inspect(s *Subject) (all []Finding) {
	for _, rule := range Rules {
		all = append(all, rule(s)...)
	}
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	return all
}
