// Bench plays the same faults on keepalived and on Alias Defender, in the same
// lab and in turn, and writes what it measured to docs/benchmarks.md.
//
//	story (crash, cable, ...) × rhythm × run ── K, A, K, A ... ──> build/bench.json ──> docs/benchmarks.md, .svg
//
// Every run has a new lab: two hosts, a router, a client that asks the alias
// each millisecond, and a control client on a third host that asks the router.
// A run in which the control client itself went without an answer, or one of
// the daemons says that it was not let run, tells of the machine and is
// repeated. Figures come from the file of single runs and from nowhere else: a
// later session replaces what it measured anew, and the rest keeps its date.
//
// It refuses to judge: it measures and writes down. It knows the two programs
// by their command lines, files and log lines only.
package main
