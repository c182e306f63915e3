// Package stage is what the tests of whole programs share: a pair of hosts with their
// Monitors, and helpers with which a test says what it waits for.
//
// The program is the test binary itself, started again: Main, which is the whole of
// a TestMain, makes it the program where its environment says so. So there is
// nothing to build, and what is played is what was compiled. Only the fake ifconfig of
// a Solaris host is built, as it is started several times for each reading.
//
// It judges nothing but what a helper is told to; the stories are in the
// packages beside it, which go test plays side by side. Nobody but tests may import
// it. All of it needs Linux.
package stage
