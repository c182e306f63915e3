package route

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// flow is a connection of a client's, and who answers it.
type flow struct {
	conn net.Conn
	by   string
}

// ask puts a question until it is answered, and notes by whom.
func (f *flow) ask(t *testing.T) {
	t.Helper()
	var packet [64]byte
	for over := time.Now().Add(stage.Patience); time.Now().Before(over); {
		if _, err := f.conn.Write(packet[:8]); err != nil {
			continue // the last question was answered by an error
		}
		_ = f.conn.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := f.conn.Read(packet[:]); err == nil && n > 8 {
			f.by = string(packet[8:n])
			return
		}
	}
	t.Fatalf("nobody answers %s", f.conn.LocalAddr())
}

// Of 200 flows that are spread over four servers some move when one of them dies, also between
// servers that live: docs/routes.md says so.
func TestFlowsOfASpreadThatMove(t *testing.T) {
	t.Parallel()
	const flows = 200
	var via []string
	for n := range subnets {
		via = append(via, fmt.Sprintf("%q", server(n)))
	}
	w := newTown(t, fmt.Sprintf("%s\n[[route]]\nprefix = \"192.0.2.0/24\"\nvia = [%s]\nmode = \"spread\"\n", quick, strings.Join(via, ", ")))
	w.run(w.router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/fib_multipath_hash_policy")
	w.start()
	w.await("to all four", func() bool { return w.leadsTo("192.0.2.0/24") == "0 1 2 3" })
	all := make([]flow, flows)
	for i := range all {
		stage.Must(t, w.client.Do(func() (err error) {
			all[i].conn, err = net.Dial("udp", netip.AddrPortFrom(service(0), lab.EchoPort).String())
			return err
		}))
		t.Cleanup(func() { all[i].conn.Close() })
	}
	before, served := make([]string, flows), map[string]int{}
	for i := range all {
		all[i].ask(t)
		before[i] = all[i].by
		served[before[i]]++
	}
	for n := range subnets {
		if share := served[fmt.Sprintf("s%d", n)]; share < flows/10 {
			t.Errorf("server %d has %d of %d flows", n, share, flows)
		}
	}
	stage.Must(t, w.servers[0].Crash())
	w.await("to the three that live", func() bool { return w.leadsTo("192.0.2.0/24") == "1 2 3" })
	moved := 0
	for i := range all {
		if all[i].ask(t); all[i].by == "s0" {
			t.Errorf("a flow is answered by the dead server")
		}
		if before[i] != "s0" && all[i].by != before[i] {
			moved++
		}
	}
	t.Logf("figure: of %d flows of servers that live %d moved", flows-served["s0"], moved)
	if moved > (flows-served["s0"])*2/3 {
		t.Error("that is more than the documents say")
	}
}
