package rehearse

import (
	"fmt"
	"net/netip"
	"time"

	"alias-defender/aliasdefender/timeline"
)

// Report is what a rehearsal found. Its JSON form is kept from version to version.
type Report struct {
	Notes   []string `json:"notes,omitempty"`
	Steps   []Step   `json:"steps"`
	Seconds float64  `json:"seconds"` // that it took
	Good    bool     `json:"good"`    // every verdict is

	Timeline timeline.Chart `json:"-"` // who had each alias when
}

// Step is what one step of a scenario did to one alias, or to one route.
type Step struct {
	Scenario string     `json:"scenario"`
	Step     string     `json:"step"`
	Alias    netip.Addr `json:"alias"`
	Route    string     `json:"route,omitempty"` // instead of an alias
	Hit      []string   `json:"hit"`             // hosts
	Before   []string   `json:"before"`
	After    []string   `json:"after"`
	ServedBy string     `json:"served_by"` // in the end; "": nobody
	GapMS    float64    `json:"gap_ms"`
	BothMS   float64    `json:"both_ms"`
	Control  float64    `json:"control_ms"` // the gap of the control client, or of our own asking
	Late     float64    `json:"late_ms"`    // how long the machine kept a Monitor waiting for a processor: the one that waited longest
	Good     bool       `json:"good"`
	Promise  int        `json:"promise,omitempty"` // that was broken
	Verdict  string     `json:"verdict"`
	Log      []string   `json:"log,omitempty"` // of the Monitors, where the verdict is bad

	excused bool // good only because the machine kept the Monitors waiting
}

// add adds steps. In them an empty list, not nil, means nobody: JSON tells the two apart.
func (r *Report) add(rows ...Step) {
	for _, s := range rows {
		s.Hit, s.Before, s.After = append([]string{}, s.Hit...), append([]string{}, s.Before...), append([]string{}, s.After...)
		r.Steps = append(r.Steps, s)
	}
}

// Bad counts the verdicts that are not good.
func (r *Report) Bad() (n int) {
	for _, s := range r.Steps {
		if !s.Good {
			n++
		}
	}
	return n
}

// noisyRow is a bad verdict for which this machine may be to blame, or one that is good only
// because it is.
func noisyRow(rows []Step) *Step {
	for i, row := range rows {
		if row.excused || !row.Good && max(row.Control, row.Late) >= millis(noisyGap) {
			return &rows[i]
		}
	}
	return nil
}

// noise says what the machine did meanwhile.
func (s *Step) noise() string {
	if s.Control >= millis(noisyGap) {
		return fmt.Sprintf("a control client, which asks an address that never moves, had a gap of %.0f ms too", s.Control)
	}
	return fmt.Sprintf("this machine kept the Monitors waiting for %.0f ms", s.Late)
}

// end sums up.
func (r *Report) end(began time.Time) {
	r.Seconds = time.Since(began).Round(time.Millisecond).Seconds()
	r.Good = r.Bad() == 0
}

// millis is a duration as a number of milliseconds, to the tenth.
func millis(d time.Duration) float64 { return float64(d.Round(100*time.Microsecond)) / 1e6 }
