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
func off(_ *bench, w *detect.Wish) { w.Router = distant }

func TestRegularQuestions(t *testing.T) {
	tell(t, []tale{
		{
			name: "the first question of an alias is ARP to everybody", until: 900 * ms, about: alias,
			want: `
				0s alias? arp all
				0s alias other: unknown
				1ms alias other: answered since 1ms asked 1ms`,
		},
		{
			name: "an answer proves an alias anew, from when its frame arrived", from: time.Second, until: 2500 * ms, about: alias,
			want: `
				1s alias? arp it
				1.001s alias newer: answered since 1ms asked 1.001s
				2s alias? arp it
				2.001s alias newer: answered since 1ms asked 2.001s`,
		},
		{
			name: "the first question of a host is put by both media, to learn its hardware address", until: 900 * ms, about: router,
			want: `
				0s router? arp all
				0s router? ping
				0s router other: unknown
				1ms router other: answered since 1ms asked 1ms
				1ms router newer: answered since 1ms asked 1ms`,
		},
		{
			name: "a ping's answer proves from when the ping was put", from: time.Second, until: 2500 * ms, about: router,
			want: `
				1s router? ping
				1.001s router newer: answered since 1ms asked 1s
				2s router? ping
				2.001s router newer: answered since 1ms asked 2s`,
		},
		{
			name: "below a second ARP asks hosts on the segment", from: time.Second, until: 1200 * ms, about: router,
			rhythm: detect.Rhythm{Interval: 100 * ms, Timeout: 25 * ms, Misses: 3},
			want: `
				1s router? arp it
				1.001s router newer: answered since 1ms asked 1.001s
				1.1s router? arp it
				1.101s router newer: answered since 1ms asked 1.101s
				1.2s router? arp it`,
		},
		{
			name: "a host off every subnet is asked by ICMP only, in doubt too", wish: off, script: dies(distant, 1500*ms, 2300*ms),
			from: time.Second, until: 3100 * ms, about: distant,
			want: `
				1s distant? ping
				1.001s distant newer: answered since 1ms asked 1s
				2s distant? ping
				2.25s distant? ping
				2.25s distant missed: answered since 1ms asked 1s miss 2.25s
				2.3125s distant? ping
				2.3135s distant other: answered since 1ms asked 2.3125s
				3s distant? ping
				3.001s distant newer: answered since 1ms asked 3s`,
		},
		{
			name: "a host that filters ICMP is found by ARP, and by ARP first from then on", from: 2 * time.Second, until: 4100 * ms, about: router,
			script: func(b *bench) { b.when(1500*ms, func() { b.host(router).filters = true }) },
			want: `
				2s router? ping
				2.25s router? arp all
				2.25s router? ping
				2.25s router missed: answered since 1ms asked 1s miss 2.25s
				2.251s router other: answered since 1ms asked 2.251s
				3s router? arp it
				3.001s router newer: answered since 1ms asked 3.001s
				4s router? arp it
				4.001s router newer: answered since 1ms asked 4.001s`,
		},
		{
			name: "without ARP an alias is asked by ICMP alone", without: true, script: dies(alias, 1500*ms, 2300*ms),
			from: time.Second, until: 2400 * ms, about: alias,
			want: `
				1s alias? ping
				1.001s alias newer: answered since 1ms asked 1s
				2s alias? ping
				2.25s alias? ping
				2.25s alias missed: answered since 1ms asked 1s miss 2.25s
				2.3125s alias? ping
				2.3135s alias other: answered since 1ms asked 2.3125s`,
		},
	})
}

