package detect_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/rules"
)

// crowd is n aliases of one NIC.
func crowd(n int) (all []detect.Key) {
	for i := range n {
		all = append(all, numbered(1+i/200, 1+i%200))
	}
	return all
}

func (b *bench) wishes(all []detect.Key, r detect.Rhythm) (w []detect.Wish) {
	for _, k := range all {
		w = append(w, b.wish(k, r))
	}
	return w
}

// sum is how many questions were put for these since the last clear.
func (b *bench) sum(all []detect.Key) (n int) {
	for _, k := range all {
		n += b.asked[k]
	}
	return n
}

func TestManyThatAreHeldAreAskedForInTurns(t *testing.T) {
	b := newBench(t, true)
	b.quiet = true
	all := crowd(200)
	b.begin(b.wishes(all, usual)...)
	b.run(900 * ms)
	for _, k := range all {
		b.host(k).dead = true
		b.holds(k, true)
	}
	b.run(12*time.Second - 1)
	b.clear()
	for s := range 4 {
		b.run(time.Duration(13+s)*time.Second - 1)
		if n := b.sum(all); n > 50*(s+1) {
			t.Errorf("%d questions in %d s, want 50 a second at most", n, s+1)
		}
	}
	for _, k := range all {
		if b.asked[k] != 1 {
			t.Errorf("%s was asked for %d times in 4 s, want each of 200 once", k.Addr, b.asked[k])
		}
		if every := b.set.At(k).Every(b.now); every != 4*time.Second {
			t.Fatalf("Every says %v, want 4 s: 200 at 50 a second", every)
		}
	}
}

func TestFiftyThatAreHeldAreAskedForEachInterval(t *testing.T) {
	b := newBench(t, true)
	b.quiet = true
	all := crowd(50)
	b.begin(b.wishes(all, usual)...)
	for _, k := range all {
		b.host(k).dead = true
		b.holds(k, true)
	}
	b.run(10500 * ms)
	b.clear()
	b.run(20500 * ms)
	if n := b.sum(all); n != 500 {
		t.Errorf("%d questions in 10 s, want 500", n)
	}
}

// TestOneInVainIsEnoughWhereTheyAreAskedInTurns: rivals are heard rather than asked for.
func TestOneInVainIsEnoughWhereTheyAreAskedInTurns(t *testing.T) {
	b := newBench(t, true)
	all := crowd(51)
	for _, k := range all {
		b.wish(k, usual)
		b.host(k).dead = true
		b.holds(k, true)
		b.here[k].Kernel = 0
	}
	b.begin(b.wishes(all, usual)...)
	b.run(900 * ms)
	b.want(all[0], strings.ReplaceAll(`
		0s 10.0.1.1? arp all
		0s 10.0.1.1 other: unknown
		250ms 10.0.1.1 missed: silent since 250ms asked 0s miss 250ms
		250ms 10.0.1.1 other: silent since 250ms asked 0s miss 250ms`, "10.0.1.1", all[0].Addr.String()))
}

func TestThousandsInDoubtAreThinnedOut(t *testing.T) {
	fast := detect.Rhythm{Interval: 100 * ms, Timeout: 25 * ms, Misses: 3}
	for _, x := range []struct{ aliases, dead, most int }{
		{1000, 1000, 2 * 1000 / 2}, // one each a timeout: more than 20,000 a second, as promised
		{200, 200, 400 + 200},      // two each
		{1000, 1, 4},               // the doubt about one of many is a thorough one
	} {
		t.Run(fmt.Sprintf("%d of %d", x.dead, x.aliases), func(t *testing.T) {
			b := newBench(t, true)
			b.quiet = true
			all := crowd(x.aliases)
			b.begin(b.wishes(all, fast)...)
			b.run(1090 * ms)
			for _, k := range all[:x.dead] {
				b.host(k).dead = true
			}
			b.run(1150*ms - 1) // asked at 1.1 s, and one window of the doubt from 1.125 s on
			b.clear()
			b.run(1175*ms - 1) // the next window
			if n := b.sum(all[:x.dead]); n == 0 || n > x.most {
				t.Errorf("%d questions in a timeout, want %d at most and one at least", n, x.most)
			}
			b.run(1180 * ms)
			for _, k := range all[:x.dead] {
				if f := b.set.At(k).Fact(); f.Value.Answer() != "silent" {
					t.Fatalf("%s is %s after its doubt", k.Addr, f.Value.Answer())
				}
			}
		})
	}
}

