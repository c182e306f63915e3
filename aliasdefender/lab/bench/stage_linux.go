package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"alias-defender/aliasdefender/lab"
)

// nic is the hosts' interface on the switch.
const nic = "eth0"

// addresses are those on the stage, of one family.
type addresses struct {
	ownA, ownB, router, user, watcher netip.Prefix
}

// addressesOf are those of IPv4, or of IPv6.
func addressesOf(ipv6 bool) addresses {
	prefix, bits := "10.77.0.", "/16"
	if ipv6 {
		prefix, bits = "2001:db8:77::", "/64"
	}
	at := func(host string) netip.Prefix { return netip.MustParsePrefix(prefix + host + bits) }
	return addresses{ownA: at("1"), ownB: at("2"), router: at("254"), user: at("50"), watcher: at("51")}
}

// aliases returns n addresses with the mask of the subnet.
func (on addresses) aliases(n int) (all []netip.Prefix) {
	const row = 250
	for i := range n {
		b := on.ownA.Addr().AsSlice()
		b[len(b)-2], b[len(b)-1] = byte(1+i/row), byte(1+i%row)
		a, _ := netip.AddrFromSlice(b)
		all = append(all, netip.PrefixFrom(a, on.ownA.Bits()))
	}
	return all
}

// stage is the lab of one run.
type stage struct {
	setup
	program contender
	dir     string // of the hosts' files
	phase   time.Duration
	noise   time.Duration

	lab     *lab.Lab
	lan     *lab.Switch
	a, b    *lab.Host // a has the aliases when the story begins
	router  *lab.Host
	client  *lab.Host
	asker   *lab.Client // asks the last alias each millisecond
	control *lab.Client // asks the router, from a host of its own
	holders *lab.Watch  // watches the last alias

	procs  map[*lab.Host]*lab.Process // the daemons started last
	all    []*lab.Process             // every daemon that was started
	before int                        // how many pauses they had reported when the story began
	fault  time.Time                  // when the story began
}

// newStage builds the lab. Nothing runs in it yet. A run that measures only the
// daemons is quiet: no client asks.
func newStage(s setup, program contender, quiet bool) (_ *stage, err error) {
	st := &stage{setup: s, program: program, procs: map[*lab.Host]*lab.Process{}}
	// The path of a socket is short.
	if st.dir, err = os.MkdirTemp("", "adbench"); err != nil {
		return nil, err
	}
	if st.lab, err = lab.New(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(st.dir))
	}
	if err = st.build(quiet); err != nil {
		return nil, errors.Join(err, st.close())
	}
	return st, nil
}

func (s *stage) build(quiet bool) (err error) {
	if s.lan, err = s.lab.Switch("lan"); err != nil {
		return err
	}
	var third *lab.Host
	on := addressesOf(s.IPv6)
	for _, h := range []struct {
		host **lab.Host
		name string
		own  netip.Prefix
	}{
		{&s.a, hostA, on.ownA}, {&s.b, hostB, on.ownB}, {&s.router, "router", on.router}, {&s.client, "client", on.user}, {&third, "control", on.watcher},
	} {
		spec := lab.HostSpec{Name: h.name, NICs: []lab.NICSpec{{Name: nic, Switch: s.lan, Addrs: []netip.Prefix{h.own}}}}
		if h.own == on.router {
			spec.Forward = true
		} else {
			spec.Gateway = on.router.Addr()
		}
		if *h.host, err = s.lab.Host(spec); err != nil {
			return err
		}
	}
	alias := s.alias()
	if s.holders, err = s.lab.Watch(alias); err != nil || quiet {
		return err
	}
	if s.asker, err = s.client.Client(lab.ClientSpec{Target: alias}); err != nil {
		return err
	}
	s.control, err = third.Client(lab.ClientSpec{Target: on.router.Addr()})
	return err
}

// alias is the one that is watched and asked for: the last.
func (s *stage) alias() netip.Addr { return s.aliases[len(s.aliases)-1].Addr() }

