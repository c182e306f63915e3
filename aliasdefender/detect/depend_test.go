package detect_test

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
)

func TestWhatAMissAsks(t *testing.T) {
	quick := detect.Rhythm{Interval: 2 * time.Second, Timeout: 100 * ms, Misses: 2}
	for _, k := range []detect.Key{partner, router, witness} {
		tell(t, []tale{
			{
				name: "an alias's first miss asks its " + call(k) + " at once", rhythm: quick,
				script: dies(alias, 1500*ms, 0), from: 2050 * ms, until: 2500 * ms, about: k,
				want: `
					2.1s ` + call(k) + `? ping
					2.101s ` + call(k) + ` newer: answered since 1ms asked 2.1s`,
			},
		})
	}
	tell(t, []tale{
		{
			name: "a partner's first miss asks the router at once", rhythm: quick,
			script: dies(partner, 1500*ms, 0), from: 2050 * ms, until: 2500 * ms, about: router,
			want: `
				2.1s router? ping
				2.101s router newer: answered since 1ms asked 2.1s`,
		},
		{
			name: "a partner's first miss does not ask for the alias", rhythm: quick,
			script: dies(partner, 1500*ms, 0), from: 2050 * ms, until: 2500 * ms, about: alias,
			want: ``,
		},
		{
			name: "a router's first miss asks no partner", rhythm: quick,
			script: dies(router, 1500*ms, 0), from: 2050 * ms, until: 2500 * ms, about: partner,
			want: ``,
		},
		{
			name: "a router's first miss asks no witness", rhythm: quick,
			script: dies(router, 1500*ms, 0), from: 2050 * ms, until: 2500 * ms, about: witness,
			want: ``,
		},
		{
			name: "a router that is missed with the alias goes on in its own doubt", rhythm: quick,
			script: both(dies(alias, 1500*ms, 0), dies(router, 1500*ms, 0)), from: 2050 * ms, until: 2500 * ms, about: router,
			want: `
				2.1s router? arp all
				2.1s router? ping
				2.1s router missed: answered since 1ms asked 1ms miss 2.1s
				2.125s router? arp all
				2.125s router? ping
				2.15s router? arp all
				2.15s router? ping
				2.175s router? arp all
				2.175s router? ping
				2.2s router other: silent since 2.2s asked 2.175s miss 2.1s
				2.2s router other: silent since 2.2s asked 2.175s miss 2.1s`,
		},
		{
			name: "an answer to a question from before it was wanted has it asked again", rhythm: quick,
			script: both(dies(alias, 1500*ms, 0), dies(router, 2090*ms, 2120*ms), func(b *bench) {
				b.when(2050*ms, func() { b.host(router).after = 80 * ms; b.set.Look(b.now, b.set.At(router)) })
				b.when(2060*ms, func() { b.host(router).after = ms })
			}),
			from: 2050 * ms, until: 2500 * ms, about: router,
			want: `
				2.05s router? ping
				2.1s router? ping
				2.13s router? ping
				2.13s router newer: answered since 1ms asked 2.05s
				2.131s router newer: answered since 1ms asked 2.13s`,
		},
		{
			name: "one that comes after a newer one has not", rhythm: quick,
			script: both(dies(alias, 1500*ms, 0), func(b *bench) {
				b.when(2050*ms, func() { b.host(router).after = 80 * ms; b.set.Look(b.now, b.set.At(router)) })
				b.when(2060*ms, func() { b.host(router).after = ms })
			}),
			from: 2050 * ms, until: 2500 * ms, about: router,
			want: `
				2.05s router? ping
				2.1s router? ping
				2.101s router newer: answered since 1ms asked 2.1s
				2.13s router newer: answered since 1ms asked 2.1s`,
		},
		{
			name: "an answer to a question from before all was made unknown proves nothing", rhythm: quick,
			script: func(b *bench) {
				b.when(1990*ms, func() { b.host(router).after = 20 * ms })
				b.when(2010*ms, func() { b.set.Forget(b.now, b.set.At(router)); b.host(router).dead = true })
			},
			from: 2 * time.Second, until: 2100 * ms, about: router,
			want: `
				2s router? ping
				2.01s router other: unknown
				2.01s router? ping`,
		},
		{
			name: "a frame from before all was made unknown proves nothing", rhythm: quick,
			script: func(b *bench) {
				b.when(2500*ms, func() { b.set.Forget(b.now, b.set.At(alias)); b.host(alias).dead = true })
				b.when(2501*ms, func() { b.frame(alias, b.now.Add(-2*ms), false) })
				b.when(2510*ms, func() { b.frame(alias, b.now.Add(-ms), false) })
			},
			from: 2500 * ms, until: 2590 * ms, about: alias,
			want: `
				2.5s alias other: unknown
				2.5s alias? arp all
				2.51s alias other: answered since 2.51s asked 2.509s`,
		},
		{
			name: "a sign of life from before all was made unknown proves nothing", rhythm: quick,
			script: func(b *bench) {
				b.when(2500*ms, func() { b.set.Forget(b.now, b.set.At(partner)); b.host(partner).dead = true })
				b.when(2501*ms, func() { b.set.Alive(b.now, b.set.At(partner), b.now.Add(-2*ms)) })
				b.when(2510*ms, func() { b.set.Alive(b.now, b.set.At(partner), b.now.Add(-ms)) })
			},
			from: 2500 * ms, until: 2590 * ms, about: partner,
			want: `
				2.5s partner other: unknown
				2.5s partner? ping
				2.51s partner other: answered since 2.51s asked 2.509s`,
		},
	})
}

