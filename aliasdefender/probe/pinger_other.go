//go:build !linux

package probe

import (
	"context"
	"errors"
	"runtime"
	"time"

	"alias-defender/aliasdefender/hearing"
)

var errElsewhere = errors.New("one socket for all pings: needs Linux, but this is " + runtime.GOOS)

// Pinger asks as Ping does, with sockets that all questions share.
type Pinger struct{}

// NewPinger says that this system is not served: use Ping.
func NewPinger() (*Pinger, error) { return nil, errElsewhere }

// Ask is not served on this system.
func (p *Pinger) Ask(Question, func(at time.Time, err error)) error { return errElsewhere }

// Ping is not served on this system.
func (p *Pinger) Ping(context.Context, Question) (bool, error) { return false, errElsewhere }

// Hearing is not served on this system.
func (p *Pinger) Hearing() hearing.Report { return hearing.Report{} }

// Close is not served on this system.
func (p *Pinger) Close() error { return nil }
