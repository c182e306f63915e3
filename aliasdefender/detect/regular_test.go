package detect_test

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/detect"
)

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
