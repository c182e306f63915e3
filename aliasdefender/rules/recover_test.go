package rules

import (
	"testing"
	"time"
)

// standbyOfIll is a standby that is ready, and whose partner answers for the alias.
func standbyOfIll() instance {
	c := nobody()
	c.f.Alias, c.f.ByPartner, c.f.Ready = seen(Answered, time.Hour), Yes, seen(Yes, time.Hour)
	return c
}

// TestWhatARecoveryMayDo changes one thing at a time.
func TestWhatARecoveryMayDo(t *testing.T) {
	heard := func(c *instance, service Value) {
		says(c, Word{Standing: SaysHolding})
		c.f.Peer.Facts[FactService] = service
	}
	for name, tt := range map[string]struct {
		given          func(c *instance)
		restart, fence bool
	}{
		"no channel":                                      {func(*instance) {}, true, true},
		"a channel that never spoke":                      {func(c *instance) { c.p.Channel = true }, true, true},
		"a daemon that has fallen silent":                 {func(c *instance) { heard(c, Yes); c.f.Peer.Said = noon.Add(-time.Hour); c.f.Peer.Heard = c.f.Peer.Said }, true, true},
		"its daemon has no check":                         {func(c *instance) { heard(c, Unknown) }, true, true},
		"its daemon says that the service is well":        {func(c *instance) { heard(c, Yes) }, true, false},
		"its daemon says that the service fails":          {func(c *instance) { heard(c, No) }, false, false},
		"we have it":                                      {func(c *instance) { c.s.Holding = true }, false, false},
		"parked here":                                     {func(c *instance) { c.s.Parked = true }, false, false},
		"its row has gone":                                {func(c *instance) { c.s.Leaving = true }, false, false},
		"this daemon ends":                                {func(c *instance) { c.s.Exit = ExitKeep }, false, false},
		"an order":                                        {func(c *instance) { c.s.Order = OrderTake }, false, false},
		"we ask for it":                                   {func(c *instance) { c.s.Handover = Handover{Side: Asking, Number: 1, Began: noon} }, false, false},
		"it is offered":                                   {func(c *instance) { says(c, Word{Standing: SaysHolding, Step: Offers, Number: 4}) }, false, false},
		"the alias is silent":                             {func(c *instance) { c.f.Alias = seen(Silent, time.Second) }, false, false},
		"the alias is unknown":                            {func(c *instance) { c.f.Alias = Fact{} }, false, false},
		"another host answers":                            {func(c *instance) { c.f.ByPartner = No }, false, false},
		"it is not known who answers":                     {func(c *instance) { c.f.ByPartner = Unknown }, false, false},
		"the partner is silent":                           {func(c *instance) { c.f.Partner = seen(Silent, time.Second) }, false, false},
		"the partner is unknown":                          {func(c *instance) { c.f.Partner = Fact{} }, false, false},
		"the router is silent":                            {func(c *instance) { c.f.Router = seen(Silent, time.Second) }, false, false},
		"the router is unknown":                           {func(c *instance) { c.f.Router = Fact{} }, false, false},
		"our service fails too":                           {func(c *instance) { c.f.Service = seen(No, time.Second) }, false, false},
		"our service is unknown":                          {func(c *instance) { c.f.Service = Fact{} }, true, true},
		"not ready":                                       {func(c *instance) { c.f.Ready = seen(No, time.Second) }, false, false},
		"not known to be ready":                           {func(c *instance) { c.f.Ready = Fact{} }, false, false},
		"fenced":                                          {func(c *instance) { fencedFor(c, time.Second) }, false, false},
		"its group could be here":                         {func(c *instance) { grouped(c, Yes, Yes) }, true, true},
		"its group could be here, and not there":          {func(c *instance) { grouped(c, Yes, No) }, true, true},
		"its group could be there, and not here":          {func(c *instance) { grouped(c, No, Yes) }, false, false},
		"its group could be at neither":                   {func(c *instance) { grouped(c, No, No) }, false, false},
		"it is not known whether its group could be here": {func(c *instance) { grouped(c, Unknown, Yes) }, false, false},
		"what is known of its group is too old":           {func(c *instance) { grouped(c, Yes, Yes); c.f.Whole.Asked = noon.Add(-time.Hour) }, false, false},
		"its daemon is heard, and says nothing of this":   {func(c *instance) { heard(c, Unknown); c.f.Peer.Said = noon.Add(-time.Minute) }, true, false},
		"and never did":                                   {func(c *instance) { heard(c, Unknown); c.f.Peer.Said = time.Time{} }, true, false},
		"its daemon said a moment ago that it is well":    {func(c *instance) { heard(c, Unknown); c.f.Peer.Well = noon.Add(-9 * time.Minute) }, true, false},
		"and is not heard any more":                       {func(c *instance) { c.f.Peer.Well = noon.Add(-9 * time.Minute) }, true, false},
		"it said so long ago":                             {func(c *instance) { heard(c, Unknown); c.f.Peer.Well = noon.Add(-10 * time.Minute) }, true, true},
		"fenced, and that is over":                        {func(c *instance) { fencedFor(c, time.Second); c.s.FenceOver = c.f.Fenced.Asked }, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := standbyOfIll()
			tt.given(&c)
			is, d := Recover(c.p, c.s, c.f)
			if is.Restart != tt.restart || is.Fence != tt.fence || (is.Why == "") != tt.fence {
				t.Errorf("%+v", is)
			}
			if wait := name == "its daemon said a moment ago that it is well" || name == "and is not heard any more"; is.Wait != wait {
				t.Errorf("only time forbids the fence: %v", is.Wait)
			}
			if tt.restart && (d.Again.IsZero() || !d.Again.After(noon)) {
				t.Errorf("what allows it grows old: ask again at %v", d.Again)
			}
		})
	}
}

