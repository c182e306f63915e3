package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// spoiled are the things that may be found in the place of a file.
func spoiled(t *testing.T) map[string]string {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, unix.Mkfifo(at("fifo"), 0o600))
	must(t, os.Symlink(at("fifo"), at("link to a fifo")))
	must(t, os.Mkdir(at("directory"), 0o700))
	return map[string]string{"a FIFO": at("fifo"), "a link to a FIFO": at("link to a fifo"), "a directory": at("directory"), "a device": os.DevNull}
}

// A FIFO that nobody writes to would hold a plain os.ReadFile for ever: the test's
// own timeout is what would end it.
func TestOnlyARegularFileIsRead(t *testing.T) {
	for name, path := range spoiled(t) {
		_, err := Read(path, Want{Most: 10})
		e := (*Error)(nil)
		if !errors.As(err, &e) || e.Problem != NotRegular || err.Error() != path+": is no regular file; move it away" {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Open(path, os.O_WRONLY, 0o600, Want{}); err == nil {
			t.Errorf("%s is opened to be written to", name)
		}
	}
}

func TestWhatIsReadIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(path, []byte("0123456789"), 0o600))
	if text, err := Read(path, Want{Most: 10}); err != nil || string(text) != "0123456789" {
		t.Errorf("%q, %v", text, err)
	}
	_, err := Read(path, Want{Most: 9})
	if e := (*Error)(nil); !errors.As(err, &e) || e.Problem != TooLarge || !strings.HasPrefix(err.Error(), path+": is larger than 9 bytes") {
		t.Errorf("%v", err)
	}
	if _, err := Read(path+"x", Want{Most: 9}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A file whose size is not told beforehand, as those of /proc, is bounded all the same.
func TestAFileThatGrowsIsBounded(t *testing.T) {
	if _, err := os.Stat("/proc/self/maps"); err != nil {
		return // no such file on this system
	}
	_, err := Read("/proc/self/maps", Want{Most: 3})
	if e := (*Error)(nil); !errors.As(err, &e) || e.Problem != TooLarge {
		t.Errorf("%v", err)
	}
}

func TestALinkIsFollowedUnlessRefused(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "f"), filepath.Join(dir, "link")
	must(t, os.WriteFile(path, []byte("x"), 0o600))
	must(t, os.Symlink(path, link))
	if text, err := Read(link, Want{Most: 1}); err != nil || string(text) != "x" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := Read(link, Want{Most: 1, NoLink: true}); err == nil {
		t.Error("followed")
	}
}

func TestAPrivateFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(path, []byte("x"), 0o600))
	w := Want{Most: 1, Private: true}
	if _, err := Read(path, w); err != nil {
		t.Error(err)
	}
	must(t, os.Chmod(path, 0o640))
	_, err := Read(path, w)
	if e := (*Error)(nil); !errors.As(err, &e) || e.Problem != Shared || !strings.Contains(err.Error(), "mode 0640") {
		t.Errorf("%v", err)
	}
	must(t, os.Chmod(path, 0o600))
	stranger := stat{mode: 0o600, uid: os.Geteuid() + 1}
	err = w.refuses(path, stranger)
	if e := (*Error)(nil); !errors.As(err, &e) || e.Problem != Foreign || e.Owner != stranger.uid || !strings.Contains(err.Error(), "must belong to root or to the user that runs this") {
		t.Errorf("%v", err)
	}
	if err := w.refuses(path, stat{mode: 0o600}); err != nil {
		t.Errorf("root's: %v", err)
	}
}

// stat is a file of some user.
type stat struct {
	fs.FileInfo
	mode fs.FileMode
	uid  int
}

func (s stat) Mode() fs.FileMode { return s.mode }
func (s stat) Size() int64       { return 1 }
func (s stat) Sys() any          { return &syscall.Stat_t{Uid: uint32(s.uid)} }

func TestReplaceLeavesTheOldFileWhereItFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	must(t, Replace(path, []byte("one"), 0o640))
	must(t, Replace(path, []byte("two"), 0o640))
	if text, err := os.ReadFile(path); err != nil || string(text) != "two" {
		t.Errorf("%q, %v", text, err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	must(t, unix.Mkfifo(path+".new", 0o600))
	if err := Replace(path, []byte("three"), 0o640); err == nil {
		t.Error("written into a FIFO")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "two" {
		t.Errorf("then %q, %v", text, err)
	}
}

func TestAnErrorSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "open", Path: "/a", Err: syscall.EACCES}, "/a: permission denied; run as root, or set another [state] dir"},
		{&fs.PathError{Op: "open", Path: "/a", Err: syscall.EROFS}, "/a: read-only file system; mount it writable, or set another [state] dir"},
		{&os.LinkError{Op: "rename", Old: "/b", New: "/a", Err: syscall.ENOSPC}, "/a: no space left on device; make room there, or set another [state] dir"},
		{&fs.PathError{Op: "open", Path: "/a", Err: syscall.EISDIR}, "/a: is a directory; move it away"},
		{&fs.PathError{Op: "open", Path: "/a", Err: syscall.EIO}, "/a: input/output error; mend it, or set another [state] dir"},
		{errors.New("its own words"), "its own words"},
	} {
		if got := Explain(c.err, "[state] dir").Error(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if err := Explain(nil, ""); err != nil {
		t.Error(err)
	}
}
