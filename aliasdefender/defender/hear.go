package defender

import (
	"fmt"
	"net/netip"
	"time"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// heard files what a partner said.
func (l *loop) heard(h peer.Heard) {
	t := l.channel.talks[h.Partner]
	if t == nil || !h.NewBoot && h.Say < t.say {
		return
	}
	if h.NewBoot || h.Say > t.say {
		t.say, t.heard = h.Say, l.now // a repeat is not a newer sign of life
		l.channel.err = ""            // the channel works: whatever kept it from opening is over
	}
	if h.NewBoot {
		t.boot, t.strangers = l.now, nil
		if t.version != h.Version && h.Version != l.o.Version {
			t.log(l, "partner_version").Warn(fmt.Sprintf("the partner runs version %s, this host %s", h.Version, l.o.Version))
		}
		t.version = h.Version
	}
	t.features = h.Features
	t.identify(l, h)
	t.wonder(l)
	if p := t.partnerAt(h.Path); p != nil {
		l.asks.Alive(l.now, p, h.At) // as good a sign of life as a ping
	}
	for _, w := range h.Words {
		if a := l.meant(t, w); a != nil {
			a.hear(l, w)
		} else {
			t.stranger(l, w.Alias)
		}
	}
}

// meant is the alias of ours that a partner's word is about; nil if it is none of ours.
// The address alone tells, except a link-local one, which may be an alias on two NICs.
func (l *loop) meant(t *talk, w peer.Word) *alias {
	if a := l.aliases[w.Alias]; a != nil {
		if a.talk != t {
			return nil
		}
		return a
	}
	for _, a := range t.users {
		if w.Link.IsValid() && a.cfg.Addr.WithZone("") == w.Alias && w.On(a.iface.both, t.addr) {
			return a
		}
	}
	return nil
}

// mostPaths bounds how many paths of a partner are known with the host behind them.
const mostPaths = 64

// identify takes in which host speaks. If it has our own number, it is a machine that was
// cloned together with its state directory.
func (t *talk) identify(l *loop, h peer.Heard) {
	if h.Host != t.host {
		// A machine whose state directory is new, or that was replaced, has another number,
		// and what came on its other paths before is from the one that is gone. Where the
		// former number comes back, two machines speak in turns.
		if h.Host != t.former {
			clear(t.hosts)
		}
		t.host, t.former = h.Host, t.host
	}
	if t.hosts[h.Path] != h.Host {
		if t.hosts == nil || len(t.hosts) >= mostPaths {
			t.hosts = map[netip.Addr][peer.HostLen]byte{}
		}
		t.hosts[h.Path] = h.Host
		l.countMachines()
	}
	if t.cloned == h.Cloned {
		return
	}
	if t.cloned = h.Cloned; t.cloned {
		t.log(l, "cloned_host").Error(clonedText)
		return
	}
	t.log(l, "cloned_host").Info("the partner's host number is its own again")
}

const clonedText = "the partner has this host's own number: was one machine cloned from the other? Remove the file host-id from the state directory of one of them, and restart its Monitor"

// lastHeard is when the partner's daemon was last heard, from any of its addresses: a
// host with three addresses is one partner.
func (l *loop) lastHeard(t *talk) time.Time {
	at := t.heard
	for _, other := range l.channel.talks {
		if other.host == t.host && t.host != [peer.HostLen]byte{} && other.heard.After(at) {
			at = other.heard
		}
	}
	return at
}

// partnerAt is the target of a partner by its own address; nil for another
// path to it, which says nothing about this one.
func (t *talk) partnerAt(addr netip.Addr) *detect.Target {
	for _, a := range t.users {
		if a.partner != nil && a.partner.Addr == addr {
			return a.partner
		}
	}
	return nil
}

// hear files the partner's word about one alias.
func (a *alias) hear(l *loop, w peer.Word) {
	was := a.peer
	p := rulesWord(w)
	p.Said, p.Held, p.Well = a.talk.heard, was.Held, was.Well
	if p.Facts[rules.FactService] == rules.Yes {
		p.Well = p.Said
	}
	if p.Word.Standing == rules.SaysHolding {
		p.Held = p.Said
	}
	if s := p.Word.Standing; s != rules.SaysUnsure { // in a doubt it is not sure what it can do
		a.disowned = s.Lacks()
	}
	if p.Since = was.Since; was.Said.IsZero() || was.Word.Standing != p.Word.Standing {
		p.Since = l.now
	}
	if hw := host.HW(w.HW); !hw.IsZero() && a.iface.wire != nil {
		p.HWLower = rules.Of(a.iface.wire.HW().Less(hw))
	}
	a.hearDrill(l, w.Drill)
	a.peer, a.says = p, w
	if seesClaim(p) && !(seesClaim(was) && l.now.Sub(was.Said) < a.policy.ChannelSilent()) {
		a.talk.urgent = true // the partner waits for our word, which tells it whose claim that is
	}
	if !a.state.Holding && was.Word.Standing == rules.SaysHolding && p.Word.Standing != rules.SaysHolding {
		// The partner's host may have rebooted quickly: an answer from a while ago proves
		// nothing, and at a slow rhythm it would be asked only much later.
		l.asks.Look(l.now, a.alias)
	}
	l.noteLane(a)
	a.compare(l, w)
	was.Said, p.Said, was.Held, p.Held, was.Well, p.Well = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	if was != p || !a.settled() {
		l.mark(a)
	}
}

// seesClaim tells whether the partner holds the alias and sees another host claim it.
func seesClaim(p rules.Peer) bool {
	return p.Word.Standing == rules.SaysHolding && p.Facts[rules.FactAlias] == rules.Yes
}

// wonder logs when the partner's daemon is heard, and when it is not heard although it
// should be.
func (t *talk) wonder(l *loop) {
	m := t.mood
	switch late := t.silentAfter(); {
	case !t.heard.IsZero() && l.now.Sub(t.heard) <= late:
		m = speaking
	case !t.heard.IsZero():
		m = fellQuiet
	case l.now.Sub(t.begun) > late+time.Second:
		m = neverCame
	}
	if m == t.mood && (m == speaking || m == unheard || l.now.Sub(t.moodAt) < sayAgain) {
		return
	}
	t.mood, t.moodAt = m, l.now
	switch m {
	case speaking:
		t.record(l, record.PartnerHeard, rules.Info, "the partner's daemon is heard on the channel")
	case fellQuiet:
		t.record(l, record.PartnerSilent, rules.Warning, "the partner's daemon has fallen silent on the channel")
	case neverCame:
		t.record(l, record.PartnerSilent, rules.Warning, fmt.Sprintf("the partner's daemon has not been heard since our start: is it running, with this key, and do firewalls pass UDP port %d both ways? Until it is heard, the rules without a channel apply", l.cfg.Settings.Peer.Port))
	}
	for _, a := range t.users {
		if m == speaking || a.peer.Said.IsZero() {
			continue
		}
		l.mark(a)
	}
}
