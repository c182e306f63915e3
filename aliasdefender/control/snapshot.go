// Package control is the daemon's door for commands: HTTP and JSON on a unix
// socket that only root may open, the client that the verbs use, and the
// snapshot that the two exchange.
//
// It refuses to decide: it passes orders to the loop and shows what the loop
// says. A slow or silent client costs the loop nothing.
package control

import (
	"bufio"
	"encoding/json"
	"io"
	"time"

	"alias-defender/aliasdefender/count"
)

// Snapshot is what the daemon knows at one moment. Names and values of its
// JSON form are kept from version to version.
type Snapshot struct {
	Version  string    `json:"version"`
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	Now      time.Time `json:"now"`
	Problems []string  `json:"problems,omitempty"` // of the daemon as a whole

	Maintenance bool `json:"maintenance,omitempty"` // this host stays out of all aliases
	Observing   bool `json:"observing,omitempty"`   // this Monitor says what it would do, and does nothing

	Channel *Channel `json:"channel,omitempty"` // to the partners' daemons; nil: none

	Checks []Check `json:"checks,omitempty"` // of the services behind the aliases

	Routes []Route `json:"routes,omitempty"` // that this host keeps as a router

	Drill *Drill `json:"drill,omitempty"` // the last one since the Monitor's start; nil: there was none

	Counts Counts `json:"-"` // for the metrics

	Aliases []Alias `json:"aliases"`
}

// Counts are what the loop has counted since its start.
type Counts struct {
	Lag    count.Histogram            // by how much the loop woke later than it meant to
	Trips  map[string]count.Histogram // from a question to its answer, by medium: icmp, arp
	Probes []Probes
	Drills map[string]uint64 // drills of this host, by their outcome
}

// Probes are the questions put to one address.
type Probes struct {
	Addr, NIC string
	Sent      uint64
	Lost      uint64 // of them, in vain; none are counted for an alias that this host has
}

// Route is one route as the daemon sees it.
//
// fields: each is a name of the JSON form.
type Route struct {
	Route  string `json:"route"` // as events name it: the prefix, with table and metric where they are set
	Prefix string `json:"prefix"`
	Table  int    `json:"table"`
	Metric int    `json:"metric"`
	Mode   string `json:"mode"` // first, spread
	Kept   string `json:"kept"` // in the kernel: yes, no, unknown; hooks: nothing is installed
	Via    []Via  `json:"via"`  // where it leads
	Hops   []Hop  `json:"hops"` // where it may lead, in order of preference
	Check  string `json:"check,omitempty"`

	Row    string    `json:"row"`
	Action string    `json:"action"`
	Reason string    `json:"reason"`
	Why    string    `json:"why"`             // the reason as a sentence
	Since  time.Time `json:"since"`           // of this decision
	Level  string    `json:"level,omitempty"` // warning, error or alarm; empty: all well

	Hooks   []Hook  `json:"hooks,omitempty"`   // the last run of each hook since the Monitor's start
	Journal []Entry `json:"journal,omitempty"` // what was decided, oldest first; only where asked for
}

// Via is a next hop that a route leads to.
type Via struct {
	Hop    string `json:"hop"`
	Weight int    `json:"weight"`
}

// Hop is a next hop that is set for a route.
type Hop struct {
	Hop    string    `json:"hop"`
	NIC    string    `json:"nic,omitempty"`  // by which it is reached; empty: by none
	Answer string    `json:"answer"`         // answered, silent, unknown; of a check good, failing, unknown
	Link   string    `json:"link"`           // up, down, unknown
	Lives  string    `json:"lives"`          // what the rules make of both: yes, no, unknown
	Why    string    `json:"why,omitempty"`  // why it is not answered
	Since  time.Time `json:"since,omitzero"` // of the answer
	Asked  time.Time `json:"asked,omitzero"` // when it was last asked

	Sent, Lost uint64 `json:"-"` // questions to it, and those of them in vain, for the metrics; a check counts its own
}

// Check is a question to a service on this host.
type Check struct {
	Name   string    `json:"name"`
	Kind   string    `json:"kind"`             // http, tcp, command, process, link
	State  string    `json:"state"`            // good, failing, unknown
	Since  time.Time `json:"since"`            // of the state
	Why    string    `json:"why"`              // what the last answer was, or why there is none
	Output string    `json:"output,omitempty"` // the end of what a command has written
	Asked  time.Time `json:"asked,omitzero"`   // when the last question was put that had an answer
	Late   uint64    `json:"late,omitempty"`   // questions that could not be put in their turn
	Level  string    `json:"level,omitempty"`  // warning; empty: all well, or not asked for a good reason
}

