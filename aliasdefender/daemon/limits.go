package daemon

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
)

// What a Monitor takes of the machine: docs/decisions/0017 has the measurements.
const (
	gcPercent = 50  // by how much the heap may grow before garbage is collected
	fewUpTo   = 100 // up to so many aliases one processor is enough
)

// frugal limits what a Monitor with so many aliases takes. What the environment says
// (GOMAXPROCS; GOGC, GOMEMLIMIT) stays as it is.
func frugal(aliases int) {
	if os.Getenv("GOMAXPROCS") == "" {
		if n := processors(aliases); n != runtime.GOMAXPROCS(0) {
			runtime.GOMAXPROCS(n)
		}
	}
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// processors is how many are useful at a time. With one, the loop and the work beside it
// wait for each other, which many aliases make noticeable. More than two only cost.
func processors(aliases int) int {
	if aliases <= fewUpTo {
		return 1
	}
	return min(2, runtime.NumCPU())
}

// How many descriptors are not for clients of the control socket: sockets and files that
// are always open, those of a reading of the kernel, and two for each ping that does not
// share a socket.
const (
	ownDescriptors  = 20
	pingDescriptors = 2 * 64
)

// clients is how many clients of the control socket there may be at a time, so that the
// loop can always open what it needs. If there are hardly any descriptors, two clients
// must be enough.
func clients(descriptors uint64, aliases int) int {
	kept := uint64(ownDescriptors + min(2*aliases, pingDescriptors))
	if descriptors < kept {
		return 2
	}
	return int(min(max(descriptors-kept, 2), math.MaxInt32))
}

// descriptors is how many this process may have open.
func descriptors() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return math.MaxInt32 // the control socket has its own bound
	}
	return uint64(l.Cur)
}
