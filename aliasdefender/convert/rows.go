package convert

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"alias-defender/aliasdefender/config"
)

// row is one row of hostname.alias.
type row struct {
	label string
	text  string
	name  string // the alias, as the settings name it: of a link-local one with its NIC
	addr  netip.Addr
	nic   string
	of    *instance

	subnet netip.Prefix // invalid: it is not known
}

// makeRows makes the rows of all instances. The error says of each why there is none.
func (c *converter) makeRows() error {
	var missing config.Mistakes
	seen, labels := map[string]Place{}, map[string]bool{}
	for _, v := range c.instances { // labels that are written come first
		for _, a := range v.addresses {
			if nic := cmpOr(a.nic, v.nic); nic != "" && strings.HasPrefix(a.label, nic+":") && !strings.ContainsAny(a.label, "|# \t") && show(a.label) == a.label {
				labels[a.label] = false
			}
		}
	}
	for _, v := range c.instances {
		if len(v.addresses) == 0 {
			v.do(v.at, "vrrp_instance %s has no address that could be an alias, and nothing of it is converted", show(v.name))
		}
		for _, a := range v.addresses {
			r, problem := c.row(v, a, labels)
			if problem == "" {
				if at, twice := seen[r.name]; twice {
					v.do(a.at, "%s: is an alias already, by %s; there is no second row", a.addr, at)
					continue
				}
				seen[r.name], labels[r.label] = a.at, true
				v.rows, c.rows = append(v.rows, r), append(c.rows, r)
				if len(c.rows) > maxAliases {
					return refuse(a.at, "is one address more than the %d that are converted", maxAliases)
				}
				continue
			}
			v.do(a.at, "%s: there is no row for it: %s", a.addr, problem)
			missing = append(missing, config.Mistake{File: showPath(a.at.File), Line: a.at.Line, Text: fmt.Sprintf("%s: %s", a.addr, problem)})
		}
	}
	if len(c.rows) == 0 {
		if missing == nil {
			return refuse(c.instances[0].at, "no vrrp_instance has an address that could be an alias")
		}
		return short(missing)
	}
	return nil
}

// mostMistakes is how many are shown.
const mostMistakes = 20

// short leaves out what nobody would read.
func short(all config.Mistakes) config.Mistakes {
	if len(all) <= mostMistakes {
		return all
	}
	return append(all[:mostMistakes:mostMistakes], config.Mistake{File: all[0].File, Text: fmt.Sprintf("%d more like these", len(all)-mostMistakes)})
}

// row makes the row of one address, or says why it cannot.
func (c *converter) row(v *instance, a address, labels map[string]bool) (*row, string) {
	nic := cmpOr(a.nic, v.nic)
	if nic == "" {
		return nil, "the instance has no interface; write one"
	}
	switch {
	case strings.ContainsAny(nic, "|#:/ \t") || show(nic) != nic:
		return nil, show(nic) + " is not the name of a NIC"
	case config.IsLoopback(nic):
		return nil, "an address of " + nic + " would be here on both hosts at once, and does not move; docs/loopback.md says when that is what you want, and how to write its row"
	}
	bits := c.bits(v, a, nic)
	partner, problem := c.partner(v, a, bits)
	if problem != "" {
		return nil, problem
	}
	label := c.label(v, a, nic, labels)
	if subnet := netip.PrefixFrom(a.addr, bits); bits < a.addr.BitLen() && !subnet.Contains(partner) {
		v.do(a.at, "%s: the partner %s is not in its subnet: the two hosts may have met on another network; name the address that the other host always has in %s with --partner", a.addr, partner, subnet.Masked())
	}
	text := fmt.Sprintf("%s | %s | /%d | %s | %t", label, a.addr, bits, partner, v.primary)
	parsed, err := config.ParseAliases(strings.NewReader(text+"\n"), "row")
	if err != nil {
		_, what, _ := strings.Cut(err.Error(), ": ")
		return nil, what
	}
	r := &row{label: label, text: text, name: parsed[0].Addr.String(), addr: a.addr, nic: nic, of: v}
	if bits < a.addr.BitLen() {
		r.subnet = netip.PrefixFrom(a.addr, bits).Masked()
	}
	return r, ""
}

