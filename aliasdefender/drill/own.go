package drill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// How long each part of a drill takes, or may take.
const (
	firstAnswer  = 5 * time.Second        // until both hosts measure, and have had an answer
	settle       = 300 * time.Millisecond // measured before the alias moves
	awayWithin   = 10 * time.Second       // for the way to the partner
	away         = time.Second            // how long the alias stays there
	backMost     = time.Minute            // for the way back; the rhythm of the alias may ask for less
	after        = 500 * time.Millisecond // measured after it has come back
	tellWithin   = 5 * time.Second        // for the partner's figures
	statusWithin = 2 * time.Second        // for what the Monitor knows
	openWithin   = 5 * time.Second        // for a hand-over that is still open after an order that failed
)

// own is a drill of this host's.
type own struct {
	number uint32
	moves  []Subject
	says   map[netip.Addr]peer.Drill // by the partner, under the desk's mu
	told   chan struct{}             // one place: says has changed
}

// hear files what the partner says. The desk's mu is held.
func (o *own) hear(alias netip.Addr, says peer.Drill) {
	if says.Number != o.number {
		return
	}
	o.says[alias] = says
	select {
	case o.told <- struct{}{}:
	default:
	}
}

// Drill does a drill of one alias, with its group, and waits for its end. If ctx ends first
// it goes on, and is recorded. The error is a *control.Refusal if it was not begun.
func (d *Desk) Drill(ctx context.Context, alias string) (control.Drill, error) {
	type result struct {
		drill control.Drill
		err   error
	}
	done := make(chan result, 1)
	d.mu.Lock()
	began := d.begin(func() {
		one, err := d.drill(d.ctx, alias)
		done <- result{one, err}
	})
	d.mu.Unlock()
	if !began {
		return control.Drill{}, ending()
	}
	select {
	case r := <-done:
		return r.drill, r.err
	case <-ctx.Done():
		return control.Drill{}, ctx.Err()
	}
}

// drill is one drill from its refusal to its result.
func (d *Desk) drill(ctx context.Context, alias string) (control.Drill, error) {
	began := time.Now()
	mine := &own{number: 1 + rand.Uint32N(1<<32-1), says: map[netip.Addr]peer.Drill{}, told: make(chan struct{}, 1)}
	d.mu.Lock()
	busy := d.busy()
	if busy == "" {
		d.own = mine
	}
	d.mu.Unlock()
	if busy != "" {
		return control.Drill{}, d.refuse(busy)
	}
	defer func() {
		d.mu.Lock()
		d.own = nil
		d.beginAsked()
		d.mu.Unlock()
	}()
	asking, cancel := context.WithTimeout(ctx, statusWithin)
	defer cancel()
	s, err := d.o.Status(asking)
	if err != nil {
		return control.Drill{}, err
	}
	moves, why := Refuses(s, alias)
	if why != "" {
		return control.Drill{}, d.refuse(why)
	}
	drills := true
	for _, a := range moves {
		of, err := d.subject(a)
		if err != nil {
			return control.Drill{}, err
		}
		if d.o.Exits(of.Addr) {
			return control.Drill{}, d.refuse(fmt.Sprintf("exit_after = \"take\" in this host's settings would end its Monitor once %s is back", of.Addr))
		}
		mine.moves = append(mine.moves, of)
		drills = drills && a.Says.Drills
	}
	return d.play(ctx, mine, drills, began)
}

func ending() error { return &control.Refusal{Kind: control.KindBusy, Text: "the Monitor is ending"} }

// busy is why no drill can be begun now; empty: one can. mu is held.
func (d *Desk) busy() string {
	switch {
	case d.own != nil:
		return "another drill is under way on this host"
	case len(d.theirs) > 0:
		return "this host measures for a drill of the partner's; wait until that has ended"
	}
	return ""
}

// refuse counts a drill that is not begun.
func (d *Desk) refuse(why string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[control.DrillRefused]++
	return &control.Refusal{Kind: control.KindDrill, Text: why}
}

// subject is an alias of the snapshot.
func (d *Desk) subject(a control.Alias) (Subject, error) {
	addr, err := netip.ParseAddr(a.Alias)
	nic, _, _ := strings.Cut(a.NIC, ":")
	return Subject{record.Alias{Addr: addr, NIC: nic}, a.NIC}, err
}

