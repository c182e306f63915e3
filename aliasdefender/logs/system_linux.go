package logs

import (
	"context"
	"os"
)

// syslogPath is where the local syslog daemon listens.
const syslogPath = "/dev/log"

// hasSyslog tells whether a syslog daemon has been there; it may be starting again.
func hasSyslog() bool {
	info, err := os.Stat(syslogPath)
	return err == nil && info.Mode().Type() == os.ModeSocket
}

// systemLog writes to the syslog daemon that listens on the socket; empty: the
// system's. It tells say of each outage once.
func systemLog(socket string, say func(string)) func(context.Context, line) error {
	if socket == "" {
		socket = syslogPath
	}
	return newSyslog(socket, say).write
}
