package check

import (
	"context"
	"fmt"
	"hash/fnv"
	"reflect"
	"sync"
	"time"

	"alias-defender/aliasdefender/config"
)

// MostAtOnce is how many questions are under way at a time.
const MostAtOnce = 16

// Set is checks that are asked. Its methods may be called from anywhere, and none of them
// waits for an answer.
type Set struct {
	ask   Asker
	tell  func(Report)
	slots chan struct{} // one for each question under way

	mu    sync.Mutex
	ctx   context.Context // of Run; nil: it does not run
	wg    sync.WaitGroup
	each  map[string]*one
	order []string // as in the file
}

// one is one check while it is asked.
type one struct {
	config.Check
	cancel context.CancelFunc
	held   time.Time     // since when this host has an alias that uses it; zero: it has none
	wake   chan struct{} // one place: held has changed
	track  track
}

// New makes a Set, which asks nothing before Run. It tells each answer to tell, for one
// check after another, but of different checks at the same time.
func New(ask Asker, tell func(Report)) *Set {
	return &Set{ask: ask, tell: tell, slots: make(chan struct{}, MostAtOnce), each: map[string]*one{}}
}

// Run asks until ctx ends, and returns when no question is under way.
func (s *Set) Run(ctx context.Context) {
	s.mu.Lock()
	s.ctx = ctx
	for _, name := range s.order {
		s.begin(s.each[name])
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.ctx = nil
	s.mu.Unlock()
	s.wg.Wait()
}

// Use says which checks are to be asked from now on. One that is as before goes on
// undisturbed; one that has changed begins anew, and one that is gone ends.
func (s *Set) Use(checks []config.Check) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.each
	s.each, s.order = make(map[string]*one, len(checks)), nil
	for _, c := range checks {
		s.order = append(s.order, c.Name)
		o := before[c.Name]
		if o != nil && same(o.Check, c) {
			delete(before, c.Name)
			s.each[c.Name] = o
			continue
		}
		n := &one{Check: c, wake: make(chan struct{}, 1), track: newTrack(c, time.Now())}
		if o != nil {
			n.held = o.held
		}
		s.each[c.Name] = n
		s.begin(n)
	}
	for _, o := range before {
		if o.cancel != nil {
			o.cancel()
		}
	}
}

// same tells whether two checks ask the same in the same way, wherever they stand in the
// file.
func same(a, b config.Check) bool {
	a.Line, b.Line = 0, 0
	return reflect.DeepEqual(a, b)
}

// Held says whether this host has one of the aliases that use the check, or none of them.
func (s *Set) Held(name string, here bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.each[name]
	if o == nil || !o.held.IsZero() == here {
		return
	}
	if o.held = (time.Time{}); here {
		o.held = time.Now()
	}
	o.track.here(here)
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Reports are what is known of each check, in the order of the file.
func (s *Set) Reports() []Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Report, len(s.order))
	for i, name := range s.order {
		all[i] = s.each[name].track.Report
	}
	return all
}

// Report is what is known of the check of that name; false: there is none.
func (s *Set) Report(name string) (Report, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.each[name]
	if o == nil {
		return Report{}, false
	}
	return o.track.Report, true
}

// begin starts to ask a check, if the Set runs. The caller has the lock.
func (s *Set) begin(o *one) {
	if s.ctx == nil || s.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	o.cancel = cancel
	s.wg.Go(func() { s.keep(ctx, o) })
}

// spread is when in its interval a check is asked: checks of one rhythm that begin
// together would otherwise all be due at once for ever. The first question comes within a
// second.
func spread(c config.Check) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(c.Name))
	return time.Duration(float64(min(c.Interval, time.Second)) * float64(h.Sum32()) / (1 << 32))
}

// keep asks one check in its rhythm until ctx ends. Turns that went by while a question, or
// this process, took too long are counted and left out.
func (s *Set) keep(ctx context.Context, o *one) {
	next := time.Now().Add(spread(o.Check))
	for s.until(ctx, o, next) {
		next = next.Add(o.Interval)
		if s.mayAsk(ctx, o) {
			s.turn(ctx, o, next)
		}
		if missed := time.Since(next) / o.Interval; missed > 0 {
			next = next.Add(missed * o.Interval)
			s.change(ctx, o, func(t *track, now time.Time) { t.Late += uint64(missed); t.aged(now) })
		}
	}
}

// until waits for the next turn, and meanwhile for the day that no alias is here any
// more. It returns false once ctx has ended.
func (s *Set) until(ctx context.Context, o *one, next time.Time) bool {
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-o.wake:
			s.mayAsk(ctx, o)
		case <-timer.C:
			return ctx.Err() == nil
		}
	}
}

// mayAsk tells whether the check is asked now. If it is asked only with an alias here, and
// there is none, what is known of it is forgotten; that it was failing, after a while.
func (s *Set) mayAsk(ctx context.Context, o *one) bool {
	if !o.Holding {
		return true
	}
	s.mu.Lock()
	why := ""
	switch {
	case o.held.IsZero():
		why = "not asked: no alias that uses it is here"
	case time.Since(o.held) < o.Settle:
		why = fmt.Sprintf("not asked yet: the alias has been here for less than %s", config.Tidy(o.Settle))
	}
	said := o.track.State == Unknown && o.track.Reason == why
	s.mu.Unlock()
	if why != "" && !said {
		s.change(ctx, o, func(t *track, now time.Time) {
			if t.rests(now) {
				t.Idle, t.Turned = true, false
			} else {
				t.stop(why, now)
			}
		})
	}
	return why == ""
}

// turn puts one question. It waits for its slot no longer than until next.
func (s *Set) turn(ctx context.Context, o *one, next time.Time) {
	late := time.NewTimer(time.Until(next))
	defer late.Stop()
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return
	case <-late.C:
		s.change(ctx, o, func(t *track, now time.Time) { t.Late++; t.aged(now) })
		return
	}
	defer func() { <-s.slots }()
	asked := time.Now()
	within, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	a := s.ask(within, o.Check)
	if ctx.Err() != nil {
		return // its end is no answer
	}
	s.mu.Lock()
	gone := o.Holding && (o.held.IsZero() || asked.Before(o.held))
	s.mu.Unlock()
	if gone {
		return // the alias left while it was asked
	}
	s.change(ctx, o, func(t *track, now time.Time) { t.answered(a, asked, now) })
}

// change changes what is known of a check, and tells it.
func (s *Set) change(ctx context.Context, o *one, f func(*track, time.Time)) {
	s.mu.Lock()
	f(&o.track, time.Now())
	r := o.track.Report
	s.mu.Unlock()
	if ctx.Err() == nil {
		s.tell(r)
	}
}
