//go:build !linux

package main

import (
	"context"
	"os"

	"alias-defender/aliasdefender/host"
)

// hasSyslog tells whether there is a logger(1). Solaris's /dev/log is a STREAMS
// device, and no socket.
func hasSyslog() bool {
	info, err := os.Stat("/usr/bin/logger")
	return err == nil && info.Mode().IsRegular()
}

// systemLog writes to syslog; say tells, once for each outage, what is the matter.
func systemLog(say func(string)) func(context.Context, logLine) error {
	return newLogger(host.Programs(host.SystemDirs...), say).write
}

// bringUp is what an administrator says to a NIC that is down.
const bringUp = "ifconfig %s up"
