// Package record keeps what happened: one event type, one recorder, many sinks.
//
// A caller that sees something happen fills in an Event and gives it to the Recorder,
// which numbers it and passes it to each sink. Three sinks are usual: the Ring,
// from which Why reads; the Log, which writes a file in the state directory so
// that Why can answer after a restart and a reboot; and the daemon's log, which
// the caller makes of a SinkFunc.
//
//	loop ── Event ──> Recorder.Record ──> Ring.Put   memory, some events an alias
//	                                  ├─> Log.Put    queue ──> goroutine ──> events.log
//	                                  └─> SinkFunc   a line of the daemon's log
//	start ── Load ──> Ring.Preload                   what earlier runs wrote
//
// Record never waits, because no Put waits: a sink that has to wait for something
// keeps a bounded queue and a goroutine of its own, as the Log does, and counts
// what did not fit.
//
// The package refuses to know the rules' table, the network and the settings. It
// keeps words, not the constants behind them: events outlive the program that
// wrote them, and are read by older and newer ones.
package record
