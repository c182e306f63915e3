package defender

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// world is two hosts A and B, a router and a client on one fake segment, with
// an eye on the promises.
type world struct {
	t          *testing.T
	seg        *segment
	a, b       *station
	router     *station
	client     *station
	cfgA, cfgB *config.Config
	log        journal
	story      []string

	both       time.Time // since when both hold it, connected, both daemons alive
	bothMax    time.Duration
	remembered []netip.Addr // what the last order had parked
	full       error        // why it could not be remembered

	keyed     bool // the two have a channel
	switches  int  // of holders
	holdersAt string
}

// journal is what both daemons log.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func row(partner byte, primary bool) config.Alias {
	return config.Alias{
		NIC: "eth0", Label: "eth0:1", Addr: aliasIP, Prefix: with(aliasIP),
		Partner:     config.Partner{Name: ip(partner).String(), Addr: ip(partner)},
		Primary:     primary,
		Rhythm:      config.Rhythm{Interval: time.Second, Timeout: 250 * time.Millisecond, Misses: 3},
		OnIsolation: config.IsolationKeep, IsolatedAfter: time.Minute, MaxTakes: 1000, FailbackAfter: 5 * time.Second,
	}
}

func one(r config.Alias) *config.Config {
	return &config.Config{Settings: config.Settings{OnExit: config.ExitKeep}, Aliases: []config.Alias{r}}
}

func newWorld(t *testing.T, seed uint64, aPrimary, bPrimary bool) *world {
	w := &world{t: t, seg: newSegment(seed)}
	w.a, w.b = w.seg.add("a", 1), w.seg.add("b", 2)
	w.router, w.client = w.seg.add("router", 254), w.seg.add("client", 7)
	w.a.router, w.b.router = w.router.gateway(), w.router.gateway()
	w.client.cache[aliasIP] = host.HW{}
	w.cfgA, w.cfgB = one(row(2, aPrimary)), one(row(1, bPrimary))
	w.seg.changed = w.look
	return w
}

// look keeps the time that both hold the alias; mu is held.
func (w *world) look() {
	now := time.Now()
	both := w.a.has(aliasIP) && w.b.has(aliasIP) && w.a.daemon != nil && w.b.daemon != nil &&
		w.seg.path(w.a, w.b) && w.seg.loss[w.a] == 0 && w.seg.loss[w.b] == 0
	switch {
	case both && w.both.IsZero():
		w.both = now
	case !w.both.IsZero():
		w.bothMax = max(w.bothMax, now.Sub(w.both))
		if !both {
			w.both = time.Time{}
		}
	}
	if h := w.who(); h != w.holdersAt {
		w.holdersAt, w.switches = h, w.switches+1
	}
}

// who names the hosts whose kernel has the alias; mu is held.
func (w *world) who() string {
	s := ""
	for _, st := range []*station{w.a, w.b} {
		if st.on && st.has(aliasIP) {
			s += st.name
		}
	}
	return s
}

func (w *world) holders() string {
	w.seg.mu.Lock()
	defer w.seg.mu.Unlock()
	w.look()
	return w.who()
}

// wait lets time pass. It takes the world's lock first: what a test has read without it was
// read before anybody writes, but only a lock tells the race detector so.
func (w *world) wait(d time.Duration) {
	w.holders()
	time.Sleep(d) // in the bubble: its time
	synctest.Wait()
}

// tell adds to the story, which a failure prints.
func (w *world) tell(s string) {
	w.story = append(w.story, fmt.Sprintf("%s: %s (now held by %q)", time.Now().Format("04:05.000"), s, w.holders()))
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\n--- story\n%s\n--- log\n%s", fmt.Sprintf(format, args...), strings.Join(w.story, "\n"), tail(w.log.String()))
}

func tail(s string) string {
	if len(s) > 12000 {
		return "…" + s[len(s)-12000:]
	}
	return s
}

func (w *world) begin() {
	w.a.start(w.cfgA, &w.log)
	w.b.start(w.cfgB, &w.log)
}

func (w *world) end() {
	w.a.kill()
	w.b.kill()
	w.wait(time.Second) // frames under way
}

