package rules

import "fmt"

// The design's words about groups, written a second time.

// apart: this host could not have the whole group, and the partner could.
func (c instance) apart() bool { return c.known(c.f.Whole) == No && c.known(c.f.PartnerWhole) == Yes }

// split: neither host could have the whole group.
func (c instance) split() bool {
	return c.known(c.f.Whole) == No && c.known(c.f.PartnerWhole) == No
}

// dissolved: and then nobody is to have any of it.
func (c instance) dissolved() bool { return c.split() && c.p.ReleaseSplit }

// joins: the partner has the first member, and could have all.
func (c instance) joins() bool {
	return c.f.PartnerLeads == Yes && c.known(c.f.PartnerWhole) == Yes
}

// heldBack: its group keeps it from being taken here.
func (c instance) heldBack() bool { return c.apart() || c.dissolved() }

// follows: it is handed over because of its group.
func (c instance) follows() bool { return (c.apart() || c.joins()) && c.mayGive() && c.rested() }

// lastOfAll: it is released because of its group.
func (c instance) lastOfAll() bool { return c.dissolved() && !c.handing() }

// groupReturns: its group does not keep failback from being due.
func (c instance) groupReturns() bool {
	return c.p.Place == Ungrouped || c.known(c.f.Whole) == Yes && c.age(c.f.Whole.Since) >= c.p.FailbackAfter &&
		(!c.p.Channel || c.age(c.f.Whole.Since) >= c.p.Patience())
}

func groupProperties() []property {
	has := func(c instance) bool { return c.stays() && !c.lost() }
	return []property{
		brokenIf("what the partner could have as a whole is not taken apart", func(c instance, d Decision) bool {
			return c.heldBack() && !c.ordered() && !c.offered() && (d.Action == Take || d.Action == AskHandover)
		}),
		brokenIf("what waits for its group says so", func(c instance, d Decision) bool {
			return c.mayTake() && !c.ordered() && !c.offered() && (c.apart() && d.Reason != GroupApart || c.dissolved() && d.Reason != GroupSplit)
		}),
		only("what this host cannot have as a whole goes to a partner that can", HandOver, GroupApart, func(c instance) bool {
			return c.before() && !c.relieved() && !c.asked() && c.apart() && c.follows()
		}),
		only("the others go to the host that has the first", HandOver, GroupJoins, func(c instance) bool {
			return c.before() && !c.relieved() && !c.asked() && !c.apart() && c.follows()
		}),
		only("a group that neither can have is released where the administrator says so", Release, GroupSplit, func(c instance) bool {
			return has(c) && c.rival() != Yes && !(c.rivalGone() && c.link() == Yes) && !c.leaseDue() && !c.reorderDue() && !c.isolated() && !c.releases() && c.lastOfAll()
		}),
		brokenIf("what the kernel has lost does not go for its group", func(c instance, d Decision) bool {
			return c.stays() && c.lost() && d.Reason == GroupSplit
		}),
		brokenIf("a group that is not together shows", func(c instance, d Decision) bool {
			return d.Reason == Held && (c.split() || c.apart() || c.joins())
		}),
		brokenIf("of a group only the first member asks for its failback", func(c instance, d Decision) bool {
			return d.Reason == FailbackAsks && c.p.Place == Follower
		}),
		// H3 and H6 are not delayed: what goes at once without the group goes with it.
		{"a group delays no release that waits for nothing", func(rows []Row, c instance) error {
			alone := c
			alone.f.Whole, alone.f.PartnerWhole, alone.f.PartnerLeads = Fact{}, Fact{}, Unknown
			alone.p.Place = Ungrouped
			was, is := alone.decide(rows), c.decide(rows)
			if was.Action == Release && was.Reason.AtOnce() && was.Reason != Isolated && (is.Action != Release || is.Reason != was.Reason) {
				return fmt.Errorf("%s %s becomes %s %s, %s", was.Row, was.Reason, is.Row, is.Action, is.Reason)
			}
			return nil
		}},
	}
}

// before: we hold it, and neither order nor link ends that.
func (c instance) before() bool {
	return c.s.Holding && !c.handedOver() && !c.givenBack() && !c.handsOff() && !c.orderedOff() && !c.unlinked()
}
