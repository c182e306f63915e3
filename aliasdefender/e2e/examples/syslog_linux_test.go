package examples

import (
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
)

// syslog takes what programs log, in the place of /dev/log.
type syslog struct {
	*testing.T
	to    *net.UnixConn // to itself
	lines chan string
}

// mark is a line of our own: what was logged before it has been read before it.
const mark = "mark"

func newSyslog(t *testing.T, path string) *syslog {
	t.Helper()
	at := &net.UnixAddr{Name: path, Net: "unixgram"}
	conn, err := net.ListenUnixgram("unixgram", at)
	stage.Must(t, err)
	stage.Must(t, os.Chmod(path, 0o777)) // as /dev/log
	to, err := net.DialUnix("unixgram", nil, at)
	stage.Must(t, err)
	s := &syslog{T: t, to: to, lines: make(chan string, 1000)} // no test logs as much
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 8192)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			s.lines <- string(buf[:n])
		}
	})
	t.Cleanup(func() { to.Close(); conn.Close(); done.Wait() })
	return s
}

// read is what was logged since the last read, a line each.
func (s *syslog) read() string {
	s.Helper()
	_, err := s.to.Write([]byte(mark))
	stage.Must(s.T, err)
	var b strings.Builder
	for {
		select {
		case line := <-s.lines:
			if line == mark {
				return b.String()
			}
			b.WriteString(line + "\n")
		case <-stage.Patiently(s.T).Done():
			s.Fatal("what was logged does not arrive")
		}
	}
}
