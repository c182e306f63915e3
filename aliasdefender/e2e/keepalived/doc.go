// Package keepalived leads a running pair of real keepalived over to this program, and back,
// as docs/from-keepalived.md says. It has tests only; whoever has no keepalived skips them.
package keepalived
