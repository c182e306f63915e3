package convert

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// standing is where statements stand of which only one counts.
type standing map[string]Place

// What is said of such a statement, and of the one that counts.
const (
	firstCounts = "%s: appears twice; the one at %s counts, not this one; remove one of them"
	lastCounts  = "%s: appears twice; this one counts, not the one at %s; remove one of them"
)

// again says of a statement that it stands there once more. Of some the first counts to
// keepalived, of most the last: it tells whether this one is to be passed over.
func (in *interpreter) again(s standing, n *node, what string, first bool) bool {
	before, twice := s[n.words[0]]
	switch {
	case !twice:
	case first:
		in.wrong(n.at, firstCounts, what, before)
		return true
	default:
		in.wrong(n.at, lastCounts, what, before)
	}
	s[n.words[0]] = n.at
	return false
}

// withName are the blocks at the top of which keepalived knows one by its name.
var withName = []string{"vrrp_instance", "vrrp_sync_group", "vrrp_script", "vrrp_track_process"}

// twice tells whether there is such a block already, and says so: to keepalived the first
// counts.
func (in *interpreter) twice(n *node) bool {
	key := n.words[0] + " " + n.word(0)
	before, known := in.named[key]
	if known {
		in.wrong(n.at, "%s %s: one of that name is already at %s, and keepalived ignores this one, so Convert does too; give it a name of its own, or remove it", n.words[0], show(n.word(0)), before)
		return true
	}
	in.named[key] = n.at
	return false
}

// wordsOfInstance are the keywords of an instance that stand once, and how many words behind
// them are read.
var wordsOfInstance = map[string]int{
	"interface": 1, "state": 1, "priority": 1, "nopreempt": 0, "preempt": 0, "preempt_delay": 1, "advert_int": 1, "unicast_src_ip": 1, "version": 1,
}

// unread says what nobody reads: words behind those that a statement has, a block where none
// belongs, and a block that is not there. keepalived reads none of that either.
func (in *interpreter) unread(n *node, what string, words int, block bool) {
	const mend = "and keepalived does not read it either; remove it, or fix the line"
	if len(n.words)-1 > words {
		in.wrong(n.at, "%s: %s is not read, %s", what, clip(strings.Join(n.words[1+words:], " ")), mend)
	}
	switch {
	case n.hasBlock && !block:
		in.wrong(n.at, "%s: the block after it is not read, %s", what, mend)
	case block && !n.hasBlock:
		in.wrong(n.at, "%s: no { follows, so nothing of it is read; write its lines between { and }", what)
	}
}

// state takes in the state that an instance begins with. To keepalived MASTER stays.
func (in *interpreter) state(v *instance, n *node) {
	state := n.word(0)
	if state != "MASTER" && state != "BACKUP" {
		in.wrong(n.at, "state %s: is neither MASTER nor BACKUP, and counts as BACKUP", show(state))
	}
	if v.master && state == "BACKUP" {
		in.wrong(n.at, "state BACKUP: the state MASTER above counts; remove one of them")
		return
	}
	v.master = state == "MASTER"
}

// wholeSeconds rounds the time between advertisements as keepalived does: version 2 of VRRP
// knows no fractions of a second. IPv6 has version 3.
func (v *instance) wholeSeconds(general int) {
	version := v.version
	if version == 0 {
		version = general
	}
	six := len(v.addresses) > 0 && v.addresses[0].addr.Is6()
	if version == 3 || six || v.advert%time.Second == 0 {
		return
	}
	rounded := max(v.advert.Round(time.Second), time.Second)
	v.do(v.advertAt, "advert_int %v: keepalived makes it %v, because version 2 of VRRP knows only whole seconds, and Convert does the same; set a shorter interval if a dead holder should be noticed sooner", v.advert, rounded)
	v.advert = rounded
}

// repeated is what was said of several statements at the top of a file.
type repeated struct {
	index int // in what is said
	words string
	lines []string
}

// mostLines is how many lines are named.
const mostLines = 20

// sayOnce says the same thing of several statements once, with the lines in which they stand.
func (in *interpreter) sayOnce(n *node, m meant) {
	words := clip(strings.Join(n.words, " "))
	key := n.at.File + "\x00" + n.words[0]
	r := in.repeats[key]
	if r == nil {
		in.repeats[key] = &repeated{index: len(in.said), words: words}
		in.say(n.at, m, "%s", words)
		return
	}
	r.lines = append(r.lines, fmt.Sprint(n.at.Line))
	lines, more := r.lines, ""
	if len(lines) > mostLines {
		more = fmt.Sprintf(" and %d more", len(lines)-mostLines)
		lines = slices.Clone(lines[:mostLines])
	}
	in.said[r.index].text = fmt.Sprintf("%s (also in lines %s%s): %s", r.words, strings.Join(lines, ", "), more, m.text)
}
