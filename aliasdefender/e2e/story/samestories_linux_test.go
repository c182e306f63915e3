package story

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
)

// TestTheSameStoriesWithAKey plays the stories of a pair without a channel again with
// one, at a fast rhythm.
func TestTheSameStoriesWithAKey(t *testing.T) {
	t.Parallel()
	on := stage.Stage{Settings: stage.Rhythm(200 * time.Millisecond), Keys: []string{stage.NewKey()}}
	for _, tt := range []struct {
		name string
		play func(*testing.T, stage.Stage)
	}{
		{"a crash", crashIsTakenOverAndTheReturnMovesNothing},
		{"a pulled cable", pulledCableMovesTheAlias},
		{"a dead router", deadRouterMovesNothing},
		{"a host that is cut off", cutOffHostTakesNothing},
		{"loss", lossTakesNothing},
		{"a foreign host", foreignHostIsDefendedAgainst},
		{"forged claims", forgedClaimsAreNotYieldedTo},
		{"cuts and heals", everyHealEndsWithOneHolderThatServes},
		{"a Monitor that is killed", killedMonitorsAliasIsAdopted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.play(t, on)
		})
	}
}
