// Package examples plays the set-ups below etc/examples with real Monitors, and with the
// real programs that they are for, as a user would install them.
package examples
