// Command programs is ifconfig, uname, netstat, route and arp of a Solaris host that is
// not there, whichever it is called by: solaristest.Install lays it out so.
//
// It is a program of its own, and not the test's binary again, because a Monitor on
// Solaris runs several for each reading: a large binary, with the race detector perhaps,
// makes the readings so slow that what they say is too old to count.
package main

import "alias-defender/aliasdefender/host/solaristest"

func main() { solaristest.Main() }
