package daemon

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/logs"
)

const (
	// exitAborted is the exit code of a Go program after ABRT; the unit restarts it.
	exitAborted = 2
	// stacksMost is how much of the goroutines' stacks are looked at.
	stacksMost = 1 << 20 // bytes
	// framesMost is how many functions of a goroutine are named, innermost first.
	framesMost = 12
	// abortWithin bounds the writing: the reader may hang too.
	abortWithin = time.Second
)

// watchAbort ends the process on ABRT, as Go does by itself, but says in one line for
// each goroutine where it stands: Go's own hundreds of lines would each be of priority 6
// in the journal. A watchdog sends ABRT to end a Monitor that hangs; watchAbort does not
// need the loop. If Go cannot run even this, the manager kills the process.
func watchAbort(stderr io.Writer) (stop func()) {
	aborts := make(chan os.Signal, 1)
	signal.Notify(aborts, syscall.SIGABRT)
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
		case <-aborts:
			text := make([]byte, stacksMost)
			text = text[:runtime.Stack(text, true)]
			written := make(chan struct{})
			go func() {
				logs.Prefixed(stderr, logrus.ErrorLevel, "aliasdefender: aborted; where each goroutine stood:\n"+standing(string(text)))
				close(written)
			}()
			select {
			case <-written:
			case <-time.After(abortWithin):
			}
			os.Exit(exitAborted)
		}
	}()
	return func() {
		signal.Stop(aborts)
		close(done)
	}
}

// standing makes one line for each goroutine in what runtime.Stack wrote. Goroutines that
// stand at the same place share a line.
func standing(stacks string) string {
	var places []string
	times := map[string]int{}
	for block := range strings.SplitSeq(strings.TrimSpace(stacks), "\n\n") {
		place := stands(block)
		if times[place]++; times[place] == 1 {
			places = append(places, place)
		}
	}
	var b strings.Builder
	for _, place := range places {
		if n := times[place]; n > 1 {
			fmt.Fprintf(&b, "%d times ", n)
		}
		b.WriteString(place + "\n")
	}
	return b.String()
}

// stands is one goroutine: its state, and its functions with file and line.
func stands(block string) string {
	lines := strings.Split(block, "\n")
	_, state, _ := strings.Cut(strings.TrimSuffix(lines[0], ":"), " [")
	said := "[" + state + ":"
	frames := 0
	for i := 1; i+1 < len(lines) && frames < framesMost; i += 2 {
		function := strings.TrimPrefix(lines[i], "created by ")
		if cut := strings.LastIndexByte(function, '('); cut > 0 && strings.HasSuffix(function, ")") {
			function = function[:cut] // without the arguments
		}
		at, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " ")
		said += fmt.Sprintf(" %s (%s)", path.Base(function), path.Base(at))
		frames++
	}
	return said
}
