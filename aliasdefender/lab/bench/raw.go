package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The programs, as they are called in the file of single runs.
const (
	keepalived = "keepalived"
	ours       = "aliasdefender"
)

// Raw is everything measured so far, without what a later session has measured again.
type Raw struct {
	Sessions []Session
	Groups   []Group
}

// Session is one invocation: which programs ran, where and when.
type Session struct {
	At            time.Time // when it began; groups name their session by it
	Seed          uint64
	Noise         float64 // ms that the control client may go without an answer
	CPU           string
	Cores         int
	Kernel        string
	Go            string // that Alias Defender was built with
	Keepalived    string // version
	AliasDefender string // version
}

// Group is a story at one rhythm and number of aliases: what is compared.
type Group struct {
	Story   string
	Rate    string // interval between two advertisements or questions, or "default"
	Aliases int
	Session time.Time
	Runs    []Run
}

// Run is one program in one lab.
type Run struct {
	Program string
	Variant string // "": there is but one
	Number  int    // from 1; run n of one program was played next to run n of the other
	At      time.Time
	Repeats []string           // why earlier attempts at this run were discarded
	Failed  string             // why the last attempt does not count either; "": it counts
	Values  map[string]float64 // what was measured; the name ends with the unit. The values of a failed run are in no figure
	Open    []string           // names of values that are "at least": the measured state had not ended
	Had     []Had              `json:",omitempty"` // who had the alias when; only of runs that are drawn
}

// value returns a value by its name. A value that is "at least" counts as long as we
// watched.
func (r Run) value(name string) (v float64, open, ok bool) {
	v, ok = r.Values[name]
	return v, slices.Contains(r.Open, name), ok
}

// session returns a session by its beginning.
func (r *Raw) session(at time.Time) (Session, bool) {
	i := slices.IndexFunc(r.Sessions, func(s Session) bool { return s.At.Equal(at) })
	if i < 0 {
		return Session{}, false
	}
	return r.Sessions[i], true
}

// group returns a group, or nil if it was never measured.
func (r *Raw) group(story, rate string, aliases int) *Group {
	i := slices.IndexFunc(r.Groups, func(g Group) bool {
		return g.Story == story && g.Rate == rate && g.Aliases == aliases
	})
	if i < 0 {
		return nil
	}
	return &r.Groups[i]
}

// merge replaces the same group of an earlier session, and drops sessions that have
// no groups left.
func (r *Raw) merge(s Session, g Group) {
	if _, ok := r.session(s.At); !ok {
		r.Sessions = append(r.Sessions, s)
	}
	if old := r.group(g.Story, g.Rate, g.Aliases); old != nil {
		*old = g
	} else {
		r.Groups = append(r.Groups, g)
	}
	r.Sessions = slices.DeleteFunc(r.Sessions, func(s Session) bool {
		return !slices.ContainsFunc(r.Groups, func(g Group) bool { return g.Session.Equal(s.At) })
	})
}

// parseRaw reads what save has written; name is for the error.
func parseRaw(b []byte, name string) (*Raw, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	r := &Raw{}
	if err := d.Decode(r); err != nil {
		return nil, fmt.Errorf("%s: not a file of single runs: %w; name another one with -raw", name, err)
	}
	for _, g := range r.Groups {
		if _, ok := r.session(g.Session); !ok {
			return nil, fmt.Errorf("%s: %s at %s is of the session of %s, which is not there; name another file with -raw",
				name, g.Story, g.Rate, g.Session.Format(time.RFC3339))
		}
	}
	return r, nil
}

// load reads the file of single runs. If there is no file it returns an empty one.
func load(name string) (*Raw, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return &Raw{}, nil
	}
	if err != nil {
		return nil, err
	}
	return parseRaw(b, name)
}

// save writes the whole file of single runs, or nothing.
func (r *Raw) save(name string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return writeFile(name, append(b, '\n'))
}

// writeFile replaces a file in one step, and makes its directory.
func writeFile(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name+".new", b, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
