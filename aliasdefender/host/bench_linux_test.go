package host_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host"
)

// manyOrders are n aliases of eth0, in its own subnet.
func manyOrders(n int) []host.Placement {
	all := make([]host.Placement, n)
	for i := range all {
		ip := netip.AddrFrom4([4]byte{10, 0, byte(1 + i/200), byte(1 + i%200)})
		all[i] = host.Placement{NIC: "eth0", Label: "eth0:1", Prefix: netip.PrefixFrom(ip, 24)}
	}
	return all
}

// manyOrders6 are n aliases of eth0 of IPv6, in its own subnet.
func manyOrders6(n int) []host.Placement {
	all := make([]host.Placement, n)
	for i := range all {
		ip := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 14: byte(1 + i/200), 15: byte(1 + i%200)})
		all[i] = host.Placement{NIC: "eth0", Label: "eth0:1", Prefix: netip.PrefixFrom(ip, 64)}
	}
	return all
}

// bothFamilies are the orders that the benchmarks are about.
var bothFamilies = map[host.Family]func(int) []host.Placement{host.IPv4: manyOrders, host.IPv6: manyOrders6}

// used is the CPU time that this process has had, in the kernel too.
func used() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// perOp reports the CPU time of one turn.
func perOp(b *testing.B, since time.Duration) {
	b.ReportMetric(float64((used()-since).Microseconds())/float64(b.N), "cpu-µs/op")
}

func BenchmarkOrders(b *testing.B) {
	for family, orders := range bothFamilies {
		for _, n := range []int{1, 100, 1000} {
			b.Run(fmt.Sprint(family, "/", n), func(b *testing.B) { benchmarkOrders(b, orders(n)) })
		}
	}
}

func benchmarkOrders(b *testing.B, orders []host.Placement) {
	k, _ := kernels6(b)
	for i := range orders {
		orders[i].Lease = time.Minute
	}
	for _, c := range []struct {
		name       string
		do, before func([]host.Placement) []error
	}{{"add", k.Add, k.Remove}, {"refresh", k.Refresh, k.Add}, {"remove", k.Remove, k.Add}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var cpu time.Duration
			for range b.N {
				b.StopTimer()
				c.before(orders)
				from := used()
				b.StartTimer()
				for _, err := range c.do(orders) {
					if err != nil {
						b.Fatal(err)
					}
				}
				cpu += used() - from
			}
			b.ReportMetric(float64(cpu.Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for family, orders := range bothFamilies {
		for _, n := range []int{1, 100, 1000} {
			k, _ := kernels6(b)
			k.Add(orders(n))
			b.Run(fmt.Sprint(family, "/", n), func(b *testing.B) {
				b.ReportAllocs()
				k.space.Do(func() {
					from := used()
					for range b.N {
						if _, err := k.Host.Read(); err != nil {
							b.Fatal(err)
						}
					}
					perOp(b, from)
				})
			})
		}
	}
}

// One turn asks the other host for each of 1,000 addresses and has all answers.
// The CPU time is that of both hosts, for one kernel answers for the other too.
func BenchmarkAskAThousand(b *testing.B) {
	const n = 1000
	k, other := pair(b)
	orders := manyOrders(n)
	for _, err := range (kernel{k.Host, other, b}).Add(orders) {
		if err != nil {
			b.Fatal(err)
		}
	}
	hw := host.HW(other.HW(b, "eth0"))
	answers, all := 0, make(chan struct{})
	w := listen(b, k.space, func(seen []host.Sighting) {
		for _, s := range seen {
			if s.Reply {
				answers++
			}
		}
		if answers >= n {
			answers -= n
			all <- struct{}{}
		}
	})
	b.ReportAllocs()
	from := used()
	for b.Loop() {
		for _, o := range orders {
			if err := w.Ask(o.Prefix.Addr(), addrA, hw); err != nil {
				b.Fatal(err)
			}
		}
		<-all
	}
	b.ReportMetric(float64((used()-from).Nanoseconds())/float64(b.N*n), "cpu-ns/question")
}
