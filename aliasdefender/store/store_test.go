package store

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// keptOf is what the state file remembers of these aliases.
func keptOf(words ...string) Kept { return Kept{Parked: addrs(words...)} }

// differs compares what is remembered; none and an empty list are the same.
func differs(want, got Kept) string {
	return cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty())
}

func addrs(words ...string) (all []netip.Addr) {
	for _, w := range words {
		all = append(all, netip.MustParseAddr(w))
	}
	return all
}

func TestWhatIsParkedIsReadAsItWasWritten(t *testing.T) {
	s := In(filepath.Join(t.TempDir(), "made", "by us"))
	if got, err := s.Read(); err != nil || differs(Kept{}, got) != "" {
		t.Errorf("without a file: %v, %v", got, err)
	}
	if err := s.Write(Kept{}); err != nil {
		t.Errorf("nothing to remember: %v", err)
	}
	if _, err := os.Stat(s.dir); err == nil {
		t.Error("the directory was made for nothing")
	}
	for _, want := range []Kept{
		keptOf("10.0.0.1", "10.0.0.2"), keptOf("10.0.0.2"), {Maintenance: true},
		{Maintenance: true, Parked: addrs("10.0.0.3")}, keptOf("10.0.0.3"), {},
	} {
		if err := s.Write(want); err != nil {
			t.Fatal(err)
		}
		got, err := s.Read()
		if err != nil {
			t.Error(err)
		}
		if d := differs(want, got); d != "" {
			t.Error(d)
		}
	}
	if info, err := os.Stat(s.dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v; want 0755", info.Mode(), err)
	}
	if left, _ := filepath.Glob(s.path() + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestMaintenanceStandsInTheFileByItsName: an administrator who looks at the
// file, or mends it by hand, finds the word that the verb has.
func TestMaintenanceStandsInTheFileByItsName(t *testing.T) {
	s := In(t.TempDir())
	if err := s.Write(Kept{Maintenance: true, Parked: addrs("10.0.0.1")}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.path())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(parkedHead+"maintenance\n10.0.0.1\n", string(text)); d != "" {
		t.Error(d)
	}
}

func TestDamagedLinesAreNamedAndTheGoodOnesUsed(t *testing.T) {
	s := In(t.TempDir())
	text := "# head\r\n10.0.0.1 # by hand\nnonsense\n\n10.0.0.2\r\nfe80::1\n10.0.0.1\n maintenance # by hand\nMaintenance off\n10.0.0.3" // cut off at the end
	if err := os.WriteFile(s.path(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := s.Read()
	if d := differs(Kept{Maintenance: true, Parked: addrs("10.0.0.1", "10.0.0.2", "10.0.0.3")}, got); d != "" {
		t.Error(d)
	}
	for _, want := range []string{s.path() + `:3: "nonsense" is no IPv4 address`, s.path() + `:6: "fe80::1"`, s.path() + `:9: "Maintenance off"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v; want in it %s", err, want)
		}
	}
	if s.Trouble() == nil {
		t.Error("no trouble though the file is damaged")
	}
	if err := s.Write(got); err != nil || s.Trouble() != nil {
		t.Errorf("%v and %v after it was written anew", err, s.Trouble())
	}
}

// TestAFailedWriteLeavesTheOldFile has the new file's name taken by what
// cannot be opened for writing, root or not.
func TestAFailedWriteLeavesTheOldFile(t *testing.T) {
	s := In(t.TempDir())
	if err := s.Write(keptOf("10.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.path()+".new/x", 0o755); err != nil {
		t.Fatal(err)
	}
	err := s.Write(keptOf("10.0.0.1", "10.0.0.2"))
	if err == nil || !strings.HasPrefix(err.Error(), s.path()+".new: ") || s.Trouble() == nil {
		t.Errorf("the error is %v", err)
	}
	if got, _ := In(s.dir).Read(); differs(keptOf("10.0.0.1"), got) != "" {
		t.Errorf("the file says %v", got)
	}
	// What the file says already needs no disk that can be written.
	if err := s.Write(keptOf("10.0.0.1")); err != nil || s.Trouble() != nil {
		t.Errorf("%v, %v", err, s.Trouble())
	}
}

func TestWhatStandsInTheWayOfTheStateFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := In(file)
	if err := s.Ready(); err == nil || !strings.HasPrefix(err.Error(), file+": ") || !strings.Contains(err.Error(), "[state] dir") {
		t.Errorf("a file in place of the directory: %v", err)
	}
	s = In(dir)
	if err := os.Mkdir(s.path(), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(); err == nil || !strings.Contains(err.Error(), "is not a file of ours") {
		t.Errorf("a directory in place of the file: %v", err)
	}

	// What cannot be read says what nobody knows, and is not replaced.
	s = In(t.TempDir())
	if err := os.WriteFile(s.path(), make([]byte, maxParked+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(Kept{Maintenance: true}); err == nil || !strings.Contains(err.Error(), "is not a file of ours") || s.Trouble() == nil {
		t.Errorf("written in place of what cannot be read: %v", err)
	}
	if info, err := os.Stat(s.path()); err != nil || info.Size() != maxParked+1 {
		t.Errorf("the file: %v, %v", info, err)
	}
}

// TestReadersFindTheOldFileOrTheNewOne reads while two write: a file that was
// written in place would be found half.
func TestReadersFindTheOldFileOrTheNewOne(t *testing.T) {
	s := In(t.TempDir())
	var many Kept
	for i := range 200 {
		many.Parked = append(many.Parked, netip.MustParseAddr(fmt.Sprintf("10.0.0.%d", i)))
	}
	if err := s.Write(many); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for i := range 50 {
				if err := s.Write(Kept{Parked: many.Parked[:100+i]}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { writers.Wait(); close(ended) }()
	for other := In(s.dir); ; {
		if got, err := other.Read(); err != nil || len(got.Parked) < 100 {
			t.Fatalf("%d read, %v", len(got.Parked), err)
		}
		select {
		case <-ended:
			return
		default:
		}
	}
}
