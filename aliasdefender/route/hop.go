package route

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/rules"
)

// hopKey tells next hops apart: one that is asked in two ways is two.
type hopKey struct {
	addr  netip.Addr
	check string // asks through it; empty: it is asked itself
}

// hop is one next hop of some routes.
type hop struct {
	hopKey
	detect.Rhythm
	routes []*route
	target *detect.Target // nil: nobody asks it

	nic  string     // by which this host reaches it directly, or did; empty: none is known
	near error      // why it is not on a connected network; nil: it is
	own  rules.Fact // it is an address of this host, so nothing can be sent there
	link rules.Fact

	downs uint32 // of its NIC, when it was read last

	report check.Report // of its check
}

// answer is whether the hop answers, or whether the service there does.
func (h *hop) answer(l *loop) rules.Fact {
	switch {
	case h.own.Value == rules.Yes:
		return rules.Fact{Value: rules.No, Since: h.own.Since, Asked: h.own.Asked}
	case h.near != nil:
		return rules.Fact{} // whoever answers is no next hop
	case h.check == "":
		return h.target.Fact()
	}
	r := h.report
	f := rules.Fact{Since: r.Since, Asked: l.now}
	if !l.now.Before(r.Asked.Add(r.Lives)) {
		return rules.Fact{}
	}
	switch r.State {
	case check.Good:
		f.Value = rules.Yes
	case check.Failing:
		f.Value = rules.No
	}
	return f
}

// relink works out anew which hops the routes have, and what is to be asked.
func (l *loop) relink() {
	for _, h := range l.hops {
		h.routes = h.routes[:0]
	}
	l.every = time.Hour
	prefixes := map[netip.Prefix]bool{}
	leave := len(l.leaving()) == len(l.list)
	for _, r := range l.list {
		prefixes[r.key.Prefix] = true
		r.hops = r.hops[:0]
		for _, addr := range r.cfg.Via {
			k := hopKey{addr, ""}
			if r.cfg.Check != "" {
				k.check = config.Check{Name: r.cfg.Check}.Through(addr).Name
			}
			h := l.hops[k]
			if h == nil {
				h = &hop{hopKey: k}
				l.hops[k] = h
			}
			if len(h.routes) == 0 || !r.state.Leaving { // those that leave stand last
				h.Rhythm = detect.Rhythm{Interval: r.cfg.Interval, Timeout: r.cfg.Timeout, Misses: r.cfg.Misses}
			}
			h.routes = append(h.routes, r)
			r.hops = append(r.hops, h)
		}
		if leave || !r.state.Leaving {
			l.every = min(l.every, r.cfg.Interval)
		}
	}
	for k, h := range l.hops {
		if len(h.routes) == 0 {
			delete(l.hops, k)
		}
	}
	l.k.prefixes.Store(&prefixes)
	l.place()
	l.behind = map[string]*hop{}
	for _, h := range l.hops {
		if h.check != "" {
			l.behind[h.check] = h
			l.checked(h.check)
		}
	}
	l.tellNames()
}

// tellNames tells whoever remembers what was decided which routes there are.
func (l *loop) tellNames() {
	if l.o.Keep == nil {
		return
	}
	names := make([]string, len(l.list))
	for i, r := range l.list {
		names[i] = r.cfg.Name()
	}
	l.o.Keep(names)
}

// place finds by which NIC each hop is reached, and has it asked there.
func (l *loop) place() {
	sides := map[host.Side]bool{}
	addrs := map[netip.Addr]bool{}
	var wishes []detect.Wish
	for _, h := range l.sortedHops() {
		was := h.nic
		l.reach(h)
		if h.nic != was {
			l.markAll(h)
		}
		if h.check != "" || h.nic == "" {
			continue
		}
		side := host.Side{NIC: h.nic, Family: host.FamilyOf(h.addr)}
		if sides[side] = true; l.nics[side] == nil {
			l.nics[side] = &nic{Side: side}
		}
		addrs[h.addr] = true
		wishes = append(wishes, detect.Wish{Alias: h.key(), Rhythm: h.Rhythm, Here: func() detect.Here { return detect.Here{} }, Owner: h})
	}
	l.k.hops.Store(&addrs)
	l.asks.Want(l.now, wishes)
	for side, n := range l.nics {
		if !sides[side] {
			n.close(l)
			delete(l.nics, side)
			continue
		}
		l.readNIC(n)
		l.narrow(n)
	}
	for _, h := range l.hops {
		h.target = nil
		if h.check == "" && h.nic != "" {
			h.target = l.asks.At(h.key())
		}
	}
}

// key is the hop as an address to ask.
func (h *hop) key() detect.Key { return detect.Key{NIC: h.nic, Addr: h.addr} }

