//go:build !linux

package logs

import (
	"context"
	"os"

	"alias-defender/aliasdefender/host"
)

// hasSyslog tells whether there is a logger(1). Solaris's /dev/log is a STREAMS
// device, not a socket.
func hasSyslog() bool {
	info, err := os.Stat("/usr/bin/logger")
	return err == nil && info.Mode().IsRegular()
}

// systemLog writes to syslog through logger(1). It tells say of each outage once.
func systemLog(_ string, say func(string)) func(context.Context, line) error {
	return newLogger(host.Programs(host.SystemDirs...), say).write
}