func TestDoubts(t *testing.T) {
	tell(t, []tale{
		{
			name: "one answer missed and the next given end a doubt", script: dies(alias, 1500*ms, 2300*ms),
			from: 2 * time.Second, until: 3100 * ms, about: alias,
			want: `
				2s alias? arp it
				2.25s alias? arp all
				2.25s alias? ping
				2.25s alias missed: answered since 1ms asked 1.001s miss 2.25s
				2.3125s alias? arp all
				2.3125s alias? ping
				2.3135s alias other: answered since 1ms asked 2.3135s
				2.3135s alias newer: answered since 1ms asked 2.3135s
				3s alias? arp it
				3.001s alias newer: answered since 1ms asked 3.001s`,
		},
		{
			name: "a router is silent after three windows in vain, the first one counted, and back at its next answer", script: dies(router, 1500*ms, 3500*ms),
			from: 2 * time.Second, until: 4100 * ms, about: router,
			want: `
				2s router? ping
				2.25s router? arp all
				2.25s router? ping
				2.25s router missed: answered since 1ms asked 1s miss 2.25s
				2.3125s router? arp all
				2.3125s router? ping
				2.375s router? arp all
				2.375s router? ping
				2.4375s router? arp all
				2.4375s router? ping
				2.5s router? arp all
				2.5s router? ping
				2.5s router other: answered since 1ms asked 1s miss 2.25s
				2.5625s router? arp all
				2.5625s router? ping
				2.625s router? arp all
				2.625s router? ping
				2.6875s router? arp all
				2.6875s router? ping
				2.75s router other: silent since 2.75s asked 2.6875s miss 2.25s
				3s router? ping
				3.25s router newer: silent since 2.75s asked 3s miss 2.25s
				4s router? ping
				4.001s router other: answered since 4.001s asked 4s
				4.001s router back: answered since 4.001s asked 4s`,
		},
		{
			name:   "an alias is doubted twice as long, with probes last in each window, and everybody is asked for it when it is silent",
			script: dies(alias, 1500*ms, 0), rhythm: detect.Rhythm{Interval: time.Second, Timeout: 100 * ms, Misses: 2},
			from: 2 * time.Second, until: 3200 * ms, about: alias,
			want: `
				2s alias? arp it
				2.1s alias? arp all
				2.1s alias? ping
				2.1s alias missed: answered since 1ms asked 1.001s miss 2.1s
				2.125s alias? arp all
				2.125s alias? ping
				2.15s alias? probe
				2.15s alias? ping
				2.175s alias? probe
				2.175s alias? ping
				2.2s alias other: silent since 2.2s asked 2.175s miss 2.1s
				2.2s alias other: silent since 2.2s asked 2.175s miss 2.1s
				2.225s alias? arp all
				2.225s alias? ping
				2.25s alias? probe
				2.25s alias? ping
				2.275s alias? probe
				2.275s alias? ping
				2.3s alias? arp all
				2.3s alias? ping
				2.3s alias other: silent since 2.2s asked 2.275s miss 2.1s
				2.325s alias? arp all
				2.325s alias? ping
				2.35s alias? probe
				2.35s alias? ping
				2.375s alias? probe
				2.375s alias? ping
				2.4s alias other: silent since 2.2s asked 2.375s miss 2.1s
				3s alias? arp all
				3.1s alias newer: silent since 2.2s asked 3s miss 2.1s`,
		},
		{
			name: "where one window decides it has all questions, by turns, the last of them probes", script: dies(alias, 1500*ms, 0),
			rhythm: detect.Rhythm{Interval: time.Second, Timeout: 100 * ms, Misses: 1},
			from:   2 * time.Second, until: 2150 * ms, about: alias,
			want: `
				2s alias? arp it
				2.025s alias? ping
				2.05s alias? probe
				2.075s alias? ping
				2.1s alias missed: silent since 2.1s asked 2.075s miss 2.1s
				2.1s alias other: silent since 2.1s asked 2.075s miss 2.1s
				2.125s alias? arp all
				2.125s alias? ping
				2.15s alias? probe
				2.15s alias? ping`,
		},
		{
			name: "a silence is proven anew by each question in vain", script: dies(alias, 1500*ms, 0),
			from: 5 * time.Second, until: 6500 * ms, about: alias,
			want: `
				5s alias? arp all
				5.25s alias newer: silent since 2.75s asked 5s miss 2.25s
				6s alias? arp all
				6.25s alias newer: silent since 2.75s asked 6s miss 2.25s`,
		},
		{
			name: "a frame that nobody asked for ends a doubt, from when it arrived",
			script: func(b *bench) {
				dies(alias, 1500*ms, 0)(b)
				b.when(2270*ms, func() { b.frame(alias, b.now.Add(-10*ms), false) })
			},
			from: 2 * time.Second, until: 2900 * ms, about: alias,
			want: `
				2s alias? arp it
				2.25s alias? arp all
				2.25s alias? ping
				2.25s alias missed: answered since 1ms asked 1.001s miss 2.25s
				2.27s alias other: answered since 1ms asked 2.26s`,
		},
		{
			name: "a frame's time stamp ahead of our clock proves no more than now",
			script: func(b *bench) {
				b.when(1500*ms, func() { b.frame(alias, b.now.Add(time.Hour), false) })
			},
			from: 1500 * ms, until: 2100 * ms, about: alias,
			want: `
				1.5s alias newer: answered since 1ms asked 1.5s
				2s alias? arp it
				2.001s alias newer: answered since 1ms asked 2.001s`,
		},
		{
			name:   "a router that comes back with another hardware address is found at its next question",
			rhythm: detect.Rhythm{Interval: 100 * ms, Timeout: 25 * ms, Misses: 3},
			script: func(b *bench) {
				dies(router, 1050*ms, 1250*ms)(b)
				b.when(1250*ms, func() { b.host(router).hw[0] = 6 })
			},
			from: 1200 * ms, until: 1310 * ms, about: router,
			want: `
				1.2s router? arp all
				1.225s router newer: silent since 1.175s asked 1.2s miss 1.125s
				1.3s router? arp all
				1.301s router other: answered since 1.301s asked 1.301s
				1.301s router back: answered since 1.301s asked 1.301s`,
		},
	})
}

