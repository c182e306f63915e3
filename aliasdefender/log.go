package main

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

	"alias-defender/aliasdefender/config"
)

// openLog returns the daemon's log and a function that closes it: that waits
// for what is not yet written, but for no longer than a second. A call of the
// log never waits for anything; see logQueue.
func openLog(s config.Settings, stderr io.Writer) (log *logrus.Logger, end func()) {
	to := s.LogTo
	if to == config.LogAuto {
		to = config.LogStderr
		if !isTerminal(stderr) && hasSyslog() {
			to = config.LogSyslog
		}
	}
	var write func(context.Context, logLine) error
	if to == config.LogSyslog {
		write = systemLog(func(text string) {
			// Standard error may be stuck too.
			go fmt.Fprintf(stderr, "aliasdefender: %s\n", text)
		})
	} else {
		write = func(_ context.Context, l logLine) error {
			_, err := fmt.Fprintf(stderr, "%s %-7s %s\n", l.at.Format("2006-01-02 15:04:05.000"), l.level, l.text)
			return err
		}
	}
	q := startLog(logRoom, write)
	log = logrus.New()
	log.SetOutput(io.Discard) // the hook takes each entry to the queue
	log.SetFormatter(nothing{})
	log.AddHook(q)
	setLevel(log, s)
	return log, func() {
		if lost := q.close(flushWithin); lost > 0 && to == config.LogSyslog {
			said := make(chan struct{})
			go func() {
				fmt.Fprintf(stderr, "aliasdefender: %d lines of the log were not written: syslog did not take them\n", lost)
				close(said)
			}()
			select {
			case <-said:
			case <-time.After(flushWithin / 10):
			}
		}
	}
}

// setLevel takes the level from the settings, which have checked its name.
func setLevel(log *logrus.Logger, s config.Settings) {
	if level, err := logrus.ParseLevel(s.LogLevel); err == nil {
		log.SetLevel(level)
	}
}

// isTerminal tells whether somebody is looking. A character device is not
// enough: /dev/null is one.
func isTerminal(w io.Writer) bool {
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
var firstFields = []string{"alias", "nic", "action", "row", "reason"}

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
	b.WriteString(oneLine(e.Message))
	for _, name := range names {
		if v, ok := e.Data[name]; ok {
			fmt.Fprintf(&b, " %s=%s", name, fieldValue(v))
		}
	}
	if b.Len() <= maxLogLine {
		return b.String()
	}
	// Cut between two characters, not in one.
	return strings.ToValidUTF8(b.String()[:maxLogLine], "") + "…"
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

// oneLine escapes what could end the line or drive a terminal: parts of a
// message may come from the network.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
