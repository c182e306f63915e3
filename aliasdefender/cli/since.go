package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/daemon"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
)

// sinceMost is how many events Why --since shows at most, the newest: they take some tens of
// megabytes, however large the event log is.
const sinceMost = 10000

// sinceForms says how a time can be written.
const sinceForms = `write for how long ('2h', '3d'), a time of today ('05:00'), or a date with or without a time ('2026-11-28 05:00')`

// sinceLayouts are the forms of a date, with and without a time.
var sinceLayouts = []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339Nano}

// sinceTime reads the value of --since.
func sinceTime(text string, now time.Time) (time.Time, error) {
	if n, err := strconv.ParseUint(strings.TrimSuffix(text, "d"), 10, 16); err == nil && n > 0 && strings.HasSuffix(text, "d") {
		return now.AddDate(0, 0, -int(n)), nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		if d <= 0 {
			return time.Time{}, fmt.Errorf("--since %q is not in the past; %s", text, sinceForms)
		}
		return now.Add(-d), nil
	}
	for _, layout := range []string{"15:04", time.TimeOnly} {
		if _, err := time.Parse(layout, text); err != nil {
			continue
		}
		day := now.Format(time.DateOnly)
		t, err := time.ParseInLocation(time.DateOnly+" "+layout, day+" "+text, now.Location())
		if err == nil && t.After(now) {
			return time.Time{}, fmt.Errorf("--since %q: today it is not yet that late; for yesterday write '%s %s'", text, now.AddDate(0, 0, -1).Format(time.DateOnly), text)
		}
		return t, err
	}
	for _, layout := range sinceLayouts {
		t, err := time.ParseInLocation(layout, text, now.Location())
		if err == nil && t.After(now) {
			return time.Time{}, fmt.Errorf("--since %q is in the future; %s", text, sinceForms)
		} else if err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since %q is not a time; %s", text, sinceForms)
}

// story is what Why --since found in the event log. Its JSON form does not change from
// version to version.
type story struct {
	Since   time.Time      `json:"since"`
	Dir     string         `json:"dir"`      // where the event log is
	Begins  time.Time      `json:"begins"`   // the oldest event that the log still has
	Whole   bool           `json:"whole"`    // the log goes back as far as was asked for
	LeftOut int            `json:"left_out"` // earlier events that were asked for, and are not shown
	Skipped int            `json:"skipped"`  // lines of the log that could not be read
	Events  []record.Event `json:"events"`

	cut   map[int]bool // the event at this place is the first of a run, and the run before has no end
	named bool         // the alias or route that was asked for has events in the log
}

// subject is what Why --since was asked about; zero: everything.
type subject struct {
	addr   netip.Addr
	prefix netip.Prefix
}

func (s subject) all() bool { return !s.addr.IsValid() && !s.prefix.IsValid() }

// names tells whether the event is about it. A link-local alias may be named without its NIC.
func (s subject) names(e record.Event) bool {
	if s.prefix.IsValid() {
		route, _, _ := strings.Cut(e.Route, " ")
		return route == s.prefix.String()
	}
	id := host.Zoned(e.Alias.Addr, e.Alias.NIC)
	return s.addr.IsValid() && (id == s.addr || s.addr.Zone() == "" && id.WithZone("") == s.addr)
}

// wants tells whether the event belongs to its story: what is about it, and what is about
// the Monitor as a whole.
func (s subject) wants(e record.Event) bool {
	return s.all() || s.names(e) || !e.Alias.Addr.IsValid() && e.Route == ""
}

// readStory reads the event log. The order of events is that of the log: from the first line
// of a run that is not too old everything counts, so that a clock that steps back hides
// nothing.
func readStory(dir string, since time.Time, of subject, most int) (story, error) {
	s := story{Since: since, Dir: dir, Events: []record.Event{}, cut: map[int]bool{}}
	var run record.Run // of the line before
	begun, ended := false, true
	n := 0 // how many of the story there were
	skipped, err := record.Scan(dir, math.MaxInt64, func(e record.Event) {
		if s.Begins.IsZero() {
			s.Begins = e.Time
		}
		first := e.Run != run
		cut := first && !ended
		if first {
			run, begun = e.Run, false
		}
		ended = e.Kind == record.Ended
		begun = begun || !e.Time.Before(since)
		s.Whole = s.Whole || e.Time.Before(since)
		s.named = s.named || of.names(e)
		if !begun || !of.wants(e) {
			return
		}
		if cut {
			s.cut[n] = true
		}
		if n++; len(s.Events) >= 2*most {
			s.Events = append(s.Events[:0], s.Events[len(s.Events)-most:]...)
		}
		s.Events = append(s.Events, e)
	})
	s.Events = s.Events[max(0, len(s.Events)-most):]
	s.LeftOut, s.Skipped = n-len(s.Events), skipped.Lines+skipped.Long
	return s, err
}

// since is Why --since: it reads the event log, whether a Monitor runs or not.
func (a *app) since(c *cobra.Command, text string, of subject, last int, asJSON bool) error {
	now := time.Now()
	from, err := sinceTime(text, now)
	if err != nil {
		return usagef("%v; try '%s --since 2h'", err, c.CommandPath())
	}
	most := sinceMost
	if c.Flags().Changed("last") {
		if most = last; most > sinceMost {
			return usagef("--last %d is too large: with --since at most %d", last, sinceMost)
		}
	}
	_, dir, err := a.paths()
	if err != nil {
		return err
	}
	s, err := readStory(dir, from, of, most)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return unreadable(dir, err)
	case err == nil && s.Begins.IsZero():
		return fmt.Errorf("there is no event log in %s: has a Monitor run with this [state] dir, and with [events] size above 0?", dir)
	case !s.named && !of.all():
		if wrong := a.unknown(of); wrong != nil {
			return wrong
		}
	}
	if asJSON {
		out := json.NewEncoder(a.stdout)
		out.SetIndent("", "  ")
		return errors.Join(out.Encode(s), err)
	}
	printStory(a.stdout, now, s)
	return err
}

