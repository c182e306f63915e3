package defender

import (
	"context"
	"net/netip"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/peer"
)

// line is one end of a fake channel: what is said arrives like a frame, or is
// lost like one, and a change is repeated until it has arrived.
type line struct {
	st       *station
	o        peer.Options
	partners map[string]bool
	boot     uint64
	say      uint64
	heard    map[*line]bool // processes of the partner that were heard
}

func (st *station) open(o peer.Options) (Channel, error) {
	st.seg.mu.Lock()
	defer st.seg.mu.Unlock()
	if st.openErr != nil {
		return nil, st.openErr
	}
	st.boots++
	st.line = &line{st: st, o: o, partners: map[string]bool{}, boot: st.boots, heard: map[*line]bool{}}
	return st.line, nil
}

func (c *line) SetKeys(*peer.Keys) {}

func (c *line) SetSources(of map[netip.Addr][]netip.Addr) {
	c.st.seg.mu.Lock()
	defer c.st.seg.mu.Unlock()
	c.st.from = of
}

func (c *line) Status() peer.Status {
	s := peer.Status{Foreign: 2}
	for _, p := range c.opened() {
		one := peer.PartnerStatus{Partner: p.Addr, Paths: []peer.PathStatus{{Addr: p.Addr}}}
		one.Counts[peer.Replayed] = 7
		s.Partners = append(s.Partners, one)
	}
	return s
}

func (c *line) opened() []peer.Partner {
	c.st.seg.mu.Lock()
	defer c.st.seg.mu.Unlock()
	return c.st.opened
}

// SetPartners refuses what the real channel refuses.
func (c *line) SetPartners(all []peer.Partner) error {
	real := c.o
	real.Port, real.Partners = 1, all
	if _, err := peer.New(real); err != nil {
		return err
	}
	c.st.seg.mu.Lock()
	defer c.st.seg.mu.Unlock()
	clear(c.partners)
	c.st.opened = all
	for _, p := range all {
		c.partners[p.Addr.String()] = true
	}
	return nil
}

func (c *line) Say(to netip.Addr, m peer.Message, repeat time.Duration) {
	c.st.seg.mu.Lock()
	defer c.st.seg.mu.Unlock()
	c.say++
	c.st.says = m
	c.send(to, peer.Heard{Partner: c.st.own.Addr(), Message: m, Parts: 1, Say: c.say}, repeat, 8)
}

// send sends, and again until it has arrived, something newer was said, or
// enough is enough. mu is held.
func (c *line) send(to netip.Addr, h peer.Heard, repeat time.Duration, left int) {
	arrived := false
	for _, st := range c.st.seg.stations {
		there := st.line
		if st.own.Addr() != to || there == nil || !there.partners[c.st.own.Addr().String()] || c.st.line != c {
			continue
		}
		if c.st.dumb || st.dumb || c.st.mumbles || st.unreached || !c.st.seg.path(c.st, st) || c.st.seg.lost(c.st, st) {
			continue
		}
		arrived = true
		time.AfterFunc(wireDelay, func() {
			c.st.seg.mu.Lock()
			if st.line != there || c.st.line != c {
				c.st.seg.mu.Unlock()
				return
			}
			h.At, h.NewBoot = time.Now(), !there.heard[c]
			there.heard[c] = true
			hear := there.o.Heard
			c.st.seg.mu.Unlock()
			hear(h)
		})
	}
	if !arrived && repeat > 0 && left > 0 {
		time.AfterFunc(repeat, func() {
			c.st.seg.mu.Lock()
			defer c.st.seg.mu.Unlock()
			if c.say == h.Say {
				c.send(to, h, repeat, left-1)
			}
		})
	}
}

// Run ends with its context, and the line with it.
func (c *line) Run(ctx context.Context) error {
	<-ctx.Done()
	c.st.seg.mu.Lock()
	defer c.st.seg.mu.Unlock()
	if c.st.line == c {
		c.st.line = nil
	}
	return nil
}

// keyedEvents are what happens to a channel, and by it.
func keyedEvents() (all []event) {
	give := func(of func(w *world) *station, name string) event {
		return event{name + " is told to hand over", func(w *world) {
			if d := of(w).daemon; d != nil {
				_, _ = d.begin(w.t.Context(), control.Order{Give: true}, func(Kept) error { return nil })
			}
		}}
	}
	a, b := func(w *world) *station { return w.a }, func(w *world) *station { return w.b }
	return append(all, give(a, "A"), give(b, "B"),
		event{"the channel is cut or heals", func(w *world) {
			w.seg.mu.Lock()
			defer w.seg.mu.Unlock()
			w.b.dumb = !w.b.dumb
		}},
		event{"A's words reach B, but not B's A, or both", func(w *world) {
			w.seg.mu.Lock()
			defer w.seg.mu.Unlock()
			w.b.mumbles = !w.b.mumbles
		}},
	)
}

// withKey puts a key into both files.
func (w *world) withKey() {
	w.keyed = true
	for _, c := range []*config.Config{w.cfgA, w.cfgB} {
		c.Settings.Peer = config.Peer{Keys: []config.Key{{1}}, Port: config.DefaultPort}
		c.Settings.OnExit = config.ExitHandover
		for i := range c.Aliases {
			c.Aliases[i].Lease = 10 * time.Second
		}
	}
}
