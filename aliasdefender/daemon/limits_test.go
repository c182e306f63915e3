package daemon

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestClientsLeaveTheLoopItsDescriptors(t *testing.T) {
	for _, c := range []struct {
		descriptors uint64
		aliases     int
		want        int
	}{
		{0, 1, 2}, {20, 1, 2}, {24, 1, 2}, {30, 1, 8}, {30, 5, 2}, {30, 1000, 2}, {1024, 1000, 876}, {1 << 40, 1, 1<<31 - 1},
	} {
		if got := clients(c.descriptors, c.aliases); got != c.want {
			t.Errorf("%d descriptors, %d aliases: %d clients, want %d", c.descriptors, c.aliases, got, c.want)
		}
	}
	if n := descriptors(); n < 3 {
		t.Errorf("%d descriptors", n)
	}
}

func TestMonitorTakesLittleOfTheMachineUnlessTold(t *testing.T) {
	procs := runtime.GOMAXPROCS(0)
	gc := debug.SetGCPercent(100)
	t.Cleanup(func() { runtime.GOMAXPROCS(procs); debug.SetGCPercent(gc) })
	for _, c := range []struct {
		name                    string
		gomaxprocs, gogc, limit string
		aliases                 int
		procs, percent          int
	}{
		{"one alias", "", "", "", 1, 1, 50},
		{"a thousand aliases", "", "", "", 1000, min(2, runtime.NumCPU()), 50},
		{"told how many processors", "3", "", "", 1, 3, 50},
		{"told when to collect", "", "200", "", 1, 1, 200},
		{"told how much memory", "", "", "50MiB", 1, 1, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("GOMAXPROCS", c.gomaxprocs)
			t.Setenv("GOGC", c.gogc)
			t.Setenv("GOMEMLIMIT", c.limit)
			runtime.GOMAXPROCS(3) // as the runtime has read it from the environment
			debug.SetGCPercent(200)
			frugal(c.aliases)
			if got := runtime.GOMAXPROCS(0); got != c.procs {
				t.Errorf("%d processors, want %d", got, c.procs)
			}
			if got := debug.SetGCPercent(100); got != c.percent {
				t.Errorf("%d %%, want %d", got, c.percent)
			}
		})
	}
}
