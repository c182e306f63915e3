// Package logs writes the daemon's log to syslog, to logger(1) or to standard error,
// and never blocks the daemon.
//
// A call of the log formats one line, puts it into a bounded queue and returns.
// One goroutine writes the queue. A reader that is slow, hangs or is gone costs
// lines, never time. Lost lines are counted, and the log says how many and where.
//
// The package knows neither settings nor aliases: its caller says where to write
// and from which level.
package logs

import (
	"context"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// To is where the log goes.
type To int

// The places.
const (
	Auto   To = iota // syslog if there is one and standard error is no terminal
	Stderr           // Options.Stderr
	Syslog           // the system's syslog
)

// Options say where the log goes, and from which level.
type Options struct {
	To     To
	Level  string    // the level's name in logrus; "info" if logrus does not know it
	Stderr io.Writer // the log itself, or reports of trouble with syslog

	// SyslogSocket is where the local syslog daemon listens; empty: where the
	// system's does. Systems with logger(1) do not use it.
	SyslogSocket string
}

// Open returns the daemon's log and a function that closes it, which waits at most a
// second for lines that are not written yet. A call of the log never waits; see
// queue.
func Open(o Options) (log *logrus.Logger, end func()) {
	to := o.To
	if to == Auto {
		to = Stderr
		if !IsTerminal(o.Stderr) && hasSyslog() {
			to = Syslog
		}
	}
	journal := IsJournal(o.Stderr)
	write := func(_ context.Context, l line) error {
		before := ""
		if journal {
			before = Prefix(l.level)
		}
		_, err := fmt.Fprintf(o.Stderr, "%s%s %-7s %s\n", before, l.at.Format("2006-01-02 15:04:05.000"), l.level, l.text)
		return err
	}
	if to == Syslog {
		write = systemLog(o.SyslogSocket, func(text string) {
			// Standard error may hang too.
			go Prefixed(o.Stderr, logrus.WarnLevel, "aliasdefender: "+text)
		})
	}
	// net/http writes what a strange server has said to Go's own log. That goes to standard
	// error, which may hang, and would look like a line of ours.
	stdlog.SetOutput(io.Discard)
	q := startQueue(queueRoom, write)
	log = logrus.New()
	log.SetOutput(io.Discard) // the hook puts each entry into the queue
	log.SetFormatter(nothing{})
	log.AddHook(q)
	SetLevel(log, o.Level)
	return log, func() {
		if lost := q.close(flushWithin); lost > 0 && to == Syslog {
			sayLost(o.Stderr, lost)
		}
	}
}

// sayLost reports lines that syslog did not take to standard error, which may hang
// too.
func sayLost(stderr io.Writer, lost int) {
	said := make(chan struct{})
	go func() {
		Prefixed(stderr, logrus.WarnLevel, fmt.Sprintf("aliasdefender: %d lines of the log were not written: syslog did not take them", lost))
		close(said)
	}()
	select {
	case <-said:
	case <-time.After(flushWithin / 10):
	}
}

// SetLevel sets the level by its name. A name that logrus does not know changes
// nothing: whoever reads the settings checks it.
func SetLevel(log *logrus.Logger, name string) {
	if level, err := logrus.ParseLevel(name); err == nil {
		log.SetLevel(level)
	}
}

// IsTerminal tells whether w is a terminal. It is not enough that it is a character
// device: /dev/null is one.
func IsTerminal(w io.Writer) bool {
	f, ok := Raw(w).(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// nothing keeps logrus from formatting the entry again after the hook has done so
type nothing struct{}

func (nothing) Format(*logrus.Entry) ([]byte, error) { return nil, nil }

// The fields that readers look for first, in this order. The facts, which are long,
// come last; all other fields are in between, in alphabetical order.
var firstFields = []string{"event", "alias", "nic", "action", "row", "reason"}

const lastField = "facts"

// formatEntry makes one line of an entry: the message, then the fields.
func formatEntry(e *logrus.Entry) string {
	var names []string
	for name := range e.Data {
		if !slices.Contains(firstFields, name) && name != lastField {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = append(append(slices.Clone(firstFields), names...), lastField)

	var b strings.Builder
	b.WriteString(OneLine(e.Message))
	for _, name := range names {
		if v, ok := e.Data[name]; ok {
			fmt.Fprintf(&b, " %s=%s", name, fieldValue(v))
		}
	}
	if b.Len() <= maxLine {
		return b.String()
	}
	// Cut between two characters, not inside one.
	return strings.ToValidUTF8(b.String()[:maxLine], "") + "…"
}

// fieldValue is the value as text. It is quoted if it would otherwise not be one word
// on one line.
func fieldValue(v any) string {
	s := fmt.Sprint(v)
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r == '"' || r == unicode.ReplacementChar || unicode.IsSpace(r) || !unicode.IsPrint(r)
	})
	if plain {
		return s
	}
	return strconv.Quote(s)
}

// OneLine escapes whatever could end the line or drive a terminal: parts of a message
// may come from the network.
func OneLine(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// Count is a number with its noun.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
