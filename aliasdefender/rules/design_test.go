package rules

import (
	"slices"
	"time"
)

// The design's words, written a second time and without the rows: the properties use
// them. A mistake that both share is not found here, but by tests that depend on
// neither: the original's truth table (original_test.go), properties of raw facts
// (knowing less, of two holders one stays), and the search, which looks at who
// serves.

func (c instance) age(t time.Time) time.Duration { return c.f.Now.Sub(t) }

// known is a fact that is not older than 2 x interval + misses x timeout.
func (c instance) known(f Fact) Value { return c.knownFor(f, c.p.Stale()) }

// read is a fact about this host.
func (c instance) read(f Fact) Value { return c.knownFor(f, max(c.p.Stale(), localStale)) }

func (c instance) knownFor(f Fact, d time.Duration) Value {
	if c.age(f.Asked) >= d {
		return Unknown
	}
	return f.Value
}

func (c instance) link() Value {
	nic, carrier, own := c.read(c.f.NIC), c.read(c.f.Carrier), c.read(c.f.Own)
	switch {
	case nic == No || carrier == No || own == No:
		return No
	case nic == Yes && carrier == Yes && own == Yes:
		return Yes
	}
	return Unknown
}

func (c instance) alias() Value { return c.sinceRouter(c.known(c.f.Alias), c.f.Alias) }

// unclaimed: it was silent after router and partner came back.
func (c instance) unclaimed() bool {
	for _, other := range []Fact{c.f.Router, c.f.Partner} {
		if c.known(other) == Answered && c.f.Alias.Asked.Before(other.Since) {
			return false
		}
	}
	return c.alias() == No
}

func (c instance) partner() Value {
	if c.f.Partner.Asked.Before(c.f.Alias.Miss) {
		return Unknown
	}
	return c.sinceRouter(c.known(c.f.Partner), c.f.Partner)
}

// sinceRouter: if we do not hold it, and it was found silent while the router was
// silent too, it is unknown.
func (c instance) sinceRouter(v Value, f Fact) Value {
	if v == Silent && !c.s.Holding && c.known(c.f.Router) == Answered && f.Asked.Before(c.f.Router.Since) {
		return Unknown
	}
	return v
}

func (c instance) router() Value {
	if c.f.Router.Asked.Before(c.f.Alias.Miss) {
		return Unknown
	}
	if c.known(c.f.Partner) != Answered && c.f.Router.Asked.Before(c.f.Partner.Miss) {
		return Unknown
	}
	return c.known(c.f.Router)
}

func (c instance) failing() bool { return c.known(c.f.Service) == No }

// actsAsPrimary: the lower hardware address where the channel tells that both
// hosts have one role, else the file.
func (c instance) actsAsPrimary() bool {
	if c.speaks() && c.f.Peer.HWLower != Unknown && c.f.Peer.Primary == Of(c.p.Primary) {
		return c.f.Peer.HWLower == Yes
	}
	return c.p.Primary
}

// fenced: a program of the administrator's has cut the partner off, and nothing since then
// says that this is over.
func (c instance) fenced() bool {
	f := c.f.Fenced
	life := c.p.Stale()
	if f.Lives > 0 {
		life = f.Lives
	}
	return c.knownFor(f, life) == Yes && !f.Asked.Equal(c.s.FenceOver)
}

// fencedAway: and what was asked after it is silent.
func (c instance) fencedAway() bool {
	return c.fenced() && c.f.Alias.Asked.After(c.f.Fenced.Asked)
}

// mayTake: nothing on this host forbids it to take the alias.
func (c instance) mayTake() bool {
	return !c.s.Holding && !c.s.Parked && !c.s.Leaving && !c.perhapsParked() && c.link() == Yes &&
		c.read(c.f.Elsewhere) == No && (!c.failing() || c.partnerFails())
}

// perhapsParked: an operator may have parked it, nobody has ordered it here since,
// and the partner may serve it.
func (c instance) perhapsParked() bool {
	return c.read(c.f.ParkedKnown) != Yes && c.s.Order == NoOrder && c.partner() != Silent
}

// vanishes: it was restored at least twice, each time soon after the last, and has
// not stayed for a minute after the last restore's pause.
func (c instance) vanishes() bool {
	return c.s.Restores >= 2 && c.age(c.s.Restored) < c.restorePause()+time.Minute
}

// restorePause is 1 s after the second restore, then doubles up to a minute.
func (c instance) restorePause() time.Duration {
	pause := time.Second
	for range c.s.Restores - 2 {
		pause = min(2*pause, time.Minute)
	}
	return pause
}

