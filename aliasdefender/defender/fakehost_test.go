package defender

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"alias-defender/aliasdefender/hearing"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/probe"
)

// Read, Add and Remove are the station's kernel.
func (st *station) Read() (host.State, error) {
	st.seg.mu.Lock()
	hang, takes := st.hang, st.readTakes
	st.readings++
	st.seg.mu.Unlock()
	if hang != nil {
		<-hang
	}
	st.seg.mu.Lock()
	defer st.seg.mu.Unlock()
	if st.readErr != nil {
		return host.State{}, st.readErr
	}
	s := st.kernel.state()
	if st.router.IsValid() {
		s.Routes = []host.Route{{NIC: "eth0", Gateway: st.router}}
		for _, g := range st.gateways {
			s.Routes = append(s.Routes, host.Route{NIC: "eth0", Gateway: g})
		}
	}
	st.seg.mu.Unlock()
	time.Sleep(takes)
	st.seg.mu.Lock()
	if late := st.late; late != nil {
		st.seg.mu.Unlock()
		<-late
		st.seg.mu.Lock()
	}
	return s, nil
}

func (st *station) Add(orders []host.Placement) []error {
	time.Sleep(st.slowly)
	st.seg.mu.Lock()
	defer st.seg.mu.Unlock()
	st.tries++
	st.seg.mu.Unlock()
	time.Sleep(st.adding)
	st.seg.mu.Lock()
	if !st.on || st.addErr != nil {
		return slices.Repeat([]error{errors.Join(st.addErr, errors.New("not added"))}, len(orders))
	}
	defer st.seg.changed()
	errs := st.kernel.Add(orders)
	if st.added != nil {
		st.added()
		st.added = nil
	}
	return errs
}

func (st *station) Remove(orders []host.Placement) []error {
	st.seg.mu.Lock()
	defer st.seg.mu.Unlock()
	defer st.seg.changed()
	if st.removeErr != nil {
		return slices.Repeat([]error{st.removeErr}, len(orders))
	}
	return st.kernel.Remove(orders)
}

func (st *station) Refresh(orders []host.Placement) []error {
	time.Sleep(st.slowly)
	st.seg.mu.Lock()
	defer st.seg.mu.Unlock()
	st.refreshes++
	if st.refreshErr != nil {
		return slices.Repeat([]error{st.refreshErr}, len(orders))
	}
	return st.kernel.Refresh(orders)
}

func (st *station) Reorder(orders []host.Placement) []error {
	time.Sleep(st.slowly)
	st.seg.mu.Lock()
	defer st.seg.mu.Unlock()
	st.reorders++
	if st.reorderErr != nil {
		return slices.Repeat([]error{st.reorderErr}, len(orders))
	}
	return st.kernel.Reorder(orders)
}

// Ping asks whoever the station's kernel finds at the address.
func (st *station) Ping(ctx context.Context, q probe.Question) (bool, error) {
	s := st.seg
	s.mu.Lock()
	if st.pingErr != nil || !st.nic().Carrier {
		defer s.mu.Unlock()
		return false, errors.Join(st.pingErr, errors.New("cannot ask"))
	}
	yes := st.reaches(q.Target) && !(st.shunned && q.Source == aliasIP)
	if q.Source == aliasIP && st.early > 0 {
		st.early--
		yes = false
	}
	s.mu.Unlock()
	wait := q.Timeout
	if yes {
		wait = 2 * wireDelay
		if q.Source == aliasIP {
			wait += st.lag
		}
	}
	select {
	case <-time.After(wait):
		return yes, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// Ask asks likewise, and calls back.
func (st *station) Ask(q probe.Question, heard func(time.Time, error)) error {
	s := st.seg
	if q.Send != nil {
		if err := q.Send(nil); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.pingErr != nil || !st.nic().Carrier {
		return errors.Join(st.pingErr, errors.New("cannot ask"))
	}
	at := time.Now()
	if q.Send != nil {
		s.echoes = append(s.echoes, framed{at, st, st.echoed})
	}
	switch {
	case q.Send == nil && !st.reaches(q.Target), q.Send != nil && !st.reachesAt(st.echoed, q.Target):
	case st.pingless, st.earLoses > 0 && s.rng.Float64() < st.earLoses:
		st.pingsLost++
	default:
		time.AfterFunc(2*wireDelay, func() { heard(at, nil) })
	}
	return nil
}

// reachesAt tells whether the station with that hardware address has the target and
// answers an echo to it. mu is held.
func (st *station) reachesAt(hw host.HW, target netip.Addr) bool {
	s := st.seg
	for _, o := range s.stations {
		if o != st && (o.hw == hw || o.second == hw) && o.has(target) && !o.filters {
			return s.path(st, o) && !s.lost(st, o) && !s.lost(o, st)
		}
	}
	return false
}

// pingsHeard is how well the answers to Ask are.
func (st *station) pingsHeard() hearing.Report {
	st.seg.mu.Lock()
	defer st.seg.mu.Unlock()
	return hearing.Report{Lost: st.pingsLost}
}

// reaches tells whether one echo comes back from the address. mu is held.
func (st *station) reaches(target netip.Addr) (yes bool) {
	s := st.seg
	for _, o := range s.stations {
		if o == st && st.sun == nil || !o.has(target) || o.filters || st.unreached || o.unreached {
			continue
		}
		if s.path(st, o) && !s.lost(st, o) && !s.lost(o, st) {
			yes = true
		}
	}
	return yes
}
