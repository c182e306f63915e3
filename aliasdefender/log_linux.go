package main

// syslogPath is where the local syslog daemon listens.
const syslogPath = "/dev/log"
