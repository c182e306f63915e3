package defender

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// A day of two hosts, simulated: faults at random times, one on top of the
// other, while the promises of docs/design.md are looked at throughout. The
// faults and their times are the seed's; what happens in one moment of the
// bubble, the scheduler orders. docs/faults.md says how to play one again.
var (
	dayLength = flag.Duration("day", time.Hour, "how long a simulated day is, at a rhythm of a second")
	daySeed   = flag.Uint64("seed", 1, "the simulated day to play; 0: one that nobody has seen")
)

func TestDayOfRandomEvents(t *testing.T) {
	length := *dayLength
	if raceEnabled {
		length = min(length, 5*time.Minute)
		t.Logf("with the race detector only %v; make test plays a longer day without it", length)
	}
	for _, interval := range []time.Duration{time.Second, 20 * time.Second, 100 * time.Millisecond} {
		t.Run(interval.String(), func(t *testing.T) {
			seed := *daySeed
			if seed == 0 {
				seed = rand.Uint64N(1e9)
			}
			// As many rounds at each rhythm.
			length := time.Duration(float64(length) * interval.Seconds()).Round(interval)
			t.Logf("%v; to see it again: -run 'DayOfRandomEvents/^%v$' -day %v -seed %d", length, interval, *dayLength, seed)
			synctest.Test(t, func(t *testing.T) { newDay(t, seed, interval).play(length) })
		})
	}
}

// day is a world whose promises are watched all the time.
type day struct {
	*world
	config.Rhythm
	dice   *rand.Rand
	hosts  [2]*dayHost
	faults []*fault
	begun  int // faults

	detect  time.Duration // a healthy pair has a holder after it
	resolve time.Duration // and no longer two after it
	stale   time.Duration // what was answered longer ago is unknown

	looked   int       // how often Status was looked at while nothing was broken
	lookedAt time.Time // and when last
	broken   string    // the first promise that was, and how

	// Since when it is so.
	parted   since // nothing passes between the two
	joined   since // what the two say reaches each other, all of it
	together since // so, and they hear it
	pair     since // so, and both are well
	two      since // so, and both have the alias
	nobody   since // has it
	wrong    since // the client believes it elsewhere than at the only one who has it
	audible  since // who has to announce knows it, and is heard by all he reaches
	calm     since // nothing happens, and nothing is broken
	unfiled  since // both could know that the second alias is in neither file
}

// dayHost is one of the two, and what is wrong with it.
type dayHost struct {
	*station
	day     *day
	cfg     *config.Config // its file
	base    config.Alias
	gate    chan struct{} // not nil: its process stands still until it is closed
	index   int           // of its NIC
	crashed bool
	deleted bool // the alias, by another program: it may be restored
	left    bool // a daemon ended with the second alias on this host

	// Since when it is so.
	has, lacks since // the alias
	running    since
	reading    since // so, and the kernel tells it what is there
	blind      since // it cannot ask
	cut        since // it does not reach the router
	alone      since // it is well and does not reach the other
	led        since // it could read that its first address is the alias, and not its own
}

// since is the moment since when something has been so; zero: it is not.
type since struct{ time.Time }

func (s *since) set(so bool) {
	switch {
	case !so:
		s.Time = time.Time{}
	case s.IsZero():
		s.Time = time.Now()
	}
}

// during tells whether all have been so for that long.
func during(d time.Duration, all ...since) bool {
	for _, s := range all {
		if s.IsZero() || time.Since(s.Time) <= d {
			return false
		}
	}
	return true
}

