package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"alias-defender/aliasdefender/config"
)

// answerMost is how much of an answer by TCP is read, in bytes.
const answerMost = 64 << 10

// tcp connects, sends what is to be sent, and reads until the answer has what is wanted.
func (q *Questions) tcp(ctx context.Context, c config.Check) Answer {
	at := &stage{}
	conn, err := q.dial(ctx, at, c.Address)
	if err != nil {
		return broken(ctx, at, c, err)
	}
	defer conn.Close()
	defer deadline(ctx, conn)()
	if c.Send != "" {
		at.set("sending")
		if _, err := io.WriteString(conn, c.Send); err != nil {
			return broken(ctx, at, c, err)
		}
	}
	if c.Contains == "" {
		return good("connected")
	}
	at.set(fmt.Sprintf("waiting for %q", c.Contains))
	var heard []byte
	chunk := make([]byte, 4096)
	for {
		n, err := conn.Read(chunk)
		heard = append(heard, chunk[:n]...)
		switch {
		case strings.Contains(string(heard), c.Contains):
			return good("connected, and heard what was wanted")
		case errors.Is(err, io.EOF):
			return failing(fmt.Sprintf("the answer does not contain %q", c.Contains))
		case err != nil:
			return broken(ctx, at, c, err)
		case len(heard) > answerMost:
			return failing(fmt.Sprintf("the first %d bytes of the answer do not contain %q", answerMost, c.Contains))
		}
	}
}
