package defender

import (
	"net/netip"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// wordsPerTimeout is how often in a timeout a word that has changed is said until it is
// acknowledged.
const wordsPerTimeout = 4

// pairing is what an alias knows of the talk with its partner.
type pairing struct {
	talk         *talk      // nil: no channel, or no partner known
	talkingSince time.Time  // since when this is the partner that is talked to
	word         rules.Word // what we said of the alias last
	peer         rules.Peer // what the partner said
	says         peer.Word  // the same as it came
	lane         lane       // and as it was recorded last
	drill        peer.Drill // what our word says of a drill
	lent         bool       // a drill has had it handed over, and nobody has ordered anything since
	disowned     bool       // what it last said for certain is that it does not have the alias
	pair         []string   // what in the two files does not fit together
	pairAt       time.Time  // when that was said
}

// talk is what this host and one partner's daemon say to each other. A word is said in
// each heartbeat, and at once when it changes. What the partner says is filed under its
// alias; the rules look at how old it is.
type talk struct {
	addr  netip.Addr
	users []*alias
	due   agenda.Entry // the next heartbeat

	urgent bool // a word has changed: it is said at the end of this turn

	begun      time.Time // when the talk began
	heard      time.Time // when its daemon said something new; zero: not since our start
	say        uint64    // the number of what it last said
	version    string
	features   uint32 // what its program understands
	mood       mood
	moodAt     time.Time          // when that was logged
	unreadable bool               // its packets cannot be read
	strangers  []stranger         // aliases of the partner's file that are not in ours
	boot       time.Time          // when this run of its daemon was first heard
	host       [peer.HostLen]byte // its number; zero: not said
	cloned     bool               // and that number is ours too

	hosts  map[netip.Addr][peer.HostLen]byte // the numbers that were said, by the paths they came on
	former [peer.HostLen]byte                // the number that was said before host; zero: none was
}

// record records an event about the partner.
func (t *talk) record(l *loop, kind record.Kind, level rules.Level, text string) {
	if !l.may(record.Sort{Kind: kind, Reason: t.addr.String()}) {
		return
	}
	l.d.recorder.Record(record.Event{Time: l.now, Kind: kind, Level: level, Partner: t.addr.String(), Text: text})
}

// mood is how things stand with a partner's daemon, as far as there is something to say.
type mood uint8

const (
	unheard   mood = iota // not heard yet, and it is too early to wonder
	speaking              // it is heard
	neverCame             // it has not been heard, and should have been
	fellQuiet             // it was heard, and is no longer
)

var moods = [...]string{unheard: "not heard yet", speaking: "heard", neverCame: "not heard since our start", fellQuiet: "fallen silent"}

// Heard takes in what a partner said. It may be called from anywhere.
func (d *Defender) Heard(h peer.Heard) { d.post(func(l *loop) { l.heard(h) }) }

// Readable takes in whether a partner's packets can be read.
func (d *Defender) Readable(partner netip.Addr, yes bool) {
	d.post(func(l *loop) {
		t := l.channel.talks[partner]
		if t == nil || t.unreadable == !yes {
			return
		}
		if t.unreadable = !yes; yes {
			t.log(l, "partner_readable").Info("the partner's packets can be read again")
			return
		}
		t.log(l, "partner_unreadable").Error("the partner's packets cannot be read: different keys? Put the same key on both hosts; until then the rules without a channel apply")
	})
}

// log is a log line about the partner.
func (t *talk) log(l *loop, name string) logrus.FieldLogger {
	return l.event(name).WithField("partner", t.addr.String())
}

// heartbeat is how often the partner is told how things stand.
func (t *talk) heartbeat() time.Duration {
	d := time.Second
	for _, a := range t.users {
		d = min(d, a.policy.Heartbeat())
	}
	return d
}

// silentAfter is how long the partner must be unheard before that counts for all aliases
// that it shares with us.
func (t *talk) silentAfter() time.Duration {
	d := time.Duration(0)
	for _, a := range t.users {
		d = max(d, a.policy.ChannelSilent())
	}
	return d
}

// beat is one heartbeat.
func (t *talk) beat(l *loop) {
	if l.channel.up != nil && !l.net.readAt.IsZero() {
		t.speak(l)
	}
	t.wonder(l)
	t.check(l)
	for _, a := range t.users {
		l.noteLane(a)
	}
	every := t.heartbeat()
	l.agenda.Set(&t.due, agenda.Grid(l.epoch, l.now, every))
}

// speak says how we stand to each alias that the partner shares with us. A word that has
// changed is repeated until it is acknowledged.
func (t *talk) speak(l *loop) {
	changed := t.urgent
	t.urgent = false
	m := peer.Message{Version: l.o.Version, Features: l.features(), Words: make([]peer.Word, 0, len(t.users))}
	again := t.heartbeat()
	for _, a := range t.users {
		f := l.facts(a)
		w := rules.Say(a.policy, a.state, f)
		changed = changed || w != a.word
		a.word = w
		again = min(again, a.cfg.Timeout/wordsPerTimeout)
		m.Words = append(m.Words, a.wireWord(f))
	}
	if !changed {
		again = 0
	}
	l.channel.up.Say(t.addr, m, again)
}

// reword notes that the alias's word may have changed. If it has, it is said at once.
func (l *loop) reword(a *alias, f rules.Facts) {
	if a.talk == nil || a.talk.urgent {
		return
	}
	if rules.Say(a.policy, a.state, f) != a.word {
		a.talk.urgent = true
	}
}

// sayChanged says at the end of a turn which words have changed in it.
func (l *loop) sayChanged() {
	if l.channel.up == nil || l.net.readAt.IsZero() {
		return
	}
	for _, t := range l.channel.talks {
		if t.urgent {
			t.speak(l)
		}
	}
}
