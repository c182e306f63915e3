package store

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRecoveriesAreReadAsTheyWereWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if got, err := ReadRecoveries(dir); err != nil || got != nil {
		t.Errorf("before it is there: %v, %v", got, err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	want := []Recovery{
		{Alias: netip.MustParseAddr("10.0.0.1"), Step: "settle", Since: at, Begun: []time.Time{at.Add(-time.Minute), at}},
		{Alias: netip.MustParseAddr("fe80::1%eth0"), Step: "idle", Since: at, Fenced: at.Add(time.Second), Begun: []time.Time{}},
	}
	if err := WriteRecoveries(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadRecoveries(dir)
	if err != nil {
		t.Fatal(err)
	}
	addr := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(want, got, addr); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	name := filepath.Join(dir, RecoveryName)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, damaged := range map[string]string{
		"another step": strings.Replace(string(text), "settle", "idle", 1),
		"cut short":    string(text[:len(text)/2]),
	} {
		if err := os.WriteFile(name, []byte(damaged), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadRecoveries(dir); err == nil || got != nil {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
}
