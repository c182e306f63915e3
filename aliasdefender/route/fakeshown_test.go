package route

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/record"
)

// leads is where the kernel's route of ours leads; empty: it is not there.
func (w *world) leads(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.routes {
		if r.Ours && r.Prefix.String() == name {
			var all []string
			for _, h := range r.Hops {
				one := h.Gateway.String()
				if h.Weight != 1 {
					one += fmt.Sprintf("*%d", h.Weight)
				}
				all = append(all, one)
			}
			return strings.Join(all, " ")
		}
	}
	return ""
}

// did is what was asked of the kernel, and table its routes.
func (w *world) did() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

func (w *world) table() []host.TableRoute {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.routes)
}

func (w *world) expect(what, name, leads string) {
	w.t.Helper()
	synctest.Wait()
	if got := w.leads(name); got != leads {
		w.t.Errorf("%s: %s leads to %q, want %q", what, name, got, leads)
	}
}

// shown is a route of the snapshot.
func (w *world) shown(name string) control.Route {
	w.t.Helper()
	all, _, err := w.k.Snapshot(context.Background(), false)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range all {
		if r.Route == name {
			return r
		}
	}
	w.t.Fatalf("no route %s in %+v", name, all)
	return control.Route{}
}

// says wants the decision that Status shows.
func (w *world) says(what, name, row, reason, level string) {
	w.t.Helper()
	if r := w.shown(name); r.Row != row || r.Reason != reason || r.Level != level {
		w.t.Errorf("%s: %s %s %q, want %s %s %q", what, r.Row, r.Reason, r.Level, row, reason, level)
	}
}

// told are the events of a kind, in short.
func (w *world) told(kind record.Kind) (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Kind == kind {
			all = append(all, fmt.Sprintf("%s %s: %s > %s", e.Route, e.Decision.Action, e.ViaOld, e.Via))
		}
	}
	return all
}

func (w *world) kill(addrs ...string)   { w.life(true, addrs) }
func (w *world) wakeUp(addrs ...string) { w.life(false, addrs) }

func (w *world) life(dead bool, addrs []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range addrs {
		w.dead[netip.MustParseAddr(a)] = dead
	}
}

// carrier pulls a cable, or plugs it in.
func (w *world) carrier(nic string, on bool) {
	w.change(func() {
		for i := range w.nics {
			if w.nics[i].Name == nic {
				w.nics[i].Carrier = on
			}
		}
	})
}

// detected is longer than it takes to find a hop silent, at an interval of 1 s.
const detected = 1800 * time.Millisecond
