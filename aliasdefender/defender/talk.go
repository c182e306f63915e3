package defender

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/rules"
)

// Channel carries what partners say to each other. Nothing but Run waits.
type Channel interface {
	Say(partner netip.Addr, m peer.Message, repeat time.Duration)
	SetPartners([]peer.Partner) error
	SetKeys(*peer.Keys)
	Status() peer.Status
	Run(context.Context) error
}

// openAgain is when a channel that could not be opened is tried again.
const openAgain = 10 * time.Second

// talk is what this host and one partner's daemon say to each other. A word is
// said in each heartbeat, and at once when it changes; what the partner says is
// filed under its alias, and the rules look at how old it is.
type talk struct {
	addr  netip.Addr
	users []*alias
	task  task // the next heartbeat

	urgent bool // a word has changed: it is said at the end of this turn

	begun      time.Time // when the talk began
	heard      time.Time // when its daemon said something new; zero: not since our start
	say        uint64    // the number of what it said last
	version    string
	mood       mood
	moodAt     time.Time  // when that was logged
	unreadable bool       // its packets cannot be read
	strangers  []stranger // aliases of the partner's file that are not in ours
	boot       time.Time  // when this run of its daemon was first heard
}

// mood is what there is to say about a partner's daemon.
type mood uint8

const (
	unheard   mood = iota // nothing yet, and it is too early to wonder
	speaking              // it is heard
	neverCame             // it has not been heard, and should have been
	fellQuiet             // it was heard, and is no more
)

var moods = [...]string{unheard: "not heard yet", speaking: "heard", neverCame: "not heard since our start", fellQuiet: "fallen silent"}

// Heard takes in what a partner said. It may be called from anywhere.
func (d *Defender) Heard(h peer.Heard) { d.post(func(l *loop) { l.heard(h) }) }

// Readable takes in whether a partner's packets can be read.
func (d *Defender) Readable(partner netip.Addr, yes bool) {
	d.post(func(l *loop) {
		t := l.talks[partner]
		if t == nil || t.unreadable == !yes {
			return
		}
		if t.unreadable = !yes; yes {
			t.log(l).Info("the partner's packets can be read again")
			return
		}
		t.log(l).Error("the partner's packets cannot be read: different keys? Put the same key on both hosts; until then the rules without a channel apply")
	})
}

func (t *talk) log(l *loop) interface {
	Info(...any)
	Warn(...any)
	Error(...any)
} {
	return l.log.WithField("partner", t.addr.String())
}

// open has the channel opened that the settings want, or ends the one that they
// want no more.
func (l *loop) open() {
	set := l.cfg.Settings.Peer
	switch {
	case l.o.Channel == nil || len(set.Keys) == 0:
		if l.hangUp != nil {
			l.hangUp()
			l.channel, l.hangUp = nil, nil
		}
		return
	case l.channel != nil:
		if keys, err := keysOf(set.Keys); err == nil {
			l.channel.SetKeys(keys)
		}
		return
	case l.now.Before(l.openAt):
		l.agenda.set(&l.opening, l.openAt)
		return
	}
	l.openAt = l.now.Add(openAgain)
	keys, err := keysOf(set.Keys)
	if err != nil {
		l.log.WithError(err).Error("no channel to the partner")
		return
	}
	c, err := l.o.Channel(peer.Options{Listen: set.Listen, Port: set.Port, Keys: keys, Heard: l.d.Heard, Readable: l.d.Readable})
	if err != nil {
		l.log.WithError(err).Error("no channel to the partner")
		return
	}
	ctx, hangUp := context.WithCancel(l.ctx)
	l.channel, l.hangUp = c, hangUp
	l.beside(func() {
		err := c.Run(ctx)
		l.d.post(func(l *loop) {
			if l.channel != c || ctx.Err() != nil {
				return
			}
			l.channel, l.hangUp, l.openAt = nil, nil, l.now.Add(openAgain)
			if text := fmt.Sprint(err); text != l.openErr {
				l.openErr = text
				l.log.WithError(err).Error("no channel to the partner; the rules without one apply. It is tried again")
			}
			hangUp()
			l.agenda.set(&l.opening, l.openAt)
		})
	})
	l.partners = nil
	l.introduce()
}

func keysOf[K ~[peer.KeySize]byte](keys []K) (*peer.Keys, error) {
	plain := make([][peer.KeySize]byte, len(keys))
	for i, k := range keys {
		plain[i] = k
	}
	return peer.NewKeys(plain...)
}

