package logs

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/host"
)

// loggerTries is how often a line is given to logger(1). One that it refuses for
// good must not keep back the others.
const loggerTries = 3

// logger writes to syslog through logger(1), a run for each line: where syslog
// has no socket, and its own protocol is the C library's. The queue before us
// drops lines, we do not wait in anybody's way. It is used by one goroutine.
type logger struct {
	run   host.Runner
	say   func(string)  // tells, once for each outage, what is the matter
	pause time.Duration // between two tries
	out   bool          // an outage that has been told
}

func newLogger(run host.Runner, say func(string)) *logger {
	return &logger{run: run, say: say, pause: time.Second}
}

// write writes the line, or gives it up after some tries or when ctx ends.
func (l *logger) write(ctx context.Context, ln line) error {
	tag := fmt.Sprintf("%s[%d]", syslogTag, os.Getpid())
	var err error
	for try := range loggerTries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return err
			case <-time.After(l.pause):
			}
		}
		if _, err = l.run(ctx, "logger", "-p", "daemon."+priority(ln.level), "-t", tag, ln.text); err == nil {
			l.out = false
			return nil
		}
	}
	if !l.out {
		l.out = true
		l.say(fmt.Sprintf("syslog accepts no lines (%v): until it does, lines are lost", err))
	}
	return err
}

// priority is the level in logger's words (syslog.conf(5)).
func priority(l logrus.Level) string {
	return map[int]string{2: "crit", 3: "err", 4: "warning", 6: "info", 7: "debug"}[severity(l)]
}
