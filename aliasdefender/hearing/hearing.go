// Package hearing tells how well a socket hears: how many packets the kernel has
// dropped because nobody made room for them, and for how long the oldest one has
// waited that its reader has not delivered yet.
//
// Code that asks and hears nothing has to know this: the answer may be among the dropped
// packets, or may still be waiting, and then there was no silence.
//
// A reader takes packets with [Meter.Receive], between [Meter.Begin] and
// [Meter.Done]. Anybody may ask for the [Report] meanwhile. What has left the kernel
// and is in the reader's hands counts as waiting:
//
//	network --> kernel's queue --> reader's hands --> delivered
//	   |             |                  |
//	 dropped:      waits:             waits:
//	  Lost          Late               Late
//
// Behind the reader is a loop with a queue of events, where an answer may wait too:
// [Backlog].
//
// The package refuses to know what the packets are, and what follows from a loss.
package hearing

import "time"

// Report is how well a socket hears at one moment.
type Report struct {
	Lost uint64        // packets that the kernel dropped for lack of room, since the socket was opened
	Late time.Duration // how long the oldest packet that is not delivered yet has waited; zero: none waits
}
