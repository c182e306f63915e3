package host_test

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
)

// One turn is BenchmarkAskAThousand's, by neighbour discovery.
func BenchmarkAskAThousandOfIPv6(b *testing.B) {
	const n = 1000
	here, other := pair6(b)
	all := many6(n)
	other.Do(func() {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			b.Fatal(err)
		}
		for _, ip := range all[1:] {
			if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: netlink.NewIPNet(ip.AsSlice()), Flags: unix.IFA_F_NODAD}); err != nil {
				b.Fatal(err)
			}
		}
	})
	address6(b, other, all[0])
	hw := host.HW(other.HW(b, "eth0"))
	answers, done := 0, make(chan struct{})
	w := listen6(b, here, func(seen []host.Sighting) {
		for _, s := range seen {
			if s.Reply {
				answers++
			}
		}
		if answers >= n {
			answers -= n
			done <- struct{}{}
		}
	})
	if err := w.Want(all); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	from := used()
	for b.Loop() {
		for _, ip := range all {
			if err := w.Ask(ip, addrA6, hw); err != nil {
				b.Fatal(err)
			}
		}
		<-done
	}
	b.ReportMetric(float64((used()-from).Nanoseconds())/float64(b.N*n), "cpu-ns/question")
}

// One turn has the kernel and the reader look for a thousand others.
func BenchmarkWantAThousandOfIPv6(b *testing.B) {
	here, _ := pair6(b)
	w := listen6(b, here, func([]host.Sighting) {})
	all := many6(2000)
	turns := [][]netip.Addr{all[:1000], all[1000:]}
	from, i := used(), 0
	for b.Loop() {
		if err := w.Want(turns[i%2]); err != nil {
			b.Fatal(err)
		}
		i++
	}
	perOp(b, from)
}
