//go:build !solaris

package config

// DefaultSocket is where the Monitor answers.
const DefaultSocket = "/run/aliasdefender/control.sock"

const needsUnits = false

// knowsIPv6 says whether a row may be one of IPv6.
const knowsIPv6 = true

// seesProcesses says whether a check can look for a process.
const seesProcesses = true

// installsRoutes says whether this system's routes can be changed.
const installsRoutes = true
