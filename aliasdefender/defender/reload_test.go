package defender

import (
	"slices"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
)

// A row that changes only its label is another alias with the same addresses to ask:
// it must be asked for, and served, as the one before it was.
func TestRowThatChangesItsLabelIsServedAgain(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		for _, label := range []string{"eth0:7", "eth0:8"} {
			c := *w.cfgA
			c.Aliases = []config.Alias{w.cfgA.Aliases[0]}
			c.Aliases[0].Label = label
			w.a.daemon.Reload(&c)
			w.wait(10 * time.Second)
			w.expect("a", "the row is "+label+" now")
			s, err := w.a.daemon.Snapshot(w.t.Context(), false)
			if err != nil || s.Aliases[0].NIC != label || s.Aliases[0].Reason != "held" {
				w.fail("%v, %+v", err, s.Aliases)
			}
		}
		if n := w.logged("the state of the NIC cannot be read"); n > 0 {
			w.fail("said %d times of a NIC that was only not read yet", n)
		}
	})
}

// A table that was cut short between two rows is good as far as it goes.
func TestARowOfWhatIsHeldIsNotDroppedUnasked(t *testing.T) {
	play(t, 1, true, false, func(w *world) {
		w.settle()
		first, second := w.cfgA.Aliases[0], row(2, true)
		second.Label, second.Addr = "eth0:2", ip(101)
		second.Prefix = with(second.Addr)
		of := func(rows ...config.Alias) *config.Config {
			return &config.Config{Settings: w.cfgA.Settings, Aliases: rows}
		}
		w.a.daemon.Reload(of(first, second))
		theirs := second
		theirs.Partner, theirs.Primary = w.cfgB.Aliases[0].Partner, false
		ofB := func(more ...config.Alias) *config.Config {
			return &config.Config{Settings: w.cfgB.Settings, Aliases: append([]config.Alias{w.cfgB.Aliases[0]}, more...)}
		}
		w.b.daemon.Reload(ofB(theirs))
		w.settle()
		dropped, err := w.a.daemon.ReloadUnless(w.t.Context(), of(first))
		if err != nil || len(dropped) != 1 || dropped[0].Addr != second.Addr {
			w.fail("%v, %v", dropped, err)
		}
		w.wait(10 * time.Second)
		if !w.a.has(second.Addr) {
			w.fail("it was let go")
		}
		s, err := w.a.daemon.Snapshot(w.t.Context(), false)
		if err != nil || len(s.Aliases) != 2 {
			w.fail("%d aliases, %v", len(s.Aliases), err)
		}
		// Who does not hold it loses nothing.
		if dropped, err := w.b.daemon.ReloadUnless(w.t.Context(), ofB()); err != nil || len(dropped) != 0 {
			w.fail("of b: %v, %v", dropped, err)
		}
		// A row on another NIC, or with another label, is a row.
		first.NIC, first.Label, second.Label = "eth1", "eth1:1", "eth0:9"
		if dropped, err := w.a.daemon.ReloadUnless(w.t.Context(), of(first, second)); err != nil || len(dropped) != 0 {
			w.fail("moved: %v, %v", dropped, err)
		}
	})
}

// A row that a reload adds is asked as those of the start are: whether it answers pings
// is found out, so that a fabric that answers ARP for a dead host delays nobody.
func TestARowThatComesLaterIsPingedToo(t *testing.T) {
	keyed(t, func(*world) {}, func(w *world) {
		w.wait(20 * time.Second)
		second := row(2, true)
		second.Label, second.Addr = "eth0:2", ip(101)
		second.Prefix = with(second.Addr)
		w.b.daemon.Reload(&config.Config{Settings: w.cfgB.Settings, Aliases: append([]config.Alias{w.cfgB.Aliases[0]}, second)})
		w.wait(time.Minute)
		pings := make(chan []bool, 1)
		w.b.daemon.post(func(l *loop) {
			var all []bool
			for _, one := range l.wishes {
				all = append(all, one.Pings)
			}
			pings <- all
		})
		if got := <-pings; !slices.Equal(got, []bool{true, true}) {
			w.fail("pinged: %v", got)
		}
	})
}
