package detect_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// The cast of all tables. A second at a quarter of it is the rhythm unless a
// table sets another.
var (
	alias, second, partner, router, witness detect.Key
	distant                                 detect.Key // off every subnet of ours
	eth0                                    host.Side  // the half of the NIC that the others are on

	own netip.Prefix

	usual = detect.Rhythm{Interval: time.Second, Timeout: 250 * time.Millisecond, Misses: 3}

	errDown   = errors.New("eth0 is down")
	errDeaf   = errors.New("no permission for an ARP listener")
	errNoPing = errors.New("operation not permitted")
)

const ms = time.Millisecond

func at(nic, addr string) detect.Key { return detect.Key{NIC: nic, Addr: netip.MustParseAddr(addr)} }

// near is the address with that number in our subnet.
func near(n byte) detect.Key {
	if family == host.IPv6 {
		return detect.Key{NIC: "eth0", Addr: netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: n})}
	}
	return detect.Key{NIC: "eth0", Addr: netip.AddrFrom4([4]byte{10, 0, 0, n})}
}

// bits is the length of our subnet's prefix.
func bits() int {
	if family == host.IPv6 {
		return 64
	}
	return 24
}

// family is the one that all tests are played for at present.
var family host.Family

// TestMain plays them for one family and then for the other.
func TestMain(m *testing.M) {
	code := 0
	for _, family = range []host.Family{host.IPv4, host.IPv6} {
		alias, second, partner, router, witness = near(100), near(101), near(2), near(254), near(53)
		distant = at("", "192.0.2.5")
		if family == host.IPv6 {
			distant = at("", "2001:db8:1::5")
		}
		own, eth0 = netip.PrefixFrom(near(1).Addr, bits()), alias.Side()
		if got := m.Run(); got != 0 {
			fmt.Println("FAIL: the tests above were played for", family)
			code = cmp.Or(code, got)
		}
	}
	os.Exit(code)
}

func call(k detect.Key) string {
	switch k {
	case alias:
		return "alias"
	case second:
		return "second"
	case partner:
		return "partner"
	case router:
		return "router"
	case witness:
		return "witness"
	case distant:
		return "distant"
	}
	return k.Addr.String()
}

// far is a host at the other end, and the way to it.
type far struct {
	dead    bool          // answers nothing
	filters bool          // answers no ping
	hw      host.HW       // of its frames
	after   time.Duration // how long an answer takes
	noPing  error         // why no ping can be sent,
	late    time.Duration // which comes to light so much later
	noARP   error         // why no ARP frame can be sent
}

// happening is something that the Set is told of.
type happening struct {
	at time.Time
	do func()
}

// bench plays a Set against hosts that answer, lose and fail as a script has
// it. Its log has all questions and changes, each with the time since the start.
type bench struct {
	t     testing.TB
	set   *detect.Set
	start time.Time
	now   time.Time
	link  detect.Link
	hosts map[detect.Key]*far
	here  map[detect.Key]*detect.Here
	due   []happening
	quiet bool     // keeps no log
	log   []string //
	most  int      // questions a Turn
	lazy  bool     // takes answers in only when the Set wants to be woken
	wakes int      // how often Turn was called
	asked map[detect.Key]int
	sent  map[detect.Key][]detect.Question // and are not known to be lost; where check is set
	check func()                           // after each step

	lostAt time.Time     // when answers were lost last
	waits  time.Duration // for how long the oldest answer does
}

// deafened tells the Set how well answers are heard, by either medium.
func (b *bench) deafened(lost bool, late time.Duration) {
	if b.waits = late; lost {
		b.lostAt = b.now
	}
	b.set.Heard(b.now, detect.ICMP, host.Side{}, lost, late)
	b.set.Heard(b.now, detect.ARP, eth0, lost, late)
}

func newBench(t testing.TB, arp bool) *bench {
	start := time.Unix(1_800_000_000, 0)
	b := &bench{
		t: t, set: detect.New(start, arp), start: start, now: start, most: 1 << 20,
		link:  detect.Link{Side: eth0, Index: 2, Own: []netip.Prefix{own}, Hears: arp},
		hosts: map[detect.Key]*far{}, here: map[detect.Key]*detect.Here{}, asked: map[detect.Key]int{},
		sent: map[detect.Key][]detect.Question{},
	}
	return b
}

