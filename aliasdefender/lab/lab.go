// Package lab builds a small network out of network namespaces: switches,
// hosts, routers and clients that run real programs on real kernels' stacks,
// with faults that can be injected and removed. The tests fail over inside it, and
// Rehearse plays a user's own files in it.
//
// It works as root, and without root in a user namespace of its own (Enter).
// Either way every link is made inside namespaces that the lab itself made:
// nothing is created in, read from or sent to the real network. Only threads and
// descriptors of this process hold the namespaces, which have no names, and programs
// are killed with the thread that started them. So the lab is gone when the process
// is gone, however it ended.
//
//	Lab ── Switch ── Port (Down, Mute, Loss, Partition) ── NIC ── Host (Crash, Boot)
//	                                                              ├─ Process
//	                                                              ├─ responder: echoes with the host's name
//	                                                              └─ Client: asks each millisecond, measures gaps
//
// It refuses to know what an alias is for, which program defends it, and who
// ought to have it: it starts programs, breaks things, and measures.
package lab

import (
	"errors"
	"fmt"
)

// ErrRefused is wrapped by every error that says that this machine does not
// let us make namespaces, as opposed to a mistake in building the lab.
var ErrRefused = errors.New("network namespaces are refused")

// Refused says what stands in the way of making namespaces. It wraps
// ErrRefused and the kernel's error.
type Refused struct {
	Sysctl string // the setting in the way as "name=value", or "" where none was found
	Err    error  // what the kernel answered
}

// Error names the setting to change, where one was found.
func (r *Refused) Error() string {
	if r.Sysctl == "" {
		return fmt.Sprintf("%v: %v", ErrRefused, r.Err)
	}
	return fmt.Sprintf("%v: %v (%s stands in the way)", ErrRefused, r.Err, r.Sysctl)
}

// Unwrap returns ErrRefused and the kernel's error.
func (r *Refused) Unwrap() []error { return []error{ErrRefused, r.Err} }