func TestWhatAReturnAsks(t *testing.T) {
	quick := detect.Rhythm{Interval: 10 * time.Second, Timeout: 100 * ms, Misses: 2}
	cable := both(dies(alias, 1500*ms, 25*time.Second), dies(partner, 1500*ms, 25*time.Second), dies(router, 1500*ms, 25*time.Second))
	back := func(b *bench) { b.when(25001*ms, func() { b.frame(router, b.now, false) }) }
	tell(t, []tale{
		{
			name: "an alias that was behind the router's cable is asked anew when the router is heard", rhythm: quick,
			script: both(cable, back), from: 25 * time.Second, until: 25500 * ms, about: alias,
			want: `
				25.001s alias other: unknown
				25.001s alias? arp all
				25.002s alias other: answered since 25.002s asked 25.002s
				25.002s alias back: answered since 25.002s asked 25.002s`,
		},
		{
			name: "and so is the partner", rhythm: quick,
			script: both(cable, back), from: 25 * time.Second, until: 25500 * ms, about: partner,
			want: `
				25.001s partner other: unknown
				25.001s partner? ping
				25.002s partner other: answered since 25.002s asked 25.001s
				25.002s partner back: answered since 25.002s asked 25.001s`,
		},
		{
			name: "a holder asks at once whether the partner took the alias meanwhile", rhythm: quick,
			script: both(holding(1100*ms), dies(partner, 1500*ms, 25*time.Second), func(b *bench) {
				b.when(25001*ms, func() { b.frame(partner, b.now, false) })
			}), from: 25 * time.Second, until: 25090 * ms, about: alias,
			want: `
				25.001s alias? arp all`,
		},
		{
			name: "a router that is silent beside an alias that is held is asked each timeout", rhythm: quick,
			script: both(holding(1100*ms), dies(router, 1500*ms, 0)), from: 19 * time.Second, until: 19350 * ms, about: router,
			want: `
				19s router? ping
				19s router newer: silent since 10.2s asked 18.9s miss 10.1s
				19.1s router? ping
				19.1s router newer: silent since 10.2s asked 19s miss 10.1s
				19.2s router? ping
				19.2s router newer: silent since 10.2s asked 19.1s miss 10.1s
				19.3s router? ping
				19.3s router newer: silent since 10.2s asked 19.2s miss 10.1s`,
		},
	})
}

