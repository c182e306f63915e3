package detect_test

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/detect"
)

// tale is one kind of doubt: what happens, and what is written about one address
// from then on.
type tale struct {
	name    string
	rhythm  detect.Rhythm                  // zero: the usual one
	without bool                           // ARP, as on Solaris
	wish    func(b *bench, w *detect.Wish) // changes what is wanted
	script  func(b *bench)
	from    time.Duration
	until   time.Duration
	about   detect.Key
	want    string
}

func (x tale) play(t *testing.T) {
	b := newBench(t, !x.without)
	if x.rhythm == (detect.Rhythm{}) {
		x.rhythm = usual
	}
	w := b.wish(alias, x.rhythm)
	if x.wish != nil {
		x.wish(b, &w)
	}
	b.begin(w)
	if x.script != nil {
		x.script(b)
	}
	b.when(x.from-1, b.clear)
	b.run(x.until)
	b.want(x.about, x.want)
}

func tell(t *testing.T, tales []tale) {
	for _, x := range tales {
		t.Run(x.name, x.play)
	}
}

// dies has an address fall dead at that time, and live again at the other.
func dies(k detect.Key, at, back time.Duration) func(b *bench) {
	return func(b *bench) {
		b.when(at, func() { b.host(k).dead = true })
		if back > 0 {
			b.when(back, func() { b.host(k).dead = false })
		}
	}
}

// off has the router lie off every subnet of ours.
func off(_ *bench, w *detect.Wish) { w.Routers = []detect.Key{distant} }