// TestAFenceCountsUntilThePartnerIsHeardOfOtherwise: the record says when it is over.
func TestAFenceCountsUntilThePartnerIsHeardOfOtherwise(t *testing.T) {
	for name, tt := range map[string]struct {
		given func(c *instance)
		over  bool
	}{
		"nothing new": {func(*instance) {}, false},
		"its daemon's last word, as the host goes down": {func(c *instance) { c.f.Peer.Heard = c.f.Fenced.Asked.Add(time.Second) }, false},
		"its daemon is heard again":                     {func(c *instance) { c.f.Peer.Heard = noon }, true},
		"its daemon was heard before":                   {func(c *instance) { c.f.Peer.Heard = c.f.Fenced.Asked.Add(-time.Second) }, false},
		"it has fallen silent with the alias":           {func(c *instance) { c.f.Partner = seen(Silent, time.Second) }, true},
		"it was silent before":                          {func(c *instance) { c.f.Partner = seen(Silent, time.Hour); c.f.Partner.Asked = c.f.Fenced.Asked }, false},
		"it is silent, and the alias answers":           {func(c *instance) { c.f.Partner, c.f.Alias = seen(Silent, time.Second), seen(Answered, time.Hour) }, false},
		"our own network is at fault": {func(c *instance) {
			c.f.Partner, c.f.Router = seen(Silent, time.Second), seen(Silent, time.Second)
		}, false},
		"it is not known whether it is": {func(c *instance) { c.f.Partner, c.f.Router = seen(Silent, time.Second), Fact{} }, false},
		"the router has not been asked since": {func(c *instance) {
			c.f.Partner = seen(Silent, time.Second)
			c.f.Router.Asked = c.f.Alias.Miss.Add(-time.Second)
		}, false},
		"AddAlias":   {func(c *instance) { c.s.Order = OrderTake }, true},
		"it answers": {func(c *instance) { c.f.Alias = seen(Answered, time.Second) }, false},
		"it answers after we have held the alias": {func(c *instance) {
			c.s.Holding = true
			c.s.Saw(c.p, c.f)
			c.s.Done(c.p, Decision{Action: Release, Reason: OperatorReleases}, Outcome{Begun: noon}, noon)
			c.f.Alias = seen(Answered, time.Second)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := nobody()
			c.p.Channel = true
			fencedFor(&c, time.Minute)
			tt.given(&c)
			c.s.Saw(c.p, c.f)
			if is, _ := Recover(c.p, c.s, c.f); is.Over != tt.over {
				t.Errorf("over %v: %+v", is.Over, c.s)
			}
			// A fence that is over stays over, whatever comes; the next one counts.
			c.f.Peer.Heard, c.f.Partner, c.f.Alias, c.f.Router, c.s.Order = time.Time{}, seen(Answered, 0), seen(Silent, time.Second), seen(Answered, time.Hour), NoOrder
			c.s.Saw(c.p, c.f)
			if d := c.decide(Rows()); (d.Reason == PartnerFenced) == tt.over {
				t.Errorf("%s: %s", d.Row, d.Reason)
			}
			c.f.Fenced.Asked = noon.Add(-time.Millisecond)
			c.s.Saw(c.p, c.f)
			if d := c.decide(Rows()); d.Reason != PartnerFenced {
				t.Errorf("the next fence: %s: %s", d.Row, d.Reason)
			}
		})
	}
}

// grouped: the alias leads a group, of which this is known.
func grouped(c *instance, here, there Value) {
	c.p.Place, c.f.Whole, c.f.PartnerWhole = Leader, seen(here, time.Hour), seen(there, time.Hour)
}
