package control

import "fmt"

// Tally is a Snapshot summed up. The exit code of Status and the status line for systemd
// both come from it, so that they cannot contradict each other.
type Tally struct {
	Aliases     int
	Held        int  // of them, held by this host
	Parked      int  // of them, parked by an operator
	Maintenance bool // if set, all are parked
	Without     int  // held, but the partner has parked them: they have no standby
	Routes      int  // that this host keeps
	Problems    int  // that somebody must look at, with aliases, with routes and with the Monitor
}

// Part is what a Tally takes from one alias.
type Part struct {
	Held, Parked bool
	Level        string // as Alias.Level
	Unready      bool   // nobody would take it if its holder failed now: Standby.Problem
	Meant        bool   // because an operator wants it so
}

// Add adds one alias.
func (t *Tally) Add(p Part) {
	t.Aliases++
	if p.Held {
		t.Held++
	}
	if p.Parked {
		t.Parked++
	}
	switch {
	case p.Level != "" || p.Unready && !p.Meant:
		t.Problems++
	case p.Unready && !p.Parked:
		t.Without++
	}
}

// Well tells whether all aliases are defended, and there is nothing that somebody must
// look at. Then Status exits with 0. At most one host defends a parked alias.
func (t Tally) Well() bool { return t.Problems == 0 && t.Without == 0 && t.Parked == 0 }

// String is the sum in one line: "holding 1 of 3 aliases; 1 parked; 1 problem".
func (t Tally) String() string {
	said := fmt.Sprintf("holding %d of %s", t.Held, plural(t.Aliases, "alias", "aliases"))
	switch {
	case t.Routes > 0 && t.Aliases == 0:
		said = "keeping " + plural(t.Routes, "route", "routes")
	case t.Routes > 0:
		said += "; keeping " + plural(t.Routes, "route", "routes")
	}
	switch {
	case t.Maintenance:
		said += "; in maintenance"
	case t.Parked > 0:
		said += fmt.Sprintf("; %d parked", t.Parked)
	}
	if t.Without > 0 {
		said += fmt.Sprintf("; %d parked on the partner", t.Without)
	}
	if t.Problems > 0 {
		said += "; " + plural(t.Problems, "problem", "problems")
	}
	return said
}

// plural is a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Tally sums the snapshot up.
func (s Snapshot) Tally() Tally {
	t := Tally{Maintenance: s.Maintenance, Problems: len(s.Problems)}
	for _, a := range s.Aliases {
		t.Add(a.part())
	}
	for _, r := range s.Routes {
		if t.Routes++; r.Level != "" {
			t.Problems++
		}
	}
	return t
}

func (a Alias) part() Part {
	return Part{
		Held: a.Holder == "us", Parked: a.Parked, Level: a.Level,
		Unready: a.Standby.Problem(), Meant: a.Standby != nil && a.Standby.Level == "",
	}
}
