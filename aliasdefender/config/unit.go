package config

import (
	"fmt"
	"regexp"
)

// numbered is a Nic of Solaris and illumos that can have an alias: a NIC, whose name ends
// with a digit there, and one of its units. Unit 0 is the NIC itself.
var numbered = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]*[0-9]:[1-9][0-9]*$`)

// checkUnits finds each Nic that cannot have an alias on Solaris and illumos. It is for
// this host's own table: the partner may run Linux.
func (t *table) checkUnits() {
	for _, a := range t.rows {
		if a.Label != "" && !numbered.MatchString(a.Label) {
			t.mistake(a.Line, "nic", fmt.Sprintf("%s: on this system an alias needs a NIC and a unit of it with a number from 1, such as net0:1", show(a.Label)))
		}
	}
}
