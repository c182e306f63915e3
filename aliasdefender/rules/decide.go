package rules

import "time"

// Decision is what to do about one alias, and why.
type Decision struct {
	Row    string // "W10"
	Action Action
	Reason Reason
	// Again is the next named deadline at which time alone may change the
	// decision; zero if only a new fact or an order can.
	Again time.Time
}

// Defends tells whether the decision is to defend the alias against a rival, or to
// announce it because the rival has gone.
func (d Decision) Defends() bool { return d.Action == Announce && d.Reason.Defence() }

// Rest is the decision about an alias that we hold when nothing is due: the last row
// of the table. The log shows it for a decision that is [Reason.Routine].
func Rest() Decision {
	r := rows[len(rows)-1]
	return Decision{Row: r.ID, Action: r.Action, Reason: r.Reason}
}

// localStale is the least age at which a reading of this host becomes unknown.
const localStale = 5 * time.Second

// Decide says what to do about one alias. The first row that matches decides.
func Decide(p Policy, s State, f Facts) Decision { return decide(tableFor(p), p, s, f) }

// Judge decides as Decide does, but reuses its memory: deciding about a thousand
// aliases makes no garbage. It serves one goroutine.
type Judge struct{ v view }

// Decide does what the function [Decide] does.
func (j *Judge) Decide(p Policy, s State, f Facts) Decision {
	j.v = view{p: p, s: s, f: f}
	return j.v.decide(tableFor(p))
}

func decide(rows []Row, p Policy, s State, f Facts) Decision {
	v := view{p: p, s: s, f: f}
	return v.decide(rows)
}

func (v *view) decide(rows []Row) Decision {
	for _, r := range rows {
		if r.Holding == v.s.Holding && r.when(v) {
			return Decision{Row: r.ID, Action: r.Action, Reason: r.Reason, Again: v.again}
		}
	}
	// The last row of either half matches everything; a test holds it to that.
	return Decision{Action: Wait, Reason: NoRow, Again: v.again}
}

// view is the facts as the rows read them: facts that are too old are unknown in it.
// It notes each deadline that a row compared with, so that the caller knows when to
// ask again.
type view struct {
	p     Policy
	s     State
	f     Facts
	again time.Time
}

// reached tells whether the named deadline t has come.
func (v *view) reached(t time.Time) bool {
	if !v.f.Now.Before(t) {
		return true
	}
	if v.again.IsZero() || t.Before(v.again) {
		v.again = t
	}
	return false
}

// fresh is the fact's value, unknown if it is too old.
func (v *view) fresh(f Fact) Value {
	if f.Value == Unknown || v.reached(f.Asked.Add(v.p.Life(f))) {
		return Unknown
	}
	return f.Value
}

// local is the value of a fact about this host. The kernel reports a change when it
// happens; readings only confirm it, and at a fast rhythm they are less frequent than
// questions to the network.
func (v *view) local(f Fact) Value {
	if f.Value == Unknown || v.reached(f.Asked.Add(max(v.p.Stale(), localStale))) {
		return Unknown
	}
	return f.Value
}

// after is the fact's value if its question was put at t or later. What was known
// before the network changed says nothing about the time since.
func (v *view) after(f Fact, t time.Time) Value {
	if f.Asked.Before(t) {
		return Unknown
	}
	return v.fresh(f)
}

// alias tells whether another host answers for it.
func (v *view) alias() Value {
	f := v.f.Alias
	if f.Value == Unknown || v.reached(f.Asked.Add(v.p.staleAt(v.f.AliasEvery))) {
		return Unknown
	}
	return v.sinceRouter(f.Value, f)
}

func (v *view) partner() Value {
	return v.sinceRouter(v.after(v.f.Partner, v.f.Alias.Miss), v.f.Partner)
}

// sinceRouter turns a silence into unknown if it is older than the router's return:
// the fault that hid the router, for example a bad port of our own, may have hidden
// the others too.
func (v *view) sinceRouter(value Value, f Fact) Value {
	if value == Silent && !v.s.Holding && v.before(f, v.f.Router) {
		return Unknown
	}
	return value
}

