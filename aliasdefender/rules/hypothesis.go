package rules

import "time"

// hypothesis is one thing that might be so and is not: of a fact, a word of the partner, an
// order, the record, or a setting.
type hypothesis struct {
	text string
	than string // what this says too, but more of it
	of   string // two of the same are not so at once
	make func(*instanceOf)
}

const (
	// longAgo is longer than anything lasts that a row asks for, but for settings.
	longAgo = time.Hour
	forLong = ", for an hour already"
)

// clauses are what each value of a fact means: unknown, no, yes. Our own conclusions are no
// hypotheses: no row reads them.
var clauses = [FactCount][3]string{
	FactNIC:          {"it is not known whether the NIC is up", "the NIC is missing or down", "the NIC is up"},
	FactCarrier:      {"it is not known whether the NIC has carrier", "the NIC has no carrier", "the NIC has carrier"},
	FactOwn:          {"it is not known whether the NIC has an address of its own", "the NIC has no address of its own", "the NIC has an address of its own"},
	FactKernel:       {"it is not known whether the kernel has the alias", "the kernel has lost the alias", "the kernel has the alias"},
	FactService:      {"it is not known whether our own service is well", "our own service fails", "our own service is well"},
	FactAlias:        {"it is not known whether another host answers for the alias", "no other host answers for the alias", "another host answers for the alias"},
	FactPartner:      {"it is not known whether the partner is alive", "the partner is silent", "the partner answers"},
	FactRouter:       {"it is not known whether the router answers", "the router is silent", "the router answers"},
	FactClaimant:     {"it is not known whether the claimant is the partner", "the claimant does not answer for the partner", "the claimant answers for the partner"},
	FactBehind:       {"it is not known whether our own address stands behind the alias", "our own address stands before the alias", "our own address stands behind the alias"},
	FactParkedKnown:  {"the list of parked aliases has not been read", "the list of parked aliases cannot be read", "the list of parked aliases is known"},
	FactElsewhere:    {"it is not known whether another NIC of this host has the alias", "no other NIC of this host has the alias", "another NIC of this host has the alias"},
	FactFenced:       {"it is not known whether the partner was fenced", "the partner was not fenced", "the partner was fenced"},
	FactWhole:        {"it is not known whether all of the group could be here", "not all of the group could be here", "all of the group could be here"},
	FactPartnerWhole: {"it is not known whether the partner could have all of the group", "the partner could not have all of the group", "the partner could have all of the group"},
}

// claimClauses are those of FactAlias while we hold the alias.
var claimClauses = [3]string{"it is not known whether another host claims the alias", "no other host claims the alias", "another host claims the alias"}

// guesses are the hypotheses about an instance, the nearest first.
type guesses struct {
	instanceOf
	all []hypothesis
}

func (g *guesses) add(of, text string, make func(*instanceOf)) {
	g.all = append(g.all, hypothesis{text: text, of: of, make: make})
}

// hypotheses are what might be so.
func (is instanceOf) hypotheses() []hypothesis {
	g := &guesses{instanceOf: is}
	g.orders()
	if g.s.Holding {
		g.held()
	} else if !g.p.Loopback {
		g.letGo()
	}
	for _, r := range factRows {
		if g.concerns(r) {
			g.fact(r)
		}
	}
	if !g.p.Loopback {
		g.claims()
		g.network()
		if g.p.Channel {
			g.words()
		}
	}
	g.settings()
	return g.all
}

// concerns tells whether a fact may be otherwise, for an alias like this.
func (g *guesses) concerns(r FactRow) bool {
	switch {
	case r.Ours, r.Group && g.p.Place == Ungrouped, r.Service && !g.p.Checked:
		return false
	case r.ID == FactClaimant, r.ID == FactBehind, r.ID == FactKernel:
		return g.s.Holding
	case g.p.Loopback:
		return r.Service || r.Host && !r.Link
	}
	return true
}

