package lab

import (
	"context"
	"net/netip"
	"testing"
)

// TestAFloodReachesAllAndNotWhoFiltersIt: a sniffer of one subnet has none of the frames
// of another, and all of its own.
func TestAFloodReachesAllAndNotWhoFiltersIt(t *testing.T) {
	t.Parallel()
	x := newRig(t)
	others := netip.MustParseAddr("10.99.0.1")
	all, err := x.c.Port().Sniff()
	x.must(err)
	own, err := x.c.Port().SniffOf(netip.MustParsePrefix("10.0.0.77/24"))
	x.must(err)
	nic := x.b.NIC("eth0")
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	type end struct {
		sent int
		err  error
	}
	ended := make(chan end)
	go func() {
		sent, err := nic.Flood(ctx, 3, func(int) Frame { return Gratuitous(others, nic.MAC) })
		ended <- end{sent, err}
	}()
	_, err = all.Wait(x.ctx, func(f Frame) bool { return f.Claim(others) })
	x.must(err)
	cancel()
	e := <-ended
	x.must(e.err)
	if e.sent == 0 {
		t.Error("the flood had no frames")
	}
	x.must(nic.Send(Gratuitous(alias, nic.MAC)))
	_, err = own.Wait(x.ctx, func(f Frame) bool { return f.Claim(alias) })
	x.must(err)
	if f, ok := own.Last(func(f Frame) bool { return f.SenderIP == others }); ok {
		t.Errorf("the sniffer of one subnet has %v", f)
	}
}
