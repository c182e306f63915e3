package story

import (
	"net/netip"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// TestForgedClaimsAreNotYieldedTo sends real frames to a holder that is not primary:
// "the partner is at M" and "the alias is at M". Once that made the holder let go,
// and tell the segment itself that the alias was at M.
func TestForgedClaimsAreNotYieldedTo(t *testing.T) {
	t.Parallel()
	forgedClaimsAreNotYieldedTo(t, stage.Stage{})
}

func forgedClaimsAreNotYieldedTo(t *testing.T, on stage.Stage) {
	p := on.Begun(t)
	crashedOnce(t, p)
	mallory, err := p.Lab.Host(lab.HostSpec{Name: "mallory", NICs: []lab.NICSpec{{
		Name: "eth0", Switch: p.Switch, Addrs: []netip.Prefix{p.Foreign},
	}}})
	stage.Must(t, err)
	sniff, err := p.User.Port().Sniff()
	stage.Must(t, err)
	defer sniff.Close()
	nic, b := mallory.NIC("eth0"), p.B.NIC("eth0").MAC
	from := time.Now()
	for range 10 {
		for _, ip := range []netip.Addr{p.OwnA.Addr(), p.Alias} {
			f := lab.Gratuitous(ip, nic.MAC)
			f.EthDst = b
			stage.Must(t, nic.Send(f))
		}
		stage.Unchanged(t, p, 300*time.Millisecond)
	}
	stage.Said(t, p.Monitor(p.B), `reason="foreign host claims`)
	stage.Served(t, p, "b")
	if n := p.Holders.Tenure(from, time.Time{}).Takes; n != 0 {
		t.Errorf("%d takes", n)
	}
	for _, f := range sniff.Frames() {
		if f.Claim(p.Alias) && f.SenderHW.String() != b.String() {
			t.Errorf("the segment was told: %s", f)
		}
	}
}
