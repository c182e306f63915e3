package rehearse

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/config"
)

// How much longer than the rules' own times a verdict allows.
const (
	// slack is for the take itself (a look, the add, the announcement), and for a machine
	// that runs all hosts at once and other things besides.
	slack = 300 * time.Millisecond

	// handing is how long a hand-over may last; meanwhile both hosts have the alias.
	handing = 2 * time.Second

	// leaseLate is how late a kernel may end a lease.
	leaseLate = 2 * time.Second

	// starting is what a program needs until its Monitor first asks.
	starting = time.Second

	// noisyGap is a gap of the control client, which asks an address that nobody moves. A
	// machine that loses that much may also have caused the alias's gap.
	noisyGap = 50 * time.Millisecond
)

// Promises are those promises of the design that a rehearsal can find broken, by their
// numbers.
var Promises = map[int]string{
	1: "two holders on a connected segment resolve within the next question and an announcement",
	2: "a connected pair has a holder within the detection time",
	3: "no transition without a changed fact, an order or a deadline",
	5: "the last announcement on the wire is the holder's",
	7: "unknown never leads to a take: a host that cannot hear the router takes nothing (W8)",
	8: "an alias that answers is not taken",
}

// takeover is how long a silent alias may go without service. First it must be known
// whether the alias is silent, and whether partner and router are, which are asked at its
// first miss; then comes the take.
func takeover(r config.Rhythm) time.Duration { return r.Detect() + r.Timeout + slack }

// doubted is the same if the partner's host answers: then the alias is doubted twice
// (W10).
func doubted(r config.Rhythm) time.Duration {
	return takeover(r) + time.Duration(r.Misses)*r.Timeout
}

// resolved is how long two holders may last once they hear each other.
func resolved(r config.Rhythm) time.Duration { return r.Interval + time.Second }

// settled is how long to watch that nothing moves: after that time any take would have
// come.
func settled(r config.Rhythm) time.Duration { return takeover(r) }

// expectation is what the rules say should come of one step for one alias.
type expectation struct {
	Holders [][]string // the sets of holders that are right in the end
	Gap     time.Duration
	Both    time.Duration // both hold it at most so long; -1: for as long as they are apart
	Delay   time.Duration // until then nothing has to happen
	Still   bool          // no host gets it that did not have it
	Promise int           // the promise that is broken if it is not still, or if others hold it

	// Why says how the rules make it right that clients are not served: because no host
	// has the alias (Vacant), or because the client cannot reach the host that has it
	// (Unreached).
	Why               string
	Vacant, Unreached bool
}

// outcome is what one step did to one alias.
type outcome struct {
	Before, After []string // the hosts that have it
	Gap           time.Duration
	Both          time.Duration // at a stretch
	Takes         int
	Late          time.Duration // how long the machine kept a Monitor waiting: nobody's fault
	Served        string        // who answered the client in the end; "": nobody
}

// judgement is a verdict: good, or the promise that was broken.
type judgement struct {
	Good    bool
	Excused bool // it is good only because the machine kept the Monitors waiting
	Promise int
	Text    string
}

func broken(promise int, format string, args ...any) judgement {
	return judgement{Promise: promise, Text: fmt.Sprintf(format, args...)}
}

// judge compares an outcome with an expectation. It reports the worst first: who holds
// the alias, then how long both did, then how long nobody served it.
func judge(e expectation, o outcome) judgement {
	right := slices.ContainsFunc(e.Holders, func(h []string) bool { return sameHosts(h, o.After) })
	switch {
	case len(o.After) == 0 && e.Vacant:
		return judgement{Good: true, Text: e.Why}
	case !right && len(o.After) == 0:
		return broken(2, "nobody has it after %s", ms(o.Gap))
	case !right && len(o.After) > 1:
		return broken(1, "in the end %s have it", and(o.After))
	case !right && e.Still:
		return broken(e.Promise, "%s took it", and(o.After))
	case !right && sameHosts(o.After, o.Before):
		return broken(2, "nobody but %s has it", and(o.After))
	case !right:
		return broken(3, "%s has it, not %s", and(o.After), anyOf(e.Holders))
	case e.Still && o.Takes > 0:
		return broken(e.Promise, "it was taken %s, for no reason", times(o.Takes))
	case e.Both >= 0 && o.Both > e.Both:
		return broken(1, "both had it for %s; at most %s", ms(o.Both), ms(e.Both))
	case e.Unreached && o.Gap > e.Gap:
		return judgement{Good: true, Text: e.Why}
	case o.Gap > e.Gap+o.excuse(e.Gap):
		return broken(2, "%s without an answer; at most %s", ms(o.Gap), o.within(e.Gap))
	case !slices.Contains(o.After, o.Served):
		return broken(5, "%s has it, and the client is answered by %s", and(o.After), orNobody(o.Served))
	}
	text := "good: at most " + ms(e.Gap)
	excused := o.Gap > e.Gap
	if excused {
		text = "good: at most " + o.within(e.Gap)
	}
	if len(o.After) > 1 {
		text += "; both have it while they are apart"
	}
	return judgement{Good: true, Text: text, Excused: excused}
}

// excuse is how much longer clients may have waited because the machine kept the Monitors
// waiting: at most as long again.
func (o *outcome) excuse(limit time.Duration) time.Duration { return min(o.Late, limit) }

// within says a limit, and what of it is the machine's.
func (o *outcome) within(limit time.Duration) string {
	if o.Late == 0 {
		return ms(limit)
	}
	return fmt.Sprintf("%s, and %s for which this machine kept the Monitors waiting", ms(limit), ms(o.excuse(limit)))
}

func sameHosts(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// ms prints a time as the table does.
func ms(d time.Duration) string {
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// and lists hosts.
func and(hosts []string) string {
	if len(hosts) == 0 {
		return "nobody"
	}
	return strings.Join(slices.Sorted(slices.Values(hosts)), " and ")
}

func anyOf(sets [][]string) string {
	words := make([]string, len(sets))
	for i, s := range sets {
		words[i] = and(s)
	}
	return strings.Join(words, " or ")
}

func orNobody(host string) string {
	if host == "" {
		return "nobody"
	}
	return host
}
