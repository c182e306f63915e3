package store

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var marks = []Mark{
	{netip.MustParsePrefix("10.0.0.100/24"), "eth0"}, {netip.MustParsePrefix("2001:db8::1/64"), "eth0.100"}, {netip.MustParsePrefix("10.0.0.101/24"), "w#1"},
}

func TestWhatWasPlacedIsKnownUntilTheNextBoot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by us")
	read := func(boot string) []Mark {
		t.Helper()
		got, err := ReadPlaced(dir, boot)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := read("one"); got != nil {
		t.Errorf("without a file: %v", got)
	}
	if err := WritePlaced(dir, "one", marks); err != nil {
		t.Fatal(err)
	}
	same := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if d := cmp.Diff(marks, read("one"), same); d != "" {
		t.Error(d)
	}
	for _, boot := range []string{"two", ""} {
		if got := read(boot); got != nil {
			t.Errorf("boot %q: %v", boot, got)
		}
	}
	if err := WritePlaced(dir, "one", nil); err != nil || read("one") != nil {
		t.Errorf("of nothing: %v", err)
	}
}

// A mark that nobody wrote would have a host's only address taken off it.
func TestADamagedFileOfWhatWasPlacedIsAsIfNotThere(t *testing.T) {
	dir := t.TempDir()
	if err := WritePlaced(dir, "one", marks); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, PlacedName)
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		if err := os.WriteFile(name, good[:i], 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadPlaced(dir, "one"); err == nil || got != nil {
			t.Fatalf("cut to %q: %v, %v", good[:i], got, err)
		}
	}
	for what, text := range map[string]string{
		"another address": strings.Replace(string(good), "10.0.0.100", "10.0.0.200", 1),
		"no checksum":     "boot one\n10.0.0.100/24 eth0\n",
		"too much":        string(good) + strings.Repeat("# much\n", maxOfBoot/7),
		"no NIC":          string(summed([]byte(placedHead + "boot one\n10.0.0.100/24\n"))),
		"no address":      string(summed([]byte(placedHead + "boot one\n\x1b[31mred eth0\n"))),
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := ReadPlaced(dir, "one")
		if err == nil || got != nil || strings.Contains(err.Error(), "\x1b") || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadPlaced(dir, "one"); err == nil || got != nil {
		t.Errorf("a FIFO: %v, %v", got, err)
	}
}