// Write writes the snapshot as JSON, one alias or route to a line. Encoding a thousand of
// them as a whole would take some megabytes, which the daemon would then keep.
func (s Snapshot) Write(to io.Writer) error {
	routes, aliases := s.Routes, s.Aliases
	s.Routes, s.Aliases = nil, []Alias{}
	frame, err := json.Marshal(s) // Routes and Aliases stand last in it
	if err != nil {
		return err
	}
	w := bufio.NewWriter(to)
	w.Write(frame[:len(frame)-len(`"aliases":[]}`)])
	if len(routes) > 0 {
		w.WriteString(`"routes":[`)
		if err := writeLines(w, routes); err != nil {
			return err
		}
		w.WriteString(`],`)
	}
	w.WriteString(`"aliases":[`)
	if err := writeLines(w, aliases); err != nil {
		return err
	}
	w.WriteString("]}\n")
	return w.Flush() // Flush returns the first error of all writes
}

// writeLines writes the elements of a list, one to a line.
func writeLines[T any](w *bufio.Writer, all []T) error {
	out := json.NewEncoder(w)
	for i := range all {
		if i > 0 {
			w.WriteByte(',')
		}
		if err := out.Encode(&all[i]); err != nil {
			return err
		}
	}
	return nil
}

// Alias is one alias as the daemon sees it.
//
// fields: each is a name of the JSON form.
type Alias struct {
	Alias   string `json:"alias"` // the address
	Prefix  int    `json:"prefix"`
	NIC     string `json:"nic"`              // with label, as in the file
	Role    string `json:"role"`             // primary, secondary; shared: on a loopback interface, on many hosts at once
	Parked  bool   `json:"parked,omitempty"` // an operator took it off this host
	Holder  string `json:"holder"`           // us, partner, a hardware address, nobody, unknown; of a shared one us or -
	Partner Peer   `json:"partner"`
	Router  Peer   `json:"router"`

	Row    string    `json:"row"`
	Action string    `json:"action"`
	Reason string    `json:"reason"`
	Why    string    `json:"why"`             // the reason as a sentence
	Since  time.Time `json:"since"`           // of this decision
	Level  string    `json:"level,omitempty"` // warning, error or alarm; empty: all well
	Facts  []Fact    `json:"facts"`

	Checks   []string `json:"checks,omitempty"`    // the names of the checks of its service
	Pair     []string `json:"pair,omitempty"`      // what in the two hosts' files does not fit
	Standby  *Standby `json:"standby,omitempty"`   // whether another host would take it
	Group    *Group   `json:"group,omitempty"`     // that it is in; nil: none
	Says     *Says    `json:"says,omitempty"`      // the partner's view; only where there is a channel
	Handover string   `json:"hand_over,omitempty"` // where an open one stands

	Verified string `json:"verified,omitempty"` // whether the router answered it, or a ping from it, after the last take here: yes, no; empty: it was not asked, or could not be

	Recovery *Recovery `json:"recovery,omitempty"` // of the partner's service; nil: there is none

	Hooks []Hook `json:"hooks,omitempty"` // the last run of each hook since the Monitor's start

	Announcements uint64 `json:"-"` // since the start, for the metrics

	Journal []Entry `json:"journal,omitempty"` // transitions, oldest first; only where asked for
}

// Group is the group of an alias.
type Group struct {
	Name    string `json:"name"`
	Leads   string `json:"leads"`   // the first member: where both hosts could have all, the others go to it
	Here    string `json:"here"`    // this host has, or could have, every member: yes, no, unknown
	Partner string `json:"partner"` // the same of the partner

	Missing        string `json:"missing,omitempty"`         // the members that this host could not have, and why
	PartnerMissing string `json:"partner_missing,omitempty"` // and those that the partner says it could not
}

// Hook is the last run of one of the administrator's programs.
type Hook struct {
	Hook   string    `json:"hook"` // "take"
	At     time.Time `json:"at"`   // when it ended
	TookMS int64     `json:"took_ms"`
	Result string    `json:"result"`          // ran, failed, skipped
	Error  string    `json:"error,omitempty"` // why it failed, or was skipped
}

// Recovery is how far the recovery of the partner's service behind an alias has come.
type Recovery struct {
	Check  string    `json:"check"` // that asks the service, from here
	Step   string    `json:"step"`  // idle, process, restart, settle, check, fence
	Since  time.Time `json:"since,omitzero"`
	Begun  int       `json:"begun"`            // within the last hour
	Budget int       `json:"budget"`           // so many may
	Fenced time.Time `json:"fenced,omitzero"`  // since when the partner is
	Held   string    `json:"held,omitempty"`   // why nothing begins although the service is failing
	Last   string    `json:"last,omitempty"`   // how the last one of this Monitor has ended; an alarm until something has helped
	LastAt time.Time `json:"last_at,omitzero"` // and when
	Level  string    `json:"level,omitempty"`  // warning or alarm; empty: all well
}