// introduce works out from the aliases who is to be talked to.
func (l *loop) introduce() {
	talks := map[netip.Addr]*talk{}
	var partners []peer.Partner
	for _, t := range l.talks {
		t.users = t.users[:0]
	}
	for _, a := range l.order {
		was := a.talk
		a.talk = nil
		a.policy.Channel = len(l.cfg.Settings.Peer.Keys) > 0 && l.o.Channel != nil
		if a.partner == nil || !a.policy.Channel {
			a.peer, a.pair = rules.Peer{}, nil
			continue
		}
		addr := a.partner.addr
		t := talks[addr]
		if t == nil {
			if t = l.talks[addr]; t == nil {
				t = &talk{addr: addr, begun: l.now}
				t.task.do = func() { t.beat(l) }
			}
			talks[addr] = t
			l.agenda.set(&t.task, l.now)
			partners = append(partners, peer.Partner{Addr: addr})
		}
		if p := &partners[slices.IndexFunc(partners, func(p peer.Partner) bool { return p.Addr == addr })]; p.Paths == nil {
			p.Paths = l.cfg.Settings.Peer.Paths[a.cfg.Partner.Name] // below whichever of its names
		}
		t.users = append(t.users, a)
		if a.talk = t; t != was {
			a.peer, a.says, a.pair, a.talkAt = rules.Peer{}, peer.Word{}, nil, l.now
		}
		t.urgent = true
	}
	for addr, t := range l.talks {
		if talks[addr] == nil {
			l.agenda.set(&t.task, time.Time{})
		}
	}
	l.talks = talks
	if l.channel == nil || slices.EqualFunc(partners, l.partners, samePartner) {
		return
	}
	if err := l.channel.SetPartners(partners); err != nil {
		l.log.WithError(err).Error("the partners of the channel stay as they were")
		return
	}
	l.partners = partners
}

func samePartner(a, b peer.Partner) bool { return a.Addr == b.Addr && slices.Equal(a.Paths, b.Paths) }

// heartbeat is how often the partner is told how things are.
func (t *talk) heartbeat() time.Duration {
	d := time.Second
	for _, a := range t.users {
		d = min(d, a.policy.Heartbeat())
	}
	return d
}

// silentAfter is how long nothing is heard before that means something for all
// that the partner shares with us.
func (t *talk) silentAfter() time.Duration {
	d := time.Duration(0)
	for _, a := range t.users {
		d = max(d, a.policy.ChannelSilent())
	}
	return d
}

// beat is one heartbeat.
func (t *talk) beat(l *loop) {
	if l.channel != nil && !l.readAt.IsZero() {
		t.speak(l)
	}
	t.wonder(l)
	t.check(l)
	every := t.heartbeat()
	l.agenda.set(&t.task, l.grid(every))
}

// speak says how we stand to all aliases that the partner shares with us; what
// has changed is said again until it was heard.
func (t *talk) speak(l *loop) {
	changed := t.urgent
	t.urgent = false
	m := peer.Message{Version: l.o.Version, Words: make([]peer.Word, 0, len(t.users))}
	again := t.heartbeat()
	for _, a := range t.users {
		w := rules.Say(a.policy, a.state, l.facts(a))
		changed = changed || w != a.word
		a.word = w
		again = min(again, a.cfg.Timeout/questions)
		m.Words = append(m.Words, a.wire())
	}
	if !changed {
		again = 0
	}
	l.channel.Say(t.addr, m, again)
}

// wire is the alias's word as it goes to the partner.
func (a *alias) wire() peer.Word {
	w := peer.Word{
		Alias: a.cfg.Addr, Bits: uint8(a.cfg.Prefix.Bits()), Primary: a.cfg.Primary,
		Standing: stateOf[a.word.Standing], Step: stepOf[a.word.Step], Handover: a.word.Number, Why: uint8(a.word.Why),
		Interval: a.cfg.Interval, Timeout: a.cfg.Timeout, Misses: uint8(a.cfg.Misses),
	}
	if a.word.Why != rules.NoRow {
		w.Text = a.word.Why.Text()
	}
	if a.iface.wire != nil {
		w.HW = [6]byte(a.iface.wire.HW())
	}
	return w
}

// stateOf and stepOf are the rules' words in the channel's.
var (
	stateOf = [...]peer.Standing{
		rules.NotSaid: peer.Unknown, rules.SaysUnsure: peer.Unsure, rules.SaysHolding: peer.Holding, rules.SaysAble: peer.Able,
		rules.SaysCannot: peer.Cannot, rules.SaysParked: peer.Parked, rules.SaysReleased: peer.Released,
	}
	stepOf = [...]peer.Step{
		rules.NoStep: peer.NoStep, rules.Asks: peer.Asks, rules.Offers: peer.Offers, rules.Takes: peer.Takes,
		rules.Confirms: peer.Confirms, rules.Refuses: peer.Refuses,
	}
)

