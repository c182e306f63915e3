package page

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/record"
)

// TestAPageThatStaysOpenDoesNotGrow: its nodes and what its scripts keep, after a twelfth of the
// time (minute 5 of an hour) and at the end, while things happen. Bytes are judged in make soak.
func TestAPageThatStaysOpenDoesNotGrow(t *testing.T) {
	long := 20 * time.Second
	if stage.Soak() {
		long = *open
	}
	p, url := aStory(t, "")
	b := opened(t, url)
	b.ready()
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		tick := time.NewTicker(long / 1500)
		defer tick.Stop()
		for n := uint64(100); ; n++ {
			select {
			case <-tick.C:
				p.Put(record.Event{Run: 1, Seq: n, Time: time.Now(), Kind: record.CheckGood, Check: "web", Text: fmt.Sprint("answer ", n)})
			case <-stop:
				return
			}
		}
	})
	defer busy.Wait()
	defer close(stop)
	time.Sleep(long / 12) // this is what is measured: minute 5 of 60
	// By minute 5 the page must have as many events as it keeps.
	for n := range uint64(1100) {
		p.Put(record.Event{Run: 2, Seq: n + 1, Time: time.Now(), Kind: record.CheckGood, Check: "web", Text: fmt.Sprint("earlier ", n)})
	}
	b.until(`document.querySelectorAll('#events li').length === 50`)
	nodes, kept := b.weighs()
	time.Sleep(long - long/12)
	nodesThen, keptThen := b.weighs()
	t.Logf("figure: %d nodes and %d bytes, then %d and %d", nodes, kept, nodesThen, keptThen)
	if nodesThen > nodes*11/10 || stage.Soak() && keptThen > kept*11/10 {
		t.Errorf("%d nodes and %d bytes have become %d and %d", nodes, kept, nodesThen, keptThen)
	}
}

// TestFiftyReadersHalfOfThemStuckChangeNothing: the loop goes on as before. By how much it is
// late is judged in make soak.
func TestFiftyReadersHalfOfThemStuckChangeNothing(t *testing.T) {
	p := pairOf(t)
	stage.Crowd(t, p, p.A)
	stage.Begin(t, p)
	since := time.Now()
	sumBefore, wokenBefore := lag(t, p.A)
	// Who reads has been sent more than the kernels keep; so who does not is stuck.
	var fed sync.WaitGroup
	for i := range 50 {
		var c net.Conn
		stage.Must(t, p.A.Do(func() (err error) { c, err = net.Dial("tcp", listens); return err }))
		t.Cleanup(func() { c.Close() })
		_, err := io.WriteString(c, "GET /events HTTP/1.1\r\nHost: "+listens+"\r\n\r\n")
		stage.Must(t, err)
		if i%2 != 0 {
			stage.Must(t, c.(*net.TCPConn).SetReadBuffer(4<<10))
			continue
		}
		fed.Add(1)
		go func() {
			_, err := io.CopyN(io.Discard, c, stage.KernelsKeep)
			if err != nil {
				t.Errorf("a reader who reads is cut off: %v", err)
			}
			fed.Done()
			_, _ = io.Copy(io.Discard, c)
		}()
	}
	fed.Wait()
	stage.Until(t, p, p.A, "it holds", func(_ control.Snapshot, a control.Alias) bool { return a.Holder == "us" })
	stage.Unchanged(t, p, time.Duration(stage.Runs(10))*3*time.Second)
	if n := p.Holders.Tenure(since, time.Time{}).Takes; n != 0 {
		t.Errorf("the alias moved %d times", n)
	}
	sum, woken := lag(t, p.A)
	stage.NewFigures(t, "by how much the loop wakes late on average, with stuck pages", 5*time.Millisecond).
		Add((sum-sumBefore)/time.Duration(max(woken-wokenBefore, 1)), stage.Stillness(p.Asker, p.Control, since, time.Now()))
}

// lag is by how much a host's loop has woken late, and how often it has woken.
func lag(t *testing.T, h *lab.Host) (time.Duration, int) {
	t.Helper()
	var c net.Conn
	stage.Must(t, h.Do(func() (err error) { c, err = net.Dial("tcp", listens); return err }))
	defer c.Close()
	_, text, err := stage.Answered(c, "GET /metrics HTTP/1.1\r\nHost: "+listens+"\r\n\r\n")
	stage.Must(t, err)
	return stage.LoopLag(t, text)
}
