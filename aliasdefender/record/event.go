package record

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"alias-defender/aliasdefender/rules"
)

// Level is how serious an event is.
type Level = rules.Level

// The levels that a daemon's own events have.
const (
	Info    Level = rules.Info
	Trouble Level = rules.Error
)

// Alias identifies an alias: one address may be an alias on two NICs. The zero
// Alias stands for the Monitor as a whole.
type Alias struct {
	Addr netip.Addr
	NIC  string // without label: "eth0"
}

// Kind says what sort of thing happened. Its text is the value of "event" in the
// event log, is meant for the field of that name in the daemon's log, and never
// changes. An event that a newer version wrote may have a Kind that is not listed.
type Kind string

// The kinds.
const (
	Decided       Kind = "decided"         // the decision about an alias changed; nothing moved
	Lasts         Kind = "lasts"           // a decision that is said again because it lasts; on no disk and not in Why
	Moved         Kind = "moved"           // an alias came to this host or left it
	HandoverBegun Kind = "hand_over_begun" // it was offered or asked for
	HandoverEnded Kind = "hand_over_ended" // without success: the alias stayed where it was
	PairMisfit    Kind = "pair_misfit"     // something in the two hosts' files cannot be meant so
	PairFits      Kind = "pair_fits"       // that is over

	StandbyNotReady Kind = "standby_not_ready" // nobody is ready to take the alias if its holder fails
	StandbyReady    Kind = "standby_ready"     // that is over

	DrillBegun Kind = "drill_begun" // an alias is about to be handed over and to come back, to show that this works; or we measure for a drill of the partner's
	DrillEnded Kind = "drill_ended" // that, or the measuring for a drill of the partner's; Warning: with a gap, or no figures; Error: the alias did not go, or did not come back

	HookRan     Kind = "hook_ran"     // a program of the administrator's was told or asked, and ended well
	HookFailed  Kind = "hook_failed"  // it ended otherwise, or took too long
	HookSkipped Kind = "hook_skipped" // it was not run, or Event.Drops of them were not

	Failed        Kind = "failed"         // something could not be done
	Ordered       Kind = "ordered"        // an operator, or a drill, ordered something
	PartnerHeard  Kind = "partner_heard"  // the partner's daemon is heard on the channel
	PartnerSilent Kind = "partner_silent" // it has fallen silent, or never spoke
	PartnerSays   Kind = "partner_says"   // what it says of an alias has changed; Event.Says is what
	Started       Kind = "started"        // the Monitor
	Reloaded      Kind = "reloaded"       // the Monitor, or it refused to
	Ended         Kind = "ended"          // the Monitor

	CheckFailing Kind = "check_failing" // a check of a service has turned failing
	CheckGood    Kind = "check_good"    // it has turned good
	CheckUnknown Kind = "check_unknown" // it was good or failing, and is not known any more

	RouteDecided  Kind = "route_decided"  // the decision about a route changed; it did not move
	RouteMoved    Kind = "route_moved"    // a route was added, moved to other hops or withdrawn, or was found
	RouteVanished Kind = "route_vanished" // somebody else has removed a route

	RecoveryStep  Kind = "recovery_step"  // a step of the recovery of a partner's service
	RecoveryEnded Kind = "recovery_ended" // it has ended, or cannot begin: Info if something has helped, Warning if it was broken off

	Repeated Kind = "repeated" // Event.Drops more of something in the last minute, not recorded one by one
	Lost     Kind = "lost"     // Event.Drops events are missing here
)

// Journal tells whether Why shows events of this kind.
func (k Kind) Journal() bool {
	switch k {
	case Decided, Moved, HandoverBegun, HandoverEnded, PairMisfit, StandbyNotReady, StandbyReady, RecoveryStep, RecoveryEnded,
		RouteDecided, RouteMoved, RouteVanished, DrillBegun, DrillEnded:
		return true
	}
	return false
}

// Run identifies one run of a Monitor by a random number. Wall clock and PID
// would not do: both may be the same after each boot.
type Run uint64

// MarshalText writes 16 hexadecimal digits. jq keeps only 53 bits of a JSON number.
func (r Run) MarshalText() ([]byte, error) {
	text := strconv.FormatUint(uint64(r), 16)
	return []byte("0000000000000000"[len(text):] + text), nil
}

// UnmarshalText reads what MarshalText writes.
func (r *Run) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	*r = Run(n)
	return err
}

// Decision is a decision of the rules in words.
type Decision struct {
	Row    string // "W14"; empty if no row decided, as for an alias that was found
	Action string // "take"
	Reason string // the reason's name
	Why    string // the reason as a sentence, as it was worded at that time
}

// DecisionOf puts a decision of the rules into words. It allocates nothing.
func DecisionOf(d rules.Decision) Decision {
	return Decision{Row: d.Row, Action: d.Action.String(), Reason: d.Reason.String(), Why: d.Reason.Text()}
}

// Fact is one thing that was known when something happened.
type Fact struct {
	Name  string    `json:"name"`
	Value string    `json:"value"`          // yes, no, unknown; of an address answered, silent, unknown
	By    string    `json:"by,omitempty"`   // who answered: "partner", or a hardware address
	HW    string    `json:"hw,omitempty"`   // the hardware address that answered
	Why   string    `json:"why,omitempty"`  // of a service: which check says so, and its reason
	Since time.Time `json:"since,omitzero"` // since when it has this value
	Asked time.Time `json:"asked,omitzero"` // when it was last asked
}

