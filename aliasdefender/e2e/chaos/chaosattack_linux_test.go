package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// attacker is a third host on the segment, with what it is doing.
type attacker struct {
	host  *lab.Host
	nic   *lab.NIC
	forge background
	storm background
	ends  map[netip.Addr]attackOn // the last attack on each alias
}

// attackOn is when a host that is neither of the two claimed an alias.
type attackOn struct{ before, from, to time.Time } // when the previous attack ended

// background is what goes on while other deeds are done.
type background struct {
	cancel context.CancelFunc
	done   chan error
}

func inBackground(f func(context.Context) error) background {
	ctx, cancel := context.WithCancel(context.Background())
	b := background{cancel, make(chan error, 1)}
	go func() { b.done <- f(ctx) }()
	return b
}

// end returns when nothing more is being sent.
func (b *background) end() error {
	b.cancel()
	return <-b.done
}

const (
	// floodEach is how many frames a storm sends each millisecond. A listener that
	// had to read them all would lose some; two cores still have time for everything
	// else.
	floodEach = 10
	// floodFor is the longest flood; until it ends other faults happen on top of it.
	floodFor = 2 * time.Second
	// defendEvery is the limit of RFC 5227, 2.4 c: an announcement that it holds back
	// may be that late.
	defendEvery = 10 * time.Second
)

// segment is the pair's subnet; the storm's senders are in another.
var segment = netip.MustParsePrefix("10.77.0.0/16")

func (c *chaos) newAttacker() *attacker {
	h, err := c.p.Lab.Host(lab.HostSpec{Name: names[mallory], NICs: []lab.NICSpec{{
		Name: "eth0", Switch: c.p.Switch, Addrs: []netip.Prefix{c.p.Foreign},
	}}})
	stage.Must(c.t, err)
	a := &attacker{host: h, nic: h.NIC("eth0"), ends: map[netip.Addr]attackOn{}}
	c.t.Cleanup(func() {
		for _, b := range []background{a.forge, a.storm} {
			if b.cancel != nil {
				b.cancel()
			}
		}
	})
	return a
}

// attacks are the attacker's deeds. There is only one claim of an alias at a time:
// with two, the model would not know which of them moves what.
func (c *chaos) attacks() []deed {
	m := &c.now
	idle := !m.forged.IsValid() && !m.laptop.IsValid()
	return []deed{
		{"forge", false, idle, c.forge},
		{"no forging", true, m.forged.IsValid(), c.endForging},
		{"laptop", false, idle, c.laptopTakes},
		{"laptop leaves", true, m.laptop.IsValid(), c.laptopLeaves},
		{"storm", false, !m.storm, c.storm},
		{"no storm", true, m.storm, func() error {
			return c.onAttack("the storm is over", func(m *moment) { m.storm = false }, c.mallory.storm.end)
		}},
	}
}

// onAttack does something that is excused from just before it until just after it.
func (c *chaos) onAttack(what string, change func(*moment), f func() error) error {
	c.tell(what)
	err := f()
	change(&c.now)
	c.note()
	return err
}

