// Package metrics shows what a Monitor knows as text for Prometheus: its text format, version
// 0.0.4.
//
// Everything comes from two places: the snapshot that Status shows, with what the loop has
// counted, and the events, which Events counts as a sink. A scrape computes nothing else, so
// that metrics and Status cannot contradict each other.
//
// Families (families.go) is the table of all names. docs/metrics.md has the same table, and a
// test compares the two. Numbers of a state do not exist: each state is a gauge of its own,
// 0 or 1, because nobody reads an alert that is built on "state == 3" as it was meant.
//
// The package refuses to know who reads, and how often.
package metrics
