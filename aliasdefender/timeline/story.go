package timeline

import (
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// spansMost and marksMost are what is remembered of one alias: an alias that flaps must not
// take the memory of the others.
const (
	spansMost = 256
	marksMost = 64
)

// Story makes lanes out of the events of one host, in the order of its event log. The zero
// Story has heard nothing. It belongs to one goroutine at a time.
type Story struct {
	aliases map[record.Alias]*lanes
	run     record.Run
	last    time.Time // of the newest event of that run
	ended   bool      // that run has said so
	heard   bool      // what happened too often to be recorded is heard too in that run
}

// lanes is what is known of one alias.
type lanes struct {
	own, partner []Span
	marks        []Mark
}

// Put takes in an event.
func (s *Story) Put(e record.Event) {
	if s.aliases == nil {
		s.aliases = map[record.Alias]*lanes{}
	}
	if e.Run != s.run {
		if !s.ended { // it was killed, or the host crashed: what it did after its last event nobody knows
			s.forget(s.last)
		}
		s.run, s.ended, s.heard = e.Run, false, false
	}
	s.heard = s.heard || e.Seq == 0
	s.last = e.Time
	switch {
	case e.Kind == record.Ended:
		s.ended = true
		s.forget(e.Time)
	case e.Kind == record.Started:
		for _, l := range s.aliases {
			l.mark(e.Time, "Monitor started")
		}
	case e.Kind == record.Repeated:
		if e.Alias.Addr.IsValid() && !s.heard {
			s.of(e.Alias).counted(e)
		}
	case e.Alias.Addr.IsValid():
		s.of(e.Alias).put(e)
	case strings.HasPrefix(string(e.Kind), "drill"):
		for _, l := range s.aliases {
			l.mark(e.Time, e.Text)
		}
	}
}

// forget ends what is known: no Monitor looks any more.
func (s *Story) forget(at time.Time) {
	for _, l := range s.aliases {
		turn(&l.own, at, Unknown)
		turn(&l.partner, at, Unknown)
	}
}

func (s *Story) of(a record.Alias) *lanes {
	a.Addr = a.Addr.WithZone("")
	l := s.aliases[a]
	if l == nil {
		l = &lanes{}
		s.aliases[a] = l
	}
	return l
}

// Keep forgets aliases for which keep is false, as after a reload.
func (s *Story) Keep(keep func(record.Alias) bool) {
	for a := range s.aliases {
		if !keep(a) {
			delete(s.aliases, a)
		}
	}
}

// Row is what is known of an alias. The hosts get these names.
func (s *Story) Row(a record.Alias, name, own, partner string) Row {
	a.Addr = a.Addr.WithZone("")
	l := s.aliases[a]
	if l == nil {
		l = &lanes{}
	}
	return Row{Name: name, Lanes: []Lane{{own, slices.Clone(l.own)}, {partner, slices.Clone(l.partner)}}, Marks: slices.Clone(l.marks)}
}

// put takes in an event of this alias.
func (l *lanes) put(e record.Event) {
	switch e.Kind {
	case record.Moved:
		switch e.Decision.Action {
		case rules.Release.String(), rules.Forget.String():
			turn(&l.own, e.Time, Without)
		default: // taken, restored, found here
			turn(&l.own, e.Time, Holding)
		}
	case record.Decided:
		if now := stands(e.Decision); now != Unknown {
			turn(&l.own, e.Time, now)
		}
	case record.PartnerSays:
		turn(&l.partner, e.Time, said(e.Says))
		return
	case record.Ordered, record.HandoverEnded:
		l.mark(e.Time, e.Text)
	default:
		if strings.HasPrefix(string(e.Kind), "drill") {
			l.mark(e.Time, e.Text)
		}
	}
	l.wire(e)
}

// counted takes in that more has happened within the last minute than was recorded: where the
// alias was meanwhile, and is now, is not known.
func (l *lanes) counted(e record.Event) {
	spans := &l.own
	switch e.Counts() {
	case record.Moved, record.Decided:
	case record.PartnerSays:
		spans = &l.partner
	default:
		return
	}
	from := e.Time.Add(-time.Minute)
	if n := len(*spans); n > 0 && (*spans)[n-1].From.After(from) {
		from = (*spans)[n-1].From
	}
	turn(spans, from, Unknown)
}

// wire takes in what was known from the wire. The partner's word is newer where there is one:
// the wire counts from when it last changed, and never before what is known.
func (l *lanes) wire(e record.Event) {
	i := slices.IndexFunc(e.Facts, func(f record.Fact) bool { return f.Name == rules.FactAlias.String() })
	if i < 0 || e.Facts[i].Since.IsZero() {
		return
	}
	f := e.Facts[i]
	if n := len(l.partner); n > 0 && f.Since.Before(l.partner[n-1].From) {
		return
	}
	switch {
	case f.Value == "silent":
		turn(&l.partner, f.Since, Without)
	case f.Value == "answered" && f.By == "partner":
		turn(&l.partner, f.Since, Holding)
	}
}

func (l *lanes) mark(at time.Time, text string) {
	l.marks = append(l.marks, Mark{at, text})
	l.marks = l.marks[max(0, len(l.marks)-marksMost):]
}

// turn begins another state at a moment. Where a clock has stepped back, the newer event
// counts: what lies after it is cut off.
func turn(spans *[]Span, at time.Time, to State) {
	all := *spans
	for len(all) > 0 && all[len(all)-1].From.After(at) {
		all = all[:len(all)-1]
	}
	if n := len(all); n > 0 {
		last := &all[n-1]
		if last.State == to {
			last.To = time.Time{}
			*spans = all
			return
		}
		last.To = at
		if last.From.Equal(at) {
			all = all[:n-1]
		}
	}
	if n := len(all); n > 0 && all[n-1].State == to {
		all[n-1].To = time.Time{}
	} else {
		all = append(all, Span{From: at, State: to})
	}
	*spans = all[max(0, len(all)-spansMost):]
}

// stands tells on which side a decision stands that moves nothing.
func stands(d record.Decision) State {
	switch d.Action {
	case rules.Wait.String(), rules.Take.String(), rules.AskHandover.String():
		return Without
	case rules.Keep.String():
		if lost[d.Reason] {
			return Without
		}
	case "":
		return Unknown
	}
	return Holding
}

// lost are the reasons of a host that keeps, by its record, what its kernel does not have.
var lost = map[string]bool{rules.KernelLost.String(): true, rules.KeepsVanishing.String(): true}

// said is what the partner's word tells.
func said(says string) State {
	switch says {
	case rules.SaysHolding.String():
		return Holding
	case rules.SaysAble.String(), rules.SaysCannot.String(), rules.SaysParked.String(), rules.SaysReleased.String():
		return Without
	}
	return Unknown
}
