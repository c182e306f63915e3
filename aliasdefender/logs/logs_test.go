package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
)

// logOn is a logger on a queue with that writer.
func logOn(q *queue) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.SetFormatter(nothing{})
	log.AddHook(q)
	return log
}

// gate is a log that takes a line only when it is let to.
type gate struct {
	lines  chan string
	opened chan struct{}
}

func newGate() *gate { return &gate{make(chan string, 100), make(chan struct{})} }

func (g *gate) write(ctx context.Context, l line) error {
	select {
	case <-g.opened:
		g.lines <- l.text
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestALogThatTakesNothingNeverDelaysAndWhatItLostIsCounted(t *testing.T) {
	g := newGate()
	q := startQueue(8, g.write)
	log := logOn(q)
	// The calls return although not one line can be written: if one waited,
	// the test would end here.
	for i := range 100 {
		log.Info("line ", i)
	}
	q.mu.Lock()
	kept := len(q.lines)
	q.mu.Unlock()
	// One may be in the writer's hand, taken before or after the rest came.
	if kept != 7 && kept != 8 {
		t.Fatalf("%d lines are kept; want 7 or 8", kept)
	}
	close(g.opened)
	var got []string
	for {
		line := <-g.lines
		if got = append(got, line); strings.Contains(line, "dropped") {
			break
		}
	}
	n := len(got) - 1
	if n != 8 && n != 9 {
		t.Errorf("%d lines before the count; want 8 or 9: %q", n, got)
	}
	if want := fmt.Sprintf("%d lines were dropped here: the log did not take them", 100-n); got[n] != want {
		t.Errorf("got %q; want %q", got[n], want)
	}
	log.Info("afterwards")
	if line := <-g.lines; line != "afterwards" {
		t.Errorf("then %q", line)
	}
	if lost := q.close(time.Minute); lost != 0 {
		t.Errorf("%d lines are lost at the end", lost)
	}
}

func TestTheCountStandsWhereTheLinesAreMissing(t *testing.T) {
	q := &queue{room: 4, filled: make(chan struct{}, 1)} // nobody drains it
	put := func(s string) { q.put(line{text: s}) }
	take := func() string {
		l, _, _ := q.next()
		return l.text
	}
	for _, s := range []string{"a", "b", "c", "d", "e"} {
		put(s)
	}
	take() // room for one, which is not half
	put("f")
	take()
	put("g")
	var rest []string
	for s := take(); s != ""; s = take() {
		rest = append(rest, s)
	}
	want := []string{"c", "d", "2 lines were dropped here: the log did not take them", "g"}
	if d := cmp.Diff(want, rest); d != "" {
		t.Error(d)
	}
}

func TestTheEndWaitsForTheLastLinesButNotForEver(t *testing.T) {
	g := newGate()
	q := startQueue(8, g.write)
	log := logOn(q)
	log.Info("one")
	log.Info("two")
	if lost := q.close(time.Millisecond); lost < 2 {
		t.Errorf("a log that takes nothing: %d lines are said to be lost; want 2", lost)
	}
	<-q.ended // given up, not left behind

	g = newGate()
	close(g.opened)
	q = startQueue(8, g.write)
	log = logOn(q)
	log.Info("one")
	log.Info("two")
	if lost := q.close(time.Minute); lost != 0 || len(g.lines) != 2 {
		t.Errorf("a log that takes all: %d lost, %d written", lost, len(g.lines))
	}
	log.Info("three")
	if _, ok, more := q.next(); ok || more {
		t.Error("a line is taken after the end")
	}
}

func TestALineIsReadableAndIsOneLine(t *testing.T) {
	for _, c := range []struct {
		fields  logrus.Fields
		message string
		want    string
	}{
		{nil, "plain words", "plain words"},
		{logrus.Fields{
			"zeal": 1, "facts": "router answered", "reason": "primary", "row": "W10", "action": "take",
			"nic": "eth0:1", "alias": "172.16.1.2", "error": errors.New("no way"),
		}, "take: it is silent",
			`take: it is silent alias=172.16.1.2 nic=eth0:1 action=take row=W10 reason=primary error="no way" zeal=1 facts="router answered"`},
		{logrus.Fields{"name": "a\nb", "empty": "", "quote": `"`}, "two\nlines, a \"word\" and \x1b[31m",
			`two\nlines, a "word" and \x1b[31m empty="" name="a\nb" quote="\""`},
		{nil, "日本語 is fine", "日本語 is fine"},
	} {
		e := &logrus.Entry{Message: c.message, Data: c.fields}
		if got := formatEntry(e); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	long := formatEntry(&logrus.Entry{Message: strings.Repeat("é", maxLine)})
	if len(long) > maxLine+len("…") || !strings.HasSuffix(long, "é…") {
		t.Errorf("a long line has %d bytes and ends in %q", len(long), long[len(long)-4:])
	}
}

// syncBuffer is a standard error that can be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestStandardErrorGetsTimeLevelAndText(t *testing.T) {
	var b syncBuffer
	log, end := Open(Options{To: Stderr, Level: "warning", Stderr: &b})
	log.Info("not this")
	log.WithTime(time.Date(2000, 10, 1, 12, 30, 0, 5e6, time.Local)).WithField("alias", "172.16.1.2").Warn("but this")
	SetLevel(log, "debug") // as a reload does
	log.WithTime(time.Date(2000, 10, 1, 12, 30, 1, 0, time.Local)).Debug("and this")
	end()
	want := "2000-10-01 12:30:00.005 warning but this alias=172.16.1.2\n2000-10-01 12:30:01.000 debug   and this\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestNobodyLooksAtDevNull(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if IsTerminal(null) || IsTerminal(&bytes.Buffer{}) {
		t.Error("/dev/null or a buffer is taken for a terminal")
	}
}

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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
