package config

import (
	"fmt"
	"regexp"
)

// numbered is a Nic of Solaris and illumos that an alias can be on: a NIC, which
// ends with a digit there, and a unit of it. Unit 0 is the NIC itself.
var numbered = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]*[0-9]:[1-9][0-9]*$`)

// checkUnits finds each Nic that Solaris and illumos cannot put an alias on. It
// is for this host's own table: the partner may be a Linux.
func (t *table) checkUnits() {
	for _, a := range t.rows {
		if a.Label != "" && !numbered.MatchString(a.Label) {
			t.mistake(a.Line, "nic", fmt.Sprintf("%s: on this system an alias needs a NIC and a unit of it with a number from 1, such as net0:1", show(a.Label)))
		}
	}
}