func (s *stage) close() error { return errors.Join(s.lab.Close(), os.RemoveAll(s.dir)) }

// start starts the daemon of a host.
func (s *stage) start(h *lab.Host) error {
	dir := filepath.Join(s.dir, h.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	c, err := s.program.command(s.setup, h, dir)
	if err != nil {
		return err
	}
	p, err := h.StartCommand(c)
	if err != nil {
		return err
	}
	s.procs[h] = p
	s.all = append(s.all, p)
	return nil
}

// boot boots a host that crashed and starts its daemon.
func (s *stage) boot(h *lab.Host) error {
	if err := h.Boot(); err != nil {
		return err
	}
	return s.start(h)
}

// begin starts both daemons and waits until a has the aliases and nothing moves any
// more.
func (s *stage) begin(ctx context.Context) error {
	had, err := watchAdds(s.a)
	if err != nil {
		return err
	}
	defer had.close()
	if s.StandbyPrimary {
		err = errors.Join(s.b.Crash(), s.start(s.a))
	} else {
		err = errors.Join(s.start(s.a), s.start(s.b))
	}
	if err != nil {
		return err
	}
	most := patience(s.rate.Interval) + time.Duration(len(s.aliases))*50*time.Millisecond
	within, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if err := had.wait(within, len(s.aliases)); err != nil {
		return fmt.Errorf("%w\n%s", err, s.said(s.a))
	}
	if s.StandbyPrimary {
		if err := s.boot(s.b); err != nil {
			return err
		}
	}
	if err := s.holders.Wait(within, hostA); err != nil {
		return err
	}
	if s.asker != nil {
		if err := s.asker.WaitAnswer(within, hostA); err != nil {
			return err
		}
	}
	if err := pause(ctx, settling+s.rate.Interval+s.phase); err != nil {
		return err
	}
	for h, p := range s.procs {
		select {
		case <-p.Done():
			return fmt.Errorf("the daemon of %s has ended\n%s", h.Name, s.said(h))
		default:
		}
	}
	return nil
}

// said is the end of what a host's daemon has written.
func (s *stage) said(h *lab.Host) string {
	const most = 600
	out := strings.TrimSpace(s.procs[h].Output())
	return out[max(0, len(out)-most):]
}

// mark says that the story begins: from now on the machine must not stand still.
func (s *stage) mark() time.Time {
	s.before = s.pauses()
	s.fault = time.Now()
	return s.fault
}

// pauses counts how often a daemon found that the machine had not let it run.
func (s *stage) pauses() (n int) {
	for _, p := range s.all {
		n += strings.Count(p.Output(), s.program.pause())
	}
	return n
}

// disturbed tells what the machine did to the story, "" if nothing, and files how
// long the control client went without an answer.
func (s *stage) disturbed(m *measured) string {
	if s.asker != nil {
		to := time.Now()
		m.gap("control_gap_ms", s.control, s.fault, to)
		stall := max(s.control.Report(s.fault, to).Stall, s.asker.Report(s.fault, to).Stall)
		switch d := m.values["control_gap_ms"]; {
		case d >= ms(s.noise):
			return fmt.Sprintf("the control client had no answer for %.0f ms", d)
		case stall >= s.noise:
			return fmt.Sprintf("a client could not ask for %.0f ms", ms(stall))
		}
	}
	if s.pauses() > s.before {
		return notLetRun
	}
	return ""
}

// longest is the longest gap of a client within a stretch of time, cut to that
// stretch, and tells whether the gap was still open at its end.
func longest(c *lab.Client, from, to time.Time) (d time.Duration, open bool) {
	for _, g := range c.Gaps(from, to, 0) {
		if g.From.Before(from) {
			g.From = from
		}
		if g.Open || g.To.After(to) {
			g.To = to
		}
		if g.Length() > d {
			d, open = g.Length(), g.Open
		}
	}
	return d, open
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// pause lets time pass: to see that nothing happens, one can only wait.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
