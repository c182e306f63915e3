package config // for illumos too, which the suffix serves

// DefaultSocket is where the Monitor answers: on Solaris and illumos /var/run is
// the directory that begins empty with each boot.
const DefaultSocket = "/var/run/aliasdefender/control.sock"

const needsUnits = true

// knowsIPv6 says whether a row may be one of IPv6.
const knowsIPv6 = false

// seesProcesses says whether a check can look for a process.
const seesProcesses = false

// installsRoutes says whether this system's routes can be changed.
const installsRoutes = false
