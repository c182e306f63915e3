package chaos

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// deed is something that can be done to the pair: a fault, or the end of one.
type deed struct {
	name   string
	repair bool
	can    bool
	do     func() error
}

// deeds are all deeds, in a fixed order: the seed chooses among those that are
// possible.
func (c *chaos) deeds() []deed {
	m := &c.now
	all := []deed{
		{"partition", false, m.group == [5]int{}, c.partition},
		{"heal", true, m.group != [5]int{}, func() error {
			return c.onNet("heal", func(m *moment) { m.group = [5]int{} }, c.p.Switch.Heal)
		}},
		{"router dies", false, m.router, func() error {
			return c.onNet("the router dies", func(m *moment) { m.router = false }, c.p.Router.Crash)
		}},
		{"router returns", true, !m.router, func() error {
			return c.onNet("the router returns", func(m *moment) { m.router = true }, c.p.Router.Boot)
		}},
		{"swap roles", false, m.hosts[hostA].daemon == running && m.hosts[hostB].daemon == running, c.swapRoles},
		{"delete", false, (m.hosts[hostA].up || m.hosts[hostB].up) && c.removals[hostA] < removals && c.removals[hostB] < removals, c.deleteAlias},
	}
	all = append(all, c.attacks()...)
	for i := range m.hosts {
		all = append(all, c.deedsOn(i)...)
		all = append(all, c.manages(i)...)
	}
	all = slices.DeleteFunc(all, func(a deed) bool { return !a.can })
	for _, a := range all {
		if slices.Contains(often, a.name) {
			all = append(all, a, a)
		}
	}
	return all
}

// byOthers are faults that neither the two hosts nor the network cause; a third of
// all faults are such.
var byOthers = []string{"forge", "laptop", "storm", "delete", "delete in a loop", "blink", "no own"}

// often are the deeds that make the other host take, or this one yield.
var often = []string{"partition", "mute", "crash", "delete", "heal", "forge", "laptop"}

// deedsOn are those on one host.
func (c *chaos) deedsOn(i int) []deed {
	h, host, name := &c.now.hosts[i], c.hosts[i], names[i]
	port := host.Port()
	simple := func(what string, change func(*member), f func() error) func() error {
		return func() error { return c.on(i, what+" "+name, change, f) }
	}
	daemon := func(what string, to daemonState, f func() error) func() error {
		return func() error { return c.onDaemon(i, what+" "+name, func(m *member) { m.daemon = to }, f) }
	}
	signal := func(s unix.Signal) func() error {
		return func() error { return c.p.Monitor(host).Signal(s) }
	}
	alive := h.up && h.daemon == running
	return []deed{
		{"crash", false, h.up, simple("crash", func(m *member) {
			m.up, m.off, m.noOwn, m.daemon = false, false, false, dead
		}, host.Crash)},
		{"boot", true, !h.up, simple("boot", func(m *member) { m.up = true }, host.Boot)},
		{"pull", false, h.cable, simple("pull the cable of", func(m *member) { m.cable = false }, func() error {
			return errors.Join(port.Down(), c.carrier(i, false))
		})},
		{"plug", true, !h.cable, simple("plug in", func(m *member) { m.cable = true }, func() error {
			return errors.Join(port.Up(), c.carrier(i, true))
		})},
		{"mute", false, !h.mute, simple("mute", func(m *member) { m.mute = true }, port.Mute)},
		{"unmute", true, h.mute, simple("unmute", func(m *member) { m.mute = false }, port.Unmute)},
		{"loss", false, !h.lossy, simple("30 % loss at", func(m *member) { m.lossy = true }, func() error { return port.Loss(30, 30) })},
		{"no loss", true, h.lossy, simple("no loss at", func(m *member) { m.lossy = false }, func() error { return port.Loss(0, 0) })},
		{"recreate", false, h.up && !h.off && c.removals[i] < removals, simple("make the NIC anew of", func(m *member) { m.noOwn = false }, func() error {
			c.removals[i]++ // if it is back at once, the alias has vanished from the NIC
			had, err := host.Addrs()
			if err = errors.Join(err, host.NIC("eth0").Recreate(), c.carrier(i, h.cable)); err == nil {
				c.takenOff(i, had)
			}
			return err
		})},
		{"pause", false, alive, daemon("SIGSTOP", paused, signal(unix.SIGSTOP))},
		{"resume", true, h.daemon == paused, daemon("SIGCONT", running, func() error {
			c.resumed = append(c.resumed, time.Now())
			return signal(unix.SIGCONT)()
		})},
		{"kill", false, alive, daemon("kill -9", dead, c.end(i, unix.SIGKILL))},
		{"stop", false, alive, daemon("TERM", dead, c.end(i, unix.SIGTERM))},
		{"leave", false, alive, daemon("USR2", dead, c.end(i, unix.SIGUSR2))},
		{"start", true, h.up && h.daemon == dead, func() error {
			c.removals[i] = 0
			return c.onDaemon(i, "start the Monitor of "+name, func(m *member) { m.removed = nil }, func() error { return c.start(i) })
		}},
		{"reload", false, alive, func() error { return c.reload(i, c.shakeFile(i)) }},
		{"bad reload", false, alive, func() error { return c.badReload(i) }},
	}
}

