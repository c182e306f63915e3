// Package timeline tells who had an alias when: a lane for each host, drawn as SVG and told
// in words.
//
// Lanes come from the events of one host's log (Story), which also has what the partner
// said, or from code that watched the kernels of a lab. The drawing is the same for both:
// the page of a Monitor, a rehearsal and the benchmarks use it.
//
// The package refuses to guess. What no event tells is unknown, and is drawn so.
package timeline

import (
	"fmt"
	"slices"
	"time"
)

// State is how a host stands to an alias.
type State uint8

// The states.
const (
	Unknown State = iota // nothing tells
	Without              // it does not have the alias
	Holding              // it has the alias
)

// Span is a stretch of time in which a host's state did not change.
type Span struct {
	From  time.Time
	To    time.Time // zero: it lasts
	State State
}

// Lane is what one host was to an alias, oldest first. What lies between spans is unknown.
type Lane struct {
	Host  string
	Spans []Span
}

// Mark is a moment with a name, such as a fault.
type Mark struct {
	At   time.Time
	Text string
}

// Row is one alias with the lanes of its hosts.
type Row struct {
	Name  string
	Lanes []Lane
	Marks []Mark
}

// at is the lane's state at a moment.
func (l Lane) at(t time.Time) State {
	for _, s := range slices.Backward(l.Spans) {
		if !t.Before(s.From) && (s.To.IsZero() || t.Before(s.To)) {
			return s.State
		}
	}
	return Unknown
}

// Many is how many hosts had the alias in a stretch of time.
type Many uint8

// The numbers of holders.
const (
	NotKnown Many = iota // nobody is known to have had it, and of one host it is not known
	Nobody               // a gap
	One                  // as it should be
	Several              // a double
)

// Piece is a stretch of time in which the number of holders did not change.
type Piece struct {
	From, To time.Time
	Many     Many
	Hosts    []string // the holders
}

// Pieces cuts the time from one moment to another where the number of holders changes.
func (r Row) Pieces(from, to time.Time) (all []Piece) {
	cuts := []time.Time{from, to}
	for _, l := range r.Lanes {
		for _, s := range l.Spans {
			for _, t := range []time.Time{s.From, s.To} {
				if t.After(from) && t.Before(to) {
					cuts = append(cuts, t)
				}
			}
		}
	}
	slices.SortFunc(cuts, time.Time.Compare)
	for i := range len(cuts) - 1 {
		p := Piece{From: cuts[i], To: cuts[i+1]}
		if !p.From.Before(p.To) {
			continue
		}
		p.Many, p.Hosts = r.holders(p.From)
		if n := len(all); n > 0 && all[n-1].Many == p.Many && slices.Equal(all[n-1].Hosts, p.Hosts) {
			all[n-1].To = p.To
			continue
		}
		all = append(all, p)
	}
	return all
}

// holders is who had the alias at a moment.
func (r Row) holders(t time.Time) (Many, []string) {
	var hosts []string
	unknown := len(r.Lanes) == 0
	for _, l := range r.Lanes {
		switch l.at(t) {
		case Holding:
			hosts = append(hosts, l.Host)
		case Unknown:
			unknown = true
		}
	}
	switch {
	case len(hosts) > 1:
		return Several, hosts
	case len(hosts) == 1:
		return One, hosts
	case unknown:
		return NotKnown, nil
	}
	return Nobody, nil
}

// Words says who had it in a piece.
func (p Piece) Words() string {
	switch p.Many {
	case Nobody:
		return "nobody"
	case NotKnown:
		return "not known"
	case One:
		return p.Hosts[0]
	}
	return "both: " + joined(p.Hosts)
}

func joined(hosts []string) (text string) {
	for i, h := range hosts {
		if i > 0 {
			text += " and "
		}
		text += h
	}
	return text
}

// Lasting is a duration for people: "250 ms", "3.2 s", "4 min 05 s", "2 h 10 min", "3 d 4 h".
func Lasting(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

// Watched is the lane of a host that was watched from a moment on, so that nothing is unknown:
// it had the alias in these stretches, oldest first, and at no other time.
func Watched(host string, from time.Time, had []Span) Lane {
	l := Lane{Host: host}
	at := from
	for _, s := range had {
		if s.From.After(at) {
			l.Spans = append(l.Spans, Span{From: at, To: s.From, State: Without})
		}
		s.State = Holding
		l.Spans = append(l.Spans, s)
		if at = s.To; at.IsZero() {
			return l
		}
	}
	l.Spans = append(l.Spans, Span{From: at, State: Without})
	return l
}
