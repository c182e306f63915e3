package chaos

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// removal is one time that another program took an alias off a host.
type removal struct {
	alias netip.Addr
	count int       // how many of them the host counts as one series
	again time.Time // the host need not add it again before then
}

// removals is how many deeds of a burst may take aliases off a host. With more of
// them every quiet phase would have to wait a minute.
const removals = 4

// restorePause is how long a host waits after it has added the alias again that
// often: it adds it at once twice, then after a second, which doubles up to a minute
// (H5).
func restorePause(count int) time.Duration {
	if count < 2 {
		return 0
	}
	return min(time.Second<<min(count-2, 10), time.Minute)
}

// takeOff notes that another program took the alias off the host.
func (m *member) takeOff(alias netip.Addr, at time.Time) {
	r := removal{alias: alias, again: at}
	for _, old := range m.removed {
		if pause := restorePause(old.count); old.alias == alias && at.Sub(old.again) < pause+time.Minute {
			r.count = old.count
			if due := old.again.Add(pause); due.After(at) {
				r.again = due
			}
		}
	}
	r.count++
	m.removed = append(slices.Clone(m.removed), r) // the earlier moments have their own
}

// restores is when the host adds again what was taken off it; zero: nothing was taken
// off.
func (m *member) restores(alias netip.Addr) (at time.Time) {
	for _, r := range m.removed {
		if r.alias == alias {
			at = r.again
		}
	}
	return at
}

// continues tells whether a host only put on again what it had: with another label
// after a reload, or behind its own address (H10). The daemon may do the latter half
// a minute after that address came back.
func continues(story []moment, spans []lab.Span, s lab.Span) bool {
	i := slices.Index(names[:], s.By)
	at := &stateAt(story, s.From).hosts[i]
	told := since(story, s.From, func(m *moment) bool { return m.hosts[i].daemon == running })
	anew := at.daemon == changing || told.After(s.From.Add(-lateness)) || s.From.Sub(at.blinked) < 45*time.Second
	return anew && slices.ContainsFunc(spans, func(o lab.Span) bool {
		return o.By == s.By && !o.Open && !o.To.After(s.From) && s.From.Sub(o.To) < 50*time.Millisecond
	})
}

// blinks notes that the own address has come back.
func (m *member) blinks() { m.blinkedBefore, m.blinked = m.blinked, time.Now() }

// manages are the deeds of a program on one host that manages its addresses.
func (c *chaos) manages(i int) []deed {
	h, nic := &c.now.hosts[i], c.hosts[i].NIC("eth0")
	on := func(what string, change func(*member), f func() error) func() error {
		return func() error { return c.on(i, what+" "+names[i], change, f) }
	}
	few := c.removals[i] < removals
	return []deed{
		{"set down", false, h.up && !h.off && !h.noOwn, on("set down the NIC of", func(m *member) { m.off = true }, func() error {
			return errors.Join(nic.SetUp(false), c.carrier(i, false))
		})},
		{"set up", true, h.up && h.off, on("set up the NIC of", func(*member) {}, func() error {
			h.off = false
			return errors.Join(nic.SetUp(true), c.carrier(i, h.cable))
		})},
		{"blink", false, h.up && !h.off && !h.noOwn && few, func() error {
			return c.ownAddress(i, c.rnd.IntN(2) == 0, true)
		}},
		{"no own", false, h.up && !h.off && !h.noOwn && few, func() error {
			return c.ownAddress(i, c.rnd.IntN(2) == 0, false)
		}},
		{"own", true, h.up && !h.off && h.noOwn, on("the own address is back on", func(m *member) {
			m.noOwn = false
			m.blinks()
		}, func() error { return c.giveOwn(i) })},
		{"delete in a loop", false, h.up && few, func() error { return c.deleteInALoop(i) }},
		{"strange address", false, h.up && !h.off && !h.noOwn, func() error { return c.strangeAddress(i) }},
	}
}

// own is a host's own address.
func (c *chaos) own(i int) netip.Prefix { return []netip.Prefix{c.p.OwnA, c.p.OwnB}[i] }

