package store

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWhatWasToldIsOfOneBoot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	want := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fe80::1%eth0")}
	if got, err := ReadTold(dir, "one"); err != nil || got != nil {
		t.Errorf("before it is there: %v, %v", got, err)
	}
	if err := WriteTold(dir, "one", want); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadTold(dir, "one"); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ReadTold(dir, "two"); err != nil || got != nil {
		t.Errorf("of another boot: %v, %v", got, err)
	}
	name := filepath.Join(dir, ToldName)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(text), "10.0.0.1", "10.0.0.2", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadTold(dir, "one"); err == nil || got != nil {
		t.Errorf("damaged: %v, %v", got, err)
	}
}
