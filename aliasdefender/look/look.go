// Package look asks the network how it stands, for Check and for Drill, which must know
// it before it moves an alias. It sends only questions: pings, and ARP or neighbour
// discovery from this host's own address.
//
// It judges nothing: package inspect says whom to ask, and what the answers mean.
// inspect.Severity.Red tells which findings are red: Fault and Mistake.
package look

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/inspect"
	"alias-defender/aliasdefender/probe"
)

// Each address is asked some times, and an answer counts within some time.
const (
	rounds = 3
	pause  = 400 * time.Millisecond

	apart = 50 * time.Millisecond  // the questions that one router is asked from aliases
	later = 500 * time.Millisecond // the second time

	monitorWithin = 3 * time.Second

	mostHW = 4 // of the hosts that answer for one address
)

var errNoSource = errors.New("this host has no address of its own there to ask from")

// Wire hears and asks one half of a NIC.
type Wire interface {
	Ask(target, from netip.Addr, to host.HW) error
	Close() error
}

// Asker has the means to ask.
type Asker struct {
	Ping   func(context.Context, probe.Question) (bool, error)
	Listen func(nic string, f host.Family, see func([]host.Sighting)) (Wire, error) // nil: this system does not let us hear ARP

	// Lacking is what this process lacks to ask; empty: nothing.
	Lacking string

	// Root is where the files of other programs are looked for, "/"; empty: nowhere.
	Root string

	// Monitor asks the running Monitor; nil: it is not asked.
	Monitor func(context.Context) (control.Snapshot, error)
	Process func(context.Context) (control.Process, error) // that listens on its socket; nil: it is not asked
}

// Network asks the network, puts what it answered into the Subject, and returns what that
// means: the worst first, and at the end what is good. It takes a few seconds at most.
func Network(ctx context.Context, s *inspect.Subject, a Asker) []inspect.Finding {
	s.Live = &inspect.Live{CannotAsk: a.Lacking}
	var others sync.WaitGroup
	if a.Monitor != nil {
		others.Go(func() { a.askMonitor(ctx, s.Live) })
	}
	if a.Root != "" {
		others.Go(func() { system{a.Root}.read(ctx, s) })
	}
	if s.Host == nil {
		s.Live.CannotAsk = "this host's own addresses could not be read"
	}
	if s.Live.CannotAsk == "" {
		var questions []inspect.Question
		questions, s.Live.LeftOut = s.Questions()
		s.Live.Answers = a.ask(ctx, questions)
	}
	others.Wait()
	return inspect.Network(s)
}

// askMonitor asks the running Monitor what it knows.
func (a Asker) askMonitor(ctx context.Context, l *inspect.Live) {
	ctx, cancel := context.WithTimeout(ctx, monitorWithin)
	defer cancel()
	if a.Process != nil {
		if p, err := a.Process(ctx); err == nil { // also of one that hangs
			l.Process = &p
		}
	}
	if said, err := a.Monitor(ctx); err != nil {
		l.NoMonitor = err.Error()
	} else {
		l.Monitor = &said
	}
}

// ask puts all questions at once, by ICMP and, on a segment, by ARP or neighbour discovery.
func (a Asker) ask(ctx context.Context, questions []inspect.Question) map[inspect.Target]inspect.Answers {
	heard := &ledger{of: make(map[inspect.Target]*entry, len(questions))}
	for _, q := range questions {
		heard.of[q.Target] = &entry{}
	}
	var asking sync.WaitGroup
	turns := map[netip.Addr]time.Duration{}
	for _, q := range questions {
		if q.ICMP {
			turn := time.Duration(0)
			if q.From.IsValid() {
				turns[q.Addr] += apart
				turn = turns[q.Addr]
			}
			asking.Go(func() {
				wait(ctx, turn)
				heard.ping(q.Target, a.ping(ctx, q))
			})
		}
	}
	if a.Listen != nil {
		sides := map[host.Side][]inspect.Question{}
		for _, q := range questions {
			if q.ARP {
				side := host.Side{NIC: q.NIC, Family: host.FamilyOf(q.Addr)}
				sides[side] = append(sides[side], q)
			}
		}
		for side, of := range sides {
			asking.Go(func() { a.askSegment(ctx, side, of, heard) })
		}
	}
	asking.Wait()
	a.askAgain(ctx, questions, heard)
	return heard.answers()
}

