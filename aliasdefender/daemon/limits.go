package daemon

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
)

// What a Monitor takes of the machine: docs/decisions/0017 has what was measured.
const (
	gcPercent = 50  // that the heap may grow before garbage is collected
	fewUpTo   = 100 // aliases: for these one processor does
)

// frugal limits what a Monitor of so many aliases takes. What the environment
// says (GOMAXPROCS; GOGC, GOMEMLIMIT) is left.
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

// processors is how many are of use at a time. With one, all that is done
// beside the loop waits for it and it for them, which for many aliases is
// noticed; more than two only cost.
func processors(aliases int) int {
	if aliases <= fewUpTo {
		return 1
	}
	return min(2, runtime.NumCPU())
}

// What of the descriptors is not for clients of the control socket: sockets and files
// that are always open, those of a reading of the kernel, and of the pings that do not
// share a socket, two each.
const (
	ownDescriptors  = 20
	pingDescriptors = 2 * 64
)

// clients is how many may be at the control socket at a time, so that the loop can
// always open what it needs. Where there are next to no descriptors two have to do.
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
		return math.MaxInt32 // the control socket has a bound of its own
	}
	return uint64(l.Cur)
}
