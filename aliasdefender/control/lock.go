package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lock is the right to be the Monitor of one control socket. It is a POSIX lock on a file
// beside the socket. Of the locks that Unix has, this is the one that tells a second
// process who the first is, that ends with its process however that ends, and that no
// child inherits.
//
// It has two traps. It belongs to a process, so the same process would get it a second
// time; a process must take it only once. And a process loses it when it closes any
// descriptor of the file, so nothing else here opens the file. Nobody removes the file
// itself: otherwise its name could go to a second file while the first is still locked.
type Lock struct {
	socket string
	file   *os.File
}

// HeldError says that the socket has a Monitor already.
type HeldError struct {
	Socket string
	PID    int // of the holder; 0 if it lives in another PID namespace
}

func (e *HeldError) Error() string {
	who := fmt.Sprintf("with PID %d", e.PID)
	if e.PID == 0 {
		who = "in another PID namespace"
	}
	return fmt.Sprintf("%s: a Monitor %s has this socket already; stop that one, or set another [control] socket for this one", e.Socket, who)
}

// Acquire takes the lock of the socket, and makes the socket's directory if it is
// missing. If another process has the lock, the error is a *HeldError.
func Acquire(socket string) (*Lock, error) {
	// Everybody may enter: a user who has no right to the socket should be told so, and
	// not that no Monitor runs.
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return nil, fmt.Errorf("directory of the control socket: %w", explainFile(err))
	}
	// Not even readable for others: who can open the file can put a shared
	// lock on it, and so keep the Monitor from starting. Not through a
	// symbolic link: root would follow it wherever it leads.
	f, err := openLock(socket + ".lock")
	if err != nil {
		return nil, fmt.Errorf("lock of the control socket: %w", err)
	}
	if err := setLock(f); err != nil {
		f.Close()
		if held := (*HeldError)(nil); errors.As(err, &held) {
			held.Socket = socket
			return nil, held
		}
		return nil, fmt.Errorf("lock of the control socket: %s: %w", f.Name(), err)
	}
	return &Lock{socket: socket, file: f}, nil
}

// openLock opens the file of a lock, and nothing else that stands in its place: not even
// by opening it shall a device do something, or a FIFO wait.
func openLock(path string) (*os.File, error) {
	if what := otherThan(path, 0); what != "" {
		return nil, fmt.Errorf("%s: is %s, not the file of a lock; move it away, or set another [control] socket", path, what)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, explainFile(err)
	}
	return f, nil
}

// setLock locks the whole file or tells who has it.
func setLock(f *os.File) error {
	// The holder may end between our attempt and our question who it is; then the lock is
	// free and we try again. A few times are plenty.
	for range 10 {
		whole := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
		err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &whole)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES):
			return err
		}
		holder := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
		if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &holder); err != nil {
			return err
		}
		if holder.Type != unix.F_UNLCK {
			return &HeldError{PID: int(holder.Pid)}
		}
	}
	return errors.New("other processes keep taking it; try again")
}

// Release gives up the right. The socket must be closed by then.
func (l *Lock) Release() error { return l.file.Close() }

// listen opens the socket.
func (l *Lock) listen() (net.Listener, error) {
	if err := sweep(l.socket); err != nil {
		return nil, err
	}
	ln, err := bind(l.socket)
	if err != nil {
		return nil, explainFile(err)
	}
	// On a system that ignores the mode at birth, it is set now.
	if err := os.Chmod(l.socket, 0o600); err != nil {
		ln.Close()
		return nil, explainFile(err)
	}
	return ln, nil
}

// sweep removes a socket that a dead Monitor has left: a living one would have the lock.
// Anything else is not ours to remove.
func sweep(socket string) error {
	if what := otherThan(socket, fs.ModeSocket); what != "" {
		return fmt.Errorf("%s: is %s, not a socket; move it away, or set another [control] socket", socket, what)
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explainFile(err)
	}
	return nil
}

// otherThan names what stands in the place of a file of the wanted type; empty: it is
// one, or nothing is there, or that cannot be told.
func otherThan(path string, want fs.FileMode) string {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() == want {
		return ""
	}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return "a regular file"
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// bind opens a socket that is private from its birth: Linux gives the file the
// mode that the socket has before it is bound, so that there is no moment at
// which others could connect.
func bind(path string) (net.Listener, error) {
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), 0o600) })
	}}
	return private.Listen(context.Background(), "unix", path)
}

// explainFile turns an error about a file into "path: what: what to do".
func explainFile(err error) error {
	path := ""
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		path = p.Path + ": "
	}
	if o := (*net.OpError)(nil); errors.As(err, &o) && o.Addr != nil {
		path = o.Addr.String() + ": "
	}
	errno := syscall.Errno(0)
	switch {
	case path == "" || !errors.As(err, &errno):
		return err
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s%w; run as root, or set another [control] socket", path, errno)
	case errno == syscall.ENOTDIR, errno == syscall.EISDIR:
		return fmt.Errorf("%s%w; move it away, or set another [control] socket", path, errno)
	case errno == syscall.EROFS:
		return fmt.Errorf("%s%w; mount it writable, or set another [control] socket", path, errno)
	case errno == syscall.ENOSPC:
		return fmt.Errorf("%s%w; make room there, or set another [control] socket", path, errno)
	}
	return fmt.Errorf("%s%w; mend it, or set another [control] socket", path, errno)
}
