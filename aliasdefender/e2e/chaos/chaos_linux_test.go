package chaos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

var (
	chaosFor = flag.Duration("chaos", 12*time.Second, "how long each test of random faults plays")
	seed     = flag.Uint64("seed", 0, "play what was played with this seed again (0: in make soak another each time, else one that is fixed)")
)

func seedOr(other uint64) uint64 {
	switch {
	case *seed != 0:
		return *seed
	case stage.Soak():
		return other
	}
	return 1
}

// chaos plays random faults, and judges how the hosts dealt with them.
type chaos struct {
	t        *testing.T
	p        *pair.Pair
	hosts    [2]*lab.Host
	rnd      *rand.Rand
	interval time.Duration  // the shorter of its two rhythms
	aliases  int            // in the files
	watched  []watchedAlias // some of them, watched closely
	sniff    *lab.Sniffer
	monitors []*lab.Process // every Monitor that was started
	resumed  []time.Time    // when a stopped one was sent SIGCONT

	began  time.Time
	now    moment
	story  []moment
	told   []string
	judged time.Time // whatever ended before has been judged
	full   []crowd   // as they were at each moment
	noise  int       // violations for which the machine itself is to blame
	spoilt bool      // the kernel kept a Monitor from ending as it should: the story proves nothing from here on

	mallory  *attacker
	played   map[string]int // how often each deed of the bursts was played
	removals [2]int         // how often deeds took aliases off a host since its Monitor started
}

type watchedAlias struct {
	alias netip.Addr
	*lab.Watch
	asker *lab.Client
}

// TestPromisesHoldThroughRandomFaults plays random faults in bursts that overlap.
// After each burst it mends everything and judges the promises: those about two
// holders and about none throughout, the last announcement and the service at the end
// of each burst, and what is left behind at the very end.
//
//	go test ./aliasdefender/e2e/chaos -soak -run RandomFaults -timeout 0 -chaos 10m -seed 7
//
// plays for ten minutes with 2 aliases, ten with 30, ten with 2 and a key, and ten with 2
// of IPv6, with the faults that this seed played before in a test of the same length. The hosts may react
// differently: the machine's own timing has no seed.
func TestPromisesHoldThroughRandomFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		aliases int
		keys    []string
		ipv6    bool
	}{
		"2 aliases":            {2, nil, false},
		"30 aliases":           {30, nil, false},
		"2 aliases with a key": {2, []string{stage.NewKey()}, false},
		"2 aliases of IPv6":    {2, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			used := seedOr(uint64(time.Now().UnixNano()) % 1_000_000)
			stage.Proven(t, func() bool {
				c := newChaos(t, tt.aliases, tt.keys, tt.ipv6, rand.New(rand.NewPCG(used, uint64(tt.aliases+100*len(tt.keys)))))
				t.Logf("-chaos %v -seed %d: %s", *chaosFor, used, name)
				if c.play(used); c.spoilt {
					stage.Must(t, c.p.Lab.Close())
				}
				return !c.spoilt
			})
		})
	}
}

// play plays one burst after the other, and leaves.
func (c *chaos) play(used uint64) {
	bursts, deeds := 0, 0
	defer func() {
		c.t.Logf("%d deeds in %d bursts, %v; %d takes of the aliases watched; %d times the machine itself was late; %v",
			deeds, bursts, time.Since(c.began).Round(time.Second), c.takes(), c.noise, c.played)
		if c.t.Failed() {
			c.t.Logf("-chaos %v -seed %d; what was done:\n%s", *chaosFor, used, strings.Join(c.told, "\n"))
		}
	}()
	for ; time.Since(c.began) < *chaosFor && !c.t.Failed() && !c.spoilt; bursts++ {
		if deeds += c.burst(); c.spoilt {
			return
		}
		c.quiet()
		if bursts > 3 {
			c.interval = []time.Duration{50, 100, 100, 200, 400, 1000}[c.rnd.IntN(6)] * time.Millisecond
		}
	}
	if !c.t.Failed() {
		c.leave()
	}
}

