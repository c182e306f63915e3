package logs

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
)

// fakeSyslog is a syslog daemon's socket.
type fakeSyslog struct {
	*net.UnixConn
	t *testing.T
}

func startSyslog(t *testing.T, path string) fakeSyslog {
	t.Helper()
	os.Remove(path)
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return fakeSyslog{c, t}
}

// next is the next message, as its priority and what follows the PID.
func (f fakeSyslog) next() (priority, text string) {
	f.t.Helper()
	b := make([]byte, 64<<10)
	n, err := f.Read(b)
	if err != nil {
		f.t.Fatal(err)
	}
	return parseSyslog(f.t, string(b[:n]))
}

func parseSyslog(t *testing.T, s string) (priority, text string) {
	t.Helper()
	priority, rest, _ := strings.Cut(s, ">")
	stamp, text, ok := strings.Cut(rest, fmt.Sprintf(" aliasdefender[%d]: ", os.Getpid()))
	if _, err := time.Parse(time.Stamp, stamp); err != nil || !ok || !strings.HasSuffix(text, "\n") {
		t.Fatalf("%q is no message as syslog(3) sends it", s)
	}
	return priority + ">", strings.TrimSuffix(text, "\n")
}

// syslogOn is a logger on a syslog socket, impatient, and what it says of outages.
func syslogOn(t *testing.T, path string, room int) (log *logrus.Logger, said chan string) {
	t.Helper()
	said = make(chan string, 100)
	s := newSyslog(path, func(text string) { said <- text })
	s.pause = time.Millisecond
	q := startQueue(room, s.write)
	t.Cleanup(func() { q.close(0); <-q.ended })
	return logOn(q), said
}

func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ad")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "log")
}

func TestSyslogGetsEachLevelAsItsSeverity(t *testing.T) {
	path := socketPath(t)
	f := startSyslog(t, path)
	log, _ := syslogOn(t, path, 100)
	log.SetLevel(logrus.TraceLevel)
	for level, want := range map[logrus.Level]string{
		logrus.ErrorLevel: "<27>", logrus.WarnLevel: "<28>", logrus.InfoLevel: "<30>",
		logrus.DebugLevel: "<31>", logrus.TraceLevel: "<31>", logrus.FatalLevel: "<26>",
	} {
		log.WithField("alias", "172.16.1.2").Log(level, "words")
		if p, text := f.next(); p != want || text != "words alias=172.16.1.2" {
			t.Errorf("%v arrives as %s %q; want %s", level, p, text, want)
		}
	}
}

func TestASyslogThatComesLateGetsWhatWasKept(t *testing.T) {
	path := socketPath(t)
	log, said := syslogOn(t, path, 100)
	log.Info("early")
	if s := <-said; !strings.Contains(s, "no such file") {
		t.Errorf("the outage is told as %q", s)
	}
	log.Info("early too")
	f := startSyslog(t, path)
	for _, want := range []string{"early", "early too"} {
		if _, got := f.next(); got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
}

func TestASyslogThatRestartsLosesNothingThatWasNotItsOwn(t *testing.T) {
	path := socketPath(t)
	f := startSyslog(t, path)
	log, said := syslogOn(t, path, 100)
	log.Info("before")
	f.next()
	f.Close()
	f = startSyslog(t, path)
	log.Info("after")
	if _, got := f.next(); got != "after" {
		t.Errorf("got %q", got)
	}
	for range 2 { // each outage is told
		f.Close()
		os.Remove(path)
		log.Info("while it is away")
		<-said
		f = startSyslog(t, path)
		if _, got := f.next(); got != "while it is away" {
			t.Errorf("got %q", got)
		}
	}
}

func TestAnOutageIsToldOnce(t *testing.T) {
	path := socketPath(t)
	synctest.Test(t, func(t *testing.T) {
		told := 0
		s := newSyslog(path, func(string) { told++ })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.write(ctx, line{}); err == nil {
			t.Error("a line is written to nobody")
		}
		if told != 1 {
			t.Errorf("told %d times in a minute", told)
		}
	})
}

func TestASyslogThatDoesNotReadDelaysNobody(t *testing.T) {
	path := socketPath(t)
	f := startSyslog(t, path)
	log, said := syslogOn(t, path, 50)
	// More than the kernel keeps for a reader (net.unix.max_dgram_qlen, or a
	// buffer full of bytes) and more than the queue has room for, before one
	// line is read. The calls return nevertheless.
	const lines = 5000
	for i := range lines {
		log.Infof("line %d", i)
	}
	if s := <-said; !strings.Contains(s, "timeout") {
		t.Errorf("the outage is told as %q", s)
	}
	log.Info("the last one") // may be dropped: the queue is full
	got, dropped := 0, 0
	for got+dropped < lines+1 {
		_, text := f.next()
		n := 0
		if _, err := fmt.Sscanf(text, "%d lines were dropped here", &n); err == nil {
			dropped += n
		} else {
			got++
		}
	}
	if dropped == 0 || got+dropped != lines+1 {
		t.Errorf("%d arrived and %d were counted as dropped, of %d", got, dropped, lines+1)
	}
}

func TestALineTooLongForTheSocketIsShortened(t *testing.T) {
	path := socketPath(t)
	f := startSyslog(t, path)
	said := make(chan string, 100)
	s := newSyslog(path, func(text string) { said <- text })
	if err := s.dial(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.conn.(*net.UnixConn).SetWriteBuffer(1); err != nil { // the kernel's least: 4.5 kB
		t.Fatal(err)
	}
	if err := s.write(t.Context(), line{time.Now(), logrus.InfoLevel, strings.Repeat("x", 20000)}); err != nil {
		t.Fatal(err)
	}
	if _, text := f.next(); len(text) < 1000 || len(text) > 10000 {
		t.Errorf("%d bytes arrive", len(text))
	}
}

func TestASyslogOnAStreamIsServedToo(t *testing.T) {
	path := socketPath(t)
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	log, _ := syslogOn(t, path, 100)
	log.Info("one")
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, text := parseSyslog(t, string(b[:n])); text != "one" {
		t.Errorf("got %q", text)
	}
}