// speaks: what the partner's daemon said of the alias is not older than the
// silence of a channel.
func (c instance) speaks() bool {
	return !c.f.Peer.Said.IsZero() && c.age(c.f.Peer.Said) < c.p.ChannelSilent()
}

func (c instance) partnerFails() bool { return c.speaks() && c.f.Peer.Facts[FactService] == No }

func (c instance) says(all ...Standing) bool {
	return c.speaks() && slices.Contains(all, c.f.Peer.Word.Standing)
}

// does: the partner's word is that step of the hand-over that we have on record.
func (c instance) does(s Step) bool {
	return c.speaks() && c.f.Peer.Word.Step == s && c.f.Peer.Word.Number == c.s.Handover.Number
}

func (c instance) began() time.Duration { return c.age(c.s.Handover.Began) }

func (c instance) giving() bool {
	return c.s.Handover.Side == Giving && c.began() < c.p.GiveWithin()
}

func (c instance) getting() bool {
	return c.s.Handover.Side == Getting && c.began() < c.p.Patience()
}

func (c instance) handing() bool { return c.giving() || c.getting() }

// rested: no hand-over is open, and none failed within the last half minute.
func (c instance) rested() bool {
	h := c.s.Handover
	return h.Side == NoSide && (h.Failure == NoRow || c.age(h.Ended) >= 30*time.Second)
}

// mayGive: it is here, and the partner would take it.
func (c instance) mayGive() bool {
	return !c.handing() && c.says(SaysAble) && c.read(c.f.Kernel) != No && c.link() == Yes
}

func (c instance) asked() bool {
	n := c.f.Peer.Word.Number
	return c.speaks() && c.f.Peer.Word.Step == Asks && n != 0 && n != c.s.Handover.Number && c.mayGive()
}

// asks: we may ask the partner for that reason, or are asking.
func (c instance) asks(why Reason) bool {
	if why == FailbackAsks && c.p.Place == Follower {
		return false // the first one asks
	}
	h := c.s.Handover
	if h.Side == Asking {
		return h.Why == why && c.began() < c.p.GiveWithin()
	}
	return c.says(SaysHolding) && c.rested()
}

func (c instance) operatorAsks() bool {
	return c.s.Order == OrderTake && c.router() == Answered && c.asks(OperatorAsks)
}

// unheard: failback cannot ask anybody.
func (c instance) unheard() bool {
	if !c.p.Channel || c.f.Peer.Heard.IsZero() {
		return true
	}
	return c.age(c.f.Peer.Heard) >= c.p.ChannelSilent()+c.p.FailbackAfter+c.lifetime()
}

func (c instance) lifetime() time.Duration {
	if c.p.Primary && !c.p.Channel {
		return 0
	}
	return c.p.Lease
}

// lapsed: the lease has run out, or will within the second by which the kernel may be
// off.
func (c instance) lapsed() bool {
	return !c.s.Lease.IsZero() && c.age(c.s.Lease) >= -time.Second
}

// looked: after a pause of our own we have read the kernel, and have asked the wire
// for as long as an answer takes.
func (c instance) looked() bool {
	w := c.s.Woke
	if w.IsZero() {
		return true
	}
	if c.f.Kernel.Value == Unknown || c.f.Kernel.Asked.Before(w) {
		return false
	}
	return c.f.Alias.Value != Unknown && c.f.Alias.Asked.After(w) || c.age(w) >= c.p.Doubt()
}

// leaseDue: a third of the lease is over; or the alias has no lease and should have
// one, or has one and should not, or has outlived it. And we have asked the wire.
func (c instance) leaseDue() bool {
	if c.read(c.f.Kernel) != Yes {
		return false
	}
	if !c.looked() {
		return false
	}
	switch {
	case c.lifetime() == 0 || c.s.Lease.IsZero():
		return c.lifetime() != 0 || !c.s.Lease.IsZero()
	case c.lapsed():
		return c.f.Kernel.Asked.Sub(c.s.Lease) >= time.Second
	}
	return -c.age(c.s.Lease) <= c.lifetime()*2/3
}

func (c instance) ordered() bool {
	return c.s.Order == OrderForce || c.s.Order == OrderTake && c.alias() == Silent && !c.heldBack()
}

func (c instance) offered() bool {
	return c.s.Handover.Side == Getting && c.began() < c.p.GiveWithin() && c.does(Offers) && c.router() == Answered
}

