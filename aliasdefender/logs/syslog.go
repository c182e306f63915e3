package logs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	facilityDaemon = 3 << 3 // RFC 5424, table 1
	syslogTag      = "aliasdefender"
)

// syslog writes to the local syslog daemon's socket, as syslog(3) does. The standard
// library's log/syslog has no deadlines, and always uses the system's socket.
//
// If the daemon is missing, restarts or does not read, syslog waits for it; the queue
// in front drops lines meanwhile. One goroutine uses it.
type syslog struct {
	path  string
	say   func(string)  // told of each outage once
	pause time.Duration // between two tries; also how long a write may take

	conn net.Conn
	out  bool // this outage has been reported
}

func newSyslog(path string, say func(string)) *syslog {
	return &syslog{path: path, say: say, pause: time.Second}
}

// write writes the line, however long that takes, or until ctx ends.
func (s *syslog) write(ctx context.Context, l line) error {
	packet := fmt.Appendf(nil, "<%d>%s %s[%d]: %s\n", facilityDaemon|severity(l.level),
		l.at.Format(time.Stamp), syslogTag, os.Getpid(), l.text)
	for {
		err := s.send(ctx, packet)
		switch {
		case err == nil:
			s.out = false
			return nil
		case errors.Is(err, syscall.EMSGSIZE) && len(packet) > 512:
			packet = append(packet[:len(packet)/2], '\n') // half of it is better than none
			continue
		case ctx.Err() != nil:
			return err
		}
		if !s.out {
			s.out = true
			s.say(fmt.Sprintf("syslog accepts no lines (%v): until it does, up to %d are kept, and the rest are dropped and counted", err, queueRoom))
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(s.pause):
		}
	}
}

// send tries once. If a restart of the daemon has broken the connection, it tries
// again at once on a new one.
func (s *syslog) send(ctx context.Context, packet []byte) error {
	if s.conn != nil {
		err := s.sendOn(ctx, packet)
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EMSGSIZE) {
			return err
		}
	}
	if err := s.dial(ctx); err != nil {
		return err
	}
	return s.sendOn(ctx, packet)
}

func (s *syslog) sendOn(ctx context.Context, packet []byte) error {
	// A deadline in the past, set from another goroutine, ends a write that hangs.
	// The write may begin only after this is armed.
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.pause)); err != nil {
		return err
	}
	conn := s.conn
	disarm := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer disarm()
	n, err := s.conn.Write(packet)
	if err != nil && (n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, syscall.EMSGSIZE)) {
		// On a stream, n > 0 means that half a line was sent: the next must not be
		// joined to it.
		s.conn.Close()
		s.conn = nil
	}
	return err
}

// dial connects: most daemons take datagrams, some a stream.
func (s *syslog) dial(ctx context.Context) error {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
	var d net.Dialer // connecting a datagram socket never waits
	conn, err := d.DialContext(ctx, "unixgram", s.path)
	if errors.Is(err, syscall.EPROTOTYPE) {
		conn, err = d.DialContext(ctx, "unix", s.path)
	}
	if err != nil {
		return err
	}
	s.conn = conn
	return nil
}

// severity is the level in syslog's numbers (RFC 5424, table 2).
func severity(l logrus.Level) int {
	switch l {
	case logrus.PanicLevel, logrus.FatalLevel:
		return 2
	case logrus.ErrorLevel:
		return 3
	case logrus.WarnLevel:
		return 4
	case logrus.InfoLevel:
		return 6
	}
	return 7
}
