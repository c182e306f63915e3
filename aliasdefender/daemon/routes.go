package daemon

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/route"
)

// routes are the routes that this host keeps as a router.
type routes struct {
	*route.Keeper
	withdraws atomic.Bool // they go with the Monitor: on_exit is "release"
}

// newRoutes makes the keeper of the routes. It starts nothing.
func newRoutes(m *monitor, s System, cfg *config.Config) *routes {
	o := route.Options{
		Config: cfg, Tables: s.Routes, Watch: s.WatchRoutes, Ping: probe.Ping, Check: check.NewQuestions().Ask,
		Boottime: s.Boottime, Record: m.events.Record, Repeat: m.events.Repeat, Observe: m.observes, Log: m.log,
		Journal: func(name string) []control.Entry { return defender.Journal(m.events.ring.OfRoute(name)) },
		Keep:    m.events.ring.KeepRoutes,
	}
	if s.Listen != nil {
		o.Listen = func(nic string, f host.Family, see func([]host.Sighting)) (route.Wire, error) {
			return s.Listen(nic, f, see)
		}
	}
	if s.Ping != nil {
		o.Ask, o.Hearing = s.Ping.Ask, s.Ping.Hearing
	}
	names := make([]string, len(cfg.Routes))
	for i, row := range cfg.Routes {
		names[i] = row.Name()
	}
	m.events.ring.KeepRoutes(names) // before what earlier runs wrote of them is read
	r := &routes{Keeper: route.New(o)}
	r.use(cfg)
	return r
}

// use notes what the settings say of the routes' end.
func (r *routes) use(cfg *config.Config) {
	r.withdraws.Store(cfg.Settings.OnExit == config.ExitRelease)
}

// routeCount is how many routes there are, as the log says it: on a host that keeps some.
func routeCount(cfg *config.Config) logrus.Fields {
	if len(cfg.Routes) == 0 {
		return nil
	}
	return logrus.Fields{"routes": len(cfg.Routes)}
}

// endRoutes ends the keeping of routes, as the settings and whoever ended the Monitor say.
func (m *monitor) endRoutes() {
	if m.routes == nil {
		return
	}
	m.end.mu.Lock()
	asSet := m.end.how == defender.ExitAsSet
	m.end.mu.Unlock()
	m.routes.End(asSet && m.routes.withdraws.Load())
}

// droppedRoutes are the names of routes that new files no longer have.
func (m *monitor) droppedRoutes(ctx context.Context, cfg *config.Config) ([]string, error) {
	if m.routes == nil {
		return nil, nil
	}
	return m.routes.Drops(ctx, cfg)
}

// routesWithin is how long the loop of routes may take to tell what it knows.
const routesWithin = time.Second

// showRoutes adds the routes to a snapshot. A loop of routes that does not answer is a
// problem: none shown are not none, and the aliases are shown all the same.
func (m *monitor) showRoutes(ctx context.Context, s *control.Snapshot, journal bool) error {
	if m.routes == nil {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, routesWithin)
	defer cancel()
	all, problems, err := m.routes.Snapshot(within, journal)
	if errors.Is(err, context.DeadlineExceeded) {
		s.Problems = append(s.Problems, "the loop of routes does not answer; no route is shown")
		return nil
	}
	s.Routes = all
	s.Problems = append(s.Problems, problems...)
	return err
}
