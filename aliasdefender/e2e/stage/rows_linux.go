package stage

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// Row is a line of hostname.alias.
type Row struct {
	Label   string
	Alias   netip.Prefix
	Primary bool
}

// InKernel is the row's address as a kernel has it: those of IPv6 have no label.
func (r Row) InKernel() lab.Addr {
	label := r.Label
	if r.Alias.Addr().Is6() {
		label, _, _ = strings.Cut(label, ":")
	}
	return lab.Addr{Label: label, Prefix: r.Alias}
}

// Rows are n rows of IPv4, with the stage's own alias as the first.
func Rows(n int, primary bool) (all []Row) { return RowsOf(pair.IPv4, n, primary) }

// RowsOf are n rows of the family of these addresses, with their alias as the first.
func RowsOf(of pair.Addresses, n int, primary bool) (all []Row) {
	for addr := of.Alias; len(all) < n; addr = addr.Next() {
		alias := netip.PrefixFrom(addr, of.OwnA.Bits())
		subnet := alias.Masked()
		if addr == of.RouterAt.Addr() || addr == subnet.Addr() || !subnet.Contains(addr.Next()) {
			continue // the router's, the subnet's own, or the broadcast address: no alias
		}
		all = append(all, Row{fmt.Sprintf("eth0:%d", len(all)+1), alias, primary})
	}
	return all
}

// Put writes the files of a host of the pair.
func Put(t *testing.T, p *pair.Pair, h *lab.Host, settings string, rows []Row) {
	t.Helper()
	partner := p.OwnA.Addr()
	if h == p.A {
		partner = p.OwnB.Addr()
	}
	Must(t, p.Write(h, partner, false, settings))
	Must(t, os.WriteFile(p.File(h, "hostname.alias"), []byte(Table(partner, rows)), 0o644))
}

// Table is the text of a hostname.alias with these rows.
func Table(partner netip.Addr, rows []Row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%s | %s | %d | %s | %t\n", r.Label, r.Alias.Addr(), r.Alias.Bits(), partner, r.Primary)
	}
	return b.String()
}

// WaitAddrs waits until the host's kernel has exactly its own address and these
// aliases.
func WaitAddrs(t *testing.T, h *lab.Host, rows []Row) {
	t.Helper()
	for deadline := time.Now().Add(Patience); ; {
		strange := StrangeAddrs(t, h, rows)
		if len(strange) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s, after %v: %s", h.Name, Patience, strings.Join(strange, ", "))
		}
		<-time.After(time.Millisecond)
	}
}

// StrangeAddrs compares the aliases in the host's kernel with the rows that it should
// have.
func StrangeAddrs(t *testing.T, h *lab.Host, rows []Row) (strange []string) {
	t.Helper()
	have, err := h.Addrs()
	Must(t, err)
	have = slices.DeleteFunc(have, func(a lab.Addr) bool {
		return a.Label == "lo" || slices.Contains(h.NIC("eth0").Addrs, a.Prefix)
	})
	for _, r := range rows {
		i := slices.Index(have, r.InKernel())
		if i < 0 {
			strange = append(strange, fmt.Sprintf("no %s on %s", r.Alias, r.Label))
			continue
		}
		have = slices.Delete(have, i, i+1)
	}
	for _, a := range have {
		strange = append(strange, fmt.Sprintf("%s on %s left behind", a.Prefix, a.Label))
	}
	return strange
}
