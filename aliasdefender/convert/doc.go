// Package convert turns a keepalived.conf into the two files of this program, for one
// host: hostname.alias and aliasdefender.toml.
//
// It reads the language as keepalived does: includes, conditional lines, definitions,
// sequences. What has no counterpart becomes a comment in the files, with its place in
// keepalived.conf and what to do about it: nothing is dropped silently. The files pass
// the same parsers that a Monitor uses.
//
// The package looks at no host itself: a Host tells it whether a program exists and which
// subnets a NIC has. It writes no file and sends nothing.
package convert
