// Package defender is the loop: it gathers facts, asks the rules, carries out
// what they decide and keeps the record.
//
// One goroutine owns all state. Answers, sightings on the wire, readings of the
// kernel, finished work and orders are posted to it as events. When a fact
// changes, the loop decides the aliases that depend on it again at once. A decision
// compares what should be with what is, so the next round repairs a lost event.
// The loop never waits: anything that may block (a probe, the kernel, a name, a
// log) runs beside it and posts its result. In a test, two defenders run on one
// fake network.
//
// The way of one fact: package detect files what was heard as a fact (ask.go);
// follow.go marks the aliases that depend on it; decide (alias.go) passes their facts
// to rules.Decide; carry (carry.go) begins a deed, which may have to pass gates
// (errand.go) and runs beside the loop (worker.go); when it has ended, the loop notes
// and records what it did (record.go).
//
// The package refuses to know how a probe is put on the wire, what the kernel's
// interface looks like, and why a rule is as it is.
package defender

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/hearing"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/peer"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/record"
)

// Network is this host's network, as package host provides it. Each method returns its
// errors in the order of its arguments.
type Network interface {
	Read() (host.State, error)
	Add([]host.Placement) []error    // no error if it is already there
	Remove([]host.Placement) []error // no error if it is not there
	// Refresh renews leases. If there is nothing to renew, the error is host.ErrNotThere.
	Refresh([]host.Placement) []error
	// Reorder puts addresses behind an own address of their subnet that was added later:
	// it removes them and adds them again. If an address is not there, the error is
	// host.ErrNotThere.
	Reorder([]host.Placement) []error
}

// Wire is ARP on one NIC, or neighbour discovery. Nothing it does waits.
type Wire interface {
	// Ask sends a question for target from the address from. It sends it to the hardware
	// address to, or to all hosts if that is zero.
	Ask(target, from netip.Addr, to host.HW) error
	// Probe asks without claiming an address for the asker (RFC 5227, 2.1.1; RFC 4862,
	// 5.4.2).
	Probe(target netip.Addr) error
	// Announce tells the segment that alias is at hw, or here if that is zero.
	Announce(alias netip.Addr, hw host.HW) error
	// Echo sends an ICMP message for target to the hardware address to, no matter who has
	// target. It fills in the checksum of an ICMPv6 message.
	Echo(target, from netip.Addr, to host.HW, icmp []byte) error
	// Want limits the Wire to frames about these addresses, and to others that the filter
	// cannot keep out. After an error it is unknown what the Wire hears.
	Want(addrs []netip.Addr) error
	// Hearing tells what was lost, and how late frames are seen.
	Hearing() hearing.Report
	HW() host.HW
	Done() <-chan struct{} // closed once the wire is no longer of use
	Err() error            // why it ended by itself; nil if it did not
	Close() error
}

// Options are what a Defender is made of.
//
// fields: each is one thing that the daemon hands in by name; a test names only those
// that it is about.
type Options struct {
	Config  *config.Config
	Version string
	Host    [peer.HostLen]byte // the number of this host, said on the channel; zero: none

	Kept   Kept   // what operators ordered before
	Memory Memory // and whether that is all
	Deeds  Deeds  // which deeds are carried out; the zero Deeds: all

	Recorder *record.Recorder // takes every event; nil: of Log and Ring
	Ring     *record.Ring     // what Snapshot reads of them; nil: one of its own
	Gates    []Gate           // that a take passes before the last look, and a release that can wait, in order
	Sources  []Source         // of facts that are no answers on the wire

	// Drilled is called when what the partner says about a drill has changed. It must not
	// wait. nil: nobody measures for drills, and this host says nothing about drills to
	// the partner.
	Drilled func(alias record.Alias, label string, says peer.Drill)

	Network  Network
	Listen   func(nic string, f host.Family, see func([]host.Sighting)) (Wire, error) // what is seen is lent
	Watch    func(ctx context.Context, wake func()) error                             // nil: the host is only polled
	Ping     func(context.Context, probe.Question) (bool, error)
	Ask      func(probe.Question, func(at time.Time, err error)) error                   // does not wait; nil: Ping asks
	Hearing  func() hearing.Report                                                       // how well the answers to Ask are heard; nil: unknown
	Channel  func(peer.Options) (Channel, error)                                         // nil: there is none, whatever the settings say
	Resolve  func(ctx context.Context, name string, f host.Family) ([]netip.Addr, error) // in order of preference
	Boottime func() time.Duration                                                        // goes on while the host sleeps

	Beat      func()        // called at the end of each turn of the loop; must not wait
	BeatEvery time.Duration // the loop turns at least as often; zero: as it needs to

	Log logrus.FieldLogger // must not wait
}

// Defender is one running loop. Its methods may be called from anywhere.
type Defender struct {
	o       Options
	log     logrus.FieldLogger
	started time.Time
	events  chan func(*loop)
	thinks  chan struct{} // one place: for whoever asks the rules beside the loop
	changes chan struct{} // one place: this host has changed
	over    chan struct{} // closed when Run has returned

	ordering chan struct{} // full while an order begins, so that only one does at a time

	recorder *record.Recorder
	ring     *record.Ring
}

// New makes a Defender. It starts nothing.
func New(o Options) *Defender {
	d := &Defender{
		o: o, log: o.Log, events: make(chan func(*loop), 1024), thinks: make(chan struct{}, 1), changes: make(chan struct{}, 1), over: make(chan struct{}),
		ordering: make(chan struct{}, 1), recorder: o.Recorder, ring: o.Ring,
	}
	if d.ring == nil {
		d.ring = record.NewRing()
	}
	if d.recorder == nil {
		d.recorder = record.New(d.ring, LogSink(o.Log))
	}
	return d
}

// ErrNoAlias is the answer to an order for an address that is no alias.
var ErrNoAlias = errors.New("no such alias in the file")

// Exit is how a Defender ends.
type Exit uint8

// The ways to end.
const (
	ExitAsSet Exit = iota // as on_exit says
	ExitKeep              // keep every alias until somebody takes it off
	ExitTaken             // the same, once the others that may have to be taken now are here too, for a bounded time
	ExitNext              // keep every alias for the next Monitor to adopt, which starts within NextWithin
)

// Stop tells the loop to end; Run returns when it has. The first call decides how. A
// later call ends the wait of ExitTaken.
func (d *Defender) Stop(e Exit) {
	d.post(func(l *loop) { l.stop(e) })
}

// Reload puts a new configuration in force. It does not touch an alias that did not
// change, and releases an alias that is gone.
func (d *Defender) Reload(c *config.Config) {
	d.post(func(l *loop) { l.reload(c) })
}

// Snapshot tells what the loop knows; with journal, also the transitions.
func (d *Defender) Snapshot(ctx context.Context, journal bool) (control.Snapshot, error) {
	answer := make(chan control.Snapshot, 1)
	d.post(func(l *loop) { answer <- l.snapshot(journal) })
	select {
	case s := <-answer:
		return s, nil
	case <-d.over:
		return control.Snapshot{}, errEnded
	case <-ctx.Done():
		return control.Snapshot{}, ctx.Err()
	}
}

// post hands an event to the loop. It waits only while the loop has no room for more
// events, and never after the loop's end.
func (d *Defender) post(e func(*loop)) {
	select {
	case d.events <- e:
	case <-d.over:
	}
}
