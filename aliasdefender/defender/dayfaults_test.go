package defender

import (
	"errors"
	"time"

	"alias-defender/aliasdefender/host"
)

// fault is one thing that breaks, and that is whole again the next time.
type fault struct {
	name       string
	host       *dayHost // whose; nil: the network's
	begin, end func()   // end nil: it is over at once
	on         bool
	small      bool // it is nothing to an alias that stays in the file
}

// happen begins the fault, or ends it.
func (f *fault) happen(d *day) {
	// Whoever changes an address looks, at all faults, and may do so at any time.
	d.seg.mu.Lock()
	if !f.small {
		d.calm = since{}
	}
	ends := f.on
	begins := !ends && (f.host == nil || !f.host.crashed) // else there is nothing to break
	f.on = begins && f.end != nil
	d.seg.mu.Unlock()
	switch {
	case ends:
		d.tell("end of " + f.name)
		f.end()
	case begins:
		d.begun++
		d.tell(f.name)
		f.begin()
	default:
		return
	}
	d.seg.mu.Lock()
	d.look()
	d.seg.mu.Unlock()
}

func (d *day) allFaults() []*fault {
	var all []*fault
	for _, h := range d.hosts {
		all = append(all, h.faults()...)
	}
	router := d.router
	all = append(all, &fault{name: "the router's death",
		begin: func() { router.set(func() { router.on = false }) },
		end:   func() { router.set(func() { router.on = true }) }})
	for _, far := range [][]*station{{d.a}, {d.a, d.router}, {d.a, d.client}, {d.b}} {
		name := "a partition:"
		for _, st := range far {
			name += " " + st.name
		}
		all = append(all, &fault{name: name,
			begin: func() { d.part(far...) },
			end:   func() { d.part() }})
	}
	return all
}

// part leaves no partition but that of these from the others.
func (d *day) part(far ...*station) {
	d.seg.mu.Lock()
	defer d.seg.mu.Unlock()
	d.seg.split = nil
	for _, st := range far {
		if d.seg.split == nil {
			d.seg.split = map[*station]bool{}
		}
		d.seg.split[st] = true
	}
	d.look()
}

// faults are what can happen to one host.
func (h *dayHost) faults() []*fault {
	var all []*fault
	add := func(name string, begin, end func()) {
		all = append(all, &fault{name: h.name + ": " + name, host: h, begin: begin, end: end})
	}
	set := func(f func()) func() { return func() { h.set(f) } }
	cannot := errors.New("operation not permitted")

	add("crash", h.crash, func() {
		h.crashed = false
		h.set(func() { h.on = true })
		h.boot()
	})
	add("daemon killed", func() {
		h.goOn()
		h.kill()
		h.set(func() { h.left = h.kernel.has(secondIP) })
	}, func() {
		if !h.crashed {
			h.boot()
		}
	})
	add("process stopped", h.stand, h.goOn)
	add("machine frozen", func() {
		h.stand()
		h.set(func() { h.on = false })
	}, func() {
		if !h.crashed {
			h.set(func() { h.on = true })
			h.goOn()
		}
	})
	add("suspended", set(func() {
		h.slept += time.Duration(h.day.dice.Int64N(int64(10 * h.day.Interval)))
		h.day.pair, h.day.two, h.alone, h.running = since{}, since{}, since{}, since{}
	}), nil)
	add("cable pulled", set(func() { h.nic().Carrier = false }), set(func() { h.nic().Carrier = h.nic().Index != 0 }))
	add("port muted", set(func() { h.muted = true }), set(func() { h.muted = false }))
	add("frames lost", func() { h.lose(0.3) }, func() { h.lose(0) })
	add("aliases deleted", set(func() {
		h.deleted = h.deleted || h.kernel.has(aliasIP)
		h.kernel.lose()
	}), nil)
	add("interface deleted", set(func() {
		n := h.nic()
		h.deleted = h.deleted || h.kernel.has(aliasIP)
		n.Index, n.Carrier, n.NoIPv6, n.Addrs = 0, false, false, nil
		for _, w := range h.wires {
			w.once.Do(func() { close(w.done) })
		}
		h.wires = nil
	}), set(func() {
		h.index++
		h.nic().Index, h.nic().Carrier = h.index, true
		h.gainOwn()
	}))
	add("own address gone and back", set(func() {
		if had := h.nic(); had.Index != 0 {
			h.loseOwn()
			h.gainOwn()
		}
	}), nil)
	if family == host.IPv6 {
		add("another host answered the kernel's duplicate detection", set(func() {
			h.deleted = h.deleted || h.kernel.has(aliasIP)
			h.flag(func(a *host.Address) { a.DADFailed = true })
		}), nil)
		add("IPv6 disabled", set(func() {
			if had := h.nic(); had.Index != 0 {
				h.deleted = h.deleted || h.kernel.has(aliasIP)
				had.NoIPv6, had.Addrs = true, nil
			}
		}), set(func() {
			if had := h.nic(); had.NoIPv6 {
				had.NoIPv6 = false
				h.loseOwn()
				h.gainOwn()
			}
		}))
	}
	add("questions refused", set(func() { h.arpErr, h.pingErr = cannot, cannot }), set(func() { h.arpErr, h.pingErr = nil, nil }))
	add("pings refused", set(func() { h.pingErr = cannot }), set(func() { h.pingErr = h.arpErr }))
	add("addresses refused", set(func() { h.addErr = cannot }), set(func() { h.addErr = nil }))
	add("kernel silent", set(func() { h.hang = make(chan struct{}) }), func() {
		h.seg.mu.Lock()
		hang := h.hang
		h.hang = nil
		h.seg.mu.Unlock()
		close(hang)
	})
	add("its ARP listener has no room", set(func() { h.earLoses = []float64{0.5, 0.9, 1}[h.day.dice.IntN(3)] }), set(func() { h.earLoses = 0 }))
	add("second alias in or out of the file", h.edit, nil)
	all[len(all)-1].small = true
	return all
}

// crash takes the power from the host.
func (h *dayHost) crash() {
	h.crashed = true
	h.set(func() { h.on = false })
	h.goOn()
	h.kill()
	h.set(func() { h.kernel.lose() })
}

// stand has the process stand still, as SIGSTOP does.
func (h *dayHost) stand() {
	h.set(func() {
		if h.gate == nil {
			h.gate = make(chan struct{})
		}
	})
}

// goOn has it go on.
func (h *dayHost) goOn() {
	h.seg.mu.Lock()
	defer h.seg.mu.Unlock()
	if h.gate != nil {
		close(h.gate)
		h.gate = nil
		h.day.look()
	}
}

// lose has a part of the host's frames lost.
func (h *dayHost) lose(part float64) {
	h.seg.mu.Lock()
	defer h.seg.mu.Unlock()
	delete(h.seg.loss, h.station)
	if part > 0 {
		h.seg.loss[h.station] = part
	}
	h.day.look()
}

// edit puts the second alias into the host's file or takes it out, and has the
// daemon read it.
func (h *dayHost) edit() {
	c := one(h.base)
	if len(h.cfg.Aliases) == 1 {
		r := h.base
		r.Addr, r.Prefix, r.Label = secondIP, with(secondIP), "eth0:2"
		c.Aliases = append(c.Aliases, r)
	}
	h.seg.mu.Lock()
	h.cfg = c
	h.seg.mu.Unlock()
	if h.daemon != nil {
		go h.daemon.Reload(c) // which waits if the process stands still
	}
}