// standingOf and theirStep are the channel's words in the rules'.
func standingOf(s peer.Standing) rules.Standing {
	return rules.Standing(max(slices.Index(stateOf[:], s), 0))
}
func theirStep(s peer.Step) rules.Step { return rules.Step(max(slices.Index(stepOf[:], s), 0)) }

// reword notes that the alias's word may have changed: then it is said at once.
func (l *loop) reword(a *alias, f rules.Facts) {
	if a.talk == nil || a.talk.urgent {
		return
	}
	if rules.Say(a.policy, a.state, f) != a.word {
		a.talk.urgent = true
	}
}

// tell says at the end of a turn what has changed in it.
func (l *loop) tell() {
	if l.channel == nil || l.readAt.IsZero() {
		return
	}
	for _, t := range l.talks {
		if t.urgent {
			t.speak(l)
		}
	}
}

// heard files what a partner said.
func (l *loop) heard(h peer.Heard) {
	t := l.talks[h.Partner]
	if t == nil || !h.NewBoot && h.Say < t.say {
		return
	}
	if h.NewBoot || h.Say > t.say {
		t.say, t.heard = h.Say, l.now // a repeat is no newer sign of life
		l.openErr = ""                // the channel works: what kept it from being opened is over
	}
	if h.NewBoot {
		t.boot, t.strangers = l.now, nil
		if t.version != h.Version && h.Version != l.o.Version {
			t.log(l).Warn(fmt.Sprintf("the partner runs version %s, this host %s", h.Version, l.o.Version))
		}
		t.version = h.Version
	}
	t.wonder(l)
	if p := l.partnerAt(h.Path); p != nil {
		p.answered(l, l.now) // as good a sign of life as a ping
	}
	for _, w := range h.Words {
		if a := l.aliases[w.Alias]; a != nil && a.talk == t {
			a.hear(l, w)
		} else {
			t.stranger(l, w.Alias)
		}
	}
}

// partnerAt is the target of a partner by its own address; nil for another
// path to it, which says nothing about this one.
func (l *loop) partnerAt(addr netip.Addr) *target {
	t := l.talks[addr]
	if t == nil || len(t.users) == 0 {
		return nil
	}
	return t.users[0].partner
}

// hear files the partner's word about one alias.
func (a *alias) hear(l *loop, w peer.Word) {
	was := a.peer
	p := rules.Peer{
		Said:    a.talk.heard,
		Word:    rules.Word{Standing: standingOf(w.Standing), Step: theirStep(w.Step), Number: w.Handover, Why: rules.Reason(w.Why)},
		Primary: rules.Of(w.Primary),
	}
	if hw := host.HW(w.HW); !hw.IsZero() && a.iface.wire != nil {
		p.HWLower = rules.Of(a.iface.wire.HW().Less(hw))
	}
	switch w.Facts.Value(peer.FactService) {
	case peer.Yes:
		p.Service = rules.Yes
	case peer.No:
		p.Service = rules.No
	}
	a.peer, a.says = p, w
	a.compare(l, w)
	was.Said, p.Said = time.Time{}, time.Time{}
	if was != p || !a.settled() {
		l.mark(a)
	}
}

// wonder says when the partner's daemon is heard, and when it is not and should
// be.
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
		t.log(l).Info("the partner's daemon is heard on the channel")
	case fellQuiet:
		t.log(l).Warn("the partner's daemon has fallen silent on the channel")
	case neverCame:
		t.log(l).Warn(fmt.Sprintf("the partner's daemon has not been heard since our start: does it run, with this key, and does no firewall keep UDP port %d from either host? Until then the rules without a channel apply", l.cfg.Settings.Peer.Port))
	}
	for _, a := range t.users {
		if m == speaking || a.peer.Said.IsZero() {
			continue
		}
		l.mark(a)
	}
}

// openHandover begins a hand-over as d says.
func (l *loop) openHandover(a *alias, d rules.Decision) {
	if a.state.Handover.Side != rules.NoSide {
		return
	}
	if l.number++; l.number == 0 {
		l.number++
	}
	a.state.Open(d, l.facts(a), l.number)
	a.entry(l, d)
	a.tell(l, d, d.Action.String()+": "+d.Reason.Text())
	l.mark(a)
}

// handed says how a hand-over has ended that was open before.
func (a *alias) handed(l *loop, was rules.Handover) {
	h := a.state.Handover
	if was.Side == rules.NoSide || h.Side != rules.NoSide {
		return
	}
	if a.state.Holding {
		a.alias.askNow(l) // whether the other has it still
	}
	if h.Failure == rules.NoRow {
		return
	}
	a.write(l, entryOf("H1", "hand-over ended", h.Failure.String(), h.Failure.Text()))
	a.log(l).WithField("reason", h.Failure.String()).
		Warn("the hand-over ended where it was: " + h.Failure.Text())
}
