package defender

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/hearing"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

const (
	// earRests is how long an ear must hear everything before its trouble is over, and
	// how long a trouble must last before it is a problem.
	earRests = 10 * time.Second
	// earSays is how often a trouble that persists is logged.
	earSays = time.Minute
)

// ear is one socket by which answers come, and what it did not hear. As long as an ear
// misses something, no silence counts (package detect).
type ear struct {
	counted     uint64 // what the socket reported last
	lost        uint64 // in the present trouble,
	unsaid      uint64 // of these not logged yet
	worst       time.Duration
	begun, last time.Time // of the present trouble; zero: there is none
	said        time.Time // when it was logged
	told        bool      // the present trouble was
}

// ears is what the loop knows of its hearing as a whole.
type ears struct {
	pings   ear
	frames  int // frames and pings in this turn
	backlog hearing.Backlog
}

// gauge asks all sockets how well they hear. It is called before the loop takes in the
// events that came meanwhile: so whatever has waited until now is known, or counted as
// late.
func (l *loop) gauge() {
	behind := l.backlog.Behind(l.now)
	for _, n := range l.net.nics {
		if n.wire != nil {
			l.hears(&n.ear, detect.ARP, n, n.wire.Hearing(), behind)
		}
	}
	if l.o.Hearing != nil {
		l.hears(&l.pings, detect.ICMP, nil, l.o.Hearing(), behind)
	}
}

// tookIn notes whether all events that waited at the last gauge were taken in.
func (l *loop) tookIn(all bool) {
	if l.backlog.TookIn(all, l.now) {
		l.gauge()
	}
}

// hears takes in what one socket says of its hearing.
func (l *loop) hears(e *ear, m detect.Medium, n *nic, r hearing.Report, behind time.Duration) {
	if r.Lost < e.counted {
		e.counted = 0 // it is a new socket
	}
	lost, late := r.Lost-e.counted, max(r.Late, behind)
	e.counted = r.Lost
	side, what := host.Side{}, "the socket that hears pings"
	if n != nil {
		side, what = n.Side, listenerOf(n.Side)
	}
	l.asks.Heard(l.now, m, side, lost > 0, late)
	if lost == 0 && late < l.asks.Brisk() {
		if !e.last.IsZero() && l.now.Sub(e.last) >= earRests {
			if e.told {
				l.event("frames_lost").WithField("nic", side.NIC).Info(what + " hears all again")
			}
			*e = ear{counted: e.counted, said: e.said, unsaid: e.unsaid}
		}
		return
	}
	if e.last.IsZero() {
		e.begun = l.now
	}
	e.last = l.now
	e.lost, e.unsaid, e.worst = e.lost+lost, e.unsaid+lost, max(e.worst, late)
	if e.said.IsZero() || l.now.Sub(e.said) >= earSays {
		l.event("frames_lost").WithField("nic", side.NIC).Warn(what + " " + failing(e.unsaid, late) + ": what was silent meanwhile is unknown")
		e.said, e.told, e.unsaid = l.now, true, 0
	}
}

// unhears ends the trouble of the listener of a NIC, which is closed: the next one
// begins with none.
func (l *loop) unhears(n *nic) {
	e := &n.ear
	if e.told {
		l.event("frames_lost").WithField("nic", n.NIC).Info(listenerOf(n.Side) + " is closed: its trouble is over")
	}
	*e = ear{said: e.said, unsaid: e.unsaid}
}

// failing says what an ear did not hear, or how late it hears if it lost nothing.
func failing(lost uint64, late time.Duration) string {
	if lost == 0 {
		return fmt.Sprintf("is %s late", late.Round(time.Millisecond))
	}
	return fmt.Sprintf("lost %d frames", lost)
}

// trouble is what an ear did not hear in its present trouble; empty: it has none.
func (e *ear) trouble() string {
	if e.last.IsZero() {
		return ""
	}
	return failing(e.lost, e.worst)
}

// lasts tells whether the trouble has gone on for so long that it is a problem.
func (e *ear) lasts() bool { return e.last.Sub(e.begun) >= earRests }

// proxied is why the router's answer says nothing about an alias.
var proxied = map[host.Family]string{
	host.IPv4: "the router answers ARP for it (proxy ARP)",
	host.IPv6: "the router answers neighbour solicitations for it (proxy NDP)",
}

// deafness is why it is not known whether something answers, where the ears or proxy ARP
// are the cause; empty: it is known, or they are not the cause.
func (l *loop) deafness(a *alias, why rules.Reason) string {
	switch why {
	case rules.ServiceFailing, rules.ServiceReleased, rules.SharedFailing, rules.BothFailing:
		return a.sourcedWhy[rules.FactService]
	case rules.AliasUnknown, rules.RouterUnknown, rules.PartnerUnknown, rules.KernelLost:
	default:
		return ""
	}
	var all []string
	if why == rules.AliasUnknown && a.alias.Proxied() {
		all = append(all, proxied[a.family()])
	}
	if t := a.iface.ear.trouble(); t != "" {
		all = append(all, listenerOf(a.iface.Side)+" "+t)
	}
	if t := l.pings.trouble(); t != "" {
		all = append(all, "the socket that hears pings "+t)
	}
	return strings.Join(all, ", ")
}

// earProblems are the troubles that last.
func (l *loop) earProblems() (all []string) {
	for _, n := range l.net.nics {
		if n.ear.lasts() {
			all = append(all, listenerOf(n.Side)+" "+n.ear.trouble()+": while it does, nothing there counts as silent, and nothing is taken")
		}
	}
	slices.Sort(all)
	if l.pings.lasts() {
		all = append(all, "the socket that hears pings "+l.pings.trouble()+": while it does, nothing counts as silent that is asked by ping")
	}
	return all
}

// narrow has the listener of one half of a NIC hear only frames that speak of an address that is
// asked there. Where the filter cannot be set, the listener may miss what matters: it is
// closed.
func (l *loop) narrow(n *nic) {
	if n.wire == nil {
		return
	}
	wanted := l.asks.On(n.Side)
	if n.narrowed && slices.Equal(wanted, n.wanted) {
		return
	}
	n.narrowed, n.wanted = true, wanted
	if err := n.wire.Want(wanted); err != nil {
		l.stopped(n, err)
		n.close(l)
		l.link(n)
		l.read()
	}
}
