package lab

import (
	"math"
	"testing"
	"time"
)

// cutFor is how long the tests that measure a cut cut.
const cutFor = 300 * time.Millisecond

// noise is what a busy machine may add to a measured time. What the control client
// has measured of it is subtracted first.
const noise = 2 * time.Second

func TestMutedPortIsAGapAsLongAsTheMuteAndKeepsTheCarrier(t *testing.T) {
	x := newRig(t)
	x.takes(x.a)
	c, control := x.client(alias), x.client(router)
	x.must(c.WaitAnswer(x.ctx, "a"))
	x.must(control.WaitAnswer(x.ctx, "r"))

	before := time.Now()
	x.must(x.a.Port().Mute())
	muted := time.Now()
	<-time.After(cutFor)
	if up, err := x.a.NIC("eth0").Carrier(); err != nil || !up {
		t.Errorf("muted: carrier %v, %v; want true", up, err)
	}
	unmuting := time.Now()
	x.must(x.a.Port().Unmute())
	unmuted := time.Now()
	x.must(c.WaitAnswer(x.ctx, "a"))

	gap := c.Gap(before)
	least, most := unmuting.Sub(muted)-2*time.Millisecond, unmuted.Sub(before)+control.Gap(before).Length()+noise
	if gap.Open || gap.Before != "a" || gap.After != "a" || gap.Length() < least || gap.Length() > most {
		t.Errorf("gap %v (%+v), want %v to %v", gap.Length(), gap, least, most)
	}
	// An answer from before the mute that the client was late to read shortens the silence.
	if r := c.Report(before, time.Time{}); r.Silence < least-r.Stall {
		t.Errorf("no answer arrived for %v, want at least %v", r.Silence, least-r.Stall)
	}
	if g := control.Gap(before); g.Length() >= gap.Length() {
		t.Errorf("the control, which was not cut, has a gap of %v", g.Length())
	}
}

func TestADeadPortTakesTheCarrierAway(t *testing.T) {
	x := newRig(t)
	x.takes(x.a)
	c := x.client(alias)
	x.must(c.WaitAnswer(x.ctx, "a"))

	x.must(x.a.Port().Down())
	x.must(x.a.NIC("eth0").WaitCarrier(x.ctx, false))
	x.must(c.WaitSilent(x.ctx, 50*time.Millisecond))
	x.must(x.a.Port().Up())
	x.must(x.a.NIC("eth0").WaitCarrier(x.ctx, true))
	x.must(c.WaitAnswer(x.ctx, "a"))
}

func TestAMuteLastsThroughANewCarrier(t *testing.T) {
	x := newRig(t)
	x.takes(x.a)
	c := x.client(alias)
	x.must(c.WaitAnswer(x.ctx, "a"))

	x.must(x.a.Port().Mute())
	x.must(x.a.Port().Down())
	x.must(x.a.NIC("eth0").WaitCarrier(x.ctx, false))
	x.must(x.a.Port().Up())
	x.must(x.a.NIC("eth0").WaitCarrier(x.ctx, true))
	x.must(c.WaitSilent(x.ctx, 200*time.Millisecond))
	x.must(x.a.Port().Unmute())
	x.must(c.WaitAnswer(x.ctx, "a"))
}

func TestPartitionCutsBetweenGroupsAndNowhereElse(t *testing.T) {
	x := newRig(t)
	toA, toB := x.client(x.a.NIC("eth0").Addrs[0].Addr()), x.client(x.b.NIC("eth0").Addrs[0].Addr())
	between, err := x.a.Client(ClientSpec{Target: x.b.NIC("eth0").Addrs[0].Addr()})
	x.must(err)
	all := func() {
		t.Helper()
		x.must(toA.WaitAnswer(x.ctx, "a"))
		x.must(toB.WaitAnswer(x.ctx, "b"))
	}
	all()
	x.must(between.WaitAnswer(x.ctx, "b"))

	// a and b do not see each other; router and client, in no group, see both.
	x.must(x.sw.Partition([]*Port{x.a.Port()}, []*Port{x.b.Port()}))
	x.must(between.WaitSilent(x.ctx, 100*time.Millisecond))
	all()

	// Another partition replaces it.
	x.must(x.sw.Partition([]*Port{x.a.Port(), x.b.Port()}, []*Port{x.c.Port(), x.r.Port()}))
	x.must(between.WaitAnswer(x.ctx, "b"))
	x.must(toA.WaitSilent(x.ctx, 100*time.Millisecond))

	x.must(x.sw.Heal())
	all()
}

