package detect_test

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/detect"
)

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
