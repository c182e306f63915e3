package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func addrs(words ...string) (all []netip.Addr) {
	for _, w := range words {
		all = append(all, netip.MustParseAddr(w))
	}
	return all
}

func TestWhatIsParkedIsReadAsItWasWritten(t *testing.T) {
	s := &stateFile{dir: filepath.Join(t.TempDir(), "made", "by us")}
	if got, err := s.read(); err != nil || len(got) != 0 {
		t.Errorf("without a file: %v, %v", got, err)
	}
	if err := s.write(nil); err != nil {
		t.Errorf("nothing to remember: %v", err)
	}
	if _, err := os.Stat(s.dir); err == nil {
		t.Error("the directory was made for nothing")
	}
	for _, want := range [][]netip.Addr{addrs("10.0.0.1", "10.0.0.2"), addrs("10.0.0.2"), nil} {
		if err := s.write(want); err != nil {
			t.Fatal(err)
		}
		if got, err := s.read(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v and %v were read; want %v", got, err, want)
		}
	}
	if info, err := os.Stat(s.dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v; want 0755", info.Mode(), err)
	}
	if left, _ := filepath.Glob(s.path() + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDamagedLinesAreNamedAndTheGoodOnesUsed(t *testing.T) {
	s := &stateFile{dir: t.TempDir()}
	text := "# head\r\n10.0.0.1 # by hand\nnonsense\n\n10.0.0.2\r\nfe80::1\n10.0.0.1\n10.0.0.3" // cut off at the end
	if err := os.WriteFile(s.path(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := s.read()
	if want := addrs("10.0.0.1", "10.0.0.2", "10.0.0.3"); !slices.Equal(got, want) {
		t.Errorf("%v were read; want %v", got, want)
	}
	for _, want := range []string{s.path() + `:3: "nonsense" is no IPv4 address`, s.path() + `:6: "fe80::1"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v; want in it %s", err, want)
		}
	}
	if s.trouble() == nil {
		t.Error("no trouble though the file is damaged")
	}
	if err := s.write(got); err != nil || s.trouble() != nil {
		t.Errorf("%v and %v after it was written anew", err, s.trouble())
	}
}

// TestAFailedWriteLeavesTheOldFile has the new file's name taken by what
// cannot be opened for writing, root or not.
func TestAFailedWriteLeavesTheOldFile(t *testing.T) {
	s := &stateFile{dir: t.TempDir()}
	if err := s.write(addrs("10.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.path()+".new/x", 0o755); err != nil {
		t.Fatal(err)
	}
	err := s.write(addrs("10.0.0.1", "10.0.0.2"))
	if err == nil || !strings.HasPrefix(err.Error(), s.path()+".new: ") || s.trouble() == nil {
		t.Errorf("the error is %v", err)
	}
	if got, _ := (&stateFile{dir: s.dir}).read(); !slices.Equal(got, addrs("10.0.0.1")) {
		t.Errorf("the file says %v", got)
	}
	// What the file says already needs no disk that can be written.
	if err := s.write(addrs("10.0.0.1")); err != nil || s.trouble() != nil {
		t.Errorf("%v, %v", err, s.trouble())
	}
}

func TestWhatStandsInTheWayOfTheStateFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := &stateFile{dir: file}
	if err := s.ready(); err == nil || !strings.HasPrefix(err.Error(), file+": ") || !strings.Contains(err.Error(), "[state] dir") {
		t.Errorf("a file in place of the directory: %v", err)
	}
	s = &stateFile{dir: dir}
	if err := os.Mkdir(s.path(), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.read(); err == nil || !strings.Contains(err.Error(), "is not a file of ours") {
		t.Errorf("a directory in place of the file: %v", err)
	}
}

// TestReadersFindTheOldFileOrTheNewOne reads while two write: a file that was
// written in place would be found half.
func TestReadersFindTheOldFileOrTheNewOne(t *testing.T) {
	s := &stateFile{dir: t.TempDir()}
	var many []netip.Addr
	for i := range 200 {
		many = append(many, netip.MustParseAddr(fmt.Sprintf("10.0.0.%d", i)))
	}
	if err := s.write(many); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for i := range 50 {
				if err := s.write(many[:100+i]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { writers.Wait(); close(ended) }()
	for other := (&stateFile{dir: s.dir}); ; {
		if got, err := other.read(); err != nil || len(got) < 100 {
			t.Fatalf("%d read, %v", len(got), err)
		}
		select {
		case <-ended:
			return
		default:
		}
	}
}
