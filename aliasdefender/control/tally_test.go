package control

import "testing"

func TestATallyIsOneLine(t *testing.T) {
	held := Alias{Holder: "us"}
	parked := Alias{Holder: "partner", Parked: true}
	bare := Alias{Holder: "us", Standby: &Standby{Host: "partner", Ready: "no", Reason: "parked"}}
	unready := Alias{Holder: "partner", Standby: &Standby{Host: "us", Ready: "no", Level: "warning"}}
	warned := Alias{Holder: "nobody", Level: "warning"}
	for _, c := range []struct {
		s    Snapshot
		want string
		well bool
	}{
		{Snapshot{}, "holding 0 of 0 aliases", true},
		{Snapshot{Aliases: []Alias{held}}, "holding 1 of 1 alias", true},
		{Snapshot{Aliases: []Alias{held, parked}}, "holding 1 of 2 aliases; 1 parked", false},
		{Snapshot{Aliases: []Alias{bare}}, "holding 1 of 1 alias; 1 parked on the partner", false},
		{Snapshot{Aliases: []Alias{held, unready}}, "holding 1 of 2 aliases; 1 problem", false},
		{Snapshot{Aliases: []Alias{parked}, Maintenance: true}, "holding 0 of 1 alias; in maintenance", false},
		{Snapshot{Aliases: []Alias{held, warned}}, "holding 1 of 2 aliases; 1 problem", false},
		{Snapshot{Aliases: []Alias{held, warned}, Problems: []string{"a", "b"}}, "holding 1 of 2 aliases; 3 problems", false},
	} {
		tally := c.s.Tally()
		if got := tally.String(); got != c.want || tally.Well() != c.well {
			t.Errorf("%q, well %v; want %q, %v", got, tally.Well(), c.want, c.well)
		}
	}
}