// well tells whether a host and its daemon could serve.
func (w *world) well(st *station) bool {
	return st.up() && st.daemon != nil && w.seg.path(st, w.router)
}

// settle waits until the detection time has passed and looks at the promises.
func (w *world) settle() {
	w.t.Helper()
	w.wait(settleTime)
	if w.keyed {
		w.wait(leaseTime) // a dead daemon's alias has gone, and the partner has it
	}
	w.holders() // what has lapsed meanwhile has gone before
	before := w.switches
	lossy := len(w.seg.loss) > 0
	w.wait(3 * time.Second)
	who := w.holders()
	w.seg.mu.Lock()
	wellA, wellB := w.well(w.a), w.well(w.b)
	connected := w.seg.path(w.a, w.b)
	at := w.client.cache[aliasIP]
	switches, bothMax := w.switches, w.bothMax
	w.bothMax = 0
	daemons := w.a.daemon != nil && w.b.daemon != nil
	clientA, clientB := w.seg.path(w.client, w.a), w.seg.path(w.client, w.b)
	routerUp := w.router.up()
	w.seg.mu.Unlock()
	most := resolveTime
	if w.keyed {
		most += 2 * time.Second // a hand-over that is not confirmed
	}
	switch {
	case lossy:
	case bothMax > most:
		w.fail("promise 1: two holders for %v", bothMax)
	case connected && daemons && len(who) > 1:
		w.fail("promise 1: a stable state with two holders")
	case connected && daemons && wellA && wellB && len(who) != 1:
		w.fail("promise 2: a healthy pair, held by %q", who)
	case wellA && !w.b.on && who != "a":
		w.fail("promise 2: A is well and B is off, held by %q", who)
	case wellB && !w.a.on && who != "b":
		w.fail("promise 2: B is well and A is off, held by %q", who)
	case switches != before && routerUp:
		w.fail("promise 3: %d changes of holder without a fact", switches-before)
	case connected && daemons && who == "a" && clientA && wellA && at != w.a.hw && !at.IsZero(),
		connected && daemons && who == "b" && clientB && wellB && at != w.b.hw && !at.IsZero():
		w.fail("promise 5: held by %s, but the client believes it at %v", who, at)
	}
	w.checkRecord(w.a)
	w.checkRecord(w.b)
}

// settleTime is longer than the detection time: the question that is missed,
// the doubt twice over, and a rival's next question.
const settleTime = 6 * time.Second

// leaseTime is longer than a lease.
const leaseTime = 12 * time.Second

// resolveTime is the next question for rivals plus one announcement.
const resolveTime = time.Second + 250*time.Millisecond

// checkRecord holds the daemon's record to the kernel, and each transition to
// its reason and facts.
func (w *world) checkRecord(st *station) {
	w.t.Helper()
	if st.daemon == nil {
		return
	}
	s, err := st.daemon.Snapshot(w.t.Context(), true)
	if err != nil {
		w.fail("%s: %v", st.name, err)
	}
	a := s.Aliases[0]
	w.seg.mu.Lock()
	has := st.has(aliasIP)
	w.seg.mu.Unlock()
	if (a.Holder == "us") != has {
		w.fail("promise 4: %s says the holder is %q, its kernel has it: %v", st.name, a.Holder, has)
	}
	moved := false
	for _, e := range a.Journal {
		if e.Reason == "" || len(e.Facts) == 0 {
			w.fail("promise 6: a transition without reason or facts: %+v", e)
		}
		moved = moved || e.Action == "take" || e.Action == "adopt"
	}
	if has && !moved && len(a.Journal) < 64 {
		w.fail("promise 6: %s holds the alias without a record of how it came", st.name)
	}
}

// play runs a story in a bubble of its own.
func play(t *testing.T, seed uint64, aPrimary, bPrimary bool, f func(w *world)) {
	t.Helper()
	playWith(t, seed, aPrimary, bPrimary, func(*world) {}, f)
}

// playWith is play of two hosts that set has made ready.
func playWith(t *testing.T, seed uint64, aPrimary, bPrimary bool, set, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed, aPrimary, bPrimary)
		set(w)
		w.begin()
		defer w.end()
		f(w)
	})
}