func newDay(t *testing.T, seed uint64, interval time.Duration) *day {
	d := &day{world: newWorld(t, seed, true, false), dice: rand.New(rand.NewPCG(seed, 3))}
	d.Rhythm = config.Rhythm{Interval: interval, Timeout: min(interval/4, time.Second), Misses: 3}
	d.resolve = d.Interval + d.Timeout
	d.stale = 2*d.Interval + time.Duration(d.Misses)*d.Timeout
	// The question that is missed, the doubt twice over, and what came between.
	d.detect = 2*d.Interval + 2*time.Duration(d.Misses)*d.Timeout + time.Second
	for i, st := range []*station{d.a, d.b} {
		h := &dayHost{station: st, day: d, cfg: []*config.Config{d.cfgA, d.cfgB}[i], index: st.nic().Index}
		h.cfg.Aliases[0].Rhythm = d.Rhythm
		h.base = h.cfg.Aliases[0]
		d.hosts[i] = h
	}
	d.seg.changed = d.look
	d.faults = d.allFaults()
	return d
}

func (d *day) play(length time.Duration) {
	for _, h := range d.hosts {
		h.boot()
	}
	defer func() {
		d.mend() // who stands still does not end
		d.end()
	}()
	end := time.Now().Add(length)
	d.rest(2 * d.detect)
	for time.Now().Before(end) {
		for range 1 + d.dice.IntN(4) {
			d.rest(time.Duration(d.dice.Int64N(int64(3 * d.Interval / 2))))
			d.next().happen(d)
		}
		d.rest(time.Duration(d.dice.Int64N(int64(2 * d.detect))))
		if d.dice.IntN(4) == 0 {
			d.mend()
			d.rest(2*d.detect + time.Second)
			d.checkRecord(d.a)
			d.checkRecord(d.b)
		}
	}
	d.mend()
	d.rest(2*d.detect + time.Second)
	if d.looked == 0 {
		d.t.Errorf("Status was never looked at while nothing was broken")
	}
	d.t.Logf("%d faults, %d changes of holder, %d looks at a Status without a problem", d.begun, d.switches, d.looked)
}

// next is the fault that comes next: a new one, or as often one that ends.
func (d *day) next() *fault {
	var on []*fault
	for _, f := range d.faults {
		if f.on {
			on = append(on, f)
		}
	}
	if len(on) == 0 || d.dice.IntN(2) == 0 {
		on = d.faults
	}
	return on[d.dice.IntN(len(on))]
}

// mend ends all faults.
func (d *day) mend() {
	for _, f := range d.faults {
		if f.on {
			f.happen(d)
		}
	}
}

// rest lets time pass and looks at the promises.
func (d *day) rest(t time.Duration) {
	for step := d.Timeout; t > 0; t -= step {
		d.wait(min(t, step))
		d.check()
	}
	d.seg.mu.Lock()
	d.seg.frames, d.seg.questions = d.seg.frames[:0], d.seg.questions[:0]
	d.seg.mu.Unlock()
	d.story = d.story[max(0, len(d.story)-60):]
	d.log.mu.Lock()
	defer d.log.mu.Unlock()
	if b := d.log.buf.Bytes(); len(b) > 1<<20 {
		d.log.buf.Reset()
		d.log.buf.Write(slices.Clone(b[len(b)-1<<14:]))
	}
}

// boot starts the host's daemon, if it does not run.
func (h *dayHost) boot() {
	if h.daemon != nil {
		return
	}
	logger := logrus.New()
	logger.SetOutput(&h.day.log)
	logger.SetFormatter(&logrus.TextFormatter{DisableColors: true, TimestampFormat: "15:04:05.000"})
	begin := time.Now()
	h.day.startWith(h.station, h.cfg, func(o *Options) {
		o.Log, o.Ask, o.Hearing = logger.WithField("on", h.name), h.Ask, h.pingsHeard
		o.Watch = func(ctx context.Context, wake func()) error {
			h.set(func() { h.wake = wake })
			<-ctx.Done()
			return nil
		}
		o.Boottime = func() time.Duration {
			h.seg.mu.Lock()
			defer h.seg.mu.Unlock()
			for h.gate != nil {
				gate := h.gate
				h.seg.mu.Unlock()
				<-gate // the loop reads the clock before it does anything
				h.seg.mu.Lock()
			}
			return time.Since(begin) + h.slept
		}
	})
	h.set(func() {})
}

