package detect_test

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/detect"
	"alias-defender/aliasdefender/host"
)

// loses has answers lost by one medium at each of these times.
func loses(m detect.Medium, side host.Side, at ...time.Duration) func(b *bench) {
	return func(b *bench) {
		for _, d := range at {
			b.when(d, func() { b.set.Heard(b.now, m, side, true, 0) })
		}
	}
}

// late has the oldest answer by ARP wait for so long, from one time to another.
func late(by, from, until time.Duration) func(b *bench) {
	return func(b *bench) {
		b.when(from, func() { b.set.Heard(b.now, detect.ARP, eth0, false, by) })
		b.when(until, func() { b.set.Heard(b.now, detect.ARP, eth0, false, 0) })
	}
}

// A window whose answer may have been lost on the way is neither one in vain nor an
// answer (promises 7 and 8).
func TestWhatWasNotHeardIsNotSilent(t *testing.T) {
	tell(t, []tale{
		{
			name: "a window in which a frame was lost is put again, and does not count", from: 2 * time.Second, until: 3 * time.Second, about: alias,
			script: both(dies(alias, 1500*ms, 0), loses(detect.ARP, eth0, 2300*ms)),
			want: `
				2s alias? arp it
				2.25s alias? arp all
				2.25s alias? ping
				2.25s alias missed: answered since 1ms asked 1.001s miss 2.25s
				2.3125s alias? arp all
				2.3125s alias? ping
				2.375s alias? probe
				2.375s alias? ping
				2.4375s alias? probe
				2.4375s alias? ping
				2.5s alias? arp all
				2.5s alias? ping
				2.5625s alias? arp all
				2.5625s alias? ping
				2.625s alias? probe
				2.625s alias? ping
				2.6875s alias? probe
				2.6875s alias? ping
				2.75s alias? arp all
				2.75s alias? ping
				2.75s alias other: answered since 1ms asked 1.001s miss 2.25s
				2.8125s alias? arp all
				2.8125s alias? ping
				2.875s alias? probe
				2.875s alias? ping
				2.9375s alias? probe
				2.9375s alias? ping
				3s alias other: silent since 3s asked 2.9375s miss 2.25s`,
		},
		{
			name: "a first window that was not heard is no miss, and the answer ends its doubt", from: 2 * time.Second, until: 3100 * ms, about: alias,
			script: both(dies(alias, 1500*ms, 2260*ms), loses(detect.ARP, eth0, 2100*ms)),
			want: `
				2s alias? arp it
				2.25s alias? arp all
				2.25s alias? ping
				2.3125s alias? arp all
				2.3125s alias? ping
				2.3135s alias newer: answered since 1ms asked 2.3135s
				3s alias? arp it
				3.001s alias newer: answered since 1ms asked 3.001s`,
		},
	})
}

// endsAs plays a tale and looks only at what is known at its end.
func endsAs(t *testing.T, about detect.Key, until time.Duration, want string, script func(b *bench)) {
	t.Helper()
	b := newBench(t, true)
	b.quiet = true
	w := b.wish(alias, usual)
	w.Witnesses = []detect.Key{distant}
	b.begin(w)
	script(b)
	b.run(until)
	if got := b.fact(about); got != want {
		t.Errorf("%s at %v: %s, want %s", call(about), until, got, want)
	}
}