// TestWhatATurnDoesNotGetToIsDueAtOnce: a thousand addresses are asked in bursts.
func TestWhatATurnDoesNotGetToIsDueAtOnce(t *testing.T) {
	b := newBench(t, true)
	b.set.Want(b.now, b.wishes(crowd(1000), usual))
	b.set.Link(b.now, b.link)
	b.set.Begin(b.now)
	total := 0
	for i := range 5 {
		b.set.Turn(b.now, 256)
		n := len(b.set.Questions())
		if total += n; i < 3 && n < 256 || n > 258 {
			t.Errorf("turn %d: %d questions, want 256", i, n)
		}
		if next := b.set.Next(); next.After(b.now) != (total >= 1006) {
			t.Fatalf("%d of 1006 asked, and next is %v later", total, next.Sub(b.now))
		}
	}
}

func TestSharedTargetIsAskedAtTheFastestRhythm(t *testing.T) {
	b := newBench(t, true)
	slow := detect.Rhythm{Interval: 20 * time.Second, Timeout: time.Second, Misses: 5}
	b.begin(b.wish(second, slow), b.wish(alias, usual))
	b.run(60500 * ms)
	b.clear()
	b.run(70500 * ms)
	if a, s, r := b.asked[alias], b.asked[second], b.asked[router]; a != 10 || s != 0 || r != 10 {
		t.Errorf("in 10 s alias %d, second %d, router %d; want 10, 0, 10", a, s, r)
	}
	want := usual
	want.Misses = slow.Misses // nobody takes it for silent sooner than he wants
	if got := b.set.At(router).Rhythm; got != want {
		t.Errorf("the router's rhythm is %+v, want %+v", got, want)
	}
	names := 0
	for range b.set.At(router).For {
		names++
	}
	if names != 2 {
		t.Errorf("the router bears on %d aliases, want 2", names)
	}
}

func TestWishesThatChange(t *testing.T) {
	b := newBench(t, true)
	fast := detect.Rhythm{Interval: 100 * ms, Timeout: 25 * ms, Misses: 3}
	b.begin(b.wish(alias, usual), b.wish(second, usual))
	b.run(2500 * ms)
	was, gone := b.fact(alias), b.set.At(witness)
	w := b.wish(alias, fast)
	w.Witnesses = nil
	b.set.Want(b.now, []detect.Wish{w})
	if got := b.fact(alias); got != was {
		t.Errorf("an alias that is kept is %q, and was %q", got, was)
	}
	if b.set.At(second) != nil || b.set.At(witness) != nil || len(b.set.Targets()) != 3 || b.set.Addrs()[second.Addr] {
		t.Error("what nobody wants is still there")
	}
	for range gone.For {
		t.Error("a target that is dropped bears on nothing")
	}
	if b.set.Brisk() != fast.Timeout {
		t.Errorf("the shortest timeout is %v", b.set.Brisk())
	}
	b.clear()
	b.run(3500 * ms)
	if a, s, r := b.asked[alias], b.asked[second]+b.asked[witness], b.asked[router]; a != 10 || s != 0 || r != 10 {
		t.Errorf("in a second alias %d, dropped ones %d, router %d; want 10, 0, 10", a, s, r)
	}
	b.set.Want(b.now, []detect.Wish{b.wish(alias, usual)})
	b.clear()
	b.run(5450 * ms)
	if a, n := b.asked[alias], b.asked[witness]; a < 2 || a > 3 || n < 2 {
		t.Errorf("at a second again the alias was asked %d times in 2 s, the witness %d times", a, n)
	}
	b.set.Want(b.now, nil)
	if !b.set.Next().IsZero() || len(b.set.Targets()) != 0 || b.set.Brisk() != time.Hour {
		t.Error("who wants nothing is woken for something")
	}
}

// Nothing is late before anything is asked.
func TestWhoHasAskedNothingIsInNoHurry(t *testing.T) {
	if b := detect.New(time.Now(), true).Brisk(); b != time.Hour {
		t.Errorf("the shortest timeout is %v", b)
	}
}

// TestTroubleIsSaidOnce: on change and once an hour, and at most once a minute.
func TestTroubleIsSaidOnce(t *testing.T) {
	b := newBench(t, true)
	w := b.wish(alias, usual)
	w.Routers = []detect.Key{distant}
	b.begin(w)
	b.host(distant).noPing = errNoPing
	b.when(30*time.Minute, func() { b.host(distant).noPing = errors.New("network is unreachable") })
	b.when(30*time.Minute+10*time.Second, func() { b.host(distant).noPing = errNoPing })
	b.run(100 * time.Minute)
	said := slices.DeleteFunc(b.about(distant), func(l string) bool { return !strings.Contains(l, "cannot") })
	b.same(said, `
		0s distant cannot: operation not permitted
		30m0s distant cannot: network is unreachable
		31m0s distant cannot: operation not permitted
		1h31m0s distant cannot: operation not permitted`)
}

