package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/logs"
	"alias-defender/aliasdefender/rehearse"
)

// printIntroduction says what is about to happen, and what is left alone.
func printIntroduction(w io.Writer, files string, o rehearse.Outline, retimed bool) {
	fmt.Fprintf(w, `Rehearsing %s in network namespaces on this machine: %s, %s, %s.
Each host runs this program's own Monitor. The real network, hooks, checks, the control socket, the state
directory, keys and syslog are not touched.

`, files, logs.Count(len(o.Aliases), "alias", "aliases"), logs.Count(o.Hosts, "host", "hosts"), logs.Count(o.Networks, "network", "networks"))
	for _, a := range o.Aliases {
		role := "not primary"
		if a.Primary {
			role = "primary"
		}
		partner := a.Partner
		if a.PartnerAddr != partner {
			partner += " " + a.PartnerAddr
		}
		fmt.Fprintf(w, "%s on %s: %s %s, %s; partner %s; router %s; probed every %s\n",
			a.Prefix, a.NIC, a.Host, a.Own, role, partner, a.Router, config.Tidy(a.Interval))
	}
	if o.Route != "" {
		fmt.Fprintf(w, "route %s: on a router of its own, with its next hops and a client\n", o.Route)
	}
	for _, n := range o.Notes {
		fmt.Fprintln(w, "note:", n)
	}
	if retimed {
		fmt.Fprintln(w, "note: --interval replaces the timeouts of the settings, and scales their other waits")
	}
	fmt.Fprintf(w, "It takes about %s. Ctrl-C ends it and leaves nothing behind.\n\n", about(o.Expected))
}

// printReport writes the table, and below it what was bad, with the Monitors' words
// at that time.
func printReport(w io.Writer, r *rehearse.Report) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "SCENARIO\tALIAS\tGAP\tBEFORE\tAFTER\tBOTH\tVERDICT")
	for _, s := range r.Steps {
		verdict := s.Verdict
		if !s.Good {
			verdict = "BAD: " + verdict
		}
		fmt.Fprintf(t, "%s\t%s\t%.0f ms\t%s\t%s\t%.0f ms\t%s\n", s.Step, subjectOf(s), s.GapMS, hosts(s.Before), hosts(s.After), s.BothMS, verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, s := range r.Steps {
		if s.Good {
			continue
		}
		fmt.Fprintf(w, "%s, %s: %s.", s.Step, subjectOf(s), s.Verdict)
		if s.Route == "" {
			fmt.Fprintf(w, " Promise %d is broken: %s.", s.Promise, rehearse.Promises[s.Promise])
		}
		fmt.Fprintln(w)
		for _, line := range s.Log {
			fmt.Fprintf(w, "    %s\n", line)
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, "note:", n)
	}
	var err error
	if n := r.Bad(); n > 0 {
		_, err = fmt.Fprintf(w, "%d of %d verdicts are bad.\n", n, len(r.Steps))
	} else {
		_, err = fmt.Fprintf(w, "All %d verdicts are good, in %.0f s.\n", len(r.Steps), r.Seconds)
	}
	return err
}

// subjectOf is what a step was about: an alias, or a route.
func subjectOf(s rehearse.Step) string {
	if s.Route != "" {
		return s.Route
	}
	return s.Alias.String()
}

// hosts lists hosts in a cell of the table.
func hosts(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(slices.Sorted(slices.Values(names)), " and ")
}

// about rounds an estimate to as much as it is good for.
func about(d time.Duration) string {
	switch {
	case d > 2*time.Minute:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	case d > 20*time.Second:
		return d.Round(5 * time.Second).String()
	}
	return d.Round(time.Second).String()
}

// progress says where a rehearsal is: on a terminal in one line that is rewritten,
// otherwise in one line for each step.
type progress struct {
	w        io.Writer
	terminal bool
	began    time.Time
	expected time.Duration

	mu    sync.Mutex
	step  string
	ended chan struct{}
	done  sync.WaitGroup
}

func newProgress(w io.Writer, expected time.Duration) *progress {
	p := &progress{w: logs.Raw(w), terminal: logs.IsTerminal(w), began: time.Now(), expected: expected, ended: make(chan struct{})}
	if p.terminal {
		p.done.Go(p.tick)
	}
	return p
}

// say begins a step.
func (p *progress) say(step string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step = step
	p.write()
}

func (p *progress) write() {
	elapsed := time.Since(p.began).Round(time.Second)
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s of about %s: %s", elapsed, about(p.expected), logs.OneLine(p.step))
		return
	}
	fmt.Fprintf(p.w, "%s: %s\n", elapsed, logs.OneLine(p.step))
}

// tick shows how the seconds pass.
func (p *progress) tick() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.mu.Lock()
			p.write()
			p.mu.Unlock()
		case <-p.ended:
			fmt.Fprint(p.w, "\r\x1b[K")
			return
		}
	}
}

func (p *progress) end() {
	close(p.ended)
	p.done.Wait()
}
