package host_test

import (
	"fmt"
	"net/netip"
	"testing"

	"alias-defender/aliasdefender/host"
)

// TestStormOfOthersAdvertisementsDoesNotReachTheListener: while its reader is held up the
// socket has room for some thousand frames, and of what the kernel drops by the filter
// none is lost for want of room. So none has woken the reader either.
func TestStormOfOthersAdvertisementsDoesNotReachTheListener(t *testing.T) {
	a, b := pair6(t)
	release := make(chan struct{})
	seen := make(chan host.Sighting, 100)
	w := listen6(t, a, func(all []host.Sighting) {
		for _, s := range all {
			seen <- s
		}
		<-release
	})
	want := func(addrs ...netip.Addr) {
		t.Helper()
		if err := w.Want(addrs); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(sender netip.Addr) {
		t.Helper()
		if s := wait(t, "a frame about "+sender.String(), seen); s.Sender != sender {
			t.Errorf("%v is heard, want %v", s.Sender, sender)
		}
	}
	say := func(n int, f []byte) { t.Helper(); frames(t, b, f, n) }
	other := netip.MustParseAddr("2001:db8::77")
	likeAlias := netip.MustParseAddr("2001:db8:0:1::9") // ends as the alias does

	want(alias6, addrA, netip.MustParseAddr("fe80::5%eth0"))
	say(1, claims(other))
	say(1, claims(likeAlias))
	say(1, tagged(claims(netip.MustParseAddr("fe80::5")), 7)) // wanted, but in another VLAN
	say(1, claims(alias6))
	hear(alias6)
	say(50000, claims(other))
	say(50000, nd(solicit, nobody, other, groupA6, 0, addrA6, option(1, nobody)...))
	// An advertisement speaks of what it is about: its source may be anything.
	say(50000, nd(advertise, nobody, alias6, allOf6, 0x20, other, option(2, nobody)...))
	say(1, claims(alias6))
	if h := w.Hearing(); h.Lost != 0 {
		t.Errorf("a storm about others: %+v", h)
	}
	close(release)
	hear(alias6)

	say(1, claims(netip.MustParseAddr("fe80::5"))) // whatever its zone
	hear(netip.MustParseAddr("fe80::5%eth0"))
	say(1, nd(solicit, nobody, other, groupA6, 0, alias6, option(1, nobody)...)) // asked for
	hear(other)
	say(1, nd(solicit, nobody, alias6, groupA6, 0, other, option(1, nobody)...)) // asking
	hear(alias6)
	many := many6(4000)
	want(append(many, alias6)...)
	say(1, claims(many[3999]))
	hear(many[3999])
	say(1, claims(other))
	say(1, claims(alias6))
	hear(alias6)
	want()
	say(1, claims(alias6))
	want(other)
	say(1, claims(other))
	hear(other)
}

// many6 are addresses that a hash has chosen, as those of privacy are.
func many6(n int) (all []netip.Addr) {
	for i := range n {
		x := uint32(i+1) * 2654435761
		all = append(all, netip.MustParseAddr(fmt.Sprintf("2001:db8::%x:%x:%x", i, x>>16, x&0xffff)))
	}
	return all
}