func (l *loop) sortedHops() []*hop {
	all := make([]*hop, 0, len(l.hops))
	for _, h := range l.hops {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b *hop) int {
		return cmp.Or(a.addr.Compare(b.addr), strings.Compare(a.check, b.check))
	})
	return all
}

// reach finds the NIC by which the kernel reaches a hop directly: the one with the longest
// prefix. A NIC that led to it and has lost its address, as one of IPv6 does that is down,
// still tells whether the hop is dead.
func (l *loop) reach(h *hop) {
	if l.readAt.IsZero() {
		return
	}
	best, bits := "", -1
	h.near = nil
	_, _, own := l.state.Find(h.addr)
	wasOwn := h.own.Value
	if h.own.Set(rules.Of(own), l.readAt, l.now); own {
		h.near = fmt.Errorf("%s is an address of this host", h.addr)
	}
	for _, n := range l.state.NICs {
		if config.IsLoopback(n.Name) || h.addr.Zone() != "" && h.addr.Zone() != n.Name {
			continue
		}
		for _, a := range n.Addrs {
			if host.Has(a.Prefix, h.addr) && a.Prefix.Bits() > bits {
				best, bits = n.Name, a.Prefix.Bits()
			}
		}
	}
	switch {
	case best != "":
		h.nic = best
	case h.nic == "" && h.near == nil:
		h.near = fmt.Errorf("%s is on no network of this host", h.addr)
	}
	was := h.link.Value
	if h.nic == "" {
		h.link = rules.Fact{}
	} else {
		n, there := l.state.NIC(h.nic)
		up := there && n.Up && n.Carrier
		if n.Downs != h.downs { // it was down, if only for a moment between two readings
			h.downs = n.Downs
			h.link.Set(rules.No, l.readAt, l.now)
		}
		h.link.Set(rules.Of(up), l.readAt, l.now)
		if up && best == "" && h.near == nil {
			h.near = fmt.Errorf("%s is on no network of this host: %s has no address in its subnet any more", h.addr, h.nic)
		}
	}
	if h.link.Value != was || h.own.Value != wasOwn {
		l.markAll(h)
	}
}

// markAll has all routes of a hop decided.
func (l *loop) markAll(h *hop) {
	for _, r := range h.routes {
		l.mark(r)
	}
}

// checked takes in what a check says. A thousand are asked each second, so it looks at no
// other.
func (l *loop) checked(name string) {
	h := l.behind[name]
	if h == nil {
		return
	}
	was := h.report
	h.report, _ = l.k.checks.Report(name)
	if was.State != h.report.State || !was.Asked.Equal(h.report.Asked) {
		l.markAll(h)
	}
}

// put puts the questions that are due on the wire.
func (l *loop) put() {
	for q := l.asks.Questions(); len(q) > 0; q = l.asks.Questions() {
		for _, one := range q {
			if one.Medium == detect.ICMP {
				l.ping(one)
			} else if err := l.arp(one); err != nil {
				l.asks.CouldNot(l.now, one, err)
			}
		}
	}
}

// ping asks by ICMP beside the loop.
func (l *loop) ping(q detect.Question) {
	ask := probe.Question{Target: q.Addr, Source: q.Source, Timeout: q.Timeout}
	told := func(err error) { l.k.post(func(l *loop) { l.pinged(q, err) }) }
	if l.o.Ask != nil && q.Shared {
		// Whoever calls this reads the answers to all pings of this Monitor: it must not wait.
		heard := func(_ time.Time, err error) { l.k.offer(func(l *loop) { l.pinged(q, err) }) }
		if err := l.o.Ask(ask, heard); err != nil {
			l.wg.Go(func() { told(err) }) // the loop does not wait for room in its own queue
		}
		return
	}
	l.wg.Go(func() {
		if yes, err := l.o.Ping(l.ctx, ask); yes || err != nil { // the window's end tells a silence
			told(err)
		}
	})
}

// pinged takes in the answer to a ping, or why there can be none.
func (l *loop) pinged(q detect.Question, err error) {
	switch {
	case l.ctx.Err() != nil:
	case err != nil:
		l.asks.CouldNot(l.now, q, err)
	default:
		l.asks.Answered(l.now, q)
	}
}

// follow has those routes decided again whose hops have another answer.
func (l *loop) follow() {
	for _, c := range l.asks.Changes() {
		switch c.What {
		case detect.Missed: // nothing follows from it
		case detect.Cannot:
			l.o.Log.WithField("event", "cannot_ask").WithField("hop", c.Target.Addr.String()).WithError(c.Err).Warn("a next hop cannot be asked")
		default:
			c.Target.For(func(owner any) bool {
				l.markAll(owner.(*hop))
				return true
			})
		}
	}
}
