// Package sdnotify tells a service manager how this process is: ready, reloading,
// stopping, one line of status, and that it is still running (sd_notify(3)).
//
// A Notifier is made from the environment. A caller leaves its news there and does
// not wait; one goroutine sends it, the newest first if the manager does not read.
// The package does not know what its process does, and decides nothing: its caller
// says when it is ready.
package sdnotify

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The environment variables of a service manager that wants to be told (sd_notify(3),
// sd_watchdog_enabled(3)).
const (
	SocketEnv      = "NOTIFY_SOCKET"
	WatchdogEnv    = "WATCHDOG_USEC"
	WatchdogPIDEnv = "WATCHDOG_PID"
)

// endWithin is how long End waits for a manager that does not read.
const endWithin = time.Second

// room is how many states wait for a manager that does not read. Only the newest
// matters in the end.
const room = 4

// Notifier tells the service manager how the Monitor is: ready, reloading, stopping,
// one line of status, and that the loop is turning. Its methods may be called from
// several goroutines.
//
// No caller waits: the Notifier keeps the newest news, and one goroutine sends it. A
// manager that does not read misses older news. A nil Notifier, for when no manager
// asks, accepts everything and tells nobody.
type Notifier struct {
	path     string
	watchdog time.Duration // it wants to hear of the loop at least this often; 0: never
	say      func(error)   // told once for each outage why the manager is not told
	pause    time.Duration // between two tries; also how long a write may take

	mu      sync.Mutex
	news    news
	status  string    // the last status that was sent, or will be
	beaten  time.Time // when the last beat was taken
	isReady bool
	stopped bool // nothing more is sent
	ending  bool

	filled chan struct{} // a token: there may be something to send
	ended  chan struct{} // the goroutine has returned
	giveUp context.CancelFunc

	conn *net.UnixConn // used only by the goroutine
	out  bool          // this outage has been reported
}

// news is what has not been sent yet.
type news struct {
	states []string // oldest first
	status string   // empty: unchanged
	beat   bool
}

// FromEnvironment makes the Notifier that the environment asks for, and removes the
// variables, because the manager does not ask the programs that we start. It starts
// nothing. The error is about the environment; whatever is good in it is used.
func FromEnvironment() (*Notifier, error) {
	path, usec, pid := os.Getenv(SocketEnv), os.Getenv(WatchdogEnv), os.Getenv(WatchdogPIDEnv)
	for _, name := range []string{SocketEnv, WatchdogEnv, WatchdogPIDEnv} {
		os.Unsetenv(name)
	}
	if path == "" {
		return nil, nil
	}
	if path[0] != '/' && path[0] != '@' {
		return nil, fmt.Errorf("%s=%s is not a usable socket: the service manager will not hear that this Monitor is ready", SocketEnv, path)
	}
	n := &Notifier{
		path: path, pause: time.Second,
		filled: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if usec == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return n, nil
	}
	us, err := strconv.ParseInt(usec, 10, 63)
	if err != nil || us <= 0 || us > int64(time.Duration(1<<63-1)/time.Microsecond) {
		return n, fmt.Errorf("%s=%s is not a number of microseconds: the watchdog is not fed", WatchdogEnv, usec)
	}
	n.watchdog = time.Duration(us) * time.Microsecond
	return n, nil
}

// Start starts the goroutine; End ends it.
func (n *Notifier) Start(say func(error)) {
	ctx, giveUp := context.WithCancel(context.Background())
	n.say, n.giveUp = say, giveUp
	go n.run(ctx)
}

// End sends what is left, for at most a second.
func (n *Notifier) End() {
	defer n.giveUp()
	n.mu.Lock()
	n.ending = true
	n.wake()
	n.mu.Unlock()
	select {
	case <-n.ended:
	case <-time.After(endWithin):
	}
}

// BeatEvery is how often the loop has to turn: four times within the watchdog's
// limit, so that one late turn is no alarm. Zero: it does not matter.
func (n *Notifier) BeatEvery() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog / 4
}