func TestWindowsInWhichNothingCouldBeAsked(t *testing.T) {
	down := func(at time.Duration, err error) func(b *bench) {
		return func(b *bench) {
			b.when(at, func() { b.links(func(l *detect.Link) { l.Err = err }) })
		}
	}
	tell(t, []tale{
		{
			name:   "a NIC that goes down makes all unknown, and never silent",
			rhythm: detect.Rhythm{Interval: time.Second, Timeout: 100 * ms, Misses: 2}, script: down(1500*ms, errDown),
			from: 1500 * ms, until: 2500 * ms, about: alias,
			want: `
				1.5s alias other: unknown
				1.6s alias other: unknown since 1.6s asked 1.6s
				1.7s alias other: unknown since 1.6s asked 1.7s
				1.8s alias other: unknown since 1.6s asked 1.8s
				1.9s alias other: unknown since 1.6s asked 1.9s
				2.1s alias other: unknown since 1.6s asked 2.1s
				2.2s alias other: unknown since 1.6s asked 2.2s
				2.3s alias other: unknown since 1.6s asked 2.3s
				2.4s alias other: unknown since 1.6s asked 2.4s`,
		},
		{
			name:   "a NIC that comes back is asked by at once",
			script: func(b *bench) { down(1500*ms, errDown)(b); down(9300*ms, nil)(b) },
			from:   9300 * ms, until: 9900 * ms, about: router,
			want: `
				9.3s router other: unknown
				9.3s router? ping
				9.301s router other: answered since 9.301s asked 9.3s`,
		},
		{
			name: "a NIC made anew is another one",
			script: func(b *bench) {
				b.when(1500*ms, func() { b.links(func(l *detect.Link) { l.Index = 3 }) })
			},
			from: 1500 * ms, until: 1900 * ms, about: alias,
			want: `
				1.5s alias other: unknown
				1.5s alias? arp all
				1.501s alias other: answered since 1.501s asked 1.501s`,
		},
		{
			name: "where there is no ARP listener an alias is unknown, and why is said",
			script: func(b *bench) {
				b.when(1500*ms, func() { b.links(func(l *detect.Link) { l.Hears, l.Deaf = false, errDeaf }) })
			},
			from: 1500 * ms, until: 3100 * ms, about: alias,
			want: `
				2s alias cannot: no permission for an ARP listener
				2.25s alias other: unknown since 2.25s asked 2.25s
				2.5s alias other: unknown since 2.25s asked 2.5s
				2.75s alias other: unknown since 2.25s asked 2.75s
				3s alias other: unknown since 2.25s asked 3s`,
		},
		{
			name:   "a ping that cannot be sent is put by ARP at once",
			script: func(b *bench) { b.when(1500*ms, func() { b.host(router).noPing = errNoPing }) },
			from:   1500 * ms, until: 3100 * ms, about: router,
			want: `
				2s router? ping
				2s router? arp it
				2s router cannot: operation not permitted
				2.001s router newer: answered since 1ms asked 2.001s
				3s router? arp it
				3.001s router newer: answered since 1ms asked 3.001s`,
		},
		{
			name:   "who cannot be asked at all is unknown",
			rhythm: detect.Rhythm{Interval: 2 * time.Second, Timeout: 100 * ms, Misses: 2},
			script: func(b *bench) {
				b.when(1500*ms, func() { h := b.host(router); h.noPing, h.noARP = errNoPing, errNoPing })
			},
			from: 2 * time.Second, until: 3900 * ms, about: router,
			want: `
				2s router? ping
				2s router? arp it
				2s router cannot: operation not permitted
				2s router cannot: operation not permitted
				2.1s router? arp all
				2.1s router? ping
				2.1s router other: unknown since 2.1s asked 2.1s
				2.125s router? arp all
				2.125s router? ping
				2.15s router? arp all
				2.15s router? ping
				2.175s router? arp all
				2.175s router? ping
				2.2s router? arp all
				2.2s router? ping
				2.2s router other: unknown since 2.1s asked 2.2s
				2.225s router? arp all
				2.225s router? ping
				2.25s router? arp all
				2.25s router? ping
				2.275s router? arp all
				2.275s router? ping
				2.3s router? arp all
				2.3s router? ping
				2.3s router other: unknown since 2.1s asked 2.3s
				2.325s router? arp all
				2.325s router? ping
				2.35s router? arp all
				2.35s router? ping
				2.375s router? arp all
				2.375s router? ping
				2.4s router other: unknown since 2.1s asked 2.4s`,
		},
		{
			name: "a doubt that began blind and ended in silence is over: one question follows, not four", wish: off,
			rhythm: detect.Rhythm{Interval: 2 * time.Second, Timeout: 100 * ms, Misses: 2},
			script: both(dies(distant, 1500*ms, 0), func(b *bench) {
				b.when(1500*ms, func() { b.host(distant).noPing = errNoPing })
				b.when(2050*ms, func() { b.host(distant).noPing = nil })
			}),
			from: 2 * time.Second, until: 6150 * ms, about: distant,
			want: `
				2s distant? ping
				2s distant cannot: operation not permitted
				2.1s distant? ping
				2.1s distant other: unknown since 2.1s asked 2.1s
				2.125s distant? ping
				2.15s distant? ping
				2.175s distant? ping
				2.2s distant? ping
				2.2s distant missed: unknown since 2.1s asked 2.1s miss 2.2s
				2.225s distant? ping
				2.25s distant? ping
				2.275s distant? ping
				2.3s distant other: silent since 2.3s asked 2.275s miss 2.2s
				2.3s distant other: silent since 2.3s asked 2.275s miss 2.2s
				4s distant? ping
				4.1s distant newer: silent since 2.3s asked 4s miss 2.2s
				6s distant? ping
				6.1s distant newer: silent since 2.3s asked 6s miss 2.2s`,
		},
		{
			name: "a ping of which it is known in time that it was not sent leaves the window blind", wish: off,
			rhythm: detect.Rhythm{Interval: 2 * time.Second, Timeout: 100 * ms, Misses: 2},
			script: func(b *bench) {
				b.when(1500*ms, func() { b.host(distant).noPing, b.host(distant).late = errNoPing, 20*ms })
			},
			from: 2 * time.Second, until: 3900 * ms, about: distant,
			want: `
				2s distant? ping
				2.02s distant cannot: operation not permitted
				2.1s distant? ping
				2.1s distant other: unknown since 2.1s asked 2.1s
				2.125s distant? ping
				2.15s distant? ping
				2.175s distant? ping
				2.2s distant? ping
				2.2s distant other: unknown since 2.1s asked 2.2s
				2.225s distant? ping
				2.25s distant? ping
				2.275s distant? ping
				2.3s distant? ping
				2.3s distant other: unknown since 2.1s asked 2.3s
				2.325s distant? ping
				2.35s distant? ping
				2.375s distant? ping
				2.4s distant other: unknown since 2.1s asked 2.4s`,
		},
		{
			name: "a ping of which it is known after its window that it was not sent takes the miss back, and the doubt ends", wish: off,
			rhythm: detect.Rhythm{Interval: 4 * time.Second, Timeout: 100 * ms, Misses: 2},
			script: func(b *bench) {
				b.when(1500*ms, func() { b.host(distant).noPing, b.host(distant).late = errNoPing, 120*ms })
			},
			from: 4 * time.Second, until: 7900 * ms, about: distant,
			want: `
				4s distant? ping
				4.1s distant? ping
				4.1s distant missed: answered since 1ms asked 0s miss 4.1s
				4.12s distant? ping
				4.12s distant other: unknown since 4.12s asked 4.12s
				4.12s distant cannot: operation not permitted
				4.145s distant? ping
				4.17s distant? ping
				4.195s distant? ping
				4.22s distant? ping
				4.22s distant missed: unknown since 4.12s asked 4.12s miss 4.22s
				4.24s distant? ping
				4.24s distant other: unknown since 4.12s asked 4.24s
				4.265s distant? ping
				4.29s distant? ping
				4.315s distant? ping
				4.34s distant? ping
				4.34s distant missed: unknown since 4.12s asked 4.24s miss 4.34s
				4.36s distant? ping
				4.36s distant other: unknown since 4.12s asked 4.36s
				4.385s distant? ping
				4.41s distant? ping
				4.435s distant? ping
				4.46s distant? ping
				4.46s distant missed: unknown since 4.12s asked 4.36s miss 4.46s
				4.48s distant other: unknown since 4.12s asked 4.48s`,
		},
		{
			name: "a silence that rests on pings that were not sent is none", wish: off,
			rhythm: detect.Rhythm{Interval: 4 * time.Second, Timeout: 100 * ms, Misses: 2},
			script: func(b *bench) {
				b.when(1500*ms, func() { b.host(distant).dead = true })
				b.when(4100*ms, func() { b.host(distant).noPing, b.host(distant).late = errNoPing, 130*ms })
				b.when(4180*ms, func() { b.host(distant).dead, b.host(distant).noPing = false, nil })
			},
			from: 4 * time.Second, until: 4900 * ms, about: distant,
			want: `
				4s distant? ping
				4.1s distant? ping
				4.1s distant missed: answered since 1ms asked 0s miss 4.1s
				4.125s distant? ping
				4.15s distant? ping
				4.175s distant? ping
				4.2s distant other: silent since 4.2s asked 4.175s miss 4.1s
				4.2s distant other: silent since 4.2s asked 4.175s miss 4.1s
				4.23s distant? ping
				4.23s distant other: unknown since 4.23s asked 4.23s
				4.23s distant cannot: operation not permitted
				4.231s distant other: answered since 4.231s asked 4.23s
				4.231s distant back: answered since 4.231s asked 4.23s`,
		},
		{
			name: "Asked is that of the newest ping that was really sent", wish: off,
			rhythm: detect.Rhythm{Interval: 4 * time.Second, Timeout: 100 * ms, Misses: 2},
			script: func(b *bench) {
				b.when(1500*ms, func() { b.host(distant).dead = true })
				b.when(4140*ms, func() { b.host(distant).noPing, b.host(distant).late = errNoPing, 10*ms })
			},
			from: 4 * time.Second, until: 4900 * ms, about: distant,
			want: `
				4s distant? ping
				4.1s distant? ping
				4.1s distant missed: answered since 1ms asked 0s miss 4.1s
				4.125s distant? ping
				4.15s distant? ping
				4.16s distant cannot: operation not permitted
				4.175s distant? ping
				4.2s distant other: silent since 4.2s asked 4.125s miss 4.1s
				4.2s distant other: silent since 4.2s asked 4.125s miss 4.1s`,
		},
	})
}
