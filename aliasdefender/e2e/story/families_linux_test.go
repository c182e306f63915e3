package story

import (
	"slices"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// How much longer IPv6 may take than IPv4, in the median: a tenth, or what a busy machine
// makes of so few runs.
const (
	slowerBy   = 10 // percent
	slowerMost = 15 * time.Millisecond
)

// families are what a fault or an order cost with an alias of either family, by name.
type families struct {
	names []string // in the order in which they were first measured
	took  map[string][2][]time.Duration
	noisy int
}

// add files how long something took, unless the machine itself stood still for as long.
func (f *families) add(name string, six bool, took, still time.Duration) {
	if still > slowerMost && still > took/2 {
		f.noisy++
		return
	}
	all, known := f.took[name]
	if !known {
		f.names = append(f.names, name)
	}
	i := 0
	if six {
		i = 1
	}
	all[i] = append(all[i], took)
	f.took[name] = all
}

func (f *families) judge(t *testing.T, at string) {
	t.Helper()
	for _, name := range f.names {
		four, six := f.took[name][0], f.took[name][1]
		if len(four) == 0 || len(six) == 0 {
			continue
		}
		a, b := stage.Median(four), stage.Median(six)
		t.Logf("figure: %s at %s: IPv4 %d times: median %v, max %v; IPv6 %d times: median %v, max %v", name, at,
			len(four), a.Round(100*time.Microsecond), slices.Max(four).Round(100*time.Microsecond),
			len(six), b.Round(100*time.Microsecond), slices.Max(six).Round(100*time.Microsecond))
		if stage.Soak() && b > a+max(a*slowerBy/100, slowerMost) {
			t.Errorf("%s at %s takes IPv6 %v in the median, and IPv4 %v", name, at, b, a)
		}
	}
	t.Logf("%d times the machine itself stood still", f.noisy)
}

// TestIPv6IsAsFastAsIPv4 plays the same by turns with an alias of each family, so that
// what else the machine does concerns both alike.
func TestIPv6IsAsFastAsIPv4(t *testing.T) {
	t.Parallel()
	intervals := []time.Duration{100 * time.Millisecond}
	if stage.Soak() {
		intervals = append(intervals, time.Second)
	}
	for _, interval := range intervals {
		t.Run(interval.String(), func(t *testing.T) {
			f := &families{took: map[string][2][]time.Duration{}}
			for range stage.Runs(15) {
				for _, six := range []bool{false, true} {
					f.play(t, interval, six)
				}
			}
			f.judge(t, interval.String())
		})
	}
}

// play measures a hand-over, a cut with its heal, a pulled cable and a crash on one pair.
func (f *families) play(t *testing.T, interval time.Duration, six bool) {
	p := stage.Stage{Settings: stage.Rhythm(interval), Keys: []string{stage.NewKey()}, IPv6: six}.Pair(t, pair.Spec{PrimaryA: true})
	stage.Begin(t, p)
	var from time.Time
	gap := func(what, by string) {
		t.Helper()
		stage.Served(t, p, by)
		stage.Held(t, p, by)
		f.add(what, six, p.Asker.Gap(from).Length(), stage.Stillness(p.Asker, p.Control, from, time.Now()))
	}
	settled := func(holder, standby *lab.Host) {
		t.Helper()
		stage.Hears(t, p, holder, "able")
		stage.Hears(t, p, standby, "holding")
	}
	from = time.Now()
	took := stage.HandsOver(t, p, p.A, p.B)
	f.add("the order to hand over", six, took, stage.Stillness(p.Asker, p.Control, from, time.Now()))
	if gaps := stage.Gaps(p.Asker, p.Control, from); len(gaps) > 0 {
		t.Errorf("the hand-over had the gaps %v", gaps)
	}
	stage.HandsOver(t, p, p.B, p.A)

	from = time.Now()
	stage.Must(t, p.A.Port().Mute())
	stage.Served(t, p, "b")
	f.add("the client's gap at a cut", six, p.Asker.Gap(from).Length(), stage.Stillness(p.Asker, p.Control, from, time.Now()))
	from = time.Now()
	stage.Must(t, p.A.Port().Unmute())
	stage.Held(t, p, "a")
	f.add("held by both after the heal", six, p.Holders.Tenure(from, time.Time{}).Both, stage.Stillness(p.Asker, p.Control, from, time.Now()))
	stage.Served(t, p, "a")

	settled(p.A, p.B)
	from = time.Now()
	stage.Must(t, p.A.Port().Down())
	gap("the client's gap at a pulled cable", "b")
	stage.Must(t, p.A.Port().Up())
	stage.HandsOver(t, p, p.B, p.A)
	settled(p.A, p.B)

	sniff, err := p.User.Port().Sniff()
	stage.Must(t, err)
	from = time.Now()
	stage.Must(t, p.A.Crash())
	gap("the client's gap at a crash", "b")
	stage.Crashed(t, p, sniff, from, p.A, p.B)
	stage.Must(t, p.Lab.Close())
}
