package store

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
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
	if _, err := s.Write(Kept{}); err != nil {
		t.Errorf("nothing to remember: %v", err)
	}
	if _, err := os.Stat(s.dir); err == nil {
		t.Error("the directory was made for nothing")
	}
	for _, want := range []Kept{
		keptOf("10.0.0.1", "10.0.0.2"), keptOf("10.0.0.2"), {Maintenance: true},
		{Maintenance: true, Parked: addrs("10.0.0.3")}, keptOf("10.0.0.3"), {},
	} {
		if _, err := s.Write(want); err != nil {
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
	if _, err := s.Write(Kept{Maintenance: true, Parked: addrs("10.0.0.1")}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.path())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(summed([]byte(parkedHead+"maintenance\n10.0.0.1\n"))), string(text)); d != "" {
		t.Error(d)
	}
}

func TestDamagedLinesAreNamedAndTheGoodOnesUsed(t *testing.T) {
	s := In(t.TempDir())
	text := "# head\r\n10.0.0.1 # by hand\nnonsense\n\n10.0.0.2\r\nfe80::1%eth0\n10.0.0.1\n maintenance # by hand\nMaintenance off\n10.0.0.3" // cut off at the end
	put(t, s, text)
	got, err := s.Read()
	if d := differs(Kept{Maintenance: true, Parked: addrs("10.0.0.1", "10.0.0.2", "fe80::1%eth0", "10.0.0.3")}, got); d != "" {
		t.Error(d)
	}
	for _, want := range []string{s.path() + `: has what is no address: line 3, "nonsense"; line 9, "Maintenance off": what operators parked is not known`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v; want in it %s", err, want)
		}
	}
	if s.Trouble() == nil {
		t.Error("no trouble though the file is damaged")
	}
	if anew, err := s.Write(got); !anew || err != nil || s.Trouble() != nil {
		t.Errorf("%v, %v and %v after it was written anew", anew, err, s.Trouble())
	}
	if was, err := os.ReadFile(filepath.Join(s.dir, DamagedName)); err != nil || string(was) != text {
		t.Errorf("what was there is kept as %q, %v", was, err)
	}
}