// on does something to one host; meanwhile nothing is promised about the host.
func (c *chaos) on(i int, what string, change func(*member), f func() error) error {
	c.tell(what)
	c.now.hosts[i].busy = true
	c.note()
	err := f()
	c.now.hosts[i].busy = false
	change(&c.now.hosts[i])
	c.note()
	return err
}

// onDaemon does something to one host's daemon only: the host goes on serving what
// its kernel has.
func (c *chaos) onDaemon(i int, what string, change func(*member), f func() error) error {
	c.tell(what)
	c.now.hosts[i].daemon = changing
	c.note()
	err := f()
	c.now.hosts[i].daemon = running
	change(&c.now.hosts[i])
	c.note()
	return err
}

// onNet does something to the whole network.
func (c *chaos) onNet(what string, change func(*moment), f func() error) error {
	c.tell(what)
	c.now.netBusy = true
	c.note()
	err := f()
	c.now.netBusy = false
	change(&c.now)
	c.note()
	return err
}

// partition sorts the five into two groups, neither of them empty.
func (c *chaos) partition() error {
	var group [5]int
	sides := 1 + c.rnd.IntN(30) // those of the 32 ways that cut
	var ports [2][]*lab.Port
	words := ""
	for i, h := range []*lab.Host{c.hosts[hostA], c.hosts[hostB], c.p.Router, c.p.User, c.mallory.host} {
		side := sides >> i & 1
		group[i] = 1 + side
		ports[side] = append(ports[side], h.Port())
		words += fmt.Sprintf(" %s:%d", names[i], 1+side)
	}
	return c.onNet("partition"+words, func(m *moment) { m.group = group }, func() error {
		return c.p.Switch.Partition(ports[:]...)
	})
}

// deleteAlias is an operator's ip addr del, on whatever host has the alias.
func (c *chaos) deleteAlias() error {
	alias := c.watched[c.rnd.IntN(len(c.watched))].alias
	c.tell("delete " + alias.String())
	for i := range c.hosts {
		c.removals[i]++
		if !c.now.hosts[i].up {
			continue
		}
		if err := c.delete(i, alias); err != nil {
			return err
		}
	}
	return nil
}

func (c *chaos) carrier(i int, want bool) error {
	if !c.now.hosts[i].up {
		return nil
	}
	want = want && !c.now.hosts[i].off
	return c.hosts[i].NIC("eth0").WaitCarrier(stage.Patiently(c.t), want)
}

// start starts a host's Monitor and waits until it is there.
func (c *chaos) start(i int) error {
	m, err := c.p.Start(c.hosts[i])
	if err != nil {
		return err
	}
	c.monitors = append(c.monitors, m)
	return m.WaitOutput(stage.Patiently(c.t), "event=started")
}

