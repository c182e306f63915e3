package daemon

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/recovery"
	"alias-defender/aliasdefender/rules"
	"alias-defender/aliasdefender/store"
)

// What a recovery keeps comes back as it was, through the file: a fence of an earlier
// Monitor is told to the loop.
func TestWhatARecoveryKeepsIsReadAgain(t *testing.T) {
	alias := netip.MustParseAddr("10.0.0.1")
	at := time.Now().Add(-time.Minute).Round(0) // by the wall clock, as in the file
	cfg := &config.Config{Settings: config.Settings{StateDir: t.TempDir()}, Aliases: []config.Alias{{
		Addr: alias, NIC: "eth0", Recover: config.Recover{Check: "there", Fence: config.Program{"/bin/true"}, Budget: 3},
	}}}
	if err := keepRecoveries(cfg.Settings.StateDir)([]store.Recovery{{Alias: alias, Step: recovery.Idle, Since: at, Fenced: at, Begun: []time.Time{at}}}); err != nil {
		t.Fatal(err)
	}
	m := newMonitor(Options{Observe: true}, cfg, logrus.New(), nil)
	worker := m.newRecovery(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	var got []defender.Observation
	if err := worker.Run(ctx, func(all ...defender.Observation) {
		got = append(got, all...)
		cancel()
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Alias != alias || got[0].Fact != rules.FactFenced || got[0].Value != rules.Yes || !got[0].Asked.Equal(at) {
		t.Errorf("told %+v", got)
	}
	if s := worker.Shows()[alias]; s.Begun != 1 || !s.Fenced.Equal(at) {
		t.Errorf("%+v", s)
	}
}
