package main

import (
	"alias-defender/aliasdefender/config"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"
)

// rehearsalReport is what a rehearsal found, as --json prints it.
type rehearsalReport struct {
	Notes   []string   `json:"notes,omitempty"`
	Steps   []stepMade `json:"steps"`
	Seconds float64    `json:"seconds"` // that it took
	Good    bool       `json:"good"`    // every verdict is
}

// stepMade is a line of the table: one step, for one alias.
type stepMade struct {
	Scenario string     `json:"scenario"`
	Step     string     `json:"step"`
	Alias    netip.Addr `json:"alias"`
	Hit      []string   `json:"hit"` // hosts
	Before   []string   `json:"before"`
	After    []string   `json:"after"`
	ServedBy string     `json:"served_by"` // in the end; "": nobody
	GapMS    float64    `json:"gap_ms"`
	BothMS   float64    `json:"both_ms"`
	Control  float64    `json:"control_ms"` // the gap of the control client, or of our own asking
	Good     bool       `json:"good"`
	Promise  int        `json:"promise,omitempty"` // that was broken
	Verdict  string     `json:"verdict"`
	Log      []string   `json:"log,omitempty"` // of the Monitors, where the verdict is bad
}

func (r *rehearsalReport) add(rows ...stepMade) { r.Steps = append(r.Steps, rows...) }

// bad counts the verdicts that are not good.
func (r *rehearsalReport) bad() (n int) {
	for _, s := range r.Steps {
		if !s.Good {
			n++
		}
	}
	return n
}

// noisyRow is a bad verdict that this machine may have to answer for.
func noisyRow(rows []stepMade) *stepMade {
	for i, row := range rows {
		if !row.Good && row.Control >= millis(noisyGap) {
			return &rows[i]
		}
	}
	return nil
}

// end sums up.
func (r *rehearsalReport) end(began time.Time) {
	r.Seconds = time.Since(began).Round(time.Millisecond).Seconds()
	r.Good = r.bad() == 0
}

func (r *rehearsalReport) printJSON(w io.Writer) error {
	for i := range r.Steps {
		s := &r.Steps[i] // nobody is an empty list, and not null
		s.Hit, s.Before, s.After = append([]string{}, s.Hit...), append([]string{}, s.Before...), append([]string{}, s.After...)
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(r)
}

// print writes the table and, below it, what was bad and what the Monitors said
// meanwhile.
func (r *rehearsalReport) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "SCENARIO\tALIAS\tGAP\tBEFORE\tAFTER\tBOTH\tVERDICT")
	for _, s := range r.Steps {
		verdict := s.Verdict
		if !s.Good {
			verdict = "BAD: " + verdict
		}
		fmt.Fprintf(t, "%s\t%s\t%.0f ms\t%s\t%s\t%.0f ms\t%s\n", s.Step, s.Alias, s.GapMS, and(s.Before), and(s.After), s.BothMS, verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, s := range r.Steps {
		if s.Good {
			continue
		}
		fmt.Fprintf(w, "%s, %s: %s. Promise %d is broken: %s.\n", s.Step, s.Alias, s.Verdict, s.Promise, promises[s.Promise])
		for _, line := range s.Log {
			fmt.Fprintf(w, "    %s\n", line)
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, "note:", n)
	}
	var err error
	if n := r.bad(); n > 0 {
		_, err = fmt.Fprintf(w, "%d of %d verdicts are bad.\n", n, len(r.Steps))
	} else {
		_, err = fmt.Fprintf(w, "All %d verdicts are good, in %.0f s.\n", len(r.Steps), r.Seconds)
	}
	return err
}

// millis is a duration as a number of milliseconds, to the tenth.
func millis(d time.Duration) float64 { return float64(d.Round(100*time.Microsecond)) / 1e6 }

// printIntroduction says what is about to happen, and what is not.
func printIntroduction(w io.Writer, files string, p *plan, interval bool, expected time.Duration) {
	hosts := 0
	for _, m := range p.Machines {
		if len(m.Aliases) > 0 {
			hosts++
		}
	}
	fmt.Fprintf(w, `Rehearsing %s in network namespaces on this machine: %s, %s, %s.
Each host runs this program's own Monitor. The real network, hooks, checks, the control socket, the state
directory, keys and syslog are not touched.

`, files, count(len(p.Parts), "alias", "aliases"), count(hosts, "host", "hosts"), count(len(p.Networks), "network", "networks"))
	for _, a := range p.Parts {
		printPart(w, p, a)
	}
	for _, n := range p.Notes {
		fmt.Fprintln(w, "note:", n)
	}
	if interval {
		fmt.Fprintln(w, "note: with --interval the timeouts of the settings are not used, and their waits are scaled")
	}
	fmt.Fprintf(w, "It takes about %s. Ctrl-C ends it and leaves nothing behind.\n\n", about(expected))
}

func printPart(w io.Writer, p *plan, a part) {
	role := "not primary"
	if a.Primary {
		role = "primary"
	}
	own := ""
	for _, m := range p.Machines {
		for _, theirs := range m.Aliases {
			if m.Name == a.Partner && theirs.Addr == a.Addr {
				own = theirs.Partner.Name
			}
		}
	}
	partner := a.Partner
	if addr := a.Alias.Partner.Name; addr != partner {
		partner += " " + addr
	}
	fmt.Fprintf(w, "%s on %s: %s %s, %s; partner %s; router %s; asked each %s\n",
		a.Prefix, a.NIC, a.Host, own, role, partner, a.Control, config.Tidy(a.Interval))
}

// about rounds an estimate to what can be relied on.
func about(d time.Duration) string {
	switch {
	case d > 2*time.Minute:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	case d > 20*time.Second:
		return d.Round(5 * time.Second).String()
	}
	return d.Round(time.Second).String()
}
