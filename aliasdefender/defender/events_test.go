package defender

import (
	"math/rand/v2"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
)

// event is one thing that happens to the world.
type event struct {
	name string
	do   func(w *world)
}

func events() []event {
	var all []event
	for _, h := range []struct {
		name string
		of   func(w *world) (*station, *config.Config)
	}{
		{"A", func(w *world) (*station, *config.Config) { return w.a, w.cfgA }},
		{"B", func(w *world) (*station, *config.Config) { return w.b, w.cfgB }},
	} {
		all = append(all,
			event{h.name + " crashes or boots", func(w *world) {
				st, c := h.of(w)
				if st.on {
					st.set(func() { st.on = false })
					st.kill()
					st.set(func() { st.kernel.lose() })
					return
				}
				st.set(func() { st.on, st.nic().Carrier = true, true })
				st.start(c, &w.log)
			}},
			event{h.name + "'s cable is pulled or plugged", func(w *world) {
				st, _ := h.of(w)
				st.set(func() { st.nic().Carrier = !st.nic().Carrier })
			}},
			event{h.name + "'s port is muted or not", func(w *world) {
				st, _ := h.of(w)
				st.set(func() { st.muted = !st.muted })
			}},
			event{h.name + "'s daemon is killed or started", func(w *world) {
				st, c := h.of(w)
				switch {
				case !st.on:
				case st.daemon != nil:
					st.kill()
				default:
					st.start(c, &w.log)
				}
			}},
			event{h.name + "'s alias is deleted by another program", func(w *world) {
				st, _ := h.of(w)
				st.set(func() { st.kernel.lose() })
			}},
		)
	}
	return append(all,
		event{"partition A | B with the router on A's side, or heal", func(w *world) { w.partition(w.b, w.client) }},
		event{"partition A | B with the router on B's side, or heal", func(w *world) { w.partition(w.a) }},
		event{"router goes or comes", func(w *world) { w.router.set(func() { w.router.on = !w.router.on }) }},
		event{"a third of B's frames are lost, or not", func(w *world) {
			w.seg.mu.Lock()
			defer w.seg.mu.Unlock()
			if _, on := w.seg.loss[w.b]; on {
				delete(w.seg.loss, w.b)
			} else {
				w.seg.loss[w.b] = 0.3
			}
			w.look()
		}},
	)
}

func (w *world) partition(far ...*station) {
	w.seg.mu.Lock()
	defer w.seg.mu.Unlock()
	if w.seg.split != nil {
		w.seg.split = nil
	} else {
		w.seg.split = map[*station]bool{}
		for _, s := range far {
			w.seg.split[s] = true
		}
	}
	w.look()
}

func TestEveryOrderOfTwoEvents(t *testing.T) { everyOrder(t, 2, false) }

func TestEveryOrderOfThreeEvents(t *testing.T) { everyOrder(t, 3, false) }

func TestEveryOrderOfTwoEventsWithAKey(t *testing.T) { everyOrder(t, 2, true) }

// eventsOf are the events of two hosts with or without a key, and what makes
// them such.
func eventsOf(keyed bool) (all []event, set func(*world)) {
	if keyed {
		return append(events(), keyedEvents()...), (*world).withKey
	}
	return events(), func(*world) {}
}

// everyOrder plays every sequence of events, each settled before the next.
func everyOrder(t *testing.T, depth int, keyed bool) {
	all, set := eventsOf(keyed)
	n := 1
	for range depth {
		n *= len(all)
	}
	if raceEnabled {
		n = 10
		t.Log("with the race detector ten stories only; make test and make search play all of them without it")
	}
	for i := range n {
		playWith(t, uint64(i), true, false, set, func(w *world) {
			w.settle()
			for k, d := i, 0; d < depth; k, d = k/len(all), d+1 {
				e := all[k%len(all)]
				w.tell(e.name)
				e.do(w)
				w.settle()
			}
		})
	}
}

func TestRandomEventsAtRandomTimes(t *testing.T) { randomly(t, 150, false) }

func TestRandomEventsAtRandomTimesWithAKey(t *testing.T) { randomly(t, 150, true) }

func randomly(t *testing.T, n int, keyed bool) {
	all, set := eventsOf(keyed)
	if raceEnabled {
		n = 5
	}
	for seed := range uint64(n) {
		playWith(t, seed, true, false, set, func(w *world) {
			dice := rand.New(rand.NewPCG(seed, 2))
			for range 12 {
				for range 1 + dice.IntN(4) {
					w.wait(time.Duration(dice.IntN(1500)) * time.Millisecond)
					e := all[dice.IntN(len(all))]
					w.tell(e.name)
					e.do(w)
				}
				w.settle()
			}
		})
	}
}
