// Package stage is what the tests of whole programs share: a pair of hosts with their
// Monitors, and helpers with which a test says what it waits for.
//
// The program is the test binary itself, started again: Main, which is the whole of a
// TestMain, turns it into the program if its environment says so. So nothing has to
// be built, and the tests play what was compiled. Only the fake ifconfig of a Solaris
// host is built, because each reading starts it several times.
//
// The package judges only what a helper is told to; the stories are in the packages
// beside it, which go test runs side by side. Only tests may import it. All of it
// needs Linux.
package stage