// unreadable is the error about an event log that this user may not read: one line, not one
// for each of its files.
func unreadable(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the event log in %s cannot be read: %w; run as root", dir, fs.ErrPermission)
	}
	return err
}

// unknown is the error about an alias or route of which neither the event log nor the file
// knows.
func (a *app) unknown(of subject) error {
	cfg, err := a.load()
	if err != nil {
		return nil // Check reports the mistakes
	}
	if of.prefix.IsValid() {
		var known []string
		for _, r := range cfg.Routes {
			if r.Prefix == of.prefix {
				return nil
			}
			known = append(known, r.Name())
		}
		return fmt.Errorf("the event log has nothing about %s, which is no route of %s either; that has %s", of.prefix, a.settings, daemon.Listed(known, "none"))
	}
	var known []string
	for _, al := range cfg.Aliases {
		known = append(known, host.Zoned(al.Addr, al.NIC).String())
	}
	if _, err = daemon.Which(of.addr, a.aliases, known); err != nil {
		return fmt.Errorf("the event log has nothing about it: %w", err)
	}
	return nil
}

// printStory prints one event a line, in the order of the log, and what was known below a
// decision.
func printStory(w io.Writer, now time.Time, s story) {
	fmt.Fprintf(w, "since %s, from the event log in %s\n", clock(s.Since, now), s.Dir)
	if !s.Whole && !s.Begins.IsZero() {
		fmt.Fprintf(w, "note: the event log does not go back that far: it begins at %s\n", clock(s.Begins, now))
	}
	if s.Skipped > 0 {
		fmt.Fprintf(w, "note: %d lines of the event log cannot be read, and are skipped\n", s.Skipped)
	}
	if s.LeftOut > 0 {
		fmt.Fprintf(w, "note: %d earlier events are not shown\n", s.LeftOut)
	}
	if len(s.Events) == 0 {
		fmt.Fprintln(w, "nothing has happened")
	}
	wide := 0
	for _, e := range s.Events {
		wide = max(wide, len(aboutOf(e)))
	}
	for i, e := range s.Events {
		if s.cut[i+s.LeftOut] {
			fmt.Fprintln(w, "-- the Monitor before this ended without a word: it was killed, or the host crashed")
		}
		said, facts := tellEvent(e)
		fmt.Fprintf(w, "%s  %-*s  %s\n", clock(e.Time, now), wide, aboutOf(e), said)
		if facts != "" {
			fmt.Fprintf(w, "    %s\n", facts)
		}
	}
}

// aboutOf is what an event is about, in a column.
func aboutOf(e record.Event) string {
	switch {
	case e.Route != "":
		return e.Route
	case e.Alias.Addr.IsValid():
		return host.Zoned(e.Alias.Addr, e.Alias.NIC).String()
	}
	return "-"
}

// tellEvent is an event as a sentence, and what was known then.
func tellEvent(e record.Event) (said, facts string) {
	entry := defender.Journal([]record.Event{e})[0]
	switch e.Kind {
	case record.Decided, record.Moved, record.HandoverBegun, record.HandoverEnded, record.PairMisfit:
		if said, facts = tellAlias(entry); e.Kind == record.Decided && e.Text == "" {
			facts = "" // nor has the log a line about it: all is well, or nothing is known yet
		}
		return said, facts
	case record.RouteDecided, record.RouteMoved, record.RouteVanished:
		return tellRoute(entry)
	case record.Started:
		return "the Monitor started, " + e.Text, ""
	case record.Ended:
		return "the Monitor ended", ""
	case record.Reloaded:
		if e.Text == "" {
			return "the files were read again", ""
		}
		return "the files were read again: " + e.Text, ""
	}
	if said = e.Text; said == "" {
		said = string(e.Kind) // of a later Monitor
	}
	if e.Check != "" && !strings.Contains(said, e.Check) {
		said = "check " + e.Check + ": " + said
	}
	if e.Partner != "" && !e.Alias.Addr.IsValid() {
		said += " (partner " + e.Partner + ")"
	}
	if e.Error != "" {
		said += ": " + e.Error
	}
	return said, ""
}

// tellAlias is a decision about an alias as a sentence, and what was known then.
func tellAlias(e control.Entry) (said, facts string) {
	row := ""
	if e.Row != "" && e.Row != "pair" && e.Row != "drill" { // no row decides to adopt, finds that a pair does not fit, or orders a drill
		row = " (" + e.Row + ")"
	}
	if e.Action != "recovery" && e.Row != "drill" { // no rule has decided
		facts = factLine(e)
	}
	return fmt.Sprintf("%s%s: %s.", pastOf(e), row, e.Why), facts
}

// tellRoute is the same of a route.
func tellRoute(e control.Entry) (said, facts string) {
	row, did := "", routeDeeds[e.Action]
	if e.Row != "" {
		row = " (" + e.Row + ")"
	}
	if did == "" {
		did = e.Action // from a later Monitor, or of one that observed
	}
	if e.Action == "" {
		did = "found it changed"
	}
	all := make([]string, len(e.Facts))
	for i, f := range e.Facts {
		all[i] = answerOf(f.Name, f, e.At)
	}
	return fmt.Sprintf("%s%s: %s.", did, row, e.Why), strings.Join(all, ", ")
}