// host is the far host at that address; they all live at first, but for aliases.
func (b *bench) host(k detect.Key) *far {
	h := b.hosts[k]
	if h == nil {
		a := k.Addr.AsSlice()
		h = &far{hw: host.HW{2, 0, 0, 0, 0, a[len(a)-1]}, after: ms}
		b.hosts[k] = h
	}
	return h
}

// wish is for an alias with a partner, a router and a witness.
func (b *bench) wish(k detect.Key, r detect.Rhythm) detect.Wish {
	if b.here[k] == nil {
		b.here[k] = &detect.Here{Kernel: rules.No}
	}
	return detect.Wish{
		Alias: k, Partner: partner, Routers: []detect.Key{router}, Witnesses: []detect.Key{witness}, Rhythm: r,
		Here: func() detect.Here { return *b.here[k] },
	}
}

// begin has the wishes asked.
func (b *bench) begin(wishes ...detect.Wish) {
	b.set.Want(b.now, wishes)
	b.set.Link(b.now, b.link)
	b.set.Begin(b.now)
}

// when has something happen so long after the start.
func (b *bench) when(d time.Duration, do func()) { b.schedule(b.start.Add(d), do) }

func (b *bench) schedule(at time.Time, do func()) {
	i, _ := slices.BinarySearchFunc(b.due, at, func(h happening, at time.Time) int {
		return cmp.Or(h.at.Compare(at), -1) // behind what is due at the same time
	})
	b.due = slices.Insert(b.due, i, happening{at, do})
}

// links tells of the NIC after a change.
func (b *bench) links(change func(l *detect.Link)) {
	change(&b.link)
	b.set.Link(b.now, b.link)
}

// holds puts the alias on this host, or takes it off.
func (b *bench) holds(k detect.Key, yes bool) {
	*b.here[k] = detect.Here{Holding: yes, Kernel: rules.Of(yes)}
	b.set.Moved(b.now, k)
}

// run lets time pass up to so long after the start.
func (b *bench) run(until time.Duration) {
	b.t.Helper()
	end := b.start.Add(until)
	for stuck := 0; ; stuck++ {
		wake := b.set.Next()
		next := wake
		if len(b.due) > 0 && (!b.lazy || wake.IsZero()) && (next.IsZero() || b.due[0].at.Before(next)) {
			next = b.due[0].at
		}
		if next.IsZero() || next.After(end) {
			b.now = end
			return
		}
		if next.After(b.now) {
			b.now, stuck = next, 0
		} else if stuck > 10000 {
			b.t.Fatalf("%v: the Set wants to be woken again and again", b.now.Sub(b.start))
		}
		for len(b.due) > 0 && !b.due[0].at.After(b.now) {
			do := b.due[0].do
			b.due = b.due[1:]
			do()
		}
		if !wake.IsZero() && !b.now.Before(wake) {
			b.wakes++
			b.set.Turn(b.now, b.most)
			// Short of most, all that is due was done. Where it was not, more may be due.
			if next := b.set.Next(); b.most == 1<<20 && !next.IsZero() && !next.After(b.now) {
				b.t.Fatalf("%v: a Turn left something to do at %v", b.now.Sub(b.start), next.Sub(b.start))
			}
		}
		b.drain()
	}
}

// drain puts the questions on the wire and writes down what has changed.
func (b *bench) drain() {
	for q := b.set.Questions(); len(q) > 0; q = b.set.Questions() {
		if b.most < 1<<20 && len(q) > b.most+64 {
			b.t.Fatalf("%v: %d questions, want %d and those of one miss", b.now.Sub(b.start), len(q), b.most)
		}
		for _, one := range q {
			b.put(one)
		}
	}
	for c := b.set.Changes(); len(c) > 0; c = b.set.Changes() {
		for _, one := range c {
			b.note(one)
		}
	}
	if b.check != nil {
		b.check()
	}
}

