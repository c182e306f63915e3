package detect

import (
	"slices"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// mostTries is how often a target is pinged at most to find out whether it answers pings.
const mostTries = 10

// habit is what is known of how a target answers in general, whatever it does now.
type habit struct {
	pings bool  // it has answered by ICMP
	tries uint8 // how often it was pinged to find that out
	alive bool  // its host has sent a frame of its own since the partner's daemon fell silent

	questions, inVain uint64 // see Counts
}

// proof is when the address was tried, and has answered.
type proof struct {
	tried   time.Time // when it was last pinged to find out
	replied time.Time // when the last ARP reply for it to somebody came
	by      host.HW   // from where
}

// Pings tells whether the address has ever answered a ping.
func (t *Target) Pings() bool { return t.habit.pings }

// FindPings tells whether it is time to ping the address to find out if it answers pings,
// because that is unknown: at a fast rhythm the address may be asked only by ARP for
// years.
func (t *Target) FindPings(now time.Time) bool {
	if t.habit.pings || now.Sub(t.proof.tried) < time.Second {
		return false
	}
	t.proof.tried = now
	return true
}

// HasPinged records that the address has answered a ping.
func (t *Target) HasPinged() { t.habit.pings = true }

// OnlyARP tells whether hw has answered for the address by ARP since then, and the
// address has never answered a ping.
func (t *Target) OnlyARP(hw host.HW, since time.Time) bool {
	return !t.habit.pings && t.Replied(hw, since)
}

// Replied tells whether hw has answered for the address by ARP since then. A frame that
// nobody asked for is not an answer, and its sender gains nothing from the answer that
// another host gave.
func (t *Target) Replied(hw host.HW, since time.Time) bool {
	return t.proof.by == hw && !t.proof.replied.Before(since)
}

// mistrusted tells whether an answer by ARP alone proves nothing of the target: it has
// answered pings before, and the partner's daemon has fallen silent. A fabric that
// answers ARP for its hosts (EVPN) goes on answering for a while after one has died. A
// host that sends frames of its own is alive. Nor does it prove anything of an alias that
// is answered for nobody.
func (t *Target) mistrusted() bool {
	switch {
	case t.held() || t.crowd():
		return false // nothing but ARP asks it
	case t.forNobody():
		return true
	case !t.habit.pings:
		return false
	}
	u := t.inPair()
	quiet := u != nil && u.Here().Quiet
	if !quiet {
		t.habit.alive = false
	}
	return quiet && !t.habit.alive
}

// forNobody tells whether an answer by ARP would be given for an alias that neither host
// has: both say so, and the hardware address is a router's or the partner's. One of
// the two then answers ARP for others, as between the ports of a private VLAN.
func (t *Target) forNobody() bool {
	if t.of == nil || t.nic == nil || t.hw.IsZero() || t.held() {
		return false
	}
	h := t.of.Here()
	return h.Disowned && (h.PartnerHW == t.hw || t.of.partner.at(t.hw) || t.of.routed(t.hw))
}

// routed tells whether that hardware address is a router's.
func (u *subject) routed(hw host.HW) bool {
	return slices.ContainsFunc(u.routers, func(t *Target) bool { return t.at(hw) })
}

// at tells whether that hardware address has claimed the target's address.
func (t *Target) at(hw host.HW) bool { return t != nil && t.hw == hw }

// unproven tells whether it has to be found out if the target answers pings.
func (t *Target) unproven() bool {
	if t.habit.pings || t.habit.tries >= mostTries || t.fact.Value != rules.Answered || t.held() || t.crowd() {
		return false
	}
	u := t.inPair()
	return u != nil && u.Pings
}

// crowd tells whether the target's NIC has so many aliases that none of them is pinged.
func (t *Target) crowd() bool { return t.of != nil && t.nic != nil && len(t.nic.subjects) > mostPinged }

// inPair is the first alias that has the target as alias or partner; nil for a router or
// witness. All aliases that have it as partner talk to one daemon.
func (t *Target) inPair() *subject {
	for _, u := range t.users {
		if u.alias == t || u.partner == t {
			return u
		}
	}
	return nil
}
