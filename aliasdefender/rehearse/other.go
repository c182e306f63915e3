//go:build !linux

package rehearse

import "context"

// Run is not available on this system; Prepare has said so.
func (*Rehearsal) Run(context.Context, func(step string)) (*Report, error) { return nil, errSystem }