// play measures, moves the alias there and back, and records what came of it.
func (d *Desk) play(ctx context.Context, mine *own, drills bool, began time.Time) (control.Drill, error) {
	measured := mine.moves[:min(len(mine.moves), mostMeasured)]
	meters, stop := d.meters(ctx, measured)
	defer stop()
	if drills {
		d.sayAll(measured, peer.Drill{Number: mine.number, Stage: peer.DrillMeasure})
		defer d.sayAll(measured, peer.Drill{})
	}
	if why := d.ready(ctx, mine, measured, meters, drills); ctx.Err() != nil {
		return control.Drill{}, ending()
	} else if why != "" {
		return control.Drill{}, d.refuse(why)
	}
	d.recordAll(mine.moves, record.DrillBegun, record.Info, names(mine.moves)+" goes to the partner and comes back")
	wait(ctx, settle)
	failure, next := d.move(ctx, mine.moves)
	wait(ctx, after)
	ours := stop()
	is := control.Drill{At: began.Round(0), Text: failure, Next: next, BoundMS: Bound.Milliseconds()}
	theirs := map[netip.Addr]figures{}
	if drills {
		d.sayAll(measured, peer.Drill{Number: mine.number, Stage: peer.DrillEnds})
		theirs = d.awaitFigures(ctx, mine, measured)
	}
	for i, of := range mine.moves {
		one := control.Drilled{Alias: of.Addr.String()}
		f, told := theirs[of.Addr]
		switch {
		case i >= len(measured):
			one.PartnerWhy = fmt.Sprintf("only %d aliases of a group are measured", mostMeasured)
		case told:
			one.Partner = f.shown()
		case !drills:
			one.PartnerWhy = "its program is of an earlier version, which cannot measure"
		default:
			one.PartnerWhy = "it has not said what it measured"
		}
		if i < len(ours) {
			one.Us = ours[i].shown()
		}
		is.Aliases = append(is.Aliases, one)
	}
	judge(&is, ours, theirs, drills, len(measured))
	is.TookMS = time.Since(began).Milliseconds()
	d.mu.Lock()
	d.last = &is
	d.counts[is.Outcome]++
	d.mu.Unlock()
	level := rules.Info
	switch is.Outcome {
	case control.DrillFailed:
		level = rules.Error
	case control.DrillGap, control.DrillUnmeasured:
		level = rules.Warning
	}
	text := is.Text
	if is.Next != "" {
		text += "; " + is.Next
	}
	d.recordAll(mine.moves, record.DrillEnded, level, text)
	return is, nil
}

// meters begins to measure. stop ends that, and returns what came of it; it may be called
// twice.
func (d *Desk) meters(ctx context.Context, of []Subject) (all []*meter, stop func() []figures) {
	ctx, cancel := context.WithCancel(ctx)
	results := make([]figures, len(of))
	done := make(chan struct{}, len(of))
	for i, one := range of {
		m := newMeter(one.Addr, d.o.Ask)
		all = append(all, m)
		go func() {
			results[i] = m.run(ctx)
			done <- struct{}{}
		}()
	}
	over := false
	return all, func() []figures {
		cancel()
		for ; !over; over = true {
			for range of {
				<-done
			}
		}
		return results
	}
}

// ready waits until both hosts measure, and says why they do not.
func (d *Desk) ready(ctx context.Context, mine *own, measured []Subject, meters []*meter, drills bool) string {
	ctx, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	for i, m := range meters {
		select {
		case <-m.first:
		case <-ctx.Done():
			return fmt.Sprintf("this host gets no answer to its pings of %s, so it could not measure: does a firewall drop them?", measured[i].Addr)
		}
	}
	if !drills {
		return ""
	}
	missing := d.await(ctx, mine, measured, peer.DrillMeasures)
	if missing == nil {
		return ""
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch mine.says[missing.Addr].Stage {
	case peer.DrillExits:
		return fmt.Sprintf("exit_after = \"take\" in the partner's settings would end its Monitor once it has %s", missing.Addr)
	case peer.DrillOrdered:
		return fmt.Sprintf("an operator has just ordered something for %s on the partner", missing.Addr)
	}
	return fmt.Sprintf("the partner has not begun to measure within %s: does it get answers to pings of %s, or is a drill under way there?", firstAnswer, missing.Addr)
}

// await waits until the partner says that stage of all aliases, and returns one of which it
// has not. It does not wait for one that the partner will not measure.
func (d *Desk) await(ctx context.Context, mine *own, of []Subject, stage peer.DrillStage) *Subject {
	for {
		var missing *Subject
		never := false
		d.mu.Lock()
		for i := range of {
			says := mine.says[of[i].Addr].Stage
			if says != stage {
				missing = &of[i]
			}
			if never = stage == peer.DrillMeasures && (says == peer.DrillExits || says == peer.DrillOrdered); never {
				break
			}
		}
		d.mu.Unlock()
		if missing == nil || never {
			return missing
		}
		select {
		case <-mine.told:
		case <-ctx.Done():
			return missing
		}
	}
}

// awaitFigures waits for what the partner has measured.
func (d *Desk) awaitFigures(ctx context.Context, mine *own, measured []Subject) map[netip.Addr]figures {
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	d.await(ctx, mine, measured, peer.DrillMeasured)
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[netip.Addr]figures{}
	for alias, says := range mine.says {
		if says.Stage == peer.DrillMeasured {
			all[alias] = said(says)
		}
	}
	return all
}

func (d *Desk) sayAll(of []Subject, says peer.Drill) {
	for _, one := range of {
		d.o.Say(one.Addr, says)
	}
}

func (d *Desk) recordAll(of []Subject, kind record.Kind, level record.Level, text string) {
	for _, one := range of {
		d.record(one, kind, level, text)
	}
}

// names are the first few aliases, and how many more there are.
func names(of []Subject) string {
	const most = 4
	var all []string
	for _, one := range of[:min(len(of), most)] {
		all = append(all, one.Addr.String())
	}
	text := strings.Join(all, ", ")
	if more := len(of) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// wait waits, and tells whether ctx has not ended before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
