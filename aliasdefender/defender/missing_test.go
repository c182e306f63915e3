package defender

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/rules"
)

// A partner that has just died is no partner whose file lacks the alias, at whatever
// moment the heartbeat looks.
func TestAPartnerThatDiesIsNoMistakeInItsFile(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name        string
		heard, said time.Duration // after the beginning
		want        bool
	}{
		{"it died: its last datagram was a moment after its last word", 10 * time.Second, 10*time.Second - time.Millisecond, false},
		{"it is heard, and has not said a word of it for long", 10 * time.Second, time.Second, true},
		{"it has been heard for a moment only", 100 * time.Millisecond, -time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &alias{policy: rules.Policy{Interval: 100 * time.Millisecond, Timeout: 25 * time.Millisecond, Misses: 3}}
			a.talkingSince = began
			a.talk = &talk{users: []*alias{a}, mood: speaking, boot: began, heard: began.Add(tt.heard)}
			a.peer.Said = began.Add(tt.said)
			if got := a.missing(); got != tt.want {
				t.Errorf("missing %v, want %v", got, tt.want)
			}
		})
	}
}