func TestProxyARP(t *testing.T) {
	byRouter := func(b *bench) {
		b.when(1500*ms, func() { b.host(alias).hw = b.host(router).hw })
	}
	tell(t, []tale{
		{
			name: "an alias that the router answers for is unknown", script: byRouter, from: 2 * time.Second, until: 3100 * ms, about: alias,
			want: `
				2s alias? arp another
				2.25s alias? arp all
				2.25s alias? ping
				2.25s alias missed: answered since 1ms asked 1.001s miss 2.25s
				2.251s alias cannot: the router answers for it (proxy ` + proxy[family] + `): it is not known whether any host serves it
				2.251s alias other: unknown since 2.251s asked 2.251s
				3s alias? arp all
				3.001s alias other: unknown since 2.251s asked 3.001s`,
		},
		{
			name:   "a partner that is the router answers for itself",
			wish:   func(b *bench, w *detect.Wish) { b.host(partner).hw = b.host(router).hw },
			script: byRouter, from: 2 * time.Second, until: 3100 * ms, about: alias,
			want: `
				2s alias? arp another
				2.25s alias? arp all
				2.25s alias? ping
				2.25s alias missed: answered since 1ms asked 1.001s miss 2.25s
				2.251s alias other: answered since 1ms asked 2.251s
				2.251s alias newer: answered since 1ms asked 2.251s
				3s alias? arp it
				3.001s alias newer: answered since 1ms asked 3.001s`,
		},
		{
			name: "without ARP the kernel's table of neighbours tells", without: true,
			script: func(b *bench) {
				b.when(1500*ms, func() {
					b.set.Neighbour(b.now, b.set.At(router), host.HW{2, 0, 0, 0, 0, 254})
					b.set.Neighbour(b.now, b.set.At(alias), host.HW{2, 0, 0, 0, 0, 254})
				})
			},
			from: 1500 * ms, until: 3100 * ms, about: alias,
			want: `
				1.5s alias other: answered since 1ms asked 1s
				2s alias? ping
				2.001s alias cannot: the router answers for it (proxy ` + proxy[family] + `): it is not known whether any host serves it
				2.001s alias other: unknown since 2.001s asked 2.001s
				3s alias? ping
				3.001s alias other: unknown since 2.001s asked 3.001s`,
		},
	})
}

func TestPausesOfThisProcess(t *testing.T) {
	pause := func(at, away time.Duration) func(b *bench) {
		return func(b *bench) { b.when(at, func() { b.set.Away(b.now, away) }) }
	}
	tell(t, []tale{
		{
			name: "a window that a short pause fell into begins anew", script: both(dies(alias, 1500*ms, 0), pause(2300*ms, 260*ms)),
			from: 2300 * ms, until: 2640 * ms, about: alias,
			want: `
				2.3s alias? arp all
				2.3s alias? ping
				2.3625s alias? arp all
				2.3625s alias? ping
				2.425s alias? probe
				2.425s alias? ping
				2.4875s alias? probe
				2.4875s alias? ping
				2.55s alias? arp all
				2.55s alias? ping
				2.55s alias other: answered since 1ms asked 1.001s miss 2.25s
				2.6125s alias? arp all
				2.6125s alias? ping`,
		},
		{
			name: "a pause shorter than a timeout changes nothing", script: both(dies(alias, 1500*ms, 0), pause(2301*ms, 250*ms)),
			from: 2300 * ms, until: 2500 * ms, about: alias,
			want: `
				2.3125s alias? arp all
				2.3125s alias? ping
				2.375s alias? probe
				2.375s alias? ping
				2.4375s alias? probe
				2.4375s alias? ping
				2.5s alias? arp all
				2.5s alias? ping
				2.5s alias other: answered since 1ms asked 1.001s miss 2.25s`,
		},
		{
			name: "a pause as long as interval and doubt changes nothing outside a window", script: pause(1500*ms, 1750*ms),
			from: 1500 * ms, until: 1900 * ms, about: router,
			want: ``,
		},
		{
			name: "a longer one makes all unknown", script: pause(1500*ms, 1750*ms+1),
			from: 1500 * ms, until: 1900 * ms, about: router,
			want: `
				1.5s router other: unknown
				1.5s router? ping
				1.501s router other: answered since 1.501s asked 1.5s`,
		},
	})
	b := newBench(t, true)
	b.begin(b.wish(alias, usual), b.wish(second, detect.Rhythm{Interval: time.Hour, Timeout: 250 * ms, Misses: 3}))
	b.run(time.Second)
	if got := b.set.Away(b.now, time.Minute); len(got) != 2 {
		t.Errorf("forgotten: %v; want both, as they share a router", got)
	}
}

// proxy is what a router does that answers for others.
var proxy = map[host.Family]string{host.IPv4: "ARP", host.IPv6: "NDP"}
