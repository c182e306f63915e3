package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"strings"
	"sync"
	"testing"
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

// What libraries write by Go's own log is no line of ours, and may hang.
func TestLibrariesWriteNothingBesideOurLines(t *testing.T) {
	before := stdlog.Writer()
	defer stdlog.SetOutput(before)
	var b syncBuffer
	stdlog.SetOutput(&b)
	_, end := Open(Options{To: Stderr, Level: "debug", Stderr: &b})
	stdlog.Print("Unsolicited response received, event=moved")
	end()
	if b.String() != "" {
		t.Errorf("%q", b.String())
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