func put(t *testing.T, s *File, text string) {
	t.Helper()
	if err := os.WriteFile(s.path(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A disk, or a hand, that has changed anything in the file is found out; what a
// version without a checksum wrote is not called damaged.
func TestTheChecksumTellsADamagedFile(t *testing.T) {
	s := In(t.TempDir())
	if _, err := s.Write(keptOf("10.0.0.1", "fe80::1%eth0")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.path())
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	if got, err := s.Read(); err != nil || differs(keptOf("10.0.0.1", "fe80::1%eth0"), got) != "" {
		t.Fatalf("%v, %v", got, err)
	}
	for n := range len(text) { // cut short anywhere, be it before a line
		put(t, s, good[:n])
		if _, err := s.Read(); err == nil {
			t.Errorf("cut after %d bytes it is whole: %q", n, good[max(0, n-20):n])
		}
	}
	for from, to := range map[string]string{"10.0.0.1": "10.0.0.7", "fe80::1%eth0\n": "", "1%eth0": "1%eth1", "# sum": "# sun"} {
		put(t, s, strings.Replace(good, from, to, 1))
		if _, err := s.Read(); err == nil || !strings.Contains(err.Error(), "does not fit its checksum: what operators parked is not known") {
			t.Errorf("%q for %q: %v", to, from, err)
		}
	}
	for name, old := range map[string]string{
		"a version before":     "# What an operator has taken off this host with \"aliasdefender RemoveAlias\":\n# one address a line.\nmaintenance\n10.0.0.1\n",
		"an administrator":     "maintenance\n10.0.0.1",
		"nothing but a head":   "# head\n",
		"a line of no meaning": "\n",
	} {
		put(t, s, old)
		if _, err := s.Read(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	put(t, s, "")
	if _, err := s.Read(); err == nil || !strings.Contains(err.Error(), "is empty: what operators parked is not known") {
		t.Errorf("empty: %v", err)
	}
}

// A megabyte of rubbish was a hundred megabytes of errors, said again with each Status.
func TestRubbishIsToldInOneShortLine(t *testing.T) {
	s := In(t.TempDir())
	put(t, s, strings.Repeat("\x1b[31m\n", maxParked/6))
	_, err := s.Read()
	if err == nil || len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Fatalf("%v", err)
	}
	if want := fmt.Sprintf("; and %d more lines: what", maxParked/6-mostNamed); !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want in it %s", err, want)
	}
}

// TestAFailedWriteLeavesTheOldFile has the new file's name taken by what
// cannot be opened for writing, root or not.
func TestAFailedWriteLeavesTheOldFile(t *testing.T) {
	s := In(t.TempDir())
	if _, err := s.Write(keptOf("10.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.path()+".new/x", 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := s.Write(keptOf("10.0.0.1", "10.0.0.2"))
	if err == nil || !strings.HasPrefix(err.Error(), s.path()+".new: ") || s.Trouble() == nil {
		t.Errorf("the error is %v", err)
	}
	if got, _ := In(s.dir).Read(); differs(keptOf("10.0.0.1"), got) != "" {
		t.Errorf("the file says %v", got)
	}
	// What the file says already needs no disk that can be written.
	if _, err := s.Write(keptOf("10.0.0.1")); err != nil || s.Trouble() != nil {
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

	if anew, err := s.Write(keptOf("10.0.0.1")); !anew || err != nil {
		t.Errorf("written in its place: %v, %v", anew, err)
	}

	// What cannot be read is not lost when a new file takes its place.
	s = In(t.TempDir())
	put(t, s, string(make([]byte, maxParked+1)))
	if _, err := s.Read(); err == nil || !strings.Contains(err.Error(), "is not a file of ours") {
		t.Errorf("much too large: %v", err)
	}
	if anew, err := s.Write(Kept{Maintenance: true}); !anew || err != nil || s.Trouble() != nil {
		t.Errorf("written in place of what cannot be read: %v, %v", anew, err)
	}
	if got, err := s.Read(); err != nil || !got.Maintenance {
		t.Errorf("then it says %v, %v", got, err)
	}
	if info, err := os.Stat(filepath.Join(s.dir, DamagedName)); err != nil || info.Size() != maxParked+1 {
		t.Errorf("the old one: %v, %v", info, err)
	}

	// A file that is kept beside it is in no directory's way.
	if err := errors.Join(os.Remove(s.path()), os.Mkdir(s.path(), 0o755)); err != nil {
		t.Fatal(err)
	}
	if anew, err := s.Write(keptOf("10.0.0.1")); !anew || err != nil {
		t.Errorf("a directory in its place, and an older damaged file: %v, %v", anew, err)
	}

	// A FIFO would hold whoever opens it.
	s = In(t.TempDir())
	if err := unix.Mkfifo(s.path(), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(); err == nil || !strings.Contains(err.Error(), "is not a file of ours") {
		t.Errorf("a FIFO: %v", err)
	}
	if anew, err := s.Write(keptOf("10.0.0.1")); !anew || err != nil {
		t.Errorf("written in its place: %v, %v", anew, err)
	}
}

// What is in the way stays in the way where no new file can be written: none at all
// would say that nothing is parked.
func TestAFailedWriteLeavesTheDamage(t *testing.T) {
	for name, stage := range map[string]func(path string) error{
		"a directory": func(path string) error { return os.Mkdir(path, 0o755) },
		"rubbish":     func(path string) error { return os.WriteFile(path, []byte("rubbish"), 0o644) },
	} {
		s := In(t.TempDir())
		if err := errors.Join(stage(s.path()), os.Mkdir(s.path()+".new", 0o755)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write(keptOf("10.0.0.1")); err == nil {
			t.Errorf("%s: written", name)
		}
		if _, err := s.Read(); err == nil {
			t.Errorf("%s is gone: nothing is parked, the file says", name)
		}
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
	if _, err := s.Write(many); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for i := range 50 {
				if _, err := s.Write(Kept{Parked: many.Parked[:100+i]}); err != nil {
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