// failbackDue: a primary with failback sees that everything has been good for
// failback_after, and that the partner serves the alias.
func (c instance) failbackDue() bool {
	if !c.p.Failback || c.s.NoReturn || !c.actsAsPrimary() || c.f.ByPartner != Yes ||
		c.link() != Yes || c.alias() != Answered || c.router() != Answered || c.partner() != Answered {
		return false
	}
	good := []Fact{c.f.NIC, c.f.Carrier, c.f.Own, c.f.Alias, c.f.Router, c.f.Partner}
	if c.known(c.f.Service) == Yes {
		good = append(good, c.f.Service)
	}
	for _, f := range good {
		if c.age(f.Since) < c.p.FailbackAfter || c.p.Channel && c.age(f.Since) < c.p.Patience() {
			return false
		}
	}
	return c.groupReturns()
}

// flapping: taken too often in the hour before the last take, and that was less than
// a minute ago. Each further take doubles that minute, up to 15 minutes.
func (c instance) flapping() bool {
	if c.p.MaxTakes == 0 || len(c.s.Takes) == 0 {
		return false
	}
	last, n := c.s.Takes[len(c.s.Takes)-1], 0
	for _, t := range c.s.Takes {
		if last.Sub(t) <= time.Hour {
			n++
		}
	}
	minutes := 1
	for range n - c.p.MaxTakes {
		minutes *= 2
	}
	return n >= c.p.MaxTakes && c.age(last) < time.Duration(min(minutes, 15))*time.Minute
}

// vacant: nobody serves the alias, our network works, and we may take it.
func (c instance) vacant() bool {
	return c.mayTake() && c.alias() == Silent && c.router() == Answered &&
		(!c.flapping() || c.partner() == Silent) && !c.heldBack()
}

func (c instance) doubtedTwice() bool { return c.age(c.f.Alias.Since) >= c.p.Doubt() }

func (c instance) partnerCannot() bool {
	return c.says(SaysCannot, SaysParked, SaysReleased)
}

func (c instance) daemonDead() bool {
	return c.p.Channel && c.partner() == Answered && !c.f.Peer.Heard.IsZero() &&
		c.age(c.f.Peer.Heard) >= c.p.ChannelSilent()
}

func (c instance) handedOver() bool { return c.giving() && c.does(Confirms) }

func (c instance) givenBack() bool {
	return c.getting() && c.s.Handover.Verified == No && c.does(Offers)
}

func (c instance) handsOff() bool {
	return (c.s.Parked || c.s.Leaving || c.s.Give) && c.mayGive() && c.rested()
}

func (c instance) orderedOff() bool {
	return (c.s.Parked || c.s.Leaving) && !c.handing() && !c.handsOff()
}

func (c instance) unlinked() bool {
	return c.read(c.f.NIC) == No ||
		c.read(c.f.Carrier) == No && c.age(c.f.Carrier.Since) >= time.Duration(c.p.Misses-1)*c.p.Timeout
}

func (c instance) relieved() bool { return c.failing() && c.mayGive() && c.rested() }

// stays: we hold it, and no order, link or service ends that.
func (c instance) stays() bool {
	return c.s.Holding && !c.handedOver() && !c.givenBack() && !c.handsOff() && !c.orderedOff() && !c.unlinked() &&
		!c.relieved() && !c.asked() && !c.follows()
}

func (c instance) lost() bool { return c.read(c.f.Kernel) == No }

func (c instance) isolated() bool {
	return c.p.ReleaseIsolated && c.known(c.f.Router) == Silent && c.known(c.f.Partner) == Silent &&
		min(c.age(c.f.Router.Since), c.age(c.f.Partner.Since)) >= c.p.IsolatedAfter
}

// releases: our service fails, nobody can be offered the alias, and the administrator
// says that it goes then.
func (c instance) releases() bool { return c.p.ReleaseFailing && !c.p.Channel && c.failing() }

// reorders: how often in a row the alias was put behind an own address.
func (c instance) reorders() int {
	if c.age(c.s.Reordered) >= time.Minute {
		return 0
	}
	return c.s.Reorders
}

// reorderDue: an own address stands behind the alias, nothing forbids taking the
// alias off for a moment, and the last time is long enough ago: a second, then two,
// four, and so on up to half a minute.
func (c instance) reorderDue() bool {
	if c.read(c.f.Behind) != Yes || c.read(c.f.Kernel) != Yes || c.link() != Yes || c.s.Handover.Side != NoSide || c.lapsed() || !c.looked() {
		return false
	}
	pause := time.Duration(0)
	for i := range c.s.Reorders {
		if pause *= 2; i == 0 {
			pause = time.Second
		}
	}
	return c.age(c.s.Reordered) >= min(pause, 30*time.Second)
}

func (c instance) announcementDue() bool {
	return !c.s.Next.IsZero() && c.age(c.s.Next) >= 0 && c.looked() && !c.giving()
}
