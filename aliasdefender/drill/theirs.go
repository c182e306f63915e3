package drill

import (
	"context"
	"fmt"
	"sync"
	"time"

	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// mostMeasured is how many aliases are measured at once. Of a greater group the first
// ones are.
const mostMeasured = 16

// mostWaited is how long we measure for a partner, and how long its own drill lasts at
// most. The host that does the drill may die.
const mostWaited = 3 * time.Minute

// toldFor is how long the partner is told what we have measured, if it never says that it
// has heard it.
const toldFor = 10 * time.Second

// The ways in which the partner's drill ends for us.
const (
	ended     = ""
	brokenOff = "the partner broke it off"
	tooLong   = "the partner has not ended it"
	weEnd     = "this Monitor ends"
)

// theirs is what is measured of one alias for a partner's drill.
type theirs struct {
	of     Subject
	number uint32

	stopped chan struct{} // closed by stop
	why     string        // set before that
	once    sync.Once
	heard   chan struct{} // closed once the partner says no more of the drill
	gone    sync.Once
}

func newTheirs(of Subject, number uint32) *theirs {
	return &theirs{of: of, number: number, stopped: make(chan struct{}), heard: make(chan struct{})}
}

// stop ends the measuring; the first call says why.
func (t *theirs) stop(why string) {
	t.once.Do(func() {
		t.why = why
		close(t.stopped)
	})
}

func (t *theirs) forget() { t.gone.Do(func() { close(t.heard) }) }

// measure measures until the partner's drill has ended, and tells what came of it.
func (d *Desk) measure(t *theirs) {
	ctx, cancel := context.WithTimeout(d.ctx, mostWaited)
	defer cancel()
	d.record(t.of, record.DrillBegun, record.Info, "measures for a drill of the partner's")
	m := newMeter(t.of.Addr, d.o.Ask)
	asking, stop := context.WithCancel(ctx)
	result := make(chan figures, 1)
	go func() { result <- m.run(asking) }()
	answered := m.first
	for over := false; !over; {
		select {
		case <-answered:
			answered = nil
			d.o.Say(t.of.Addr, peer.Drill{Number: t.number, Stage: peer.DrillMeasures})
		case <-t.stopped:
			over = true
		case <-ctx.Done():
			over = true
			why := tooLong
			if d.ctx.Err() != nil {
				why = weEnd
			}
			t.stop(why)
		}
	}
	stop()
	f := <-result
	if t.why == ended {
		d.o.Say(t.of.Addr, f.say(t.number))
	}
	d.recordTheirs(t, f)
	if t.why == ended {
		select {
		case <-t.heard:
		case <-time.After(toldFor):
		case <-d.ctx.Done():
		}
	}
	d.o.Say(t.of.Addr, peer.Drill{})
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.theirs, t.of.Addr)
	d.beginAsked()
}

// recordTheirs records what we have measured for the partner.
func (d *Desk) recordTheirs(t *theirs, f figures) {
	level, text := record.Info, "measured for a drill of the partner's: "+f.String()
	switch {
	case t.why != ended:
		level, text = rules.Warning, fmt.Sprintf("measured for a drill of the partner's that did not end as it should: %s; %s", t.why, f)
	case f.verdict() != "":
		level = rules.Warning
	}
	d.record(t.of, record.DrillEnded, level, text)
}

// record records an event about a drill of one alias.
func (d *Desk) record(of Subject, kind record.Kind, level record.Level, text string) {
	d.o.Record(record.Event{Time: time.Now(), Alias: of.Alias, Label: of.Label, Kind: kind, Level: level, Text: text,
		Decision: record.Decision{Why: text}})
}