// Channel is the channel to the partners' daemons.
type Channel struct {
	Partners []ChannelPartner `json:"partners"`
	Foreign  uint64           `json:"foreign,omitempty"` // packets dropped that came from no partner
	Refused  uint64           `json:"refused,omitempty"` // and those that the system dropped for us
}

// ChannelPartner is one end of the channel.
type ChannelPartner struct {
	Partner string            `json:"partner"`
	Paths   []ChannelPath     `json:"paths"`
	Dropped map[string]uint64 `json:"dropped,omitempty"` // packets in its name, by why they were
}

// ChannelPath is one way to a partner.
type ChannelPath struct {
	Addr  string    `json:"addr"`
	Heard time.Time `json:"heard,omitzero"` // when something came this way last
	Error string    `json:"error,omitempty"`
}

// Says is what the partner's daemon says over the channel.
type Says struct {
	Daemon  string    `json:"daemon"` // heard, fallen silent, not heard yet, not heard since our start
	Version string    `json:"version,omitempty"`
	Drills  bool      `json:"drills,omitempty"` // it can measure for a drill of ours
	At      time.Time `json:"at,omitzero"`      // of what follows
	HW      string    `json:"hw,omitempty"`     // of its NIC for the alias
	Role    string    `json:"role,omitempty"`
	State   string    `json:"state,omitempty"` // how it stands to the alias
	Why     string    `json:"why,omitempty"`   // the reason of that
}

// Standby says whether, as far as is known, another host would take the alias if its
// holder failed now. That other host is this one or, if this host holds the alias, the
// partner.
type Standby struct {
	Host   string    `json:"host"`             // us, partner
	Ready  string    `json:"ready"`            // yes, no, unknown
	Since  time.Time `json:"since,omitzero"`   // of that
	Row    string    `json:"row,omitempty"`    // of ours: the row that says so
	Reason string    `json:"reason,omitempty"` // why it is not ready, or not known to be
	Why    string    `json:"why,omitempty"`    // the reason as a sentence
	Level  string    `json:"level,omitempty"`  // warning; empty: all well, too early to tell, or an operator's own doing

	HandOver    string `json:"hand_over,omitempty"` // a planned one would work now: yes, no, unknown; only where there is a channel
	HandOverWhy string `json:"hand_over_why,omitempty"`
}

// Problem tells whether somebody must look at it. A nil Standby, from an older Monitor,
// is no problem.
func (s *Standby) Problem() bool { return s != nil && (s.Ready == "no" || s.Level != "") }

// Outcome is the result of an order for one alias.
type Outcome struct {
	Alias string `json:"alias"`
	Done  bool   `json:"done"`
	Text  string `json:"text"`           // what happened, or why not
	Next  string `json:"next,omitempty"` // what will happen if nothing else does

	// NotRemembered says why a restart will not know of the order; empty if it will know.
	NotRemembered string `json:"not_remembered,omitempty"`

	// Anew says that the file on the disk could not be read and was written anew, so
	// operators' earlier orders are forgotten. Empty if it could be read.
	Anew string `json:"anew,omitempty"`

	// GaveWay tells a drill that its order was not begun, because an operator's order
	// stands.
	GaveWay bool `json:"-"`
}

// Peer is another host that the alias depends on.
type Peer struct {
	Name   string `json:"name,omitempty"` // as in the file
	Addr   string `json:"addr,omitempty"` // resolved; empty if not known
	HW     string `json:"hw,omitempty"`
	Answer string `json:"answer"` // answered, silent, unknown
}

// Fact is one observed thing.
type Fact struct {
	Name  string    `json:"name"`
	Value string    `json:"value"`
	By    string    `json:"by,omitempty"`   // who answered: "partner", or a hardware address
	Why   string    `json:"why,omitempty"`  // of a service: which check says so, and its reason
	Since time.Time `json:"since,omitzero"` // since when it has this value
	Asked time.Time `json:"asked,omitzero"` // when it was last asked
}

// Entry is one transition, with the facts that decided it.
type Entry struct {
	At     time.Time `json:"at"`
	Row    string    `json:"row"`
	Action string    `json:"action"`
	Reason string    `json:"reason"`
	Why    string    `json:"why"`
	Facts  []Fact    `json:"facts"`
}
