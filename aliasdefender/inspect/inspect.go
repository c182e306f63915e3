// Package inspect finds, before the night it matters, what keeps the aliases of the files
// from being well defended. Check prints it beside what the files mean.
//
// It reads nothing and asks nobody: its callers read the host into a Subject, and package
// look puts the network's answers into it as Live. Each rule is a pure function from that
// to findings, so every finding is tested without a kernel. What was not read is unknown,
// and no rule calls it good or bad.
//
// Rules are about the files and the settings of this host, and Standing is about how the
// network stands at this moment. Of their findings Fault and Mistake are red
// (Severity.Red): as things stand, an alias is not where it should be, or could not move.
// Code that is about to move an alias on purpose, such as a drill, refuses while anything
// is red, or while nobody on the network could be asked (Live.CannotAsk). Warnings,
// notes, what is unknown and what is good are not red.
//
// A new finding is a function of its own in the file of its kind, and a line in Rules or
// Standing. If it needs something of the host that no rule needed before, it adds a field
// to Subject, which cli/subject.go fills, or to Live, which package look fills.
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
	// Good is as it should be. It has neither Why nor Mend.
	Good Severity = iota + 1
	// Unknown could not be looked at: that is neither good nor bad.
	Unknown
	// Note is worth knowing; nothing needs to be done.
	Note
	// Warning means that an alias is defended less well than its files promise.
	Warning
	// Fault means that, as the network stands, an alias is not where it should be, or could
	// not move.
	Fault
	// Mistake keeps the Monitor, or a row, from working at all.
	Mistake
)

// String is the word that Check prints, and that its JSON has.
func (s Severity) String() string {
	switch s {
	case Mistake:
		return "mistake"
	case Fault:
		return "fault"
	case Warning:
		return "warning"
	case Unknown:
		return "unknown"
	case Good:
		return "good"
	default:
		return "note"
	}
}

// Red tells whether a finding forbids moving an alias on purpose.
func (s Severity) Red() bool { return s >= Fault }

// MarshalText is String, for Check's JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is one thing that Check says about this host. The names of its JSON form do
// not change from version to version.
type Finding struct {
	Severity Severity `json:"severity"`
	About    string   `json:"about"`          // where: "hostname.alias:3", "aliasdefender.toml: router", or a NIC
	What     string   `json:"what"`           // what is the case, as one sentence without a full stop
	Why      string   `json:"why"`            // what follows from it here, in the same form
	Mend     string   `json:"mend,omitempty"` // the command or the line of a file that fixes it; empty for some notes
}

// Subject is what was read of this host. A zero field was not read.
type Subject struct {
	Aliases  string // path of the table, as the user named it
	Settings string // path of aliasdefender.toml
	Config   *config.Config

	Host *host.State // nil if it cannot be read

	// Sysctls are the kernel's settings below /proc/sys, under their names there:
	// "net/ipv4/conf/eth0/arp_ignore". A missing one is unknown.
	Sysctls map[string]string

	// Tables are this host's routing tables, on a host that keeps routes; nil if they cannot
	// be read.
	Tables *Tables

	// Names are the addresses of each partner that is written as a name, in the
	// resolver's order; a name that does not resolve is missing.
	Names map[string][]netip.Addr

	// NoReaders says why [control] readers names no usable group; empty if it does,
	// or names none.
	NoReaders string
	// ReadersGroup is the group's other name: its number, or its name.
	ReadersGroup []string

	Lacks string // which capabilities root has not here that a Monitor needs; empty: none, or Check is not run by root

	Live *Live // how the network stands, as it was asked; nil: nobody asked

	Unit  *Unit  // the unit that starts the Monitor; nil: none is installed
	Files []File // files that the Monitor has to read, as far as we could look at them
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

// TableLimit is the name in Subject.Sysctls of how many neighbours the kernel keeps of a
// family. Only the first network namespace has it.
func TableLimit(f host.Family) string {
	return "net/" + strings.ToLower(f.String()) + "/neigh/default/gc_thresh3"
}

// SysctlName is the name in Subject.Sysctls of a setting of a NIC in one family.
func SysctlName(f host.Family, nic, setting string) string {
	return "net/" + strings.ToLower(f.String()) + "/conf/" + nic + "/" + setting
}

// set is the command that sets a setting of a NIC. It uses slashes, because a NIC may have
// dots in its name: eth0.100.
func set(f host.Family, nic, setting, value string) string {
	return fmt.Sprintf("sysctl -w %s=%s", SysctlName(f, nic, setting), value)
}

// Row is the About of a row of the table.
func (s *Subject) Row(a config.Alias) string { return fmt.Sprintf("%s:%d", s.Aliases, a.Line) }

// Rules are those about the files and the settings of this host, in the order in which
// findings of one severity are shown.
var Rules = []func(*Subject) []Finding{
	onlyLinkLocal,
	ownIsAlias,
	partnerIsHere,
	subnetElsewhere,
	maskDiffers,
	strictPaths,
	answersForOthers,
	answersOnBoth,
	advertisementsLost,
	noRouterFlag,
	deafToAnnouncements,
	announcesByItself,
	noReaders,
	unitCannotRead,
	unitCannotWrite,
	unitNotInGroup,
	unitLacksCapabilities,
	unitWithoutIPv6,
	unitShutsHooksIn,
	nobodyAfterStop,
	leftOver,
	checksWithoutChannel,
	checkOverSegment,
	checkHiddenProcess,
	checkHiddenProgram,
	checkByName,
	checkUnused,
	checkWhileHolding,
	loopbackAnswersARP,
	loopbackCovers,
	loopbackMeans,
	routeHopElsewhere,
	routeHopWithin,
	routeNotForwarded,
	routeForeign,
	routeTable,
	routeHash,
	routeLeftOver,
}

// Standing are the rules about how the network stands now, in their order.
var Standing = []func(*Subject) []Finding{
	nicMissing,
	nicDown,
	noCarrier,
	ipv6Disabled,
	noOwnAddress,
	dadFailed,
	noDefaultRoute,
	ownBehind,
	routeThroughParty,
	partnerName,
	aliasElsewhere,
	networkNotAsked,
	aliasHolder,
	partnerAnswers,
	routersAnswer,
	hopsAnswer,
	sharedAnswers,
	monitorRuns,
	sameTable,
	channelHeard,
	channelPaths,
	pairFits,
	standbyReady,
	monitorWarns,
	unreached,
	twoMonitors,
	keepalivedHas,
	programsHidden,
	lacksCapabilities,
	networkdForgets,
	networkManagerHas,
	dhcpRenews,
	ownTakesAlias,
	inVRF,
	repliesElsewhere,
	neighboursFit,
}

// Inspect returns the findings of the Rules, the worst first.
func Inspect(s *Subject) []Finding { return judge(s, Rules) }

// Network returns the findings of Standing, the worst first. What is good about many
// aliases alike is one of them.
func Network(s *Subject) []Finding {
	all := judge(s, Standing)
	alike := map[string]int{} // how many more there are, by What
	all = slices.DeleteFunc(all, func(f Finding) bool {
		n, again := alike[f.What]
		if f.Severity == Good {
			if alike[f.What] = 0; again {
				alike[f.What] = n + 1
			}
		}
		return f.Severity == Good && again
	})
	for i, f := range all {
		if n := alike[f.What]; f.Severity == Good && n > 0 {
			all[i].About = fmt.Sprintf("%s and %d more", f.About, n)
		}
	}
	return all
}

func judge(s *Subject, rules []func(*Subject) []Finding) (all []Finding) {
	for _, rule := range rules {
		all = append(all, rule(s)...)
	}
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	return all
}
