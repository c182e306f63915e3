package ipv6

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
)

// TestManyAliasesAreTakenAndTheLoopGoesOn crashes the holder of very many aliases, by turns
// of each family: the taker answers Status meanwhile as soon as ever, and afterwards, when
// it refreshes what it has taken. How long the kernel needs for them is make bench's.
func TestManyAliasesAreTakenAndTheLoopGoesOn(t *testing.T) {
	t.Parallel()
	n := 100
	if stage.Soak() {
		n = 1000
	}
	lag := map[bool]*stage.Figures{}
	for six, family := range map[bool]string{false: "IPv4", true: "IPv6"} {
		lag[six] = stage.NewFigures(t, fmt.Sprintf("Status while %d aliases of %s are taken and refreshed", n, family), lagLimit)
	}
	for range stage.Runs(5) {
		for _, six := range []bool{false, true} {
			takesMany(t, stage.Stage{IPv6: six}, n, lag[six])
		}
	}
}

func takesMany(t *testing.T, on stage.Stage, n int, lag *stage.Figures) {
	const lease = 6 * time.Second
	p := on.BegunWith(t, n, fmt.Sprintf("interval = %q\nlease = %q", "500ms", lease))
	last, err := p.Lab.Watch(stage.RowsOf(p.Addresses, n, true)[n-1].Alias.Addr())
	stage.Must(t, err)
	ctx, end := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	asking.Go(func() { lags(ctx, t, p, p.B, lag) })
	stage.Must(t, p.A.Crash())
	stage.Held(t, p, "b")
	stage.Must(t, last.Wait(stage.Patiently(t), "b"))
	<-time.After(lease/2 + time.Second) // a third of it is over once, and it is refreshed
	end()
	asking.Wait()
	stage.WaitAddrs(t, p.B, stage.RowsOf(p.Addresses, n, true))
	stage.Must(t, p.Lab.Close())
}