// forge claims an alias again and again for hosts that do not have it. It does so
// with the attacker's hardware address, with a new one each time, or with that of one
// of the two; as announcements to all, or as answers or announcements to only one of
// the two.
func (c *chaos) forge() error {
	alias := c.watched[c.rnd.IntN(len(c.watched))].alias
	a, every := c.mallory, time.Duration(5+c.rnd.IntN(96))*time.Millisecond
	whose, to, answer, inName := c.rnd.IntN(4), c.rnd.IntN(4), c.rnd.IntN(2) == 0, c.rnd.IntN(3) == 0
	at := func(i int) net.HardwareAddr {
		switch whose {
		case hostA, hostB:
			return c.hosts[whose].NIC("eth0").MAC
		case 2:
			return a.nic.MAC
		}
		return net.HardwareAddr{0x02, 0xad, 0x66, byte(i >> 16), byte(i >> 8), byte(i)}
	}
	claims := []netip.Addr{alias}
	if inName {
		claims = append(claims, c.p.OwnA.Addr(), c.p.OwnB.Addr())
	}
	send := func(i int) error {
		for _, ip := range claims {
			f := lab.Gratuitous(ip, at(i))
			f.EthSrc = a.nic.MAC // nothing is promised after a stolen switch port
			if to < theRouter {
				f.EthDst = c.hosts[to].NIC("eth0").MAC
				if own := c.own(to); answer {
					f.Op, f.TargetIP, f.TargetHW = lab.Reply, own.Addr(), f.EthDst
				}
			}
			if err := a.nic.Send(f); err != nil {
				return err
			}
		}
		return nil
	}
	c.tell(fmt.Sprintf("forge claims of %s each %v, hardware address %d of a, b, mallory, any; to %d of a, b, all; as answers %t; in the partner's name %t",
		alias, every, whose, to, answer, inName))
	c.now.forged, c.now.inName, c.now.byPair = alias, inName, whose < theRouter
	c.claimBegins(alias)
	c.note()
	a.forge = inBackground(func(ctx context.Context) error {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for i := 0; ; i++ {
			if err := send(i); err != nil {
				return err
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
		}
	})
	return nil
}

func (c *chaos) endForging() error {
	alias := c.now.forged
	return c.onAttack("no more forging", func(m *moment) { m.forged, m.inName, m.byPair = netip.Addr{}, false, false }, func() error {
		defer c.claimEnds(alias)
		return c.mallory.forge.end()
	})
}

// laptopTakes has a third host really take an alias, like one that got the address
// from a DHCP server. In half of the cases it announces the alias to all.
func (c *chaos) laptopTakes() error {
	alias, says := c.watched[c.rnd.IntN(len(c.watched))].alias, c.rnd.IntN(2) == 0
	c.claimBegins(alias)
	return c.onAttack(fmt.Sprintf("a laptop takes %s, and says so: %t", alias, says), func(m *moment) { m.laptop = alias }, func() error {
		err := c.mallory.nic.AddAddr(netip.PrefixFrom(alias, alias.BitLen()))
		if says {
			err = errors.Join(err, c.mallory.nic.Send(lab.Gratuitous(alias, c.mallory.nic.MAC)))
		}
		return err
	})
}

func (c *chaos) laptopLeaves() error {
	alias := c.now.laptop
	return c.onAttack("the laptop leaves", func(m *moment) { m.laptop = netip.Addr{} }, func() error {
		defer c.claimEnds(alias)
		return c.mallory.nic.DelAddr(alias)
	})
}

func (c *chaos) claimBegins(alias netip.Addr) {
	c.mallory.ends[alias] = attackOn{before: c.mallory.ends[alias].to, from: time.Now()}
}

func (c *chaos) claimEnds(alias netip.Addr) {
	e := c.mallory.ends[alias]
	e.to = time.Now()
	c.mallory.ends[alias] = e
}

// owed is when at the latest the end of an attack on the alias has to be announced,
// so that clients find the holder again: at once, unless there was another rival
// within the limit on defences.
func (c *chaos) owed(w watchedAlias) time.Time {
	e := c.mallory.ends[w.alias]
	if e.to.IsZero() {
		return time.Time{}
	}
	again := e.before.After(e.from.Add(-defendEvery))
	spans := w.Spans()
	for _, s := range spans {
		again = again || slices.ContainsFunc(spans, func(o lab.Span) bool {
			return o.By != s.By && o.From.Before(s.To) && s.From.Before(o.To) && // two at the same time
				s.To.After(e.from.Add(-defendEvery)) && o.To.After(e.from.Add(-defendEvery))
		})
	}
	if again {
		return e.to.Add(defendEvery)
	}
	return e.to
}

// yielded finds an alias that a host let go because of the attacker's claim, if the
// claim did not use the other host's hardware address and the host had no other
// reason to let go.
func yielded(story []moment, spans []lab.Span, alias netip.Addr) (all []violation) {
	for _, s := range spans {
		i := slices.Index(names[:], s.By)
		if i == mallory || s.Open {
			continue
		}
		from := s.To.Add(-lateness)
		after := stateAt(story, s.To.Add(lateness))
		calm := func(m *moment) bool {
			old, had := m.hosts[i].has(alias)
			row, has := after.hosts[i].has(alias)
			return m.runs(i, alias) && m.reach(i, theClient) != maybe && !m.hosts[i].off && m.hosts[i].cable && had && has && old == row &&
				len(m.hosts[i].removed) == len(after.hosts[i].removed) && m.hosts[i].blinked.Equal(after.hosts[i].blinked)
		}
		claimed := func(m *moment) bool { return m.laptop == alias || m.forged == alias && !m.byPair }
		other := slices.ContainsFunc(spans, func(o lab.Span) bool {
			return o.By == names[1-i] && o.From.Before(s.To.Add(lateness)) && o.To.After(from.Add(-2*stateAt(story, from).rivalry()-lateness))
		})
		put := slices.ContainsFunc(spans, func(o lab.Span) bool { // it was only put on again, see continues
			return o.By == s.By && !o.From.Before(s.To) && o.From.Sub(s.To) < 50*time.Millisecond && continues(story, spans, o)
		})
		at := s.To.Add(lateness)
		if claimed(stateAt(story, s.To)) && !other && !put && calm(after) && !since(story, at, calm).After(from) {
			all = append(all, violation{alias, "let go by " + s.By + " for the claim of an attacker", s.To, s.To, 0}) // no lateness of the machine excuses it
		}
	}
	return all
}

// storm floods the segment with other hosts' questions, or the channel's port of both
// hosts with rubbish. It excuses nothing.
func (c *chaos) storm() error {
	a, rubbish := c.mallory, c.rnd.IntN(3) == 0
	what := "a storm of others' announcements"
	if rubbish {
		what = "rubbish for the channel's port"
	}
	return c.onAttack(what, func(m *moment) { m.storm = true }, func() error {
		a.storm = inBackground(func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, floodFor)
			defer cancel()
			if rubbish {
				return a.rubbish(ctx, c.own(hostA).Addr(), c.own(hostB).Addr())
			}
			_, err := a.nic.Flood(ctx, floodEach, func(i int) lab.Frame {
				f := lab.Gratuitous(c.stranger(byte(i>>8), byte(i)), a.nic.MAC)
				f.TargetIP = c.stranger(byte(i), byte(i>>8))
				return f
			})
			return err
		})
		return nil
	})
}

// stranger is an address of a subnet that none of the two hosts is in.
func (c *chaos) stranger(x, y byte) netip.Addr {
	if c.p.Alias.Is6() {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 5: 0x99, 14: x, 15: y})
	}
	return netip.AddrFrom4([4]byte{10, 99, x, y})
}

// rubbish sends datagrams to the channel's port that are not the channel's.
func (a *attacker) rubbish(ctx context.Context, hosts ...netip.Addr) error {
	var conn net.PacketConn
	if err := a.host.Do(func() (err error) {
		conn, err = net.ListenPacket("udp", ":0")
		return err
	}); err != nil {
		return err
	}
	defer conn.Close()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	buf := make([]byte, 1400)
	for i := 0; ; i++ {
		for n := range floodEach {
			buf[n] = byte(i * n)
			to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(hosts[n%2], 6940))
			conn.WriteTo(buf[:(i*37+n)%len(buf)], to) // a datagram that is refused, or has no route, is lost
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