// Event is one thing that happened. Sinks share its Facts: nobody changes them once the
// event is recorded.
type Event struct {
	Run  Run       // given by the Recorder
	Seq  uint64    // given by the Recorder: 1, 2, 3 ... within a Run; 0 before
	Time time.Time // wall clock; the order of events is that of Seq and of the file, not this

	Alias Alias  // zero: the Monitor as a whole
	Label string // the alias's NIC as the file writes it: "eth0:1"
	Kind  Kind
	Level Level

	Decision Decision // zero if the rules decided nothing
	Facts    []Fact
	Text     string // what the log says, in words
	Hook     string // of the kinds HookRan, HookFailed and HookSkipped: "take"
	Check    string // the name of the check that it is about
	Partner  string // the partner that it is about, as the file names it, or by its address
	Says     string // of PartnerSays: holding, able, cannot serve, parked, released, not sure; nothing said: not any more
	Route    string // the route that it is about: "192.0.2.32/27", with its table and metric where they are set
	Via      string // of RouteMoved: the next hops that it leads to, with a space between; empty: it is withdrawn
	ViaOld   string // and those before; "-" stands for one that is not set
	Error    string // what went wrong, in the system's words
	Drops    uint64 // of Kind Lost and Repeated: how many events are missing before this one; of HookSkipped: how many hooks
}

// Observing begins the Text of a decision that a Monitor did not carry out, because it only
// observes.
const Observing = "observing; would "

// Entry is the event as a row of Why. In JSON such a row has a row, an action, a reason
// and a sentence for everything, whether the rules decided it or not.
func (e Event) Entry() Decision {
	switch e.Kind {
	case HandoverEnded:
		return Decision{Row: "H1", Action: "hand-over ended", Reason: e.Decision.Reason, Why: e.Decision.Why}
	case DrillBegun:
		return Decision{Row: "drill", Action: "drill begun", Reason: "drill", Why: e.Decision.Why}
	case DrillEnded:
		return Decision{Row: "drill", Action: "drill ended", Reason: "drill", Why: e.Decision.Why}
	case PairMisfit:
		return Decision{Row: "pair", Action: "alarm", Reason: "the pair does not fit", Why: e.Decision.Why}
	case Decided, RouteDecided, Lasts:
		if strings.HasPrefix(e.Text, Observing) {
			d := e.Decision
			d.Action = "would " + d.Action
			return d
		}
	}
	return e.Decision
}

// line is an Event as a line of the event log. Names and values are kept from version to
// version; readers skip names that they do not know.
//
// fields: each is a name of the JSON form.
type line struct {
	Time    time.Time  `json:"time"`
	Run     Run        `json:"run"`
	Seq     uint64     `json:"seq"`
	Kind    Kind       `json:"event"`
	Level   level      `json:"level"`
	Addr    netip.Addr `json:"alias,omitzero"`
	NIC     string     `json:"nic,omitempty"`
	Label   string     `json:"label,omitempty"`
	Row     string     `json:"row,omitempty"`
	Action  string     `json:"action,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	Why     string     `json:"why,omitempty"`
	Text    string     `json:"text,omitempty"`
	Hook    string     `json:"hook,omitempty"`
	Check   string     `json:"check,omitempty"`
	Partner string     `json:"partner,omitempty"`
	Says    string     `json:"says,omitempty"`
	Route   string     `json:"route,omitempty"`
	Via     string     `json:"via,omitempty"`
	ViaOld  string     `json:"via_old,omitempty"`
	Error   string     `json:"error,omitempty"`
	Drops   uint64     `json:"drops,omitempty"`
	Facts   []Fact     `json:"facts,omitempty"`
}

func (e Event) line() line {
	return line{
		Time: e.Time, Run: e.Run, Seq: e.Seq, Kind: e.Kind, Level: level(e.Level),
		Addr: e.Alias.Addr, NIC: e.Alias.NIC, Label: e.Label,
		Row: e.Decision.Row, Action: e.Decision.Action, Reason: e.Decision.Reason, Why: e.Decision.Why,
		Text: e.Text, Hook: e.Hook, Check: e.Check, Partner: e.Partner, Says: e.Says,
		Route: e.Route, Via: e.Via, ViaOld: e.ViaOld, Error: e.Error, Drops: e.Drops, Facts: e.Facts,
	}
}

func (l line) event() Event {
	return Event{
		Run: l.Run, Seq: l.Seq, Time: l.Time, Kind: l.Kind, Level: rules.Level(l.Level),
		Alias: Alias{Addr: l.Addr, NIC: l.NIC}, Label: l.Label,
		Decision: Decision{Row: l.Row, Action: l.Action, Reason: l.Reason, Why: l.Why},
		Text:     l.Text, Hook: l.Hook, Check: l.Check, Partner: l.Partner, Says: l.Says,
		Route: l.Route, Via: l.Via, ViaOld: l.ViaOld, Error: l.Error, Drops: l.Drops, Facts: l.Facts,
	}
}

// MarshalJSON writes the event as in the event log.
func (e Event) MarshalJSON() ([]byte, error) { return json.Marshal(e.line()) }

// UnmarshalJSON reads an event of the event log. It skips names that it does not know.
func (e *Event) UnmarshalJSON(text []byte) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	*e = l.event()
	return nil
}

// level is a rules.Level by name.
type level rules.Level

var levels = [...]string{rules.Info: "info", rules.Warning: "warning", rules.Error: "error", rules.Alarm: "alarm"}

// LevelName is the level's name: "alarm".
func LevelName(l Level) string { return levels[min(int(l), len(levels)-1)] }

func (l level) MarshalText() ([]byte, error) { return []byte(LevelName(rules.Level(l))), nil }

// UnmarshalText reads a level that only a newer version knows as an error.
func (l *level) UnmarshalText(text []byte) error {
	*l = level(rules.Error)
	for i, name := range levels {
		if name == string(text) {
			*l = level(i)
		}
	}
	return nil
}