// look keeps the times since when all is as it is; mu is held.
func (d *day) look() {
	d.world.look()
	a, b := d.hosts[0], d.hosts[1]
	a.look(b)
	b.look(a)
	lossless, apart := len(d.seg.loss) == 0, !d.seg.path(d.a, d.b)
	if !apart && !during(d.detect, d.parted) && !d.parted.IsZero() {
		d.audible = since{} // what was announced meanwhile was not heard by all, and nobody knows it
	}
	d.parted.set(apart)
	sound := lossless && a.arpErr == nil && b.arpErr == nil && a.hang == nil && b.hang == nil
	d.audible.set(sound && a.earLoses == 0 && b.earLoses == 0)
	d.joined.set(!apart && sound && !a.running.IsZero() && !b.running.IsZero())
	d.together.set(!apart && !d.audible.IsZero() && !a.running.IsZero() && !b.running.IsZero())
	d.pair.set(!d.together.IsZero() && a.well() && b.well())
	d.two.set(!d.together.IsZero() && !a.has.IsZero() && !b.has.IsZero())
	d.nobody.set(a.has.IsZero() && b.has.IsZero())
	a.alone.set(a.well() && apart && lossless)
	b.alone.set(b.well() && apart && lossless)
	d.wrong.set(d.believesWrong(a, b) || d.believesWrong(b, a))
	d.calm.set(!slices.ContainsFunc(d.faults, func(f *fault) bool { return f.on }))
	d.unfiled.set(len(a.cfg.Aliases)+len(b.cfg.Aliases) == 2 && !a.reading.IsZero() && !b.reading.IsZero())
}

// look is the host's part; o is the other one.
func (h *dayHost) look(o *dayHost) {
	d := h.day
	has := h.kernel.has(aliasIP)
	if has && h.has.IsZero() && h.on && !h.lacks.IsZero() {
		switch {
		case during(d.resolve, o.has, d.joined, h.reading): // it has asked since
			d.breaks("promise 8: %s takes it from %s, who has had it since %v", h.name, o.name, o.has)
		case during(d.stale, h.blind):
			d.breaks("promise 7: %s takes it, and could ask nobody since %v", h.name, h.blind)
		case during(d.stale, h.cut) && !h.deleted:
			d.breaks("row W8: %s takes it, and cannot have heard the router since %v", h.name, h.cut)
		}
		h.deleted = false
	}
	if now := has && h.on; now == h.has.IsZero() && during(d.detect, d.calm) {
		d.breaks("promise 3: a change of holder, and nothing has happened since %v", d.calm)
	}
	h.left = h.left && h.kernel.has(secondIP) && (len(h.cfg.Aliases) == 1 || !during(d.detect, h.reading))
	h.has.set(has && h.on)
	h.lacks.set(!has)
	h.running.set(h.on && h.daemon != nil && h.gate == nil)
	h.reading.set(!h.running.IsZero() && h.hang == nil && h.nic().Index != 0)
	h.led.set(!h.reading.IsZero() && h.nic().Carrier && h.leads())
	h.cut.set(!d.seg.path(h.station, d.router))
	h.blind.set(h.arpErr != nil && h.pingErr != nil)
}

// reorderWithin is the longest that an alias stands first on a host that is well:
// the longest pause between two reorders, and a hand-over.
const reorderWithin = 35 * time.Second

// leads tells whether the alias stands before the host's own address, where that matters.
func (h *dayHost) leads() bool {
	at := func(ip netip.Addr) int {
		return slices.IndexFunc(h.nic().Addrs, func(a host.Address) bool { return a.Prefix.Addr() == ip })
	}
	alias := at(aliasIP)
	return family == host.IPv4 && alias >= 0 && alias < at(h.own.Addr())
}

// well tells whether the host could serve, and could know it. Without pings it
// can: the others are on the segment.
func (h *dayHost) well() bool {
	return h.day.world.well(h.station) && !h.running.IsZero() && h.arpErr == nil && h.earLoses == 0 && h.addErr == nil && h.hang == nil
}