// fact adds the other values of a fact, those that it has for longer, and the value that it
// has, known anew.
func (g *guesses) fact(r FactRow) {
	was, now := *r.Of(&g.f), g.f.Now
	set := func(v Value, since time.Time) func(*instanceOf) {
		one := Fact{Value: v, Since: since, Asked: now}
		if r.ID == FactFenced {
			one.Lives = distantEnd // it is not asked again
		}
		return func(is *instanceOf) { *r.Of(&is.f) = one }
	}
	for _, v := range []Value{No, Yes, Unknown} {
		text := clauses[r.ID][v]
		if r.ID == FactAlias && g.s.Holding {
			text = claimClauses[v]
		}
		if v != was.Value {
			g.add(r.Name, text, set(v, now))
		}
		if v == Unknown {
			continue
		}
		if v == was.Value {
			g.add(r.Name, text+", asked just now", set(v, was.Since))
		}
		g.all = append(g.all, hypothesis{text: text + forLong, than: text, of: r.Name, make: set(v, now.Add(-longAgo))})
	}
}

// claims adds whose an answer for the alias might be.
func (g *guesses) claims() {
	does, than := " answers for the alias", clauses[FactAlias][Yes]
	if g.s.Holding {
		does, than = " claims the alias", claimClauses[Yes]
	}
	add := func(text, than string, partner Value, since time.Time) {
		g.all = append(g.all, hypothesis{text: text, than: than, of: FactAlias.String(), make: func(is *instanceOf) {
			is.f.Alias, is.f.ByPartner = Fact{Value: Yes, Since: since, Asked: is.f.Now}, partner
			is.f.Claimant = Fact{Value: partner, Since: since, Asked: is.f.Now}
		}})
	}
	for _, partner := range []Value{Yes, No} {
		who := "the partner" + does
		if partner == No {
			who = "a third host" + does
		}
		add(who, than, partner, g.f.Now)
		add(who+forLong, who, partner, g.f.Now.Add(-longAgo))
	}
}

// network adds what else might be otherwise around this host.
func (g *guesses) network() {
	if g.f.RouterKnown {
		g.add(FactRouter.String(), "no router is known", func(is *instanceOf) { is.f.RouterKnown, is.f.Router = false, Fact{} })
	}
	if g.p.Place == Follower && g.f.PartnerLeads != Yes {
		g.add("leads", "the partner has the first member of the group", func(is *instanceOf) { is.f.PartnerLeads = Yes })
	}
}

// orders adds what an operator might order.
func (g *guesses) orders() {
	g.add("order", "an operator parks it", func(is *instanceOf) { is.s.Parked = true })
	g.add("order", "its row goes from the file", func(is *instanceOf) { is.s.Leaving = true })
	if g.s.Holding {
		g.add("order", "an operator orders it handed over", func(is *instanceOf) { is.s.Give = true })
		return
	}
	g.add("order", "an operator orders it here (AddAlias)", func(is *instanceOf) { is.s.Order = OrderTake })
	g.add("order", "an operator forces it here (AddAlias --force)", func(is *instanceOf) { is.s.Order = OrderForce })
}

// words adds what the partner might say, and how a hand-over might stand.
func (g *guesses) words() {
	say := func(text string, w Word, side Side, verified Value) {
		g.add("word", text, func(is *instanceOf) {
			p := &is.f.Peer
			p.Heard, p.Said, p.Since, p.Word = is.f.Now, is.f.Now, is.f.Now, w
			if w.Standing == SaysHolding {
				p.Held = is.f.Now
			}
			if side != NoSide {
				is.s.Handover = Handover{Side: side, Number: w.Number, Began: is.f.Now, Verified: verified}
			}
		})
	}
	for _, standing := range []Standing{SaysAble, SaysHolding, SaysCannot, SaysParked, SaysReleased} {
		say("the partner says: "+standing.String(), Word{Standing: standing}, NoSide, Unknown)
	}
	h := g.s.Handover
	number := h.Number + 1
	if g.s.Holding {
		say("the partner asks for it", Word{SaysAble, Asks, number, NoRow}, NoSide, Unknown)
		say("the partner confirms that it took what we handed over", Word{SaysHolding, Confirms, number, NoRow}, Giving, Unknown)
		say("it was handed over to us, and the router does not answer it here", Word{SaysHolding, Offers, number, NoRow}, Getting, No)
		g.add("hand-over", "a hand-over is open", func(is *instanceOf) {
			is.s.Handover = Handover{Side: Giving, Number: number, Began: is.f.Now}
		})
	} else {
		say("the partner offers it", Word{SaysHolding, Offers, number, NoRow}, Getting, Unknown)
	}
	if h.Side != NoSide || h.Failure != NoRow {
		g.add("hand-over", "no hand-over is open, and none has just failed", func(is *instanceOf) { is.s.Handover = Handover{Number: h.Number} })
	}
	g.daemon()
}

