package main

import (
	"context"
	"os"
)

// syslogPath is where the local syslog daemon listens.
const syslogPath = "/dev/log"

// hasSyslog tells whether a syslog daemon has been there; it may be on its way.
func hasSyslog() bool {
	info, err := os.Stat(syslogPath)
	return err == nil && info.Mode().Type() == os.ModeSocket
}

// systemLog writes to syslog; say tells, once for each outage, what is the matter.
func systemLog(say func(string)) func(context.Context, logLine) error {
	return newSyslog(syslogPath, say).write
}

// bringUp is what an administrator says to a NIC that is down.
const bringUp = "ip link set %s up"
