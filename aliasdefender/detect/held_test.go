package detect_test

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/rules"
)

// holding has this host hold the alias from that time on, and nobody else.
func holding(at time.Duration) func(b *bench) {
	return func(b *bench) {
		b.when(at, func() {
			b.host(alias).dead = true
			b.holds(alias, true)
		})
	}
}

func both(all ...func(b *bench)) func(b *bench) {
	return func(b *bench) {
		for _, f := range all {
			f(b)
		}
	}
}

func TestAliasThatIsHeld(t *testing.T) {
	tell(t, []tale{
		{
			name: "rivals are asked for by ARP, of everybody", script: holding(1500 * ms), from: 5 * time.Second, until: 6500 * ms, about: alias,
			want: `
				5s alias? arp all
				5.25s alias newer: silent since 2.75s asked 5s miss 2.25s
				6s alias? arp all
				6.25s alias newer: silent since 2.75s asked 6s miss 2.25s`,
		},
		{
			name: "a rival is watched closely until it has fallen silent, and never asked by a probe",
			script: both(holding(1500*ms), func(b *bench) {
				b.when(5300*ms, func() { b.frame(alias, b.now, false); b.host(alias).dead = false })
				b.when(5700*ms, func() { b.host(alias).dead = true })
			}),
			from: 5200 * ms, until: 6700 * ms, about: alias,
			want: `
				5.25s alias newer: silent since 2.75s asked 5s miss 2.25s
				5.3s alias other: answered since 5.3s asked 5.3s
				5.3s alias back: answered since 5.3s asked 5.3s
				5.55s alias? arp all
				5.551s alias other: answered since 5.3s asked 5.551s
				5.801s alias? arp all
				6.051s alias? arp all
				6.051s alias missed: answered since 5.3s asked 5.551s miss 6.051s
				6.1135s alias? arp all
				6.176s alias? arp all
				6.2385s alias? arp all
				6.301s alias? arp all
				6.301s alias other: answered since 5.3s asked 5.551s miss 6.051s
				6.3635s alias? arp all
				6.426s alias? arp all
				6.4885s alias? arp all
				6.551s alias? arp all
				6.551s alias other: silent since 6.551s asked 6.4885s miss 6.051s`,
		},
		{
			name: "a ping's answer is our own kernel's, and counts for nothing",
			script: func(b *bench) {
				b.when(1500*ms, func() { h := b.host(alias); h.noARP = errDeaf; h.after = 50 * ms })
				b.when(2260*ms, func() { b.host(alias).dead = true; b.holds(alias, true) })
			},
			from: 2 * time.Second, until: 2490 * ms, about: alias,
			want: `
				2s alias? arp it
				2s alias cannot: no permission for an ARP listener
				2.25s alias? arp all
				2.25s alias? ping
				2.25s alias other: unknown since 2.25s asked 2.25s
				2.3125s alias? arp all
				2.375s alias? arp all
				2.4375s alias? arp all`,
		},
		{
			name: "without ARP it is not asked for, as our own kernel would answer", without: true,
			rhythm: detect.Rhythm{Interval: 2 * time.Second, Timeout: 100 * ms, Misses: 2},
			script: func(b *bench) { b.when(1500*ms, func() { b.holds(alias, true) }) },
			from:   2 * time.Second, until: 4100 * ms, about: alias,
			want: `
				2.1s alias other: unknown since 2.1s asked 2.1s
				2.2s alias other: unknown since 2.1s asked 2.2s
				2.3s alias other: unknown since 2.1s asked 2.3s
				2.4s alias other: unknown since 2.1s asked 2.4s
				4.1s alias other: unknown since 2.1s asked 4.1s`,
		},
		{
			name: "without ARP it is not asked for while it is being added", without: true,
			rhythm: detect.Rhythm{Interval: 2 * time.Second, Timeout: 100 * ms, Misses: 2},
			script: func(b *bench) { b.when(1500*ms, func() { b.here[alias].Working = true }) },
			from:   2 * time.Second, until: 2150 * ms, about: alias,
			want: `
				2.1s alias other: unknown since 2.1s asked 2.1s`,
		},
		{
			name: "without ARP it is asked for when the kernel has lost it", without: true,
			script: func(b *bench) {
				b.when(1500*ms, func() { *b.here[alias] = detect.Here{Holding: true, Kernel: rules.No} })
			},
			from: 2 * time.Second, until: 2500 * ms, about: alias,
			want: `
				2s alias? ping
				2.001s alias other: answered since 1ms asked 2s
				2.251s alias? ping
				2.252s alias other: answered since 1ms asked 2.251s`,
		},
		{
			name:   "it is not asked for while the kernel adds it",
			rhythm: detect.Rhythm{Interval: 2 * time.Second, Timeout: 100 * ms, Misses: 2},
			script: both(dies(alias, 1500*ms, 0), func(b *bench) {
				b.when(2210*ms, func() { b.set.Rest(b.now, b.set.At(alias)) })
			}),
			from: 2190 * ms, until: 2500 * ms, about: alias,
			want: `
				2.2s alias other: silent since 2.2s asked 2.175s miss 2.1s
				2.2s alias other: silent since 2.2s asked 2.175s miss 2.1s
				2.31s alias? arp all
				2.41s alias newer: silent since 2.2s asked 2.31s miss 2.1s`,
		},
	})
}
