//go:build !solaris

package config

// DefaultSocket is where the Monitor answers.
const DefaultSocket = "/run/aliasdefender/control.sock"

const needsUnits = false