// askAgain asks those once more that were silent to an alias and answer this host: a router
// may have had too much to answer.
func (a Asker) askAgain(ctx context.Context, questions []inspect.Question, heard *ledger) {
	first := heard.answers()
	var asking sync.WaitGroup
	turns := map[netip.Addr]time.Duration{}
	for _, q := range questions {
		if !q.From.IsValid() || first[q.Target].ICMP.State != inspect.Silent {
			continue
		}
		own := inspect.Target{NIC: q.NIC, Addr: q.Addr}
		at := slices.IndexFunc(questions, func(o inspect.Question) bool { return o.Target == own })
		if at < 0 || first[own].ICMP.State != inspect.Answered {
			continue
		}
		turn := later + turns[q.Addr]
		turns[q.Addr] += apart
		asking.Go(func() {
			wait(ctx, turn)
			heard.ping(q.Target, a.pingBoth(ctx, q, questions[at].Source))
		})
	}
	asking.Wait()
}

// errBusy is why the silence of a router says nothing.
var errBusy = errors.New("the router does not always answer this host's own pings either")

// pingBoth asks the same host from an alias and from our own address at the same time. Its
// silence counts only where it answers the latter, but for one loss.
func (a Asker) pingBoth(ctx context.Context, q inspect.Question, ours netip.Addr) inspect.Answer {
	answered := 0
	for range rounds {
		var own sync.WaitGroup
		yes := false
		own.Go(func() {
			yes, _ = a.Ping(ctx, probe.Question{Target: q.Addr, Source: ours, Timeout: pause})
		})
		asked := time.Now()
		got, err := a.Ping(ctx, probe.Question{Target: q.Addr, Source: q.Source, Timeout: pause})
		took := time.Since(asked)
		own.Wait()
		switch {
		case err != nil:
			return inspect.Answer{State: inspect.CouldNot, Why: err.Error()}
		case got:
			return inspect.Answer{State: inspect.Answered, Took: took}
		case yes:
			answered++
		}
	}
	if answered < rounds-1 {
		return inspect.Answer{State: inspect.CouldNot, Why: errBusy.Error()}
	}
	return inspect.Answer{State: inspect.Silent}
}

// wait waits so long, or until the context is done.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// ping asks by ICMP until there is an answer.
func (a Asker) ping(ctx context.Context, q inspect.Question) inspect.Answer {
	for range rounds {
		asked := time.Now()
		switch yes, err := a.Ping(ctx, probe.Question{Target: q.Addr, Source: q.Source, Timeout: pause}); {
		case err != nil:
			return inspect.Answer{State: inspect.CouldNot, Why: err.Error()}
		case yes:
			return inspect.Answer{State: inspect.Answered, Took: time.Since(asked)}
		}
	}
	return inspect.Answer{State: inspect.Silent}
}

// askSegment asks by ARP or neighbour discovery, and listens all the time: more than one
// host may answer for an address.
func (a Asker) askSegment(ctx context.Context, side host.Side, questions []inspect.Question, heard *ledger) {
	wire, err := a.Listen(side.NIC, side.Family, heard.see)
	if err != nil {
		for _, q := range questions {
			heard.couldNot(q.Target, err)
		}
		return
	}
	defer wire.Close()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range rounds {
		for _, q := range questions {
			if !q.Source.IsValid() {
				heard.couldNot(q.Target, errNoSource)
				continue
			}
			heard.asks(q.Target, time.Now())
			if err := wire.Ask(q.Addr, q.Source, host.HW{}); err != nil {
				heard.couldNot(q.Target, err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// ledger has what was heard.
type ledger struct {
	mu sync.Mutex
	of map[inspect.Target]*entry
}

type entry struct {
	asked time.Time // by ARP, last
	inspect.Answers
}

func (l *ledger) ping(t inspect.Target, answer inspect.Answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of[t].ICMP = answer
}

func (l *ledger) asks(t inspect.Target, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.of[t]
	if e.asked = now; e.ARP.State != inspect.Answered {
		e.ARP = inspect.Answer{State: inspect.Silent}
	}
}

func (l *ledger) couldNot(t inspect.Target, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.of[t]; e.ARP.State != inspect.Answered {
		e.ARP = inspect.Answer{State: inspect.CouldNot, Why: err.Error()}
	}
}

// see takes in what other hosts say on the segment, asked or not.
func (l *ledger) see(frames []host.Sighting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range frames {
		e := l.of[inspect.Target{NIC: f.NIC, Addr: f.Sender}]
		if e == nil {
			continue
		}
		if e.ARP.State != inspect.Answered {
			e.ARP = inspect.Answer{State: inspect.Answered}
		}
		if asked := f.Reply && f.Target != f.Sender && !e.asked.IsZero() && !f.At.Before(e.asked); asked && e.ARP.Took == 0 {
			e.ARP.Took = max(time.Microsecond, f.At.Sub(e.asked)) // what comes unasked has no time
		}
		if len(e.HW) < mostHW && !slices.Contains(e.HW, f.HW) {
			e.HW = append(e.HW, f.HW)
		}
	}
}

func (l *ledger) answers() map[inspect.Target]inspect.Answers {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[inspect.Target]inspect.Answers, len(l.of))
	for t, e := range l.of {
		all[t] = e.Answers
	}
	return all
}
