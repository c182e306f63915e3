package drill

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/record"
)

// Options are what a Desk needs of its Monitor. All must be set.
type Options struct {
	Status   func(context.Context) (control.Snapshot, error)
	Order    func(context.Context, control.Order) ([]control.Outcome, error)
	Patience func() time.Duration                    // how long an order may have to wait for the network
	Say      func(alias netip.Addr, says peer.Drill) // to the partner; zero: nothing more
	Exits    func(alias netip.Addr) bool             // tells whether this Monitor ends after a take of the alias; it does not wait
	Ask      Ask
	Record   func(record.Event)
}

// Subject is an alias as events name it. The address of a link-local one has its NIC.
type Subject struct {
	record.Alias
	Label string // its NIC as the file writes it
}

// Desk is where a Monitor's drills are done: one of its own at a time, and what it measures
// for those of its partners.
type Desk struct {
	o    Options
	ctx  context.Context // ends with the Monitor
	end  context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	over   bool
	own    *own                   // nil: none is under way
	theirs map[netip.Addr]*theirs // by alias
	asked  map[netip.Addr]asked   // what partners ask for and cannot have yet, by alias
	last   *control.Drill         // nil: none since the start
	counts map[string]uint64      // drills of our own, by their outcome
}

// NewDesk makes a Desk. It starts nothing.
func NewDesk(o Options) *Desk {
	d := &Desk{o: o, theirs: map[netip.Addr]*theirs{}, asked: map[netip.Addr]asked{}, counts: map[string]uint64{}}
	for _, outcome := range control.DrillOutcomes {
		d.counts[outcome] = 0
	}
	d.ctx, d.end = context.WithCancel(context.Background())
	return d
}

// Run does nothing until ctx ends, and then what End does.
func (d *Desk) Run(ctx context.Context) error {
	<-ctx.Done()
	d.End()
	return nil
}

// End ends what is under way, and waits until that is recorded.
func (d *Desk) End() {
	d.mu.Lock()
	d.over = true
	d.mu.Unlock()
	d.end()
	d.work.Wait()
}

// Shown is the last drill since the start, nil if there was none, and how many have ended
// in which way.
func (d *Desk) Shown() (last *control.Drill, counts map[string]uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last, maps.Clone(d.counts)
}

// begin runs f beside its caller; false: the Monitor is ending. mu is held.
func (d *Desk) begin(f func()) bool {
	if d.over {
		return false
	}
	d.work.Go(f)
	return true
}

// Heard takes in what a partner says of a drill, once each. It does not wait.
func (d *Desk) Heard(of Subject, says peer.Drill) {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.theirs[of.Addr]
	switch says.Stage {
	case peer.DrillMeasure:
		if was != nil && was.number == says.Number {
			return
		}
		if was != nil {
			was.stop(brokenOff) // its partner has begun another
			was.forget()
		}
		d.asked[of.Addr] = asked{of, says.Number}
		d.beginAsked()
	case peer.DrillEnds:
		if delete(d.asked, of.Addr); was != nil && was.number == says.Number {
			was.stop(ended)
		}
	case peer.DrillMeasures, peer.DrillMeasured, peer.DrillExits, peer.DrillOrdered:
		if d.own != nil {
			d.own.hear(of.Addr, says)
		}
	default:
		if delete(d.asked, of.Addr); was != nil {
			was.stop(brokenOff)
			was.forget()
		}
	}
}

// asked is what a partner asks us to measure.
type asked struct {
	of     Subject
	number uint32
}

// beginAsked begins to measure what partners ask for, as far as there is room. The partner
// is heard only once, so what there is no room for waits. mu is held.
func (d *Desk) beginAsked() {
	for id, one := range d.asked {
		if d.own != nil || d.theirs[id] != nil || len(d.theirs) >= mostMeasured {
			continue
		}
		delete(d.asked, id)
		if d.o.Exits(id) {
			d.begin(func() { d.o.Say(id, peer.Drill{Number: one.number, Stage: peer.DrillExits}) })
			continue
		}
		t := newTheirs(one.of, one.number)
		if d.begin(func() { d.measure(t) }) {
			d.theirs[id] = t
		}
	}
}