// end ends a host's Monitor.
func (c *chaos) end(i int, s unix.Signal) func() error {
	return func() error {
		m := c.p.Monitor(c.hosts[i])
		if err := m.Signal(s); err != nil {
			return err
		}
		if s == unix.SIGKILL {
			_, err := m.Wait(stage.Patiently(c.t))
			return err
		}
		c.spoilt = !stage.Ended(c.t, m) || c.spoilt
		return nil
	}
}

// shakeFile gives one host other rows and another rhythm. The roles stay.
func (c *chaos) shakeFile(i int) member {
	next := c.now.hosts[i]
	next.interval = c.interval << c.rnd.IntN(2)
	next.rows = nil
	for n, r := range stage.RowsOf(c.p.Addresses, c.aliases, c.primary(i)) {
		switch {
		case n > 0 && c.rnd.IntN(4) == 0:
			continue
		case c.rnd.IntN(6) == 0:
			r.Label = fmt.Sprintf("eth0:%d", 100*(1+c.rnd.IntN(9))+n)
		case c.rnd.IntN(6) == 0:
			r.Alias = netip.PrefixFrom(r.Alias.Addr(), r.Alias.Bits()-8)
		}
		next.rows = append(next.rows, r)
	}
	return next
}

// whole is the file with all rows as they were at the beginning.
func (c *chaos) whole(i int) member {
	next := c.now.hosts[i]
	next.interval, next.rows = c.interval, stage.RowsOf(c.p.Addresses, c.aliases, c.primary(i))
	return next
}

// primary is the role of a host, which is the same in all its rows.
func (c *chaos) primary(i int) bool { return c.now.hosts[i].rows[0].Primary }

func (c *chaos) write(i int, m member) {
	stage.Put(c.t, c.p, c.hosts[i], fmt.Sprintf("interval = %q\non_exit = \"release\"\nmax_takes = 1000", m.interval), m.rows)
}

// reload puts a file into force.
func (c *chaos) reload(i int, next member) error {
	what := fmt.Sprintf("reload %s with interval %v, primary %t, without", names[i], next.interval, next.rows[0].Primary)
	for _, w := range c.watched {
		if r, has := next.has(w.alias); !has {
			what += " " + w.alias.String()
		} else if old, had := c.now.hosts[i].has(w.alias); had && (old.Alias != r.Alias || old.Label != r.Label) {
			what += fmt.Sprintf(", %s as %s on %s", w.alias, r.Alias, r.Label)
		}
	}
	return c.onDaemon(i, what, func(m *member) { m.interval, m.rows = next.interval, next.rows }, func() error {
		c.write(i, next)
		return stage.Reload(c.p, c.hosts[i])
	})
}

// badReload gives a Monitor a file with a mistake, which must change nothing.
func (c *chaos) badReload(i int) error {
	c.tell("reload " + names[i] + " with a bad file")
	c.write(i, c.shakeFile(i))
	file := c.p.File(c.hosts[i], "hostname.alias")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	mistake := "eth0:1000 | " + c.p.Alias.String() + " | 24 | " + c.p.Foreign.Addr().String() + " | true\n" // twice
	if err := os.WriteFile(file, append(text, mistake...), 0o644); err != nil {
		return err
	}
	var refusal *control.Refusal
	if err := stage.Reload(c.p, c.hosts[i]); !errors.As(err, &refusal) {
		return fmt.Errorf("a bad file is not refused: %w", err)
	}
	c.write(i, c.now.hosts[i])
	return nil
}

// swapRoles makes the other host the primary; for a moment neither is.
func (c *chaos) swapRoles() error {
	was := hostA
	if c.primary(hostB) {
		was = hostB
	}
	for _, i := range []int{was, 1 - was} {
		next := c.now.hosts[i]
		next.rows = slices.Clone(next.rows)
		for n := range next.rows {
			next.rows[n].Primary = i != was
		}
		if err := c.reload(i, next); err != nil {
			return err
		}
	}
	return nil
}