// before tells whether f was asked before that other host began to answer.
func (v *view) before(f, other Fact) bool {
	return f.Asked.Before(other.Since) && v.fresh(other) == Answered
}

// unclaimed tells whether no other host had the alias when we last asked, and neither
// router nor partner has come back since. A host that took it while the fault hid
// router or partner was hidden too.
func (v *view) unclaimed() bool {
	f := v.f.Alias
	return v.alias() == No && !v.before(f, v.f.Router) && !v.before(f, v.f.Partner)
}

// router counts an answer only if the router was asked after the last other host fell
// silent. If a switch of our own dies it takes alias and partner with it, and an
// earlier answer of the router proves nothing.
func (v *view) router() Value {
	since := v.f.Alias.Miss
	if v.fresh(v.f.Partner) != Yes && v.f.Partner.Miss.After(since) {
		since = v.f.Partner.Miss
	}
	return v.after(v.f.Router, since)
}

// link is yes if the NIC can carry an alias: there, up, with carrier and an
// address of its own.
func (v *view) link() Value {
	all := Yes
	for _, f := range []Fact{v.f.NIC, v.f.Carrier, v.f.Own} {
		switch v.local(f) {
		case No:
			return No
		case Unknown:
			all = Unknown
		}
	}
	return all
}

// primary is the role that counts. It is the file's role, unless the channel shows
// that both hosts have the same one; then the lower hardware address is primary.
func (v *view) primary() bool {
	if v.told(v.f.Peer.Primary) == Of(v.p.Primary) && v.f.Peer.HWLower != Unknown {
		return v.f.Peer.HWLower == Yes
	}
	return v.p.Primary
}

// rolesTold tells whether the channel says who acts as primary.
func (v *view) rolesTold() bool {
	role := v.told(v.f.Peer.Primary)
	return role != Unknown && (role != Of(v.p.Primary) || v.f.Peer.HWLower != Unknown)
}

// doubtedTwice tells whether the alias has been silent for one doubt more than it
// takes to call it silent.
func (v *view) doubtedTwice() bool { return v.reached(v.f.Alias.Since.Add(v.p.Doubt())) }

// steadyFor tells whether everything that failback needs has been good for d.
func (v *view) steadyFor(d time.Duration) bool {
	if v.link() != Yes || v.router() != Yes || v.partner() != Yes || v.f.ByPartner != Yes {
		return false
	}
	steady := true
	for _, f := range []Fact{v.f.NIC, v.f.Carrier, v.f.Own, v.f.Router, v.f.Partner, v.f.Alias} {
		steady = v.reached(f.Since.Add(d)) && steady
	}
	if v.fresh(v.f.Service) == Yes { // one that comes and goes would take the alias to and fro
		steady = v.reached(v.f.Service.Since.Add(d)) && steady
	}
	return steady
}

func (v *view) failbackDue() bool {
	return v.primary() && v.p.Failback && !v.s.NoReturn && v.alias() == Yes && v.steadyFor(v.p.failbackAfter()) && v.returns()
}

// rival is yes while another host claims the alias that we hold. During a hand-over
// the partner's frames are part of the hand-over, and not claims.
func (v *view) rival() Value {
	if v.handing() && v.f.ByPartner != No {
		return Unknown
	}
	// A frame that the partner sent before it let go may be read a moment later.
	if !v.s.Anew.IsZero() && !v.f.Alias.Asked.After(v.s.Anew.Add(v.p.Timeout)) {
		return Unknown
	}
	return v.alias()
}

// claimsStill tells whether the rival was heard again well after our last
// announcement. A frame that was already on its way when we announced does not count.
func (v *view) claimsStill() bool {
	return v.rival() == Yes && v.f.Alias.Asked.After(v.s.Defended.Add(v.p.Timeout))
}

func (v *view) defenceDue() bool {
	if v.s.Defended.IsZero() {
		return true
	}
	return v.f.Alias.Asked.After(v.s.Defended) && v.reached(v.s.Defended.Add(DefendEvery))
}
