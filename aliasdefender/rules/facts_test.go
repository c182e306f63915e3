package rules

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFactsAreSpelledAsToolsKnowThem keeps the names in JSON as they were in version
// 1.
func TestFactsAreSpelledAsToolsKnowThem(t *testing.T) {
	var got []string
	for _, r := range FactRows() {
		got = append(got, fmt.Sprintf("%s %s/%s/%s, wire %d, host %v, unknown shown %v", r.Name,
			r.Spell(Yes), r.Spell(No), r.Spell(Unknown), r.Wire, r.Host, r.Shown(Unknown)))
	}
	want := []string{
		"nic up yes/no/unknown, wire 0, host true, unknown shown true",
		"carrier yes/no/unknown, wire 0, host true, unknown shown true",
		"own address yes/no/unknown, wire 0, host true, unknown shown true",
		"in kernel yes/no/unknown, wire 0, host true, unknown shown true",
		"service good/failing/unknown, wire 1, host false, unknown shown false",
		"alias elsewhere answered/silent/unknown, wire 2, host false, unknown shown true",
		"partner answered/silent/unknown, wire 0, host false, unknown shown true",
		"router answered/silent/unknown, wire 0, host false, unknown shown true",
		"claimant answered/silent/unknown, wire 0, host false, unknown shown false",
		"own address behind yes/no/unknown, wire 0, host true, unknown shown false",
		"parked known yes/no/unknown, wire 0, host true, unknown shown true",
		"on another nic yes/no/unknown, wire 0, host true, unknown shown false",
		"partner fenced yes/no/unknown, wire 0, host false, unknown shown false",
		"whole group here yes/no/unknown, wire 5, host false, unknown shown false",
		"whole group at the partner yes/no/unknown, wire 0, host false, unknown shown false",
		"ready yes/no/unknown, wire 3, host false, unknown shown false",
		"hears partner yes/no/unknown, wire 4, host false, unknown shown false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !FactRows()[FactService].Shown(No) {
		t.Error("a service that is known to fail is not shown")
	}
	if r := FactRows()[FactParkedKnown]; r.Shown(Yes) || !r.Shown(No) {
		t.Error("that what is parked is known is shown, or that it is not is hidden")
	}
}

// TestEachFactHasItsRow: the table and the fields of Facts match, and no two rows
// share a name, number or field.
func TestEachFactHasItsRow(t *testing.T) {
	var f Facts
	fields := 0
	for i := range reflect.TypeFor[Facts]().NumField() {
		if reflect.TypeFor[Facts]().Field(i).Type == reflect.TypeFor[Fact]() {
			fields++
		}
	}
	if fields != int(FactCount) {
		t.Errorf("%d facts have %d rows", fields, FactCount)
	}
	names, wires, at := map[string]bool{}, map[uint8]bool{}, map[*Fact]bool{}
	for i, r := range FactRows() {
		if int(r.ID) != i || r.ID.String() != r.Name || r.Name == "" {
			t.Errorf("row %d is %d, %q and %q", i, r.ID, r.Name, r.ID)
		}
		if names[r.Name] || at[r.Of(&f)] || r.Wire != 0 && wires[r.Wire] {
			t.Errorf("%s: a name, number or field stands twice", r.Name)
		}
		names[r.Name], wires[r.Wire], at[r.Of(&f)] = true, true, true
		if named, ok := FactNamed(r.Name); !ok || named.ID != r.ID {
			t.Errorf("%q names %v, %v", r.Name, named.ID, ok)
		}
		if id, ok := FactOfWire(r.Wire); ok != (r.Wire != 0) || ok && id != r.ID {
			t.Errorf("number %d is %v, %v", r.Wire, id, ok)
		}
		if r.Link != (r.Broken != "") || r.Link != (r.No != "") || r.Link != (r.Unknown != "") || r.Address != (r.Short != "") {
			t.Errorf("%s: words are missing, or nobody says them: %+v", r.Name, []string{r.Broken, r.No, r.Unknown, r.Short})
		}
	}
	if _, ok := FactNamed("of a later version"); ok {
		t.Error("a fact of a later version is known")
	}
	if _, ok := FactOfWire(200); ok {
		t.Error("a number of a later version is known")
	}
}

// TestTheTableSaysWhichFactsMakeTheLink: these facts, and no others.
func TestTheTableSaysWhichFactsMakeTheLink(t *testing.T) {
	for _, r := range FactRows() {
		c := nobody()
		r.Of(&c.f).Value = No
		v := view{p: c.p, s: c.s, f: c.f}
		if (v.link() == No) != r.Link {
			t.Errorf("%s is no: link %v", r.Name, v.link())
		}
		if r.Link && !r.Host {
			t.Errorf("%s is of the link and not of this host", r.Name)
		}
	}
}
