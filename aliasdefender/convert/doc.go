// Package convert turns a keepalived.conf into the two files of this program, for one
// host: hostname.alias and aliasdefender.toml.
//
// It reads the language as keepalived does: includes, conditional lines, definitions,
// sequences. What the files cannot say becomes a comment in them, with the place where it
// stands in keepalived.conf and what to do about it: nothing is dropped without a word.
// What is written passes the same parsers that a Monitor uses.
//
// The package refuses to know what a Host is: whether a program exists, or which subnets
// a NIC has, it is told. It writes no file, and it sends nothing.
package convert
