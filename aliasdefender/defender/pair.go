package defender

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// stranger is an alias that the partner speaks of and our file does not have.
type stranger struct {
	addr  netip.Addr
	since time.Time // when it spoke of it first
	at    time.Time // and last
	told  bool
}

// stranger notes an alias that is in the partner's file only.
func (t *talk) stranger(l *loop, addr netip.Addr) {
	if i := slices.IndexFunc(t.strangers, func(s stranger) bool { return s.addr == addr }); i >= 0 {
		t.strangers[i].at = l.now
		return
	}
	if len(t.strangers) < 16 {
		t.strangers = append(t.strangers, stranger{addr: addr, since: l.now, at: l.now})
	}
}

// check compares at a heartbeat which aliases the two files have. After a change one host
// reads its file before the other, so only what lasts is reported.
func (t *talk) check(l *loop) {
	late := t.silentAfter()
	t.strangers = slices.DeleteFunc(t.strangers, func(s stranger) bool { return t.mood == speaking && l.now.Sub(s.at) > late })
	for i := range t.strangers {
		if s := &t.strangers[i]; !s.told && s.at.Sub(s.since) > late {
			s.told = true
			t.log(l, string(record.PairMisfit)).Error(fmt.Sprintf("the partner's file has %s for this pair, but this host's file does not", s.addr))
		}
	}
	for _, a := range t.users {
		if a.missing() {
			a.alarm(l, []string{"the partner's file does not have it, or not for this host"})
		}
	}
}

// compare finds out what in the two files cannot be meant as it is.
func (a *alias) compare(l *loop, w peer.Word) {
	theirs := rules.Half{
		Policy: rules.Policy{Primary: w.Primary, Interval: w.Interval, Timeout: w.Timeout, Misses: int(w.Misses)}, Bits: int(w.Bits),
	}
	var wrong []string
	for _, m := range rules.Misfits(rules.Half{Policy: a.policy, Bits: a.cfg.Prefix.Bits()}, theirs) {
		switch m {
		case rules.BothPrimary:
			wrong = append(wrong, "both hosts' files say primary; the lower hardware address acts as primary. Change one of them")
		case rules.NonePrimary:
			wrong = append(wrong, "no host's file says primary; the lower hardware address acts as primary. Change one of them")
		case rules.OtherMask:
			wrong = append(wrong, fmt.Sprintf("the netmask is /%d here and /%d on the partner", a.cfg.Prefix.Bits(), w.Bits))
		case rules.TheyHearLate:
			wrong = append(wrong, fmt.Sprintf("the rhythms cannot work together: the partner counts this host as silent after %s, but this host speaks only every %s",
				theirs.ChannelSilent(), a.policy.Heartbeat()))
		case rules.WeHearLate:
			wrong = append(wrong, fmt.Sprintf("the rhythms cannot work together: this host counts the partner as silent after %s, but the partner speaks only every %s",
				a.policy.ChannelSilent(), theirs.Heartbeat()))
		}
	}
	if text := a.compareGroup(w, a.talk.features); text != "" {
		wrong = append(wrong, text)
	}
	a.alarm(l, wrong)
}

// alarm says what is wrong with the pair, on change and once an hour.
func (a *alias) alarm(l *loop, wrong []string) {
	same := slices.Equal(a.pair, wrong)
	if same && (len(wrong) == 0 || l.now.Sub(a.pairAt) < sayAgain) {
		return
	}
	if a.pair, a.pairAt = wrong, l.now; len(wrong) == 0 {
		l.record(a, record.Event{Kind: record.PairFits, Text: "the two files fit again"})
		return
	}
	kind := record.PairMisfit
	if same {
		kind = record.Lasts
	}
	for _, text := range wrong {
		l.record(a, record.Event{
			Kind: kind, Level: rules.Alarm, Decision: record.Decision{Why: text},
			Text: "the pair does not fit: " + text, Partner: a.cfg.Partner.Name,
		})
	}
}

// missing tells whether the partner's daemon is heard and says nothing of the alias. An
// alias that we release because its row is gone may well be gone there too. What counts
// is how long the partner has spoken without a word of the alias, and not what time it is
// now: a partner that has just died does not yet count as silent, and says nothing of
// anything.
func (a *alias) missing() bool {
	t := a.talk
	if t == nil || a.state.Leaving || t.mood != speaking || t.boot.IsZero() {
		return false
	}
	late := t.silentAfter()
	return t.heard.Sub(t.boot) > late && t.heard.Sub(a.talkingSince) > late && t.heard.Sub(a.peer.Said) > late
}