func TestLossDropsWhatItSaysInTheDirectionItSays(t *testing.T) {
	const percent = 30
	questions := 5000
	if testing.Short() {
		questions = 1000
	}
	x := newRig(t)
	c, err := x.c.Client(ClientSpec{Target: alias, Every: 500 * time.Microsecond})
	x.must(err)
	x.takes(x.a)
	x.must(c.WaitAnswer(x.ctx, "a"))

	for _, tt := range []struct {
		name             string
		toHost, fromHost float64
		want             float64
	}{
		{"to the host", percent, 0, percent},
		{"from the host", 0, percent, percent},
		{"both ways", percent, percent, 100 - 70*70/100.},
	} {
		x.must(x.a.Port().Loss(tt.toHost, tt.fromHost))
		from := time.Now()
		<-time.After(time.Duration(questions) * 500 * time.Microsecond)
		to := time.Now()
		x.must(x.a.Port().Loss(0, 0))
		x.must(c.WaitAnswer(x.ctx, "a")) // what was still on its way has come
		r := c.Report(from, to)
		missed := 100 * float64(r.Sent-r.Answered) / float64(r.Sent)
		t.Logf("%s: %d of %d missed, %.1f %%", tt.name, r.Sent-r.Answered, r.Sent, missed)
		// Six standard deviations: one run in 500 million.
		off := 6 * 100 * math.Sqrt(0.25/float64(r.Sent))
		if math.Abs(missed-tt.want) > off {
			t.Errorf("%s: %.1f %% missed, want %.0f ± %.1f", tt.name, missed, tt.want, off)
		}
	}

	// Loss of what comes from the host only: what the client sends arrives.
	sniffer, err := x.c.Port().Sniff()
	x.must(err)
	x.must(x.a.Port().Loss(100, 0))
	x.must(x.a.NIC("eth0").Send(Gratuitous(alias, x.a.NIC("eth0").MAC)))
	_, err = sniffer.Wait(x.ctx, func(f Frame) bool { return f.Claim(alias) })
	x.must(err)
}

func TestCrashAndBoot(t *testing.T) {
	x := newRig(t)
	x.takes(x.a)
	c := x.client(alias)
	x.must(c.WaitAnswer(x.ctx, "a"))
	own, err := x.c.Client(ClientSpec{Target: x.a.NIC("eth0").Addrs[0].Addr()})
	x.must(err)
	x.must(own.WaitAnswer(x.ctx, "a"))
	// One that has started another: a power cut takes both.
	p, err := x.a.Start("parent", "sh", "-c", "sleep 1000 & echo started; wait")
	x.must(err)
	x.must(p.WaitOutput(x.ctx, "started"))

	x.must(x.a.Crash())
	crashed := time.Now()
	if x.a.Up() {
		t.Error("crashed and up")
	}
	if code, err := p.Wait(x.ctx); err != nil || code != -1 {
		t.Errorf("its program ended with %d, %v; want -1", code, err)
	}
	if _, err := x.a.Start("late", "true"); err == nil {
		t.Error("a program was started on a crashed host")
	}
	x.must(c.WaitSilent(x.ctx, 50*time.Millisecond))
	if r := c.Report(crashed, time.Time{}); r.Answered > 0 {
		t.Errorf("%d questions asked after the crash were answered", r.Answered)
	}

	x.must(x.a.Boot())
	x.must(own.WaitAnswer(x.ctx, "a")) // same addresses, same hardware address: no ARP needed
	if holders, err := x.lab.Holders(alias); err != nil || len(holders) > 0 {
		t.Errorf("after the boot the alias is on %v, %v", holders, err)
	}
	x.takes(x.a)
	x.must(c.WaitAnswer(x.ctx, "a"))
}