// ownAddress takes a host's own address off, and puts it on again at once or leaves
// that to another deed. With promote_secondaries, which systemd switches on, the
// aliases stay, and come before the own address; without it the kernel removes them
// too.
func (c *chaos) ownAddress(i int, promote, again bool) error {
	promote = promote || c.p.Alias.Is6() // there an address goes alone
	value := "0"
	if promote {
		value = "1"
	} else {
		c.removals[i]++
	}
	what := fmt.Sprintf("the own address goes, promote_secondaries %t, back at once %t:", promote, again)
	return c.on(i, what+" "+names[i], func(m *member) {
		if m.noOwn = !again; again {
			m.blinks()
		}
	}, func() error {
		err := c.hosts[i].Do(func() error {
			return os.WriteFile("/proc/sys/net/ipv4/conf/eth0/promote_secondaries", []byte(value), 0o644)
		})
		held, heldErr := c.hosts[i].Addrs()
		if err := errors.Join(err, heldErr, c.hosts[i].NIC("eth0").DelAddr(c.own(i).Addr())); err != nil {
			return err
		}
		if !promote {
			c.takenOff(i, held)
		}
		if again {
			return c.giveOwn(i)
		}
		return nil
	})
}

// giveOwn does what a program does that configures the NIC: it adds the address and
// the route.
func (c *chaos) giveOwn(i int) error {
	if err := c.hosts[i].NIC("eth0").AddAddr(c.own(i)); err != nil {
		return err
	}
	return c.hosts[i].SetDefaultRoute(c.p.RouterAt.Addr())
}

// ownFirst requires that a host speaks with its own address, if it had to put that
// before its aliases no more than once within a minute: the next time it waits (H10).
func (c *chaos) ownFirst(i int) {
	if h := &c.now.hosts[i]; h.blinked.Sub(h.blinkedBefore) < time.Minute || c.p.Alias.Is6() {
		return // in IPv6 an alias is never the source, whatever its place
	}
	var first netip.Addr
	stage.Must(c.t, c.hosts[i].Do(func() error {
		eth0, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		all, err := netlink.AddrList(eth0, netlink.FAMILY_V4)
		if err == nil && len(all) > 0 {
			first, _ = netip.AddrFromSlice(all[0].IP.To4())
		}
		return err
	}))
	if first != c.own(i).Addr() {
		c.t.Errorf("%s speaks with %v, and not with its own address", names[i], first)
	}
}

// takenOff notes what a host has lost.
func (c *chaos) takenOff(i int, had []lab.Addr) {
	for _, w := range c.watched {
		if slices.ContainsFunc(had, func(a lab.Addr) bool { return a.Prefix.Addr() == w.alias }) {
			c.now.hosts[i].takeOff(w.alias, time.Now())
		}
	}
}

// delete takes the alias off one host if it is there, as "ip address del" does.
func (c *chaos) delete(i int, alias netip.Addr) error {
	had, err := c.hosts[i].Addrs()
	had = slices.DeleteFunc(had, func(a lab.Addr) bool { return a.Prefix.Addr() != alias })
	if err != nil || len(had) == 0 {
		return err
	}
	err = c.hosts[i].NIC("eth0").DelAddr(alias)
	c.takenOff(i, had)
	c.note()
	return err
}

// deleteInALoop does that for a second, whenever the alias is there again.
func (c *chaos) deleteInALoop(i int) error {
	alias := c.watched[c.rnd.IntN(len(c.watched))].alias
	c.removals[i] += 3
	c.tell("delete in a loop " + alias.String() + " on " + names[i])
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Second); time.Now().Before(end); <-tick.C {
		if err := c.delete(i, alias); err != nil {
			return err
		}
	}
	return nil
}

// strangeAddress adds an address that is not an alias, and takes it off again.
func (c *chaos) strangeAddress(i int) error {
	own := c.own(i)
	b := own.Addr().AsSlice()
	b[len(b)-1] = byte(200 + i)
	strange, _ := netip.AddrFromSlice(b)
	addr := netip.PrefixFrom(strange, []int{own.Bits() - 8, own.Bits(), strange.BitLen()}[c.rnd.IntN(3)])
	c.tell("a strange address comes and goes: " + addr.String() + " on " + names[i])
	nic := c.hosts[i].NIC("eth0")
	return errors.Join(nic.AddAddr(addr), nic.DelAddr(addr.Addr()))
}

// rest makes a host forget how often its aliases were taken off, by starting its
// Monitor anew.
func (c *chaos) rest(i int) error {
	if c.removals[i] < 2 {
		return nil
	}
	for _, name := range []string{"kill", "start"} {
		all := c.deedsOn(i)
		if err := all[slices.IndexFunc(all, func(d deed) bool { return d.name == name })].do(); err != nil {
			return err
		}
	}
	return nil
}