func (b *bench) put(q detect.Question) {
	b.asked[q.Key]++
	if b.check != nil {
		b.sent[q.Key] = append(b.sent[q.Key], q)
	}
	h := b.host(q.Key)
	if !b.quiet {
		how := "ping"
		if q.Medium == detect.ARP {
			switch {
			case q.Probe:
				how = "probe"
			case q.To.IsZero():
				how = "arp all"
			case q.To == h.hw:
				how = "arp it"
			default:
				how = "arp another"
			}
		}
		b.write("%s? %s", call(q.Key), how)
	}
	switch {
	case q.Medium == detect.ARP && h.noARP != nil:
		b.couldNot(q, h.noARP)
	case q.Medium == detect.ARP && !h.dead && (q.To.IsZero() || q.To == h.hw):
		at := b.now.Add(h.after)
		if q.Probe && q.Addr.Is6() { // the answer goes to all, like an announcement (RFC 4861, 7.2.4)
			b.schedule(at, func() {
				b.set.Sighted(b.now, host.Sighting{NIC: q.NIC, At: at, Sender: q.Addr, HW: h.hw, Target: q.Addr})
			})
			break
		}
		b.schedule(at, func() { b.frame(q.Key, at, true) })
	case q.Medium == detect.ICMP && h.noPing != nil && h.late == 0:
		b.couldNot(q, h.noPing)
	case q.Medium == detect.ICMP && h.noPing != nil:
		why := h.noPing
		b.schedule(b.now.Add(h.late), func() { b.couldNot(q, why) })
	case q.Medium == detect.ICMP && !h.dead && !h.filters:
		b.schedule(b.now.Add(h.after), func() { b.set.Answered(b.now, q) })
	}
}

// couldNot tells the Set that a question was not sent.
func (b *bench) couldNot(q detect.Question, err error) {
	b.sent[q.Key] = slices.DeleteFunc(b.sent[q.Key], func(x detect.Question) bool { return x == q })
	b.set.CouldNot(b.now, q, err)
}

// newest is when the newest question before this moment was put that is not known
// to be lost.
func (b *bench) newest(k detect.Key) time.Time {
	for _, q := range slices.Backward(b.sent[k]) {
		if q.Put.Before(b.now) {
			return q.Put
		}
	}
	return time.Time{}
}

// frame is one ARP frame that the host sent at that time.
func (b *bench) frame(k detect.Key, at time.Time, reply bool) {
	b.set.Sighted(b.now, host.Sighting{NIC: k.NIC, At: at, Sender: k.Addr, HW: b.host(k).hw, Target: own.Addr(), Reply: reply})
}

// note writes one change down.
func (b *bench) note(c detect.Change) {
	if b.quiet {
		return
	}
	what := [...]string{"newer", "missed", "other", "back", "cannot"}[c.What]
	if c.What == detect.Cannot {
		b.write("%s %s: %v", call(c.Target.Key), what, c.Err)
		return
	}
	b.write("%s %s: %s", call(c.Target.Key), what, b.fact(c.Target.Key))
}

// fact is what is known of an address, with its times since the start.
func (b *bench) fact(k detect.Key) string {
	t := b.set.At(k)
	if t == nil {
		return "not wanted"
	}
	f := t.Fact()
	s := f.Value.Answer()
	for _, x := range []struct {
		name string
		at   time.Time
	}{{"since", f.Since}, {"asked", f.Asked}, {"miss", f.Miss}} {
		if !x.at.IsZero() {
			s += fmt.Sprintf(" %s %v", x.name, x.at.Sub(b.start))
		}
	}
	return s
}

func (b *bench) write(format string, args ...any) {
	b.log = append(b.log, fmt.Sprintf("%v ", b.now.Sub(b.start))+fmt.Sprintf(format, args...))
}

// clear forgets the log and what was counted.
func (b *bench) clear() {
	b.log, b.wakes = nil, 0
	clear(b.asked)
}

// about are the lines about one address.
func (b *bench) about(k detect.Key) (lines []string) {
	for _, l := range b.log {
		if _, rest, _ := strings.Cut(l, " "); strings.HasPrefix(rest, call(k)+"?") || strings.HasPrefix(rest, call(k)+" ") {
			lines = append(lines, l)
		}
	}
	return lines
}

// want compares the lines about one address with those wanted, one a line.
func (b *bench) want(k detect.Key, want string) {
	b.t.Helper()
	b.same(b.about(k), want)
}

func (b *bench) same(got []string, want string) {
	b.t.Helper()
	var lines []string
	for l := range strings.Lines(want) {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	if diff := gocmp.Diff(lines, got); diff != "" {
		b.t.Errorf("not as wanted (-want +got):\n%s\n--- got\n%s", diff, strings.Join(got, "\n"))
	}
}
