package story

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// TestTheSameStoriesWithAKey plays the stories of a pair without a channel again with
// one, at a fast rhythm.
func TestTheSameStoriesWithAKey(t *testing.T) {
	t.Parallel()
	playAll(t, stage.Stage{Settings: stage.Rhythm(200 * time.Millisecond), Keys: []string{stage.NewKey()}})
}

// TestTheSameStoriesOfIPv6 plays them for an alias of IPv6.
func TestTheSameStoriesOfIPv6(t *testing.T) {
	t.Parallel()
	playAll(t, stage.Stage{IPv6: true})
}

// TestTheSameStoriesOfIPv6WithAKey has the channel on IPv6 too.
func TestTheSameStoriesOfIPv6WithAKey(t *testing.T) {
	t.Parallel()
	playAll(t, stage.Stage{Settings: stage.Rhythm(200 * time.Millisecond), Keys: []string{stage.NewKey()}, IPv6: true})
}

func playAll(t *testing.T, on stage.Stage) {
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

// TestBothFamiliesMoveTogether has an alias of each family on one pair: what moves the one
// moves the other, and each is served by the host that has it.
func TestBothFamiliesMoveTogether(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]string{"without a key": nil, "with a key": {stage.NewKey()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothFamiliesMoveTogether(t, keys)
		})
	}
}

func bothFamiliesMoveTogether(t *testing.T, keys []string) {
	p := stage.Pair(t, pair.Spec{PrimaryA: true, Keys: keys, Dual: true})
	six, err := p.Lab.Watch(pair.IPv6.Alias)
	stage.Must(t, err)
	asker, err := p.User.Client(lab.ClientSpec{Target: pair.IPv6.Alias, Every: 5 * time.Millisecond})
	stage.Must(t, err)
	with := func(host string) {
		t.Helper()
		stage.Held(t, p, host)
		stage.Must(t, six.Wait(stage.Patiently(t), host))
		stage.Served(t, p, host)
		stage.Must(t, asker.WaitAnswer(stage.Patiently(t), host))
	}
	stage.Must(t, p.Begin(stage.Patience))
	with("a")
	stage.Must(t, p.A.Crash())
	with("b")
	stage.Must(t, p.Boot(p.A))
	stage.Said(t, p.Monitor(p.A), "row=W6")
	stage.Unchanged(t, p, 2*time.Second)
	with("b")

	// A segment that is parted and healed leaves both with the primary.
	stage.Must(t, p.Switch.Partition([]*lab.Port{p.B.Port(), p.User.Port()}, []*lab.Port{p.A.Port(), p.Router.Port()}))
	stage.Held(t, p, "a", "b")
	stage.Must(t, six.Wait(stage.Patiently(t), "a", "b"))
	stage.Must(t, p.Switch.Heal())
	with("a")
	if keys == nil {
		return
	}
	stage.HandsOver(t, p, p.A, p.B)
	with("b")
}
