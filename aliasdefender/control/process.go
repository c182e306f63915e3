package control

import (
	"context"
	"net"
)

// Process is the process that listens on a control socket, as this host's kernel sees it.
// The number that a Monitor itself gives may be another one: it is the number in the
// Monitor's own PID namespace, for example a container's.
type Process struct {
	PID int // as we see it; 0: it is in a PID namespace that we do not see
	UID int // of its user
}

// Process returns the process that listens on the socket.
func (c *Client) Process(ctx context.Context) (Process, error) {
	p, err := c.process(ctx)
	return orReaders(c, err, p, func(c *Client) (Process, error) { return c.process(ctx) })
}

func (c *Client) process(ctx context.Context) (Process, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", c.socket)
	if err != nil {
		return Process{}, c.explain(err)
	}
	defer conn.Close()
	return listener(conn.(*net.UnixConn))
}
