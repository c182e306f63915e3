// Package metrics shows what a Monitor knows as text for Prometheus: its text format, version
// 0.0.4.
//
// Everything comes from two places: the snapshot that Status shows, with what the loop has
// counted, and the events, which Events counts as a sink. A scrape computes nothing else, so
// that metrics and Status cannot contradict each other.
//
// Families (families.go) is the table of all names. docs/metrics.md has the same table,
// and a test compares the two. No gauge holds a state as a number: each state is a gauge
// of its own, 0 or 1, because an alert on "state == 3" is easily misread.
//
// The package refuses to know who reads, and how often.
package metrics
