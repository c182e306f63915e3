package daemon

import (
	"os"
	"runtime"
	"runtime/debug"
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