func TestANICMadeAgainHasAnotherIndexAndTheSameAddresses(t *testing.T) {
	x := newRig(t)
	nic := x.a.NIC("eth0")
	c := x.client(nic.Addrs[0].Addr())
	x.must(c.WaitAnswer(x.ctx, "a"))
	before := nic.Index()
	x.must(nic.Recreate())
	if nic.Index() == before {
		t.Errorf("index %d both times", before)
	}
	x.must(c.WaitAnswer(x.ctx, "a"))
	if out, stderr, code := x.a.Run(x.ctx, "cat", "/proc/net/route"); code != 0 || !hasDefaultRoute(out) {
		t.Errorf("no default route: %s%s", out, stderr)
	}
}

func TestAnOperatorsHands(t *testing.T) {
	x := newRig(t)
	x.takes(x.a)
	c := x.client(alias)
	nic := x.a.NIC("eth0")
	x.must(c.WaitAnswer(x.ctx, "a"))
	x.must(nic.DelAddr(alias))
	x.must(c.WaitSilent(x.ctx, 50*time.Millisecond))
	x.must(nic.DelAddr(alias)) // gone already
	x.takes(x.a)
	x.must(c.WaitAnswer(x.ctx, "a"))

	x.must(nic.SetUp(false))
	x.must(c.WaitSilent(x.ctx, 50*time.Millisecond))
	x.must(nic.SetUp(true))
	x.must(c.WaitAnswer(x.ctx, "a"))
	if out, _, _ := x.a.Run(x.ctx, "cat", "/proc/net/route"); !hasDefaultRoute(out) {
		t.Errorf("no default route after down and up:\n%s", out)
	}
	x.must(x.a.DelDefaultRoute())
	if out, _, _ := x.a.Run(x.ctx, "cat", "/proc/net/route"); hasDefaultRoute(out) {
		t.Errorf("still a default route:\n%s", out)
	}
}

func TestARouterWithProxyARPAnswersForTheAlias(t *testing.T) {
	x := newRig(t)
	sniffer, err := x.c.Port().Sniff()
	x.must(err)
	told := func(f Frame) bool { return f.Op == Reply && f.SenderIP == alias }
	x.must(x.r.NIC("eth0").ProxyARP(true))
	x.client(alias)
	f, err := sniffer.Wait(x.ctx, told)
	x.must(err)
	if f.SenderHW.String() != x.r.NIC("eth0").MAC.String() {
		t.Errorf("answered by %s, want the router", f.SenderHW)
	}
}

func TestAClaimMovesTheClientAndTheSnifferKnowsWhoClaimedLast(t *testing.T) {
	x := newRig(t)
	x.takes(x.a)
	c := x.client(alias)
	sniffer, err := x.c.Port().Sniff()
	x.must(err)
	x.must(c.WaitAnswer(x.ctx, "a"))
	x.takes(x.b) // both have it now: the client goes where the last claim says
	x.must(c.WaitAnswer(x.ctx, "b"))
	claim := func(f Frame) bool { return f.Claim(alias) && !f.FromHost }
	last, ok := sniffer.Last(claim)
	if !ok || last.SenderHW.String() != x.b.NIC("eth0").MAC.String() {
		t.Errorf("last claim %v, want b's; of\n%v", last, sniffer.Frames())
	}
	if spans := c.Spans(time.Time{}, time.Time{}); len(spans) != 2 || spans[0].By != "a" || spans[1].By != "b" {
		t.Errorf("answered by %+v, want a, then b", spans)
	}
}
