package detect_test

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/host"
)

// TestOnlyAnAnswerFromThenOnProvesWhoHasAnAddress: whose a claim is must not be taken
// from what was answered before the claim, nor from a frame that nobody asked for.
func TestOnlyAnAnswerFromThenOnProvesWhoHasAnAddress(t *testing.T) {
	hw, other := host.HW{2, 0, 0, 0, 0, 2}, host.HW{2, 0, 0, 0, 0, 3}
	for _, tt := range []struct {
		name    string
		heard   time.Duration // when, measured from the claim
		hw      host.HW
		reply   bool
		target  string
		claimed host.HW // who says afterwards, without having been asked, that it has the address
		want    bool
	}{
		{"an answer after the claim", 10 * ms, hw, true, own.Addr().String(), host.HW{}, true},
		{"an answer in the moment of the claim", 0, hw, true, own.Addr().String(), host.HW{}, true},
		{"an answer before the claim", -10 * ms, hw, true, own.Addr().String(), host.HW{}, false},
		{"an answer of another host", 10 * ms, other, true, own.Addr().String(), host.HW{}, false},
		{"a question", 10 * ms, hw, false, own.Addr().String(), host.HW{}, false},
		{"an announcement in the form of an answer", 10 * ms, hw, true, partner.Addr.String(), host.HW{}, false},
		{"an answer of another host, then a claim", 10 * ms, other, true, own.Addr().String(), hw, false},
		{"an answer, then another host's claim", 10 * ms, hw, true, own.Addr().String(), other, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, true)
			b.begin(b.wish(alias, usual))
			b.host(partner).dead = true
			claim := 5*time.Second + 10*ms
			b.when(claim+tt.heard, func() {
				b.set.Sighted(b.now, host.Sighting{NIC: "eth0", At: b.now, Sender: partner.Addr, HW: tt.hw, Reply: tt.reply, Target: at("eth0", tt.target).Addr})
				if !tt.claimed.IsZero() {
					b.set.Sighted(b.now, host.Sighting{NIC: "eth0", At: b.now, Sender: partner.Addr, HW: tt.claimed, Target: partner.Addr})
				}
			})
			b.run(claim + 20*ms)
			if got := b.set.At(partner).Replied(hw, b.start.Add(claim)); got != tt.want {
				t.Errorf("proven: %v, want %v", got, tt.want)
			}
		})
	}
}