// TestSourceIsAnAddressOfTheTargetsSubnet, or the first of the NIC's; a probe
// claims none, and the kernel chooses that of a distant target.
func TestSourceIsAnAddressOfTheTargetsSubnet(t *testing.T) {
	b := newBench(t, true)
	first, far := netip.MustParsePrefix("172.16.0.9/16"), at("eth0", "203.0.113.7")
	if family == host.IPv6 {
		first, far = netip.MustParsePrefix("2001:db8:9::9/64"), at("eth0", "2001:db8:7::7")
	}
	b.link.Own = []netip.Prefix{first, own}
	w := b.wish(alias, usual)
	w.Routers, w.Witnesses = []detect.Key{distant}, []detect.Key{far}
	b.begin(w)
	b.set.Turn(b.now, 100)
	for _, q := range b.set.Questions() {
		want := own.Addr()
		switch q.Key {
		case distant:
			want = netip.Addr{}
		case w.Witnesses[0]:
			want = b.link.Own[0].Addr()
		}
		if q.Source != want {
			t.Errorf("%s is asked from %v, want %v", call(q.Key), q.Source, want)
		}
		if q.Timeout != usual.Timeout || !q.Put.Equal(b.now) || q.Shared != (q.Medium == detect.ICMP) {
			t.Errorf("question %+v", q)
		}
	}
	if got := b.set.Source("eth0", alias.Addr); got != own.Addr() {
		t.Errorf("Source is %v", got)
	}
	if got := b.set.Source("eth7", alias.Addr); got.IsValid() {
		t.Errorf("Source of a NIC that is not there is %v", got)
	}
}

// numbered is one of more than 256 addresses.
func numbered(hundreds, n int) detect.Key {
	k := near(byte(n))
	a := k.Addr.AsSlice()
	a[len(a)-2] = byte(hundreds)
	k.Addr, _ = netip.AddrFromSlice(a)
	return k
}

// TestALinkLocalTargetIsAskedFromALinkLocalAddress, and no other is if that can be helped:
// no router forwards what comes from one.
func TestALinkLocalTargetIsAskedFromALinkLocalAddress(t *testing.T) {
	b := newBench(t, true)
	b.link.Side = host.Side{NIC: "eth0", Family: host.IPv6}
	link, global := netip.MustParsePrefix("fe80::9/64"), netip.MustParsePrefix("2001:db8:9::9/64")
	b.link.Own = []netip.Prefix{link, global}
	k := at("eth0", "fe80::100%eth0")
	b.set.Want(b.now, []detect.Wish{b.wish(k, usual)})
	b.set.Link(b.now, b.link)
	for target, want := range map[string]string{"fe80::100%eth0": "fe80::9%eth0", "2001:db8:9::1": "2001:db8:9::9", "2001:db8:8::1": "2001:db8:9::9"} {
		if got := b.set.Source("eth0", netip.MustParseAddr(target)); got.String() != want {
			t.Errorf("%s is asked from %v, want %s", target, got, want)
		}
	}
	b.link.Own = b.link.Own[:1]
	b.set.Link(b.now, b.link)
	if got := b.set.Source("eth0", netip.MustParseAddr("2001:db8:8::1")); got.String() != "fe80::9%eth0" {
		t.Errorf("without any other: %v", got)
	}
}

// TestWhatOneFamilyDoesNotHearSaysNothingOfTheOther on the same NIC.
func TestWhatOneFamilyDoesNotHearSaysNothingOfTheOther(t *testing.T) {
	b := newBench(t, true)
	b.quiet = true
	other := host.Side{NIC: "eth0", Family: host.IPv4 + host.IPv6 - family}
	k := at("eth0", map[host.Family]string{host.IPv4: "10.0.0.99", host.IPv6: "2001:db8::99"}[other.Family])
	b.begin(b.wish(alias, usual), b.wish(k, usual))
	b.set.Link(b.now, detect.Link{Side: other, Err: errDown})
	for d := time.Duration(0); d < 5*time.Second; d += 10 * ms {
		b.when(d, func() { b.set.Heard(b.now, detect.ARP, other, true, 0) })
	}
	b.host(alias).dead = true
	b.run(5 * time.Second)
	if got := b.set.At(alias).Fact().Value; got != rules.Silent {
		t.Errorf("the alias is %s", got.Answer())
	}
	if !b.set.Missed(detect.ARP, other, b.start, ms) || b.set.Missed(detect.ARP, eth0, b.start, ms) {
		t.Error("the wrong half of the NIC is deaf")
	}
}