func TestDeafnessThatLasts(t *testing.T) {
	every := func(from, until time.Duration) (all []time.Duration) {
		for d := from; d < until; d += 100 * ms {
			all = append(all, d)
		}
		return all
	}
	deaf := loses(detect.ARP, eth0, every(1100*ms, 6*time.Second)...)
	for name, x := range map[string]struct {
		about  detect.Key
		until  time.Duration
		want   string
		script func(b *bench)
	}{
		"what answered is unknown when it would have become silent": {alias, 2749 * ms, "answered since 1ms asked 1.001s", both(dies(alias, 1500*ms, 0), deaf)},
		"and then it is": {alias, 2751 * ms, "unknown since 2.75s asked 2.75s", both(dies(alias, 1500*ms, 0), deaf)},
		"the end of deafness ends with the silence":                  {alias, 8 * time.Second, "silent since 6.75s asked 7.5s miss 6.25s", both(dies(alias, 1500*ms, 0), deaf)},
		"what was silent is unknown with the first window not heard": {alias, 2251 * ms, "unknown since 2.25s asked 2.25s", both(dies(alias, 0, 0), loses(detect.ARP, eth0, 2100*ms))},
		"and silent again after a whole doubt":                       {alias, 2999 * ms, "unknown since 2.25s asked 2.25s miss 2.5s", both(dies(alias, 0, 0), loses(detect.ARP, eth0, 2100*ms))},
		"which ends here":                                            {alias, 3001 * ms, "silent since 3s asked 2.9375s miss 2.5s", both(dies(alias, 0, 0), loses(detect.ARP, eth0, 2100*ms))},
		"what is heard ends a doubt, deaf or not":                    {alias, 3100 * ms, "answered since 2.9385s asked 3.001s", both(dies(alias, 1500*ms, 2900*ms), deaf)},
		"the ears of another NIC do not matter":                      {alias, 2751 * ms, "silent since 2.75s asked 2.6875s miss 2.25s", both(dies(alias, 1500*ms, 0), loses(detect.ARP, host.Side{NIC: "eth1", Family: host.IPv4}, every(ms, 4*time.Second)...))},
		"frames do not matter to who is asked by ICMP alone":         {distant, 2751 * ms, "silent since 2.75s asked 2.6875s miss 2.25s", both(dies(distant, 1500*ms, 0), deaf)},
		"what was never asked before":                                {alias, 751 * ms, "unknown since 750ms asked 750ms", both(dies(alias, 0, 0), loses(detect.ARP, eth0, every(ms, 2*time.Second)...))},
		"pings do":                                                   {distant, 2751 * ms, "unknown since 2.75s asked 2.75s", both(dies(distant, 1500*ms, 0), loses(detect.ICMP, host.Side{}, every(ms, 4*time.Second)...))},
		"frames that wait for a timeout":                             {alias, 2751 * ms, "unknown since 2.75s asked 2.75s", both(dies(alias, 1500*ms, 0), late(250*ms, 2100*ms, 4*time.Second))},
		"frames that wait for less":                                  {alias, 2751 * ms, "silent since 2.75s asked 2.6875s miss 2.25s", both(dies(alias, 1500*ms, 0), late(249*ms, 2100*ms, 4*time.Second))},
		"frames that were late, and have been taken in":              {alias, 2751 * ms, "silent since 2.75s asked 2.6875s miss 2.25s", both(dies(alias, 1500*ms, 0), late(time.Second, 2010*ms, 2240*ms))},
	} {
		t.Run(name, func(t *testing.T) { endsAs(t, x.about, x.until, x.want, x.script) })
	}
}

// A holder does not learn from a listener that lost frames that its rival is gone.
func TestARivalIsNotGoneWhileNothingCanBeHeard(t *testing.T) {
	rival := func(b *bench) {
		b.holds(alias, true)
		b.host(alias).dead = true
		b.when(1100*ms, func() { b.frame(alias, b.now, false) })
	}
	for name, x := range map[string]struct {
		want string
		lost []time.Duration
	}{
		"heard all":       {"silent", nil},
		"lost each frame": {"unknown", []time.Duration{1200 * ms, 1400 * ms, 1600 * ms, 1800 * ms, 2000 * ms, 2200 * ms, 2400 * ms, 2600 * ms, 2800 * ms, 2999 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, true)
			b.quiet = true
			b.begin(b.wish(alias, usual))
			both(rival, loses(detect.ARP, eth0, x.lost...))(b)
			b.run(3 * time.Second)
			if got := b.set.At(alias).Fact().Value.Answer(); got != x.want {
				t.Errorf("the rival is %s, want %s", got, x.want)
			}
		})
	}
}

// TestWhatIsNotPingedIsBelievedByARP: an alias that answered pings is one of many after a
// reload, which are asked by ARP only. When the partner's daemon falls silent, its
// answers by ARP count still: no ping is put that would tell more.
func TestWhatIsNotPingedIsBelievedByARP(t *testing.T) {
	for name, tt := range map[string]struct {
		others int
		want   string
	}{
		"one of few":  {0, "silent"},
		"one of many": {70, "answered"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, true)
			b.quiet = true
			first := b.wish(alias, usual)
			first.Pings = true
			b.begin(first)
			b.run(15 * time.Second)
			if !b.set.At(alias).Pings() {
				t.Fatal("it was not found out that it answers pings")
			}
			wishes := []detect.Wish{first}
			for i := range tt.others {
				w := b.wish(near(byte(110+i)), usual)
				w.Pings = true
				wishes = append(wishes, w)
			}
			b.set.Want(b.now, wishes)
			b.here[alias].Quiet = true
			b.host(alias).filters = true
			b.run(30 * time.Second)
			if got := b.set.At(alias).Fact().Value.Answer(); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
