// Package check asks services of this host whether they are well: by a page of HTTP, a
// connection of TCP, a command, a process or the carrier of an interface.
//
// A check is good, failing or unknown. Failing means that the service has answered
// wrongly or not at all: refused, a timeout, another status or body than is wanted, a bad
// certificate, a redirect loop, an exit code that is not 0. Unknown means that nothing is
// known: not asked yet, or the question could not be put (a program that cannot be run, no
// file descriptor, a name that cannot be resolved). Nothing follows from unknown.
//
//	Set ── one goroutine a check: its rhythm, its count (track.go)
//	  └─ an Asker puts the question ── http.go, tcp.go, command.go, process.go, link.go
//
// Each check is asked once, however many aliases use it, in its own rhythm, and at most
// sixteen questions are under way at a time. A question that cannot begin in its turn is
// counted and left out; none waits for long, so that questions never pile up.
//
// The package refuses to know what an alias is and what follows from an answer: it tells
// its caller each Report, and nothing else.
package check

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/logs"
)

// State is what is known of a service.
type State uint8

// The states.
const (
	Unknown State = iota
	Failing
	Good
)

var states = [...]string{Unknown: "unknown", Failing: "failing", Good: "good"}

func (s State) String() string { return states[min(int(s), len(states)-1)] }

// Answer is what came of one question.
type Answer struct {
	State  State
	Reason string // one line, such as "status 500"
	Output string // the last OutputMost bytes that a command has written, printable
}

// Asker puts one question. It returns soon after ctx has ended, whatever hangs.
type Asker func(ctx context.Context, c config.Check) Answer

// Report is what is known of a check after an answer, or after it is asked no more.
type Report struct {
	Check  config.Check
	State  State         // by Rise and Fall
	Since  time.Time     // of State
	Cause  string        // the reason of the last answer that said the same as State
	Last   State         // the last answer
	Reason string        // its reason or, before the first, why there is none
	Idle   bool          // it is not asked, or not yet, as its settings say
	Output string        // with the last answer
	Asked  time.Time     // when the last question was put whose answer counts for State
	Lives  time.Duration // for how long after Asked State counts
	Late   uint64        // questions that could not be put in their turn

	Turned bool // State has just changed
}

// OutputMost is how much of what a command writes is kept, in bytes.
const OutputMost = 4096

// reasonMost is the longest reason, in bytes.
const reasonMost = 200

// liveLeast is the least time for which an answer counts: a machine that is busy for a
// moment must not make a fast check unknown.
const liveLeast = 5 * time.Second

// lives is for how long an answer counts: until two more turns have gone by without one.
func lives(c config.Check) time.Duration {
	return max(3*c.Interval+c.Timeout, liveLeast)
}

// line makes one bounded line of a text that may come from anywhere, also from whoever
// answers at a port. It stands in our log, and no filter may take it for a line of ours.
func line(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	s = strings.ReplaceAll(logs.OneLine(strings.TrimSpace(s)), "event=", "event =")
	if len(s) <= reasonMost {
		return s
	}
	return strings.ToValidUTF8(s[:reasonMost-len("…")], "") + "…"
}

// clean makes the output of a command harmless for a terminal, and keeps its last bytes.
func clean(out []byte) string {
	s := logs.Printable(strings.ToValidUTF8(strings.ReplaceAll(string(out), "\r", ""), "?"))
	if len(s) > OutputMost {
		s = s[len(s)-OutputMost:]
		for !utf8.RuneStart(s[0]) {
			s = s[1:]
		}
	}
	return strings.TrimRight(s, "\n")
}

func good(reason string) Answer    { return Answer{State: Good, Reason: line(reason)} }
func failing(reason string) Answer { return Answer{State: Failing, Reason: line(reason)} }
func unknown(reason string) Answer { return Answer{State: Unknown, Reason: line(reason)} }
