package daemon

import (
	"net/netip"
	"testing"
	"time"

	"alias-defender/aliasdefender/recovery"
	"alias-defender/aliasdefender/store"
)

// What a recovery keeps comes back as it was, through the file.
func TestWhatARecoveryKeepsIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	alias := netip.MustParseAddr("10.0.0.1")
	at := time.Now()
	want := recovery.Kept{Step: recovery.Settle, Since: at, Begun: []time.Time{at.Add(-time.Minute)}, Fenced: at.Add(-time.Hour)}
	if err := keepRecoveries(dir)(map[netip.Addr]recovery.Kept{alias: want}); err != nil {
		t.Fatal(err)
	}
	all, err := store.ReadRecoveries(dir)
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	got := keptOf(all)[alias]
	if got.Step != want.Step || !got.Since.Equal(want.Since) || len(got.Begun) != 1 || !got.Begun[0].Equal(want.Begun[0]) || !got.Fenced.Equal(want.Fenced) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
