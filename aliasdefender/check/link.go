package check

import (
	"errors"
	"net"
)

// link asks the system for the carrier of an interface. One that is not there has none.
func link(name string) Answer {
	all, err := net.Interfaces()
	if err != nil {
		return unknown("the interfaces cannot be read: " + err.Error())
	}
	for _, i := range all {
		switch {
		case i.Name != name:
		case i.Flags&net.FlagUp == 0:
			return failing(name + " is down")
		case i.Flags&net.FlagRunning == 0:
			return failing(name + " has no carrier")
		default:
			return good(name + " has carrier")
		}
	}
	return failing(errNoLink.Error() + " " + name)
}

var errNoLink = errors.New("there is no interface")