// partner is the address of the other host for an alias: of its family, if possible in its
// subnet, and where several fit as well, one that is named rather than of unicast_peer.
func (c *converter) partner(v *instance, a address, bits int) (netip.Addr, string) {
	local := isLocal(a.addr)
	subnet := netip.PrefixFrom(a.addr, bits)
	for _, fits := range []func(netip.Addr) bool{
		func(p netip.Addr) bool { return isLocal(p) == local && subnet.Contains(p) },
		func(p netip.Addr) bool { return isLocal(p) == local },
		func(p netip.Addr) bool { return !local },
	} {
		for _, from := range [][]netip.Addr{c.options.Partners, v.peers} {
			i := slices.IndexFunc(from, func(p netip.Addr) bool { return p.Is4() == a.addr.Is4() && fits(p) })
			if i >= 0 {
				return from[i], ""
			}
		}
	}
	kind := "IPv4"
	switch {
	case local:
		kind = "link-local"
	case a.addr.Is6():
		kind = "IPv6"
	}
	if len(v.peers) == 0 {
		return netip.Addr{}, fmt.Sprintf("the partner's address is not in the file, because the instance speaks VRRP by multicast; name the %s address that the partner always has with --partner", kind)
	}
	return netip.Addr{}, fmt.Sprintf("unicast_peer has no %s address; name the one that the partner always has with --partner", kind)
}

// label is the Nic of a row, which no other row has.
func (c *converter) label(v *instance, a address, nic string, labels map[string]bool) string {
	if a.label != "" {
		if taken, known := labels[a.label]; known && !taken {
			return a.label
		}
		if a.label != nic {
			v.note(a.at, "%s: the label %s is not kept: it has to be %s:… without | or #, and in one row only", a.addr, show(a.label), nic)
		}
	}
	for i := 1; ; i++ {
		label := fmt.Sprintf("%s:%d", nic, i)
		if _, known := labels[label]; !known {
			return label
		}
	}
}

// bits is the length of an alias's mask. An address without one is a single address to
// keepalived; here an alias has the mask of its subnet.
func (c *converter) bits(v *instance, a address, nic string) int {
	single := a.addr.BitLen()
	if a.bits != 0 && a.bits != single {
		return a.bits
	}
	longest := -1
	for _, s := range c.host.Subnets(nic) {
		if s.Bits() < single && s.Contains(a.addr) {
			longest = max(longest, s.Bits())
		}
	}
	if longest >= 0 {
		v.note(a.at, "%s: keepalived has it as /%d; the mask is that of the subnet of %s here; on the way back to keepalived, when the Monitor has ended: ip address del %[1]s/%[4]d dev %[3]s (docs/from-keepalived.md)", a.addr, single, nic, longest)
		return longest
	}
	if isLocal(a.addr) {
		return 64
	}
	lacks := fmt.Sprintf("no address of %s on this host is in its subnet, so it has the mask /%d, as keepalived has it; write the mask of its subnet, here and in all rows with /%[2]d", nic, single)
	if !slices.ContainsFunc(v.said, func(s comment) bool { return strings.HasSuffix(s.text, lacks) }) {
		v.do(a.at, "%s: %s", a.addr, lacks)
	}
	return single
}

// isLocal tells whether an address is a link-local one of IPv6.
func isLocal(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }

// cmpOr is the first text that is not empty.
func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// table writes hostname.alias.
func (c *converter) table() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# hostname.alias, made of %s by 'aliasdefender Convert'. On the other host\n", showPath(c.options.Path))
	b.WriteString("# Partner is an address of this host, and Primary the opposite.\n")
	for _, v := range c.instances {
		b.WriteString("\n")
		comments(&b, []comment{{at: v.at, text: "vrrp_instance " + show(v.name)}})
		comments(&b, v.said)
		if len(v.rows) > 0 {
			b.WriteString("# Nic | Alias IP | NetMask | Partner | Primary\n")
		}
		for _, r := range v.rows {
			b.WriteString(r.text + "\n")
		}
	}
	return []byte(b.String())
}

// comments writes comments, those first on which somebody has to act.
func comments(b *strings.Builder, all []comment) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, byPlace)
	for _, todo := range []bool{true, false} {
		for _, c := range all {
			if c.todo != todo {
				continue
			}
			mark := ""
			if todo {
				mark = "REMARK "
			}
			fmt.Fprintf(b, "# %s%s: %s\n", mark, c.at, strings.ToValidUTF8(c.text, "?"))
		}
	}
}
