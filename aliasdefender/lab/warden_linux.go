package lab

import (
	"encoding/binary"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// wardenOf marks the environment of the process that Enter turns into a warden.
const wardenOf = "ALIASDEFENDER_LAB_WARDEN"

// warden is the other end of a process that outlives the lab for a moment. When the lab
// is killed, the kernel kills the programs that the lab started, but not those that these
// have started. The warden, which holds a descriptor of each namespace, then kills
// whatever is left in them. It is this program again, by way of Enter; a process that
// never called Enter has none (nil).
type warden struct {
	socket int
	cmd    *exec.Cmd
}

// startWarden does not wait until the warden runs: the socket keeps what it is told
// meanwhile.
func startWarden() (*warden, error) {
	if !canReenter {
		return nil, nil
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	theirs := os.NewFile(uintptr(pair[1]), "warden")
	defer theirs.Close()
	cmd := exec.Command(Self(), os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), wardenOf+"=1")
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it must not get a Ctrl-C
	if err := cmd.Start(); err != nil {
		unix.Close(pair[0])
		return nil, err
	}
	return &warden{socket: pair[0], cmd: cmd}, nil
}

// add entrusts a namespace to the warden. It does not matter if the warden has been
// killed.
func (w *warden) add(fd int) {
	if w != nil {
		unix.Sendmsg(w.socket, []byte{'+'}, unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL)
	}
}

// forget takes a namespace back, because it is empty.
func (w *warden) forget(fd int) {
	var st unix.Stat_t
	if w != nil && unix.Fstat(fd, &st) == nil {
		unix.Sendmsg(w.socket, binary.NativeEndian.AppendUint64([]byte{'-'}, st.Ino), nil, nil, unix.MSG_NOSIGNAL)
	}
}

// close dismisses the warden and waits until it is gone.
func (w *warden) close() error {
	if w == nil {
		return nil
	}
	unix.Close(w.socket)
	return w.cmd.Wait()
}

// beWarden is the warden's life: until the lab's end of the socket is closed,
// by the lab or by its death.
func beWarden() {
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	const socket = 3 // the first of ExtraFiles
	// A namespace that is held keeps its number, so no other can be taken for it.
	held := map[uint64]int{}
	buf, oob := make([]byte, 16), make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(socket, buf, oob, unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			break
		}
		if buf[0] == '-' && n == 9 {
			ino := binary.NativeEndian.Uint64(buf[1:])
			if fd, ok := held[ino]; ok {
				unix.Close(fd)
				delete(held, ino)
			}
			continue
		}
		if fd, ok := receivedFD(oob[:oobn]); ok {
			var st unix.Stat_t
			if unix.Fstat(fd, &st) == nil {
				held[st.Ino] = fd
			}
		}
	}
	for _, fd := range held {
		emptyNamespace(fd)
	}
}

func receivedFD(oob []byte) (int, bool) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(msgs) != 1 {
		return 0, false
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		return 0, false
	}
	return fds[0], true
}
