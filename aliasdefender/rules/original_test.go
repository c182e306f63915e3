package rules

import (
	"fmt"
	"testing"
	"time"
)

// The original's rules, as a truth table that a reader can hold beside docs/design.md
// and that does not depend on design_test.go: what happens to an alias that is not
// held and has been silent for long, for each answer of router and partner. It has no
// operator, channel, hand-over or flapping, and all facts are known and fresh.
var original = map[[3]string]string{ // role, router, partner
	{"primary", "answered", "answered"}: "take",
	{"primary", "answered", "silent"}:   "take",
	{"primary", "answered", "unknown"}:  "take",
	{"other", "answered", "answered"}:   "wait",
	{"other", "answered", "silent"}:     "take",
	{"other", "answered", "unknown"}:    "wait",
}

// TestWithoutAnythingNewTheOriginalsRulesHold plays the whole table. It also plays an
// alias that is served or unknown, a router that is not heard, and a bad link: then
// nothing is ever taken.
func TestWithoutAnythingNewTheOriginalsRulesHold(t *testing.T) {
	values := map[string]Value{"answered": Answered, "silent": Silent, "unknown": Unknown}
	for role, primary := range map[string]bool{"primary": true, "other": false} {
		for alias, ofAlias := range values {
			for router, ofRouter := range values {
				for partner, ofPartner := range values {
					for link, ofLink := range map[string]Value{"good": Yes, "bad": No, "not known": Unknown} {
						c := nobody()
						c.p.Primary = primary
						c.f.Alias, c.f.Router, c.f.Partner = seen(ofAlias, 10*time.Second), seen(ofRouter, time.Hour), seen(ofPartner, time.Hour)
						c.f.Carrier = seen(ofLink, time.Hour)
						want := "wait"
						if alias == "silent" && link == "good" && router == "answered" {
							want = original[[3]string{role, router, partner}]
						}
						name := fmt.Sprintf("%s: alias %s, router %s, partner %s, link %s", role, alias, router, partner, link)
						if d := c.decide(Rows()); d.Action.String() != want {
							t.Errorf("%s: %s (%s, %s), the original: %s", name, d.Action, d.Row, d.Reason, want)
						}
						// A holder keeps it, whatever router and partner answer: the
						// original never removes an alias. Here a pulled cable does.
						c.s.Holding, c.f.Kernel = true, seen(Yes, time.Hour)
						if alias == "silent" {
							want = "keep"
							if link == "bad" {
								want = "release"
							}
							if d := c.decide(Rows()); d.Action.String() != want {
								t.Errorf("%s, held: %s (%s, %s), want %s", name, d.Action, d.Row, d.Reason, want)
							}
						}
					}
				}
			}
		}
	}
}
