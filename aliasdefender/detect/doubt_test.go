package detect_test

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/detect"
)

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
