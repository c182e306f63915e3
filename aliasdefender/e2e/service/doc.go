// Package service plays what happens when the service behind an alias fails and the host
// does not, with real web servers on both hosts.
package service
