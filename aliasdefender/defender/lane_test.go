package defender

import (
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"alias-defender/aliasdefender/control"
)

// partnersLane is what a host has logged of what its partner says.
func (w *world) partnersLane(st *station) (all []string) {
	for _, m := range regexp.MustCompile(`event=partner_says .*on=`+st.name+`\b.* says="?([a-z ]+)`).FindAllStringSubmatch(w.log.String(), -1) {
		all = append(all, m[1])
	}
	return all
}

// Each host's own log tells what its partner said of the alias, once for each change.
func TestLogHasThePartnersLane(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(w *world)
		want []string // what b logs of a, which holds it
	}{
		{"it holds, and nothing happens for an hour", func(w *world) { w.wait(time.Hour) }, nil},
		{"it hands over, and is parked", func(w *world) {
			w.must(w.a, control.Order{Remove: true}, "handed over")
			w.wait(20 * time.Second)
		}, []string{"parked"}},
		{"it hands over, and could take it back", func(w *world) {
			w.must(w.a, control.Order{Give: true}, "handed over")
			w.wait(20 * time.Second)
		}, []string{"able"}},
		{"its daemon dies", func(w *world) {
			w.a.kill()
			w.wait(time.Minute)
		}, []string{"nothing said"}},
		{"its daemon is restarted at once", func(w *world) {
			w.a.kill()
			w.a.start(w.cfgA, &w.log)
			w.wait(time.Minute)
		}, nil},
		{"its NIC loses its cable", func(w *world) {
			w.a.set(func() { w.a.nic().Carrier = false })
			w.wait(time.Minute)
		}, []string{"nothing said"}},
		{"this host was away for a moment", func(w *world) {
			w.b.set(func() { w.b.slept += 20 * time.Second })
			w.wait(time.Minute)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			talking(t, true, false, func(w *world) {
				w.settle()
				before := w.partnersLane(w.b)
				if n := len(before); n == 0 || before[n-1] != "holding" {
					w.fail("b logs of a: %q", before)
				}
				c.do(w)
				if d := cmp.Diff(c.want, w.partnersLane(w.b)[len(before):], cmpopts.EquateEmpty()); d != "" {
					w.fail("what b logs of a (-want +got):\n%s", d)
				}
			})
		})
	}
}
