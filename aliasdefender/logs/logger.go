package logs

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/host"
)

// loggerTries is how often we give a line to logger(1). A line that it always refuses
// must not keep back the others.
const loggerTries = 3

// logger writes to syslog through logger(1), with one run for each line. It is for
// systems where syslog has no socket and its protocol is private to the C library.
// The queue in front of it drops lines, so nobody waits. One goroutine uses it.
type logger struct {
	run   host.Runner
	say   func(string)  // told of each outage once
	pause time.Duration // between two tries
	out   bool          // this outage has been reported
}

func newLogger(run host.Runner, say func(string)) *logger {
	return &logger{run: run, say: say, pause: time.Second}
}

// write writes the line. It gives up after some tries, or when ctx ends.
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

// priority is the level as logger spells it (syslog.conf(5)).
func priority(l logrus.Level) string {
	return map[int]string{2: "crit", 3: "err", 4: "warning", 6: "info", 7: "debug"}[severity(l)]
}
