package peer

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	addrA = netip.MustParseAddr("127.0.0.1")
	addrB = netip.MustParseAddr("127.0.0.2")
)

// freePort is one that nobody had a moment ago.
func freePort(t testing.TB) uint16 {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// patience is how long a test waits for what has to come. It ends as soon as that has
// come, so it is long enough for a machine that does many other things.
const patience = time.Minute

// talker is a running Channel and what it has heard.
type talker struct {
	t testing.TB
	*Channel
	heard    chan Heard
	readable chan bool
	said     atomic.Uint64 // how often beat has called Say
	stop     func()
}

// talk starts a Channel; it ends with the test.
func talk(t testing.TB, o Options) *talker {
	t.Helper()
	k := &talker{t: t, heard: make(chan Heard, 10000), readable: make(chan bool, 100)}
	o.Heard = func(h Heard) { k.heard <- h }
	o.Readable = func(_ netip.Addr, ok bool) { k.readable <- ok }
	var err error
	if k.Channel, err = New(o); err != nil {
		t.Fatal(err)
	}
	if err := k.Listen(); err != nil {
		t.Fatal(err)
	}
	k.run()
	return k
}

func (k *talker) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := k.Run(ctx); err != nil {
			k.t.Error(err)
		}
	})
	k.stop = func() { cancel(); done.Wait() }
	k.t.Cleanup(k.stop)
}

// hears waits for words that satisfy ok, passing over others.
func (k *talker) hears(what string, ok func(Heard) bool) Heard {
	k.t.Helper()
	late := time.After(patience)
	for {
		select {
		case h := <-k.heard:
			if ok(h) {
				return h
			}
		case <-late:
			k.t.Fatalf("%s: not heard; %+v", what, k.Status())
		}
	}
}

// beat says m to a partner in a rhythm until what it is called for is over.
func (k *talker) beat(to netip.Addr, m Message, every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			k.said.Add(1)
			k.Say(to, m, 0)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	stop = func() { cancel(); done.Wait() }
	k.t.Cleanup(stop)
	return stop
}

func anything(Heard) bool { return true }

func onLoopback(t testing.TB, port uint16, own, partner netip.Addr) *talker {
	t.Helper()
	return talk(t, Options{Listen: []netip.Addr{own}, Port: port, Keys: keysOf(t, 1), Partners: []Partner{{Addr: partner}}})
}
