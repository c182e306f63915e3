package defender

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/rules"
)

// Channel carries what partners say to each other. Only Run waits.
type Channel interface {
	Say(partner netip.Addr, m peer.Message, repeat time.Duration)
	SetPartners([]peer.Partner) error
	SetKeys(*peer.Keys)
	SetSources(map[netip.Addr][]netip.Addr)
	Status() peer.Status
	Run(context.Context) error
}

// openAgain is when a channel that could not be opened is tried again.
const openAgain = 10 * time.Second

// channel is the channel to the partners, with those who are talked to over it.
type channel struct {
	up       Channel // nil: none
	hangUp   context.CancelFunc
	openAt   time.Time // when it may be opened again
	opening  agenda.Entry
	err      string // why there is none, said once
	talks    map[netip.Addr]*talk
	partners []peer.Partner              // that it knows
	listen   []netip.Addr                // the own addresses that it was opened with; empty: any
	from     map[netip.Addr][]netip.Addr // the addresses of ours that they are written to from, where the system may choose another
	number   uint32                      // of the last hand-over that we began
}

// openChannel opens the channel that the settings want, or closes one that they no longer
// want.
func (l *loop) openChannel() {
	c, set := &l.channel, l.cfg.Settings.Peer
	switch {
	case l.o.Channel == nil || len(set.Keys) == 0:
		l.agenda.Set(&c.opening, time.Time{})
		c.err = ""
		if c.hangUp != nil {
			c.hangUp()
			c.up, c.hangUp = nil, nil
		}
		return
	case c.up == nil && l.now.Before(c.openAt):
		l.agenda.Set(&c.opening, c.openAt)
		return
	}
	if keys := keysOf(set.Keys); c.up != nil {
		c.up.SetKeys(keys)
	} else {
		l.openWith(keys, set)
	}
}

// openWith opens the channel.
func (l *loop) openWith(keys *peer.Keys, set config.Peer) {
	c := &l.channel
	one, err := l.o.Channel(peer.Options{Listen: set.Listen, Port: set.Port, Keys: keys, Host: l.o.Host, Heard: l.d.Heard, Readable: l.d.Readable})
	if err != nil {
		l.noChannel(err)
		return
	}
	c.openAt = l.now.Add(openAgain)
	ctx, hangUp := context.WithCancel(l.ctx)
	c.up, c.hangUp = one, hangUp
	l.beside(func() {
		err := one.Run(ctx)
		l.d.post(func(l *loop) {
			if c.up != one || ctx.Err() != nil {
				return
			}
			c.up, c.hangUp = nil, nil
			hangUp()
			l.noChannel(err)
		})
	})
	c.partners, c.from, c.listen = nil, nil, set.Listen
	l.introduce()
}

// noChannel says once why there is no channel, and has it tried again.
func (l *loop) noChannel(err error) {
	c := &l.channel
	c.openAt = l.now.Add(openAgain)
	l.agenda.Set(&c.opening, c.openAt)
	if text := fmt.Sprint(err); text != c.err {
		c.err = text
		l.event("no_channel").WithError(err).Error("no channel to the partner: the rules without a channel apply; trying again")
	}
}

// keysOf are the keys of the settings, of which there is at least one.
func keysOf(keys []config.Key) *peer.Keys {
	plain := make([][peer.KeySize]byte, len(keys))
	for i, k := range keys {
		plain[i] = k
	}
	return peer.NewKeys(plain[0], plain[1:]...)
}

// hasChannel tells whether the settings want a channel to the partners.
func (l *loop) hasChannel() bool { return len(l.cfg.Settings.Peer.Keys) > 0 && l.o.Channel != nil }

// introduce works out from the aliases which partners to talk to.
func (l *loop) introduce() {
	c := &l.channel
	talks := map[netip.Addr]*talk{}
	var partners []peer.Partner
	both, led := l.inBothFamilies(), l.led()
	for _, t := range c.talks {
		t.users = t.users[:0]
	}
	for _, a := range l.list {
		was := a.talk
		a.talk = nil
		a.policy.Channel = !a.cfg.Loopback() && l.hasChannel() && l.speaks(a)
		if a.partner == nil || !a.policy.Channel {
			a.peer, a.pair = rules.Peer{Well: a.peer.Well}, nil // it may be back in a moment
			continue
		}
		addr := a.partner.Addr
		if lead, ok := led[addr]; ok {
			addr = lead
		}
		t := talks[addr]
		if t == nil {
			if t = c.talks[addr]; t == nil {
				t = &talk{addr: addr, begun: l.now}
				t.due.Do = func() { t.beat(l) }
			}
			talks[addr] = t
			l.agenda.Set(&t.due, l.now)
			partners = append(partners, peer.Partner{Addr: addr})
		}
		p := &partners[slices.IndexFunc(partners, func(p peer.Partner) bool { return p.Addr == addr })]
		for _, path := range append(l.pathsTo(a, both[a.cfg.Partner.Name]), a.partner.Addr) { // below whichever of its names
			if path != addr && !slices.Contains(p.Paths, path) {
				p.Paths = append(p.Paths, path)
			}
		}
		t.users = append(t.users, a)
		if a.talk = t; t != was {
			a.peer, a.says, a.disowned, a.pair, a.talkingSince = rules.Peer{Well: l.now}, peer.Word{}, false, nil, l.now
		}
		t.urgent = true
	}
	for addr, t := range c.talks {
		if talks[addr] == nil {
			l.agenda.Set(&t.due, time.Time{})
		}
	}
	c.talks = talks
	l.countMachines()
	once(partners)
	if c.up == nil || slices.EqualFunc(partners, c.partners, samePartner) {
		return
	}
	if err := c.up.SetPartners(partners); err != nil {
		l.event("partners_unchanged").WithError(err).Error("the channel keeps the partners that it had")
		return
	}
	c.partners = partners
	l.speakFrom()
}

func samePartner(a, b peer.Partner) bool { return a.Addr == b.Addr && slices.Equal(a.Paths, b.Paths) }