// believesWrong tells whether only h has the alias, and the client, who could
// know, believes it elsewhere.
func (d *day) believesWrong(h, o *dayHost) bool {
	return !h.has.IsZero() && o.has.IsZero() && !h.running.IsZero() && !d.audible.IsZero() &&
		d.seg.path(d.client, h.station) && d.client.cache[aliasIP] != h.hw
}

func (d *day) breaks(format string, args ...any) {
	if d.broken == "" {
		d.broken = fmt.Sprintf(format, args...)
	}
}

// check holds what is to the promises.
func (d *day) check() {
	d.t.Helper()
	d.seg.mu.Lock()
	d.look()
	if during(d.resolve, d.two) {
		d.breaks("promise 1: two holders since %v", d.two)
	}
	if during(d.detect, d.pair, d.nobody) {
		d.breaks("promise 2: a healthy pair since %v, held by nobody since %v", d.pair, d.nobody)
	}
	for _, h := range d.hosts {
		if during(d.detect, h.alone, h.lacks) {
			d.breaks("promise 2: %s is well and alone since %v, and lacks the alias since %v", h.name, h.alone, h.lacks)
		}
		if during(d.detect+reorderWithin, h.led) {
			d.breaks("row H10: %s speaks with the alias since %v", h.name, h.led)
		}
		if during(d.detect, d.unfiled) && h.kernel.has(secondIP) && !h.left {
			d.breaks("promise 4: %s has an alias that is in no file since %v", h.name, d.unfiled)
		}
	}
	// A holder announces each minute.
	if during(65*time.Second, d.wrong) || during(d.detect, d.wrong, d.pair) && during(65*time.Second, d.audible) {
		d.breaks("promise 5: since %v the client believes it at %v", d.wrong, d.client.cache[aliasIP])
	}
	calm := during(d.detect+d.stale, d.calm, d.pair) && time.Since(d.lookedAt) > d.Interval
	d.seg.mu.Unlock()
	if calm {
		d.checkWell()
	}
	d.seg.mu.Lock()
	broken := d.broken
	d.seg.mu.Unlock()
	if broken != "" {
		d.fail("%s", broken)
	}
}

// checkWell: where nothing is broken, neither host's Status has a problem with
// the alias that stays in the files, and its standby says that it is ready.
func (d *day) checkWell() {
	d.t.Helper()
	for _, h := range d.hosts {
		s, err := h.daemon.Snapshot(d.t.Context(), false)
		if err != nil {
			d.fail("%s: %v", h.name, err)
		}
		problems := s.Problems
		if !during(earRests+d.detect, d.calm) { // of an ear that was not well stay for a while
			problems = slices.DeleteFunc(problems, func(p string) bool { return strings.Contains(p, " lost ") && strings.Contains(p, "frames") })
		}
		for _, a := range s.Aliases {
			if a.Alias != aliasIP.String() {
				continue // it may have come a moment ago
			}
			failed := strings.HasPrefix(a.Why, "the alias could not be added") && !during(time.Minute+2*d.Interval+d.detect, d.calm)
			if a.Level != "" && !failed || a.Standby.Problem() { // that stays on show for as long, see moot
				problems = append(problems, fmt.Sprintf("%s: %s: %s; standby %+v", a.Alias, a.Level, a.Why, *a.Standby))
			}
			if a.Standby.Host == "us" && a.Standby.Ready != "yes" {
				problems = append(problems, fmt.Sprintf("%s: its standby is not said to be ready: %+v", a.Alias, *a.Standby))
			}
		}
		d.seg.mu.Lock()
		if d.looked, d.lookedAt = d.looked+1, time.Now(); len(problems) > 0 {
			d.breaks("nothing is broken since %v, and Status of %s has %q", d.calm, h.name, problems)
		}
		d.seg.mu.Unlock()
	}
}
