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
	Ask      Ask
	Record   func(record.Event)
}

// Subject is an alias as events name it.
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
	last   *control.Drill         // nil: none since the start
	counts map[string]uint64      // drills of our own, by their outcome
}

// NewDesk makes a Desk. It starts nothing.
func NewDesk(o Options) *Desk {
	d := &Desk{o: o, theirs: map[netip.Addr]*theirs{}, counts: map[string]uint64{}}
	for _, outcome := range control.DrillOutcomes {
		d.counts[outcome] = 0
	}
	d.ctx, d.end = context.WithCancel(context.Background())
	return d
}

// Run ends what is under way when ctx ends, and waits for it.
func (d *Desk) Run(ctx context.Context) error {
	<-ctx.Done()
	d.mu.Lock()
	d.over = true
	d.mu.Unlock()
	d.end()
	d.work.Wait()
	return nil
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

// Heard takes in what a partner says of a drill. It does not wait.
func (d *Desk) Heard(of Subject, says peer.Drill) {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.theirs[of.Addr]
	switch says.Stage {
	case peer.DrillMeasure:
		switch {
		case was != nil && was.number == says.Number:
		case was != nil:
			was.stop(brokenOff) // its partner has begun another, which is heard again and again
		case d.own == nil && len(d.theirs) < mostMeasured:
			t := newTheirs(of, says.Number)
			if d.begin(func() { d.measure(t) }) {
				d.theirs[of.Addr] = t
			}
		}
	case peer.DrillEnds:
		if was != nil && was.number == says.Number {
			was.stop(ended)
		}
	case peer.DrillMeasures, peer.DrillMeasured:
		if d.own != nil {
			d.own.hear(of.Addr, says)
		}
	default:
		if was != nil {
			was.stop(brokenOff)
			was.forget()
		}
	}
}
