//go:build !linux

package main

// syslogPath is empty: Solaris's /dev/log is a STREAMS device, and no socket.
const syslogPath = ""
