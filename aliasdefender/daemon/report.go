package daemon

import (
	"context"
	"time"

	"alias-defender/aliasdefender/logs"
)

// reportEvery is how often the loop is asked for the manager's status line.
const reportEvery = 5 * time.Second

// report keeps the service manager informed until ctx ends: first that we are ready, then
// how we are.
//
// We are ready once all other tasks are. The loop is ready after its first reading of
// this host, even one that failed: by then the control socket is open, and we have taken
// over what an earlier Monitor left here, or it is unknown. No network has to work for
// that: a boot that waits for us waits for no cable and no partner.
func (m *monitor) report(ctx context.Context, others []Task) error {
	n := m.manager
	n.Start(func(err error) {
		m.event("service_manager").WithError(err).Warn("cannot tell the service manager how this Monitor is")
	})
	defer n.End()
	n.Line("reading the network of this host")
	for _, t := range others {
		select {
		case <-ctx.Done():
			return nil
		case <-t.Ready():
		}
	}
	status, _ := m.inOneLine(ctx)
	n.Ready(status)
	tick := time.NewTicker(m.reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			status, _ := m.inOneLine(ctx)
			n.Line(status)
		}
	}
}

// reported tells the manager that a reload is over: the loop has taken in what there was.
func (m *monitor) reported(ctx context.Context) {
	if m.manager != nil {
		status, _ := m.inOneLine(ctx)
		m.manager.Reloaded(status)
	}
}

// inOneLine is the sum of what Status says; read is false before the first reading of the
// host. status is empty once ctx has ended.
func (m *monitor) inOneLine(ctx context.Context) (status string, read bool) {
	within, cancel := context.WithTimeout(ctx, m.reportEvery)
	defer cancel()
	t, err := m.defender.Tally(within)
	switch {
	case within.Err() == context.DeadlineExceeded && ctx.Err() == nil:
		return "the loop does not answer", false
	case err != nil:
		return "", false
	}
	t.Problems += len(m.problems(m.recoveries()))
	if m.routes != nil {
		routes, err := m.routes.Tally(within)
		switch {
		case within.Err() == context.DeadlineExceeded && ctx.Err() == nil:
			return "the loop of routes does not answer", false
		case err != nil:
			return "", false
		}
		t.Routes, t.Problems = routes.Routes, t.Problems+routes.Problems
	}
	status = t.String()
	if why := m.failed.Load(); why != nil {
		status += "; the last reload changed nothing: " + logs.OneLine(*why)
	}
	return status, t.Read
}
