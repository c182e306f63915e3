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
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// To is where a log goes.
type To int

// The places.
const (
	Auto   To = iota // syslog, where there is one and standard error is no terminal
	Stderr           // Options.Stderr
	Syslog           // the system's
)

// Options say where a log goes and what of it.
type Options struct {
	To     To
	Level  string    // logrus's name of it; one that it does not know is "info"
	Stderr io.Writer // the log goes there, or what is the matter with syslog

	// SyslogSocket is where the local syslog daemon listens; empty: at the
	// system's place. A system with logger(1) has no use for it.
	SyslogSocket string
}

// Open returns the daemon's log and a function that closes it: that waits for
// what is not yet written, but for no longer than a second. A call of the log
// never waits for anything; see queue.
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
			// Standard error may be stuck too.
			go Prefixed(o.Stderr, logrus.WarnLevel, "aliasdefender: "+text)
		})
	}
	q := startQueue(queueRoom, write)
	log = logrus.New()
	log.SetOutput(io.Discard) // the hook takes each entry to the queue
	log.SetFormatter(nothing{})
	log.AddHook(q)
	SetLevel(log, o.Level)
	return log, func() {
		if lost := q.close(flushWithin); lost > 0 && to == Syslog {
			sayLost(o.Stderr, lost)
		}
	}
}

// sayLost tells standard error, which may be stuck too, what syslog did not take.
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
// nothing: whoever reads settings checks it there.
func SetLevel(log *logrus.Logger, name string) {
	if level, err := logrus.ParseLevel(name); err == nil {
		log.SetLevel(level)
	}
}

// IsTerminal tells whether somebody is looking. A character device is not
// enough: /dev/null is one.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// nothing keeps logrus from formatting what the hook has formatted already.
type nothing struct{}

func (nothing) Format(*logrus.Entry) ([]byte, error) { return nil, nil }

// The fields that a reader looks for first, in this order; the facts, which
// are long, come last, and everything else between in the alphabet's order.
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
	// Cut between two characters, not in one.
	return strings.ToValidUTF8(b.String()[:maxLine], "") + "…"
}

// fieldValue is the value as text, quoted where it has spaces or would
// otherwise not be one word of one line.
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

// OneLine escapes what could end the line or drive a terminal: parts of a
// message may come from the network.
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
