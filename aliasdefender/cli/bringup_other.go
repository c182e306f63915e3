//go:build !linux

package cli

// bringUp is what an administrator says to a NIC that is down.
const bringUp = "ifconfig %s up"
