package examples

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

var mutualAt = addresses{
	a: stage.Prefixes("192.0.2.4/24"), b: stage.Prefixes("192.0.2.5/24"),
	router: stage.Prefixes("192.0.2.1/24"), user: stage.Prefixes("192.0.2.50/24"),
}

// mutual is the example with both aliases at home.
type mutual struct {
	*example
	holder [2]*lab.Watch  // of A's alias, and of B's
	asker  [2]*lab.Client // likewise
}

// newMutual plays the example. What is to be there before the Monitors is begun first.
func newMutual(t *testing.T, change changed, first ...func(*mutual)) *mutual {
	t.Helper()
	m := &mutual{example: play(t, "mutual", mutualAt, func(x *example, h *lab.Host, settings string) string {
		return change(x, h, replaced(t, settings, `failback_after = "1m"`, `failback_after = "2s"`))
	})}
	for i, alias := range []string{"192.0.2.10", "192.0.2.11"} {
		m.holder[i] = m.watched(netip.MustParseAddr(alias))
		m.asker[i] = m.asks(netip.MustParseAddr(alias))
	}
	for _, begin := range first {
		begin(m)
	}
	m.start(m.a)
	m.start(m.b)
	m.home()
	return m
}

// home waits until each alias is at home alone, and is answered from there.
func (m *mutual) home() {
	m.Helper()
	for i, h := range []*lab.Host{m.a, m.b} {
		m.held(m.holder[i], h)
		m.answered(m.asker[i], h)
	}
}

// crash ends a host: its alias, of number i, goes to the other, whose own one stays.
func (m *mutual) crash(i int, h, other *lab.Host) {
	m.Helper()
	from := time.Now()
	stage.Must(m.T, h.Crash())
	m.held(m.holder[i], other)
	m.answered(m.asker[i], other)
	m.figure("crash of "+h.Name+", its alias", m.asker[i], from)
	if took := m.holder[i].Tenure(from, time.Time{}); took.Both != 0 {
		m.Errorf("%s's alias after its crash: %+v", h.Name, took)
	}
	m.stayed(1-i, other, from)
}

// stayed requires that the alias of number i has not left its host, and was answered
// there all the time.
func (m *mutual) stayed(i int, h *lab.Host, from time.Time) {
	m.Helper()
	if took := m.holder[i].Tenure(from, time.Time{}); took.Takes != 0 || took.Nobody != 0 {
		m.Errorf("the alias of %s, which was at home all the time: %+v", h.Name, took)
	}
	m.unhurt("the alias of "+h.Name+", which was at home all the time", m.asker[i], from)
}

// TestMutualEachCoversTheOther: at a crash the survivor has both aliases; when the other is
// back it gets its own one again, and with the channel no client notices.
func TestMutualEachCoversTheOther(t *testing.T) {
	t.Parallel()
	m := newMutual(t, asItIs)
	m.ready()
	for i, h := range []*lab.Host{m.a, m.b} {
		other := []*lab.Host{m.b, m.a}[i]
		m.crash(i, h, other)

		from := time.Now()
		stage.Must(t, h.Boot())
		m.start(h)
		m.home()
		m.figure("return of "+h.Name+", its alias", m.asker[i], from)
		if back := m.holder[i].Tenure(from, time.Time{}); back.Nobody != 0 {
			t.Errorf("%s's alias on its way home: %+v", h.Name, back)
		}
		m.unhurt(h.Name+"'s alias on its way home", m.asker[i], from)
		m.stayed(1-i, other, from)
		if log := m.monitors[other].Output(); !strings.Contains(log, "row=H1") {
			t.Errorf("%s did not release %s's alias because that had taken it", other.Name, h.Name)
		}
		m.ready()
	}
}

// serve is a web server on a host, until it is closed.
func (m *mutual) serve(h *lab.Host) net.Listener {
	m.Helper()
	var l net.Listener
	stage.Must(m.T, h.Do(func() (err error) {
		l, err = net.Listen("tcp", "127.0.0.1:80")
		return err
	}))
	var serving sync.WaitGroup
	serving.Go(func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html></html>") }))
	})
	m.Cleanup(func() { l.Close(); serving.Wait() })
	return l
}

// TestMutualAnAliasLeavesADeadWebServer, with the check of the settings, and comes home when
// the server is back. The host that serves on keeps its own alias.
func TestMutualAnAliasLeavesADeadWebServer(t *testing.T) {
	t.Parallel()
	var onA net.Listener
	m := newMutual(t, func(_ *example, _ *lab.Host, settings string) string {
		return regexp.MustCompile(`(?m)^#([^ \n])`).ReplaceAllString(settings, "$1")
	}, func(m *mutual) { onA = m.serve(m.a); m.serve(m.b) })
	m.ready()
	from := time.Now()
	stage.Must(t, onA.Close())
	m.held(m.holder[0], m.b)
	m.answered(m.asker[0], m.b)
	stage.Said(t, m.monitors[m.a], "event=check_failing")
	m.serve(m.a)
	m.home()
	if took := m.holder[0].Tenure(from, time.Time{}); took.Nobody != 0 {
		t.Errorf("a's alias, which left and came home: %+v", took)
	}
	m.unhurt("a's alias, which left and came home", m.asker[0], from)
	m.stayed(1, m.b, from)
}

// TestMutualWithoutAKey: the survivor takes over as well. The host that is back takes its
// alias, and the other yields when it hears that: for a moment both have it.
func TestMutualWithoutAKey(t *testing.T) {
	t.Parallel()
	m := newMutual(t, func(_ *example, _ *lab.Host, settings string) string {
		before, _, found := strings.Cut(settings, "\n[peer]\n")
		if !found {
			t.Fatal("the settings have no table peer")
		}
		return before
	})
	stage.Said(t, m.monitors[m.b], "alias=192.0.2.10 nic=eth0:1 action=wait row=W6")
	m.crash(0, m.a, m.b)
	from := time.Now()
	stage.Must(t, m.a.Boot())
	m.start(m.a)
	m.home()
	m.figure("return of a without a key, its alias", m.asker[0], from)
	stage.Said(t, m.monitors[m.a], "action=take row=W6")
	stage.Said(t, m.monitors[m.b], "action=release row=H6")
	back := m.holder[0].Tenure(from, time.Time{})
	t.Logf("figure: return of a without a key: both hosts had its alias for %v", back.LongestBoth.Round(time.Millisecond))
	if back.Nobody != 0 || back.Both == 0 {
		t.Errorf("a's alias on its way home: %+v", back)
	}
	m.stayed(1, m.b, from)
}
