package cli

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/files"
	"alias-defender/aliasdefender/rules"
)

// mostProblems is how many contradictions between two files are shown.
const mostProblems = 100

// checkPartner compares our file with the partner's, and prints what would make the
// two hosts disagree. If they fit it says so on w. The error is a mistake in the
// partner's file, or only the exit code.
func (a *app) checkPartner(w io.Writer, ours []config.Alias, path string) error {
	f, err := files.Open(path, os.O_RDONLY, 0, files.Want{})
	if err != nil {
		return &exit{exitConfig, fmt.Errorf("the partner's file: %w", err)}
	}
	defer f.Close()
	theirs, err := config.ParseAliases(f, path)
	if err != nil {
		return err
	}
	problems := compare(a.aliases, ours, path, theirs)
	for i, p := range problems {
		if i == mostProblems {
			fmt.Fprintf(a.stderr, "aliasdefender: and %d more; is %s the partner's file?\n", len(problems)-mostProblems, path)
			break
		}
		fmt.Fprintf(a.stderr, "aliasdefender: %s\n", p)
	}
	if len(problems) > 0 {
		return &exit{code: exitFailed}
	}
	fmt.Fprintf(w, "%s and %s fit together\n", a.aliases, path)
	return nil
}

// compare finds what is good in each file but wrong together.
func compare(ourFile string, ours []config.Alias, theirFile string, theirs []config.Alias) (problems []string) {
	ours, theirs = paired(ours), paired(theirs)
	left := map[netip.Addr][]config.Alias{}
	for _, t := range theirs {
		left[t.Prefix.Addr()] = append(left[t.Prefix.Addr()], t)
	}
	for _, o := range ours {
		t, both := mirror(o, left)
		at := fmt.Sprintf("%s:%d", ourFile, o.Line)
		if !both {
			problems = append(problems, fmt.Sprintf("%s: alias %s is not in %s: no other host takes it over", at, o.Addr, theirFile))
			continue
		}
		at = fmt.Sprintf("%s and %s:%d: alias %s: ", at, theirFile, t.Line, o.Addr)
		for _, p := range compareRow(o, t) {
			problems = append(problems, at+p)
		}
	}
	for _, t := range theirs {
		if slices.ContainsFunc(left[t.Prefix.Addr()], func(l config.Alias) bool { return l.Line == t.Line }) {
			problems = append(problems, fmt.Sprintf("%s:%d: alias %s is not in %s: no other host takes it over", theirFile, t.Line, t.Addr, ourFile))
		}
	}
	return problems
}

// paired are the rows that both hosts must have: not those of a loopback interface.
func paired(rows []config.Alias) []config.Alias {
	return (&config.Config{Aliases: rows}).Pairs()
}

// mirror takes the partner's row of the same alias out of those that are left. The two
// hosts' NICs may have other names: of a link-local alias that several NICs have, the row
// of the same NIC counts or, without one, the first.
func mirror(o config.Alias, left map[netip.Addr][]config.Alias) (config.Alias, bool) {
	rows := left[o.Prefix.Addr()]
	if len(rows) == 0 {
		return config.Alias{}, false
	}
	i := max(0, slices.IndexFunc(rows, func(t config.Alias) bool { return t.Addr == o.Addr }))
	t := rows[i]
	left[o.Prefix.Addr()] = slices.Delete(rows, i, i+1)
	return t, true
}

// compareRow compares the two rows of an alias that both files have.
func compareRow(o, t config.Alias) (problems []string) {
	switch {
	case o.Partner.Name == t.Partner.Name || o.Partner.Addr.IsValid() && o.Partner.Addr.WithZone("") == t.Partner.Addr.WithZone(""):
		problems = append(problems, fmt.Sprintf("both rows name %s as the partner; each must name the other host", o.Partner.Name))
	case outside(o, t) != outside(t, o):
		// The two hosts may be outside the subnet, but then both are.
		far := o.Partner
		if outside(t, o) {
			far = t.Partner
		}
		problems = append(problems, fmt.Sprintf("partner %s is outside the alias's subnet, but the other partner is inside; is this the host's address there?", far.Name))
	}
	for _, m := range rules.Misfits(half(o), half(t)) {
		switch m {
		case rules.BothPrimary:
			problems = append(problems, "Primary is true in both: two primaries would take it from each other; make one false")
		case rules.NonePrimary:
			problems = append(problems, "Primary is true in neither: without a primary nobody takes it while both are alive (W12); make one true")
		case rules.OtherMask:
			problems = append(problems, fmt.Sprintf("netmask /%d here and /%d there; write the same", o.Prefix.Bits(), t.Prefix.Bits()))
		}
	}
	return problems
}

// half is what a row says. The rhythm is in the settings, and we do not have the
// partner's.
func half(row config.Alias) rules.Half {
	return rules.Half{Policy: defender.PolicyOf(row, false), Bits: row.Prefix.Bits()}
}

// outside tells whether the row's partner is an address outside the subnet. It is
// false if the partner is a name, because that cannot be told here. A link-local partner
// is on the alias's NIC.
func outside(row, other config.Alias) bool {
	p := row.Partner.Addr
	local := p.Is6() && p.IsLinkLocalUnicast()
	return p.IsValid() && other.Partner.Addr.IsValid() && !local && !row.Prefix.Contains(p)
}
