package drill

import (
	"strings"
	"testing"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

func TestADrillIsRefusedWhileAnythingIsWrong(t *testing.T) {
	of := func(f func(a *control.Alias)) func(*control.Snapshot) {
		return func(s *control.Snapshot) { f(&s.Aliases[0]) }
	}
	for text, spoil := range map[string]func(*control.Snapshot){
		"":                                     func(*control.Snapshot) {},
		"is no alias of the running":           of(func(a *control.Alias) { a.Alias = "10.0.0.2" }),
		"this Monitor only observes":           func(s *control.Snapshot) { s.Observing = true },
		"in maintenance":                       func(s *control.Snapshot) { s.Maintenance = true },
		"on a loopback interface":              of(func(a *control.Alias) { a.Role = "shared" }),
		"no channel to the partner:":           func(s *control.Snapshot) { s.Channel = nil },
		"no channel to the partner of":         of(func(a *control.Alias) { a.Says = nil }),
		"has a problem: the disk":              func(s *control.Snapshot) { s.Problems = []string{"the disk is full"} },
		"is parked on this host":               of(func(a *control.Alias) { a.Parked = true }),
		"done on the host that has":            of(func(a *control.Alias) { a.Holder = "partner" }),
		"a hand-over of 10.0.0.1 is":           of(func(a *control.Alias) { a.Handover = "giving" }),
		"files do not fit":                     of(func(a *control.Alias) { a.Pair = []string{"two primaries"} }),
		"has a problem here (alarm)":           of(func(a *control.Alias) { a.Level, a.Why = "alarm", "a third host claims it" }),
		"partner of 10.0.0.1 is fallen silent": of(func(a *control.Alias) { a.Says.Daemon = "fallen silent" }),
		"is not ready (no): the router":        of(func(a *control.Alias) { a.Standby.Ready, a.Standby.Why = "no", "the router is silent" }),
		"is not ready (unknown)":               of(func(a *control.Alias) { a.Standby.Ready = "unknown" }),
		"nothing is known of it yet":           of(func(a *control.Alias) { a.Standby = nil }),
		"would not work now: no the":           of(func(a *control.Alias) { a.Standby.HandOver, a.Standby.HandOverWhy = "no", "the partner cannot" }),
		"says: parked: an operator":            of(func(a *control.Alias) { a.Says.State, a.Says.Why = "parked", "an operator took it off" }),
		"says: able, asks for it":              of(func(a *control.Alias) { a.Says.State = "able, asks for it" }),
		"in the group web of": func(s *control.Snapshot) {
			other := s.Aliases[0]
			other.Alias, other.Holder = "10.0.0.9", "partner"
			s.Aliases[0].Group, other.Group = &control.Group{Name: "web"}, &control.Group{Name: "web"}
			s.Aliases = append(s.Aliases, other)
		},
	} {
		s := good()
		spoil(&s)
		moves, why := Refuses(s, alias.String())
		if (text == "") != (why == "") || !strings.Contains(why, text) {
			t.Errorf("%q is not %q", why, text)
		}
		if text == "" && len(moves) != 1 {
			t.Errorf("%d aliases move", len(moves))
		}
	}
}

// A former program cannot tell whether it is ready. That it is able, and that the channel is
// heard both ways, has to do.
func TestAPartnerThatNeverTellsItsReadinessIsDrilled(t *testing.T) {
	for _, c := range []struct {
		name    string
		drills  bool
		is      control.Standby
		refused bool
	}{
		{"former, able", false, control.Standby{Ready: "unknown", Reason: rules.NotTold.String(), HandOver: "yes"}, false},
		{"former, not ready", false, control.Standby{Ready: "no", Reason: rules.RouterSilent.String(), HandOver: "yes"}, true},
		{"former, just started", false, control.Standby{Ready: "unknown", Reason: rules.NotYet.String(), HandOver: "yes"}, true},
		{"former, not heard both ways", false, control.Standby{Ready: "unknown", Reason: rules.NotTold.String(), HandOver: "unknown"}, true},
		{"present, not sure", true, control.Standby{Ready: "unknown", Reason: rules.NotTold.String(), HandOver: "yes"}, true},
	} {
		s := good()
		s.Aliases[0].Says.Drills, s.Aliases[0].Standby = c.drills, &c.is
		if _, why := Refuses(s, alias.String()); (why != "") != c.refused {
			t.Errorf("%s: %q", c.name, why)
		}
	}
}

func TestAGroupMovesAsAWhole(t *testing.T) {
	s := good()
	one, other, none := s.Aliases[0], s.Aliases[0], s.Aliases[0]
	one.Group, other.Group = &control.Group{Name: "web"}, &control.Group{Name: "web"}
	other.Alias, none.Alias = "10.0.0.9", "10.0.0.8"
	s.Aliases = []control.Alias{none, other, one}
	if moves, why := Refuses(s, alias.String()); why != "" || len(moves) != 2 || moves[0].Alias != alias.String() || moves[1].Alias != "10.0.0.9" {
		t.Errorf("%+v, %q", moves, why)
	}
}
