package rules

import (
	"fmt"
	"testing"
	"time"
)

// The original's rules, as a truth table that a reader can hold beside docs/design.md
// and that owes nothing to design_test.go: what an alias that is not held, and is
// silent for long, comes to, for each of what the router and the partner can answer.
// No operator, channel, hand-over or flapping is in it; all is known and fresh.
var original = map[[3]string]string{ // role, router, partner
	{"primary", "answered", "answered"}: "take",
	{"primary", "answered", "silent"}:   "take",
	{"primary", "answered", "unknown"}:  "take",
	{"other", "answered", "answered"}:   "wait",
	{"other", "answered", "silent"}:     "take",
	{"other", "answered", "unknown"}:    "wait",
}

// TestWithoutAnythingNewTheOriginalsRulesHold plays all of the table, and beside it an
// alias that is served or unknown, a router that is not heard, and a link that is not
// good: there nothing is ever taken.
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
						// Whoever holds it keeps it, whatever router and partner answer: the
						// original never removes. Here a cable that is pulled does.
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
