package drill

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/record"
)

var alias = netip.MustParseAddr("10.0.0.1")

// pair is two hosts, a and b, each with a desk. a has the alias.
type pair struct {
	mu      sync.Mutex
	holder  string    // "a", "b", "": nobody
	silent  time.Time // until then nobody answers
	open    bool      // a hand-over is
	dropped bool      // a firewall drops all pings
	events  map[string][]record.Event
	orders  []control.Order

	old   bool                                // b's program knows no drills
	deaf  bool                                // b's word does not arrive any more
	gap   time.Duration                       // in each hand-over
	fails func(o control.Order) (text string) // why an order fails; nil: none does
	yield func(o control.Order) (text string) // the operator's order that one gives way to; nil: there is none
	exits string                              // the host whose settings have exit_after
	hangs bool                                // a's loop answers nothing once the alias has left

	a, b *Desk
	end  context.CancelFunc
	over sync.WaitGroup
}

func newPair() *pair {
	p := &pair{holder: "a", events: map[string][]record.Event{}}
	p.a, p.b = p.desk("a"), p.desk("b")
	ctx, end := context.WithCancel(context.Background())
	p.end = end
	for _, d := range []*Desk{p.a, p.b} {
		p.over.Go(func() { _ = d.Run(ctx) })
	}
	return p
}

func (p *pair) stop() { p.end(); p.over.Wait() }

func (p *pair) desk(host string) *Desk {
	return NewDesk(Options{
		Status: func(ctx context.Context) (control.Snapshot, error) {
			if p.hangs && p.has() != "a" {
				<-ctx.Done()
				return control.Snapshot{}, ctx.Err()
			}
			return p.status(), nil
		},
		Order:    p.order,
		Patience: func() time.Duration { return time.Second },
		Say: func(alias netip.Addr, says peer.Drill) {
			of := subjectOf(alias)
			p.mu.Lock()
			defer p.mu.Unlock()
			switch {
			case host == "a" && !p.old:
				go p.b.Heard(of, says)
			case host == "b" && !p.deaf:
				go p.a.Heard(of, says)
			}
		},
		Exits: func(netip.Addr) bool { return p.exits == host },
		Ask: func(q probe.Question, heard func(time.Time, error)) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			at := time.Now()
			if p.holder != "" && !at.Before(p.silent) && !p.dropped {
				time.AfterFunc(time.Millisecond, func() { heard(at, nil) })
			}
			return nil
		},
		Record: func(e record.Event) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.events[host] = append(p.events[host], e)
		},
	})
}

func subjectOf(alias netip.Addr) Subject {
	return Subject{record.Alias{Addr: alias, NIC: "eth0"}, "eth0:1"}
}

// status is a's view.
func (p *pair) status() control.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := good()
	a := &s.Aliases[0]
	a.Says.Drills = !p.old
	if a.Holder = map[string]string{"a": "us", "b": "partner", "": "nobody"}[p.holder]; a.Holder != "us" {
		a.Standby = &control.Standby{Host: "us", Ready: "yes"}
	}
	if p.open {
		a.Handover = "giving"
	}
	return s
}

// good is the snapshot of a holder of which a drill can be done.
func good() control.Snapshot {
	return control.Snapshot{Channel: &control.Channel{}, Aliases: []control.Alias{{
		Alias: alias.String(), NIC: "eth0:1", Holder: "us", Role: "primary",
		Says:    &control.Says{Daemon: "heard", Drills: true, State: "able"},
		Standby: &control.Standby{Host: "partner", Ready: "yes", HandOver: "yes"},
	}}}
}

func (p *pair) order(ctx context.Context, o control.Order) ([]control.Outcome, error) {
	time.Sleep(20 * time.Millisecond)
	if p.hangs && p.has() != "a" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.orders = append(p.orders, o)
	if p.yield != nil {
		if text := p.yield(o); text != "" {
			return []control.Outcome{{Alias: alias.String(), Text: text, GaveWay: true}}, nil
		}
	}
	if p.fails != nil {
		if text := p.fails(o); text != "" {
			return []control.Outcome{{Alias: alias.String(), Text: text}}, nil
		}
	}
	p.silent = time.Now().Add(p.gap)
	if p.holder = "a"; o.Give {
		p.holder = "b"
	}
	return []control.Outcome{{Alias: alias.String(), Done: true}}, nil
}

// ended is the last event of a host's log.
func (p *pair) ended(host string) record.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.events[host]
	if len(all) == 0 {
		return record.Event{}
	}
	return all[len(all)-1]
}

// measures tells whether the desk has something under way.
func (d *Desk) measures() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.own != nil || len(d.theirs) > 0
}

// play does a drill in a bubble, and what is to be seen after it.
func play(t *testing.T, p func(p *pair), see func(t *testing.T, p *pair, d control.Drill, err error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		pair := newPair()
		p(pair)
		d, err := pair.a.Drill(t.Context(), alias.String())
		time.Sleep(time.Second)
		see(t, pair, d, err)
		pair.stop()
	})
}