// Beat is called by the loop at each turn. If the loop turns fast, not every beat is
// sent.
func (n *Notifier) Beat() {
	if n == nil || n.watchdog == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := time.Now(); now.Sub(n.beaten) >= n.watchdog/8 {
		n.beaten, n.news.beat = now, true
		n.wake()
	}
}

// Ready tells that the start is over.
func (n *Notifier) Ready(status string) {
	n.tell(status, func() string {
		n.isReady = true
		return "READY=1"
	})
}

// Reloading and Reloaded report the begin and the end of a reload. A reload that ends
// before the Monitor is ready does not make it ready.
func (n *Notifier) Reloading() {
	n.tell("", func() string {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil || !n.isReady {
			return ""
		}
		// With the time the manager knows that this is not the answer to an earlier
		// order.
		return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
	})
}

func (n *Notifier) Reloaded(status string) {
	n.tell(status, func() string {
		if !n.isReady {
			return ""
		}
		return "READY=1"
	})
}

// Stopping is the last news.
func (n *Notifier) Stopping() {
	n.tell("ending", func() string {
		n.stopped = true
		return "STOPPING=1"
	})
}

// tell queues a status, if it has changed, and a state, if there is one.
func (n *Notifier) tell(status string, state func() string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopped {
		return
	}
	if s := state(); s != "" {
		n.news.states = append(n.news.states, s)
		n.trim()
	}
	if status != "" && status != n.status {
		n.status, n.news.status = status, status
	}
	n.wake()
}

// Line changes only the status.
func (n *Notifier) Line(status string) { n.tell(status, func() string { return "" }) }

func (n *Notifier) trim() {
	if over := len(n.news.states) - room; over > 0 {
		n.news.states = n.news.states[over:]
	}
}

func (n *Notifier) wake() {
	select {
	case n.filled <- struct{}{}:
	default:
	}
}

// take takes out what fits into one message, which has at most one state. If there is
// nothing, it tells whether more can come.
func (n *Notifier) take() (what news, ok, more bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	what = news{status: n.news.status, beat: n.news.beat}
	if len(n.news.states) > 0 {
		what.states, n.news.states = n.news.states[:1:1], n.news.states[1:]
	}
	n.news.status, n.news.beat = "", false
	return what, what.message() != "", !n.ending
}

// giveBack keeps what could not be sent, unless it is out of date. A beat always is:
// the loop may hang by now.
func (n *Notifier) giveBack(what news) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.news.states = append(what.states, n.news.states...)
	n.trim()
	if n.news.status == "" {
		n.news.status = what.status
	}
}

// message is the news in the form of sd_notify(3); empty: none.
func (w news) message() (text string) {
	for _, s := range w.states {
		text += s + "\n"
	}
	if w.status != "" {
		text += "STATUS=" + w.status + "\n"
	}
	if w.beat {
		text += "WATCHDOG=1\n"
	}
	return text
}

// run sends until nothing is left and no more can come, or until ctx ends.
func (n *Notifier) run(ctx context.Context) {
	defer close(n.ended)
	defer n.hangUp()
	for {
		what, ok, more := n.take()
		switch {
		case !ok && !more:
			return
		case !ok:
			select {
			case <-n.filled:
			case <-ctx.Done():
				return
			}
			continue
		}
		err := n.send(what.message())
		if err == nil {
			n.out = false
			continue
		}
		n.giveBack(what)
		if !n.out {
			n.out = true
			n.say(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(n.pause):
		}
	}
}

// send sends one message, on a new connection if the old one is broken.
func (n *Notifier) send(text string) (err error) {
	if n.conn == nil {
		// Connecting a datagram socket never waits.
		if n.conn, err = net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.path, Net: "unixgram"}); err != nil {
			return err
		}
	}
	if err = n.conn.SetWriteDeadline(time.Now().Add(n.pause)); err == nil {
		_, err = n.conn.Write([]byte(text))
	}
	if err != nil {
		n.hangUp()
	}
	return err
}

func (n *Notifier) hangUp() {
	if n.conn != nil {
		n.conn.Close()
		n.conn = nil
	}
}