func newChaos(t *testing.T, aliases int, keys []string, ipv6 bool, rnd *rand.Rand) *chaos {
	t.Helper()
	c := &chaos{
		t: t, rnd: rnd, aliases: aliases, interval: 100 * time.Millisecond, played: map[string]int{},
	}
	c.p = stage.Pair(t, pair.Spec{PrimaryA: true, Every: time.Millisecond, Keys: keys, IPv6: ipv6})
	c.now.keyed = len(keys) > 0
	c.hosts = [2]*lab.Host{c.p.A, c.p.B}
	for i := range c.hosts {
		c.now.hosts[i] = member{up: true, cable: true, daemon: running, interval: c.interval, rows: stage.RowsOf(c.p.Addresses, aliases, i == hostA)}
		c.write(i, c.now.hosts[i])
	}
	c.now.router = true
	var err error
	if c.sniff, err = c.p.User.Port().SniffOf(segment); ipv6 {
		c.sniff, err = c.p.User.Port().Sniff()
	}
	stage.Must(t, err)
	c.mallory = c.newAttacker()
	c.watched = []watchedAlias{{c.p.Alias, c.p.Holders, c.p.Asker}}
	second := watchedAlias{alias: stage.RowsOf(c.p.Addresses, aliases, true)[aliases-1].Alias.Addr()}
	second.Watch, err = c.p.Lab.Watch(second.alias)
	stage.Must(t, err)
	second.asker, err = c.p.User.Client(lab.ClientSpec{Target: second.alias})
	stage.Must(t, err)
	c.watched = append(c.watched, second)
	for i := range c.hosts {
		stage.Must(t, c.start(i))
	}
	c.began = time.Now()
	c.note()
	c.judged = c.began
	return c
}

// note adds the present state to the story.
func (c *chaos) note() {
	c.now.at = time.Now()
	c.story = append(c.story, c.now)
	c.full = append(c.full, countCrowd())
}

// tell adds a line for the reader of a failed test.
func (c *chaos) tell(what string) {
	c.told = append(c.told, fmt.Sprintf("%8.3f  %s  %s", time.Since(c.began).Seconds(), time.Now().Format("15:04:05.000"), what))
}

// burst does some of the possible deeds at random, with one to four faults at a time:
// one right after the other, or with time between to fail over.
func (c *chaos) burst() (done int) {
	most := 1 + c.rnd.IntN(4)
	for range 6 + c.rnd.IntN(14) {
		deeds := c.deeds()
		repair := c.rnd.IntN(5) < 2 || c.now.faults() >= most
		if some := slices.DeleteFunc(slices.Clone(deeds), func(a deed) bool { return a.repair != repair }); len(some) > 0 {
			deeds = some
		}
		some := slices.DeleteFunc(slices.Clone(deeds), func(a deed) bool { return !slices.Contains(byOthers, a.name) })
		if c.rnd.IntN(3) == 0 && len(some) > 0 {
			deeds = some
		}
		a := deeds[c.rnd.IntN(len(deeds))]
		if err := a.do(); err != nil {
			c.t.Fatalf("%s: %v", a.name, err)
		}
		c.played[a.name]++
		done++
		slow := c.slowest()
		switch c.rnd.IntN(4) {
		case 0:
			<-time.After(time.Duration(c.rnd.Int64N(int64(c.interval))))
		case 1:
			<-time.After(slow/2 + time.Duration(c.rnd.Int64N(int64(slow))))
		case 2:
			<-time.After(slow + lateness + time.Duration(c.rnd.Int64N(int64(slow))))
		}
	}
	return done
}

// quiet mends everything, waits until that has taken effect, and judges.
func (c *chaos) quiet() {
	for {
		deeds := slices.DeleteFunc(c.deeds(), func(a deed) bool { return !a.repair })
		if len(deeds) == 0 {
			break
		}
		stage.Must(c.t, deeds[c.rnd.IntN(len(deeds))].do())
	}
	was := c.slowest()
	for i := range c.hosts {
		stage.Must(c.t, c.rest(i))
		stage.Must(c.t, c.reload(i, c.whole(i)))
	}
	c.tell("quiet")
	// Ten seconds are many bursts; from time to time we wait for what is owed after
	// so long.
	owed, waits := map[netip.Addr]time.Time{}, c.rnd.IntN(4) == 0
	for _, w := range c.watched {
		if owed[w.alias] = c.owed(w); waits {
			<-time.After(time.Until(owed[w.alias]))
		}
	}
	mended := time.Now()
	calm := max(was, c.slowest()) + c.now.rivalry() + lateness
	<-time.After(calm)
	for _, w := range c.watched {
		c.settled(w, mended, calm)
	}
	settled := time.Now()
	<-time.After(calm)
	// By now it is known how late the machine was.
	end := time.Now().Add(-lateness / 2)
	for _, w := range c.watched {
		if !owed[w.alias].After(mended) {
			c.serves(w, settled, end)
		}
	}
	if !c.t.Failed() {
		endsAsTheFilesSay(c.t, c.p, map[*lab.Host][]stage.Row{c.p.A: c.now.hosts[hostA].rows, c.p.B: c.now.hosts[hostB].rows})
	}
	c.judge(end)
	for i, h := range c.hosts {
		c.ownFirst(i)
		select {
		case <-c.p.Monitor(h).Done():
			c.t.Errorf("the Monitor of %s has ended by itself", names[i])
		default:
		}
	}
}

