package defender

import (
	"slices"
	"time"

	"alias-defender/aliasdefender/agenda"
	"alias-defender/aliasdefender/host"
)

const (
	// readEvery is how often the host is read at most, unless it tells of a change.
	readEvery = time.Second
	// echo is how long a reading waits at most when the kernel tells of a change while we
	// are changing it: the change is probably ours.
	echo = 50 * time.Millisecond
	// restsFor is how many times as long as a reading took the readings rest, where the
	// kernel tells of one change after the other: at most echo. Router advertisements,
	// which anybody on the segment can send, are such changes, and each reading of a host
	// with thousands of addresses is work for the loop. After a calm time, rests of
	// together echo are left out: an alias that somebody removes is back at once, and
	// once more if it is removed again.
	restsFor = 4
)

// reading is one reading of this host's network.
type reading struct {
	began ordinal
	at    time.Time
	took  time.Duration // how long the kernel needed for it
}

// told takes in that something on this host has changed. The host is read at once. But if
// we are the ones who change it, it is read when all is done: a reading for each of a
// thousand addresses would delay the rest of them. Nor do changes that follow each other
// closely keep us reading.
func (l *loop) told() {
	n := &l.net
	soon := n.rested
	if n.toldBusy = l.worker.busy; n.toldBusy {
		soon = l.now.Add(echo)
	}
	switch {
	case n.reading && !l.worker.busy:
		n.toldAgain = true
	case !soon.After(l.now):
		l.read()
	case n.next.After(soon):
		n.next = soon
	}
}

// catchUp has read what the kernel told while we were changing it, once there is nothing
// more to change.
func (l *loop) catchUp() {
	if l.net.toldBusy && l.worker.idle() && len(l.marked) == 0 {
		l.told()
	}
}

// read has the host's network read beside the loop. There is one reading at a time: a
// kernel that does not answer is not asked a second time.
func (l *loop) read() {
	n := &l.net
	n.toldBusy = false
	n.next = agenda.Grid(l.epoch, l.now, max(l.every, readEvery)) // due in the same wake as the questions
	if n.reading {
		n.readAgain = true
		return
	}
	n.reading = true
	r := reading{began: l.count(), at: l.now}
	l.beside(func() {
		began := time.Now()
		s, err := l.o.Network.Read()
		r.took = time.Since(began)
		l.d.post(func(l *loop) { l.hasRead(s, err, r) })
	})
}

// hasRead takes in a reading.
func (l *loop) hasRead(s host.State, err error, r reading) {
	n, got := &l.net, time.Now()
	n.reading = false
	if n.readAgain {
		n.readAgain, n.toldAgain = false, false
		l.read()
	}
	defer func() {
		n.rest(time.Now(), (1+restsFor)*(r.took+time.Since(got)))
		if n.toldAgain {
			n.toldAgain = false
			l.told()
		}
	}()
	if err != nil {
		l.notRead(err)
		return
	}
	first := n.readAt.IsZero()
	n.readErr = ""
	was := n.state
	n.state, n.readAt = s, r.at
	for _, one := range n.nics {
		l.readNIC(one)
	}
	paths := l.place()
	for _, a := range l.list {
		l.readAlias(a, r)
	}
	l.speakFrom()
	if first {
		l.leftovers()
	}
	l.kernelTold(s, r)
	if first || !slices.Equal(paths, n.paths) || !slices.Equal(was.Routes, s.Routes) {
		l.relink()
	}
	n.paths, n.spare = paths, n.paths
	if first {
		l.asks.Begin(l.now)
	}
}

// rest puts off the next reading to d after the beginning of the last one, but for what the calm
// time before it makes up for.
func (n *network) rest(now time.Time, d time.Duration) {
	from := now.Add(-echo)
	if n.rested.After(from) {
		from = n.rested
	}
	if n.rested = from.Add(d); n.rested.After(now.Add(echo)) {
		n.rested = now.Add(echo)
	}
}

// notRead is called when the kernel cannot be read. What was known becomes too old by
// itself.
func (l *loop) notRead(err error) {
	if l.net.readErr == err.Error() {
		return
	}
	l.net.readErr = err.Error()
	for _, a := range l.list {
		l.mark(a)
	}
	l.event("kernel_unreadable").WithError(err).Error("cannot read this host's addresses from the kernel")
}