// daemon adds how the partner's daemon might be.
func (g *guesses) daemon() {
	silent := func(text string, of time.Duration) {
		g.add("word", text, func(is *instanceOf) {
			is.f.Peer.Heard = is.f.Now.Add(-of)
			is.f.Peer.Said = is.f.Peer.Heard
		})
	}
	silent("the partner's daemon has fallen silent", g.p.ChannelSilent()+time.Second)
	silent("the partner's daemon has been silent for a day", 24*time.Hour)
	g.add("partner's service", "the partner's service fails", func(is *instanceOf) {
		is.f.Peer.Heard, is.f.Peer.Said, is.f.Peer.Facts[FactService] = is.f.Now, is.f.Now, No
	})
}

// letGo adds what might have been with an alias that is not here.
func (g *guesses) letGo() {
	g.add("past", "we were the last to let it go, because of a fault here", func(is *instanceOf) { is.s.OursLast = true })
	if g.p.MaxTakes > 0 {
		g.add("past", "it was taken max_takes times within the hour, the last time just now", func(is *instanceOf) {
			is.s.Takes = make([]time.Time, is.p.MaxTakes)
			for i := range is.s.Takes {
				is.s.Takes[i] = is.f.Now
			}
		})
	}
}

// held adds what might have been with an alias that is here.
func (g *guesses) held() {
	restored := func(text string, ago time.Duration) {
		g.add("restores", text, func(is *instanceOf) { is.s.Restores, is.s.Restored = restoresAtOnce, is.f.Now.Add(-ago) })
	}
	restored("it has just been put back for the second time", 0)
	restored("it was put back twice within the minute", 2*time.Second)
	if g.p.Loopback {
		return
	}
	if lease := g.p.Lifetime(); lease > 0 {
		g.add("lease", "its lease is due", func(is *instanceOf) { is.s.Lease = is.f.Now.Add(lease / 4) })
		g.add("lease", "its lease has run out", func(is *instanceOf) { is.s.Lease = is.f.Now })
	}
	g.add("announcement", "an announcement is due", func(is *instanceOf) { is.s.Next = is.f.Now })
	g.add("reorders", "our own address was put before it twice within the minute", func(is *instanceOf) {
		is.s.Reorders, is.s.Reordered = 2, is.f.Now.Add(-10*time.Second)
	})
	g.add("rival", "a rival has just been answered", func(is *instanceOf) { is.s.Defences, is.s.Defended = 1, is.f.Now })
	g.add("rival", "a rival was heard before", func(is *instanceOf) { is.s.Claimed = true })
	g.add("rival", "we took it by failback, and have answered the partner since", func(is *instanceOf) {
		is.s.Failback, is.s.Defences, is.s.Defended = true, 1, is.f.Now.Add(-DefendEvery)
	})
	g.add("rival", "we have answered the rival twice, and our hardware address is the higher", func(is *instanceOf) {
		is.s.Defences, is.s.Defended, is.f.WeAreLow = 2, is.f.Now.Add(-DefendEvery), No
	})
}

// settings adds what might be set otherwise.
func (g *guesses) settings() {
	set := func(is bool, text string, make func(*Policy)) {
		if !is {
			g.add(text, text, func(is *instanceOf) { make(&is.p) })
		}
	}
	set(g.p.ReleaseFailing, "on_service_failure = \"release\"", func(p *Policy) { p.ReleaseFailing = true })
	if g.p.Loopback {
		return
	}
	if !g.v().primary() { // whatever the channel says of the partner's role
		g.add("role", "this host acts as primary", func(is *instanceOf) { is.p.Primary, is.f.Peer.Primary = true, No })
	}
	set(g.p.Failback || !g.p.Primary, "failback = true", func(p *Policy) { p.Failback = true })
	set(g.p.ReleaseIsolated, "on_isolation = \"release\"", func(p *Policy) { p.ReleaseIsolated = true })
	set(g.p.ReleaseSplit || g.p.Place == Ungrouped, "when_split = \"release\"", func(p *Policy) { p.ReleaseSplit = true })
}

func (is instanceOf) v() *view { return &view{p: is.p, s: is.s, f: is.f} }
