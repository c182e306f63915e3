package probe

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host/nstest"
)

// What a question costs, with the CPU of the whole process, the kernel's part
// included, beside the time. The table of docs/decisions/0015-shared-pinger.md
// has the medians of 10 runs, one of each in turn:
//
//	for i in $(seq 10); do go test ./probe -run '^$' -bench . -benchmem; done

func BenchmarkPing(b *testing.B) { benchPing(b, openPing) }

func BenchmarkPingerPing(b *testing.B) { benchPing(b, openPinger) }

func BenchmarkPingInVain(b *testing.B) { benchInVain(b, openPing) }

func BenchmarkPingerPingInVain(b *testing.B) { benchInVain(b, openPinger) }

func benchPing(b *testing.B, open func(testing.TB) pinger) {
	nstest.New(b).Do(func() {
		ping := open(b)
		defer cpu(b)()
		for b.Loop() {
			if answered, err := ping(b.Context(), Question{Target: loopback, Timeout: time.Second}); !answered || err != nil {
				b.Fatalf("%v, %v", answered, err)
			}
		}
	})
}

// benchInVain asks a dead neighbour.
func benchInVain(b *testing.B, open func(testing.TB) pinger) {
	s, far := nstest.New(b), nstest.New(b)
	nstest.Cable(b, s, "eth0", far, "eth0")
	s.Address(b, "eth0", here.String()+"/24")
	s.Do(func() {
		ping := open(b)
		defer cpu(b)()
		for b.Loop() {
			if answered, err := ping(b.Context(), Question{Target: there, Timeout: 25 * time.Millisecond}); answered || err != nil {
				b.Fatalf("%v, %v", answered, err)
			}
		}
	})
}

func BenchmarkAsk(b *testing.B) {
	p, _ := alone(b)
	heard := make(chan error, 1)
	hear := func(_ time.Time, err error) { heard <- err }
	defer cpu(b)()
	for b.Loop() {
		if err := p.Ask(Question{Target: loopback, Timeout: time.Second}, hear); err != nil {
			b.Fatal(err)
		}
		if err := <-heard; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAskAThousand asks a thousand addresses in one go; an op is a question.
func BenchmarkAskAThousand(b *testing.B) {
	p, _ := alone(b)
	n := min(1000, p.four.room)
	heard := make(chan error, n)
	hear := func(_ time.Time, err error) { heard <- err }
	defer cpu(b)()
	for i := 0; b.Loop(); i++ {
		q := Question{Target: netip.AddrFrom4([4]byte{127, 0, 1 + byte(i%n/250), byte(1 + i%250)}), Timeout: time.Second}
		if err := p.Ask(q, hear); err != nil {
			b.Fatal(err)
		}
		if i%n != n-1 {
			continue
		}
		for range n {
			if err := <-heard; err != nil {
				b.Fatal(err)
			}
		}
	}
}

// cpu reports the CPU time of the process between the two calls.
func cpu(b *testing.B) func() {
	used := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() {
		b.ReportMetric(float64(used()-before)/1000/float64(b.N), "cpu-µs/op")
	}
}
