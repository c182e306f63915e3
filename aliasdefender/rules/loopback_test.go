package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shared is a host with an alias on a loopback interface that it does not have yet, and a
// service that is well.
func shared() instance {
	p := usual()
	p.Loopback, p.Checked, p.ReleaseFailing = true, true, true
	return instance{p: p, f: Facts{
		Now: noon, Kernel: seen(No, time.Hour), ParkedKnown: seen(Yes, time.Hour), Elsewhere: seen(No, time.Hour),
		Service: seen(Yes, time.Hour),
	}}
}

// sharedHere is the same host when it has the alias.
func sharedHere() instance {
	c := shared()
	c.s.Holding = true
	c.f.Kernel = seen(Yes, time.Hour)
	return c
}

func TestEveryLoopbackRowDecides(t *testing.T) {
	reached := map[int]bool{}
	for _, tt := range []struct {
		row    string
		given  func(*instance)
		here   bool
		action Action
		reason Reason
		again  time.Duration
	}{
		{"L1", func(c *instance) { c.s.Parked = true }, false, Wait, Parked, 0},
		{"L1", func(c *instance) { c.f.ParkedKnown = seen(No, time.Hour) }, false, Wait, ParkedUnknown, tooOld},
		{"L2", func(c *instance) { c.f.Elsewhere = seen(Yes, time.Hour) }, false, Wait, OnOtherNIC, tooOld},
		{"L3", func(c *instance) { c.f.Service = seen(No, time.Hour) }, false, Wait, ServiceFailing, tooOld},
		{"L4", func(c *instance) { c.s.Order, c.f.Service = OrderForce, Fact{} }, false, Take, OperatorTakes, tooOld},
		{"L3", func(c *instance) { c.f.Service = Fact{} }, false, Wait, ServiceUnknown, tooOld},
		{"L4", func(c *instance) { c.s.Order = OrderTake }, false, Take, OperatorTakes, tooOld},
		{"L4", func(c *instance) {}, false, Take, Shared, tooOld},
		{"L4", func(c *instance) { c.p.Checked, c.f.Service = false, Fact{} }, false, Take, Shared, tooOld},
		{"L5", func(c *instance) { c.s.Leaving = true }, true, Release, OperatorReleases, 0},
		{"L6", func(c *instance) { c.f.Service = seen(No, time.Hour) }, true, Release, SharedFailing, tooOld},
		{"L7", func(c *instance) { c.f.Kernel, c.s.Restores, c.s.Restored = seen(No, 0), 2, noon }, true, Keep, KeepsVanishing, time.Second},
		{"L7", func(c *instance) {
			c.f.Kernel, c.s.Restores, c.s.Restored = seen(No, 0), 2, noon.Add(-2*time.Second)
		}, true, Restore, KeepsVanishing, tooOld},
		{"L7", func(c *instance) { c.f.Kernel = seen(No, 0) }, true, Restore, Restored, tooOld},
		{"L8", func(c *instance) { c.f.Service, c.p.ReleaseFailing = seen(No, time.Hour), false }, true, Keep, ServiceFailing, tooOld},
		{"L9", func(c *instance) {}, true, Keep, Held, tooOld},
		{"L9", func(c *instance) { c.f.Service = Fact{} }, true, Keep, Held, tooOld},
	} {
		c := shared()
		if tt.here {
			c = sharedHere()
		}
		tt.given(&c)
		want := Decision{Row: tt.row, Action: tt.action, Reason: tt.reason}
		got := Decide(c.p, c.s, c.f)
		if tt.again != 0 && got.Again.IsZero() {
			t.Errorf("%s: nothing has it decided again", tt.row)
		}
		if tt.reason == KeepsVanishing && tt.action == Keep && !got.Again.Equal(noon.Add(tt.again)) {
			t.Errorf("%s: decided again at %s", tt.row, got.Again)
		}
		got.Again = time.Time{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		i := slices.IndexFunc(LoopbackRows(), func(r Row) bool {
			return r.Holding == tt.here && r.when(&view{p: c.p, s: c.s, f: c.f})
		})
		reached[i] = true
	}
	for i, r := range LoopbackRows() {
		if !reached[i] {
			t.Errorf("no example for %s %s", r.ID, r.When)
		}
	}
}

// everyShared calls f for each combination of what the rows of a loopback alias read.
func everyShared(f func(instance)) {
	bools := []bool{false, true}
	values := []Value{Unknown, No, Yes}
	for i := range 1 << 7 {
		flag := func(n int) bool { return bools[i>>n&1] }
		for _, order := range []Order{NoOrder, OrderTake, OrderForce} {
			for _, kernel := range values {
				for _, service := range values {
					for _, parked := range values {
						for _, elsewhere := range values {
							c := shared()
							c.p.Checked, c.p.ReleaseFailing = flag(0), flag(1)
							c.s.Holding, c.s.Parked, c.s.Leaving, c.s.Order = flag(2), flag(3), flag(4), order
							if flag(5) {
								c.s.Restores, c.s.Restored = 3, noon.Add(-time.Second)
								if flag(6) {
									c.s.Restored = noon.Add(-30 * time.Second)
								}
							}
							c.f.Kernel, c.f.Service = seen(kernel, time.Hour), seen(service, time.Hour)
							c.f.ParkedKnown, c.f.Elsewhere = seen(parked, time.Hour), seen(elsewhere, time.Hour)
							f(c)
						}
					}
				}
			}
		}
	}
}

// TestALoopbackAliasIsWhereItsServiceIs holds every combination to what is promised of such
// an alias, in words of its own.
func TestALoopbackAliasIsWhereItsServiceIs(t *testing.T) {
	n := 0
	everyShared(func(c instance) {
		n++
		d := Decide(c.p, c.s, c.f)
		bad := func(what string) {
			if !t.Failed() {
				t.Errorf("%s: %s %s, %s\nstate %+v\nfacts %+v\npolicy %+v", what, d.Row, d.Action, d.Reason, c.s, c.f, c.p)
			}
		}
		off := c.s.Parked || c.s.Leaving
		service := c.f.Service.Value
		if !c.p.Checked {
			service = Yes
		}
		switch d.Action {
		case Wait, Take:
			if c.s.Holding {
				bad("it is here")
			}
		case Keep, Restore, Release:
			if !c.s.Holding {
				bad("it is not here")
			}
		default:
			bad("no such deed on a loopback interface")
		}
		if c.s.Holding && off != (d.Action == Release && d.Reason == OperatorReleases) {
			bad("it goes by order where, and only where, it is ordered off")
		}
		if c.s.Holding && !off && (d.Action == Release) != (service == No && c.p.ReleaseFailing) {
			bad("it goes where, and only where, its service is known to fail")
		}
		if c.s.Holding && d.Action == Restore && c.f.Kernel.Value != No {
			bad("restored, and not known to be lost")
		}
		if c.s.Holding && !off && c.f.Kernel.Value == No && d.Action == Keep && d.Reason != KeepsVanishing {
			bad("lost, and nothing says so")
		}
		known := c.f.ParkedKnown.Value == Yes || c.s.Order != NoOrder
		may := !off && known && c.f.Elsewhere.Value == No && (service == Yes || service == Unknown && c.s.Order == OrderForce)
		if !c.s.Holding && may != (d.Action == Take) {
			bad(fmt.Sprintf("taken: want %v", may))
		}

		// Nobody else has a say in it.
		other := c
		other.p.Primary, other.p.Channel, other.p.Lease = true, true, time.Minute
		other.f.Alias, other.f.Partner, other.f.Router, other.f.RouterKnown = seen(Answered, 0), seen(Silent, 0), seen(Silent, time.Hour), true
		other.f.NIC, other.f.Carrier, other.f.Own = seen(No, time.Hour), seen(No, time.Hour), seen(No, time.Hour)
		other.f.ByPartner, other.f.Claimant = Yes, seen(Yes, 0)
		other.f.Peer = Peer{Heard: noon, Said: noon, Word: Word{Standing: SaysHolding}}
		if o := Decide(other.p, other.s, other.f); o.Action != d.Action || o.Reason != d.Reason {
			d = o
			bad("another host has changed what is decided")
		}

		// Unknown moves nothing: what is not known is never a reason to add or to remove.
		for _, f := range []func(*Facts) *Fact{
			func(f *Facts) *Fact { return &f.Kernel }, func(f *Facts) *Fact { return &f.Service },
			func(f *Facts) *Fact { return &f.ParkedKnown }, func(f *Facts) *Fact { return &f.Elsewhere },
		} {
			blind := c
			*f(&blind.f) = Fact{}
			b := Decide(blind.p, blind.s, blind.f)
			moves := func(d Decision) bool { return d.Action == Take || d.Action == Release || d.Action == Restore }
			forced := blind.s.Order == OrderForce && b.Reason == OperatorTakes
			if moves(b) && !moves(d) && !forced {
				d = b
				bad("moved because something is unknown")
			}
		}
	})
	if n != 1<<7*3*81 {
		t.Errorf("%d combinations", n)
	}
}

// TestFactRowsTellWhichCountOnALoopbackInterface: each of these changes some decision there,
// and no other does.
func TestFactRowsTellWhichCountOnALoopbackInterface(t *testing.T) {
	var counts [FactCount]bool
	everyShared(func(c instance) {
		was := Decide(c.p, c.s, c.f)
		for _, r := range FactRows() {
			for _, v := range []Value{Unknown, No, Yes} {
				d := c
				*r.Of(&d.f) = seen(v, time.Hour)
				if is := Decide(d.p, d.s, d.f); is.Action != was.Action || is.Reason != was.Reason {
					counts[r.ID] = true
				}
			}
		}
	})
	for _, r := range FactRows() {
		if counts[r.ID] != r.Loopback {
			t.Errorf("%s: it counts: %v, the row says %v", r.Name, counts[r.ID], r.Loopback)
		}
	}
}

// TestALoopbackAliasComesToRest plays every order of some events with the record's own
// methods: each time, the alias is in the end where it has to be, and stays there.
func TestALoopbackAliasComesToRest(t *testing.T) {
	type host struct {
		instance
		kernel bool
	}
	events := map[string]func(*host){
		"service good":    func(h *host) { h.f.Service.Set(Yes, h.f.Now, h.f.Now) },
		"service failing": func(h *host) { h.f.Service.Set(No, h.f.Now, h.f.Now) },
		"service unknown": func(h *host) { h.f.Service = Fact{} },
		"deleted":         func(h *host) { h.kernel = false },
		"RemoveAlias":     func(h *host) { h.s.Obey(RemoveAlias, h.f) },
		"AddAlias":        func(h *host) { h.s.Obey(AddAlias, h.f) },
		"row leaves":      func(h *host) { h.s.Obey(RowLeaves, h.f) },
		"row stays":       func(h *host) { h.s.Obey(RowStays, h.f) },
		"time":            func(h *host) { h.f.Now = h.f.Now.Add(2 * time.Minute) },
	}
	names := make([]string, 0, len(events))
	for name := range events {
		names = append(names, name)
	}
	slices.Sort(names)
	// decide is what is decided once all has been observed.
	decide := func(h *host) Decision {
		now := h.f.Now
		for _, f := range []*Fact{&h.f.ParkedKnown, &h.f.Elsewhere} {
			f.Asked = now
		}
		if h.f.Service.Value != Unknown {
			h.f.Service.Asked = now
		}
		h.f.Kernel.Set(Of(h.kernel), now, now)
		h.s.Saw(h.p, h.f)
		return Decide(h.p, h.s, h.f)
	}
	// rests tells whether the same is decided however much time passes, and moves nothing.
	rests := func(h host) bool {
		was := decide(&h)
		for _, later := range []time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour} {
			h.f.Now = h.f.Now.Add(later)
			if d := decide(&h); d.Action != was.Action || d.Reason != was.Reason || d.Action != Wait && d.Action != Keep {
				return false
			}
		}
		return true
	}
	settle := func(h *host) bool {
		for range 40 {
			d, now := decide(h), h.f.Now
			switch d.Action {
			case Wait:
				return true
			case Keep:
				if d.Reason != KeepsVanishing {
					return true
				}
				h.f.Now = d.Again
				continue
			case Take, Restore:
				h.kernel = true
			case Release:
				h.kernel = false
			}
			h.s.Begin(d)
			h.s.Done(h.p, d, Outcome{Begun: now}, now)
			h.f.Now = now.Add(time.Millisecond)
		}
		return false
	}
	played := 0
	var play func(h host, good Value, story []string)
	play = func(h host, good Value, story []string) {
		if len(story) == 5 {
			return
		}
		for _, name := range names {
			next, good, told := h, good, append(slices.Clone(story), name)
			next.s.Takes = slices.Clone(h.s.Takes)
			events[name](&next)
			switch name {
			case "service good":
				good = Yes
			case "service failing":
				good = No
			}
			played++
			if !settle(&next) || !rests(next) {
				t.Fatalf("never comes to rest: %s", strings.Join(told, ", "))
			}
			if next.kernel != next.s.Holding {
				t.Fatalf("the record says %v, the kernel %v: %s", next.s.Holding, next.kernel, strings.Join(told, ", "))
			}
			off := next.s.Parked || next.s.Leaving
			switch service := next.f.Service.Value; {
			case off && next.kernel:
				t.Fatalf("here, and ordered off: %s", strings.Join(told, ", "))
			case !off && service == Yes && !next.kernel:
				t.Fatalf("not here, and its service is good: %s", strings.Join(told, ", "))
			case service == No && next.kernel:
				t.Fatalf("here, and its service fails: %s", strings.Join(told, ", "))
			case !off && service == Unknown && next.kernel && !h.kernel:
				t.Fatalf("came without knowing: %s", strings.Join(told, ", "))
			}
			play(next, good, told)
		}
	}
	play(host{instance: shared()}, Yes, nil)
	t.Logf("%d states", played)
}
