package metrics

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// listens is where the hosts' metrics are read: each has a loopback interface of its own.
const listens = "127.0.0.1:9720"

// talking is a pair with a key, whose metrics can be read over TCP.
func talking(t *testing.T, more string) *pair.Pair {
	t.Helper()
	p := pairOf(t, more)
	stage.Begin(t, p)
	return p
}

// pairOf is such a pair before it begins.
func pairOf(t *testing.T, more string) *pair.Pair {
	t.Helper()
	return stage.Pair(t, pair.Spec{
		PrimaryA: true, Keys: []string{stage.NewKey()},
		Settings: stage.Rhythm(time.Second) + "\n[status]\nlisten = \"" + listens + "\"\n" + more,
	})
}

// question asks for the metrics.
const question = "GET /metrics HTTP/1.1\r\nHost: " + listens + "\r\n\r\n"

// connected connects to where a host's metrics are read.
func connected(h *lab.Host) (c net.Conn, err error) {
	err = h.Do(func() error { // this thread is in the host's namespace, and so is the socket
		c, err = net.DialTimeout("tcp", listens, stage.Patience)
		return err
	})
	if err == nil {
		_ = c.SetDeadline(time.Now().Add(stage.Patience))
	}
	return c, err
}

// page is a host's page of metrics.
func page(h *lab.Host) (string, error) { return answered(h, question) }

// answered is what a host answers to a question.
func answered(h *lab.Host, question string) (string, error) {
	c, err := connected(h)
	if err != nil {
		return "", err
	}
	defer c.Close()
	status, body, err := stage.Answered(c, question)
	if err == nil && status != "200 OK" {
		err = fmt.Errorf("%s: %s", status, body)
	}
	return body, err
}

// shows waits until a host's metrics have these rows, without what they begin with.
func shows(t *testing.T, h *lab.Host, rows ...string) (text string) {
	t.Helper()
	ctx := stage.Patiently(t)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var err error
		if text, err = page(h); err != nil {
			t.Fatal(err)
		}
		missing := ""
		for _, row := range rows {
			if !strings.Contains(text, "\naliasdefender_"+row+"\n") {
				missing = row
			}
		}
		if missing == "" {
			return text
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s never shows %s:\n%s", h.Name, missing, text)
		}
	}
}