// slowest is the longer of the two hosts' detection times.
func (c *chaos) slowest() time.Duration {
	return max(c.now.hosts[hostA].detection(), c.now.hosts[hostB].detection())
}

// settled requires that one host is the holder by now.
func (c *chaos) settled(w watchedAlias, mended time.Time, calm time.Duration) {
	if len(w.Holders()) == 1 {
		return
	}
	c.full = append(c.full, countCrowd())
	for deadline := time.After(4 * c.late(mended, time.Now(), calm)); len(w.Holders()) != 1; {
		select {
		case <-deadline:
			c.t.Errorf("%s is held by %v, %v after all was mended", w.alias, w.Holders(), time.Since(mended))
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// serves requires that the holder serves the client without a gap since that moment,
// and that its announcement is the last on the wire.
func (c *chaos) serves(w watchedAlias, since, end time.Time) {
	holders := w.Holders()
	if len(holders) != 1 {
		return // it has been reported
	}
	c.full = append(c.full, countCrowd())
	r := w.asker.Report(since, end)
	g := slices.DeleteFunc(stage.Gaps(w.asker, c.p.Control, since), func(g lab.Gap) bool {
		return g.From.After(end) || c.late(since, end, 0) > 0
	})
	if r.By[holders[0]] != r.Answered || len(g) > 0 {
		c.t.Errorf("%s is held by %v; from %s on the client is answered by %v, with the gaps %v",
			w.alias, holders, since.Format("15:04:05.000"), r.By, g)
	}
	mac := c.p.Lab.Lookup(holders[0]).NIC("eth0").MAC
	if f, ok := c.sniff.Last(func(f lab.Frame) bool { return f.Claim(w.alias) }); !ok || !slices.Equal(f.SenderHW, mac) {
		c.t.Errorf("%s is held by %v with %v; the last announcement is: %v", w.alias, holders, mac, f)
	}
}

// judge compares everything so far with the promises.
func (c *chaos) judge(end time.Time) {
	c.full = append(c.full, countCrowd())
	for _, w := range c.watched {
		for _, v := range breaches(c.story, w.Spans(), w.alias, end) {
			switch {
			case v.to.Before(c.judged):
			case v.to.Sub(v.from) < v.limit+c.late(v.from, v.to, v.limit):
				c.noise++
				c.t.Logf("the machine itself was late: %v", v)
			default:
				c.t.Error(v)
			}
		}
		if n := w.Copies(); n > 1 {
			c.t.Errorf("%s stood in %d places of one host at a time", w.alias, n)
		}
	}
	c.judged = end
}

// late is how much longer something may have taken within a stretch because the
// machine itself was late: the control client could not put its questions, one a
// millisecond, in time; or a Monitor that nobody had stopped did not get to run, or while
// there was no storm did not come to read what it heard, and begins its doubt again, which
// takes limit; or the kernel let nobody change a network, or could not hear.
func (c *chaos) late(from, to time.Time, limit time.Duration) (all time.Duration) {
	for i := 1; i < len(c.full); i++ {
		if c.full[i].at.After(from) && c.full[i-1].at.Before(to) && c.full[i].times > c.full[i-1].times {
			all = to.Sub(from)
		}
	}
	if stood := stage.KernelStood(from, to); stood > lateness/2 {
		all += stood + limit
	}
	if lost := to.Sub(from) - time.Duration(c.p.Control.Report(from, to).Sent)*time.Millisecond; lost > to.Sub(from)/50 {
		all += 3 * lost
	}
	for _, m := range c.monitors {
		for line := range strings.Lines(m.Output()) {
			away, unread := strings.Contains(line, "event=away"), strings.Contains(line, " late: ") && strings.Contains(line, "event=frames_lost")
			if !away && !unread {
				continue
			}
			at, err := time.ParseInLocation("2006-01-02 15:04:05.000", line[:23], time.Local)
			meant := slices.ContainsFunc(c.resumed, func(r time.Time) bool { return at.Sub(r).Abs() < time.Second }) || unread && stateAt(c.story, at).storm
			if err == nil && at.After(from) && at.Before(to) && !meant {
				all += limit + lateness
			}
		}
	}
	return all
}

func (c *chaos) takes() (n int) {
	for _, w := range c.watched {
		n += w.Tenure(c.began, time.Now()).Takes
	}
	return n
}

// leave ends both daemons; nothing of ours may stay.
func (c *chaos) leave() {
	for i := range c.hosts {
		stage.Must(c.t, c.onDaemon(i, "TERM", func(m *member) { m.daemon = dead }, c.end(i, unix.SIGTERM)))
	}
	if c.spoilt {
		return
	}
	for i, h := range c.hosts {
		if left := stage.StrangeAddrs(c.t, h, nil); len(left) > 0 {
			c.t.Errorf("%s, after a release: %v", names[i], left)
		}
	}
}
