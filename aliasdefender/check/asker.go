package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/program"
)

// Questions are the Askers of all kinds.
type Questions struct {
	programs program.Runner
	resolve  func(ctx context.Context, name string) ([]netip.Addr, error)
}

// NewQuestions makes them.
func NewQuestions() *Questions {
	return &Questions{
		resolve: func(ctx context.Context, name string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		},
	}
}

// Ask puts the question of a check. The whole of it ends with ctx.
func (q *Questions) Ask(ctx context.Context, c config.Check) Answer {
	switch c.Kind {
	case config.CheckHTTP:
		return q.http(ctx, c)
	case config.CheckTCP:
		return q.tcp(ctx, c)
	case config.CheckCommand:
		return q.command(ctx, c)
	case config.CheckProcess:
		return process(ctx, c.Process)
	case config.CheckLink:
		return link(c.Link)
	}
	return unknown("this program knows no check of the kind " + string(c.Kind))
}

// stage is how far a question has come: a timeout is told with it.
type stage struct{ atomic.Value }

func (s *stage) set(what string) { s.Store(what) }

func (s *stage) String() string {
	what, _ := s.Load().(string)
	return what
}

const resolving = "asking for the name "

// errResolve is the error of a name that has no address: nobody was asked.
type errResolve struct{ error }

func (e errResolve) Unwrap() error { return e.error }

// dial connects to an address or a name with a port. A name is looked up first, so that a
// resolver that hangs is told apart from a service that does.
func (q *Questions) dial(ctx context.Context, at *stage, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs := []netip.Addr{}
	if addr, err := netip.ParseAddr(name); err == nil {
		addrs = append(addrs, addr)
	} else {
		at.set(resolving + name)
		if addrs, err = q.resolve(ctx, name); err != nil {
			return nil, errResolve{err}
		}
		if len(addrs) == 0 {
			return nil, errResolve{errors.New("the name " + name + " has no address")}
		}
	}
	var errs []error
	for _, addr := range addrs {
		at.set("connecting to " + net.JoinHostPort(addr.Unmap().String(), port))
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(addr.Unmap().String(), port))
		if err == nil {
			at.set("waiting for the answer")
			return c, nil
		}
		errs = append(errs, err)
	}
	return nil, errs[0]
}

// ourOwn are errors of this host: the question could not be put, and says nothing about
// the service. A host that does not answer ARP is none of them.
var ourOwn = []error{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL,
	syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EACCES, syscall.EPERM, syscall.EAFNOSUPPORT,
}

// broken is the answer to a question that ended with an error.
func broken(ctx context.Context, at *stage, c config.Check, err error) Answer {
	var lookup errResolve
	switch {
	case errors.As(err, &lookup) && ctx.Err() == nil:
		return unknown("the name cannot be resolved: " + plainError(lookup.error))
	case ctx.Err() != nil && strings.HasPrefix(at.String(), resolving):
		return unknown(fmt.Sprintf("the name cannot be resolved: no answer within %s", config.Tidy(c.Timeout)))
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return failing(fmt.Sprintf("timeout: not done within %s, while %s", config.Tidy(c.Timeout), at))
	}
	for _, own := range ourOwn {
		if errors.Is(err, own) {
			return unknown("cannot be asked: " + plainError(err))
		}
	}
	return failing(plainError(err))
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// plainError is an error without what the reader knows: which check it is, and how its
// question is put.
func plainError(err error) string {
	var bad *tls.CertificateVerificationError
	var op *net.OpError
	var sys syscall.Errno
	switch {
	case errors.As(err, &bad):
		return "bad certificate: " + strings.TrimPrefix(bad.Err.Error(), "x509: ")
	case strings.HasPrefix(err.Error(), "readLoopPeekFailLocked"): // net/http's word for it, of which this is no error value
		return "it speaks before it is asked: this is no HTTP"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the answer was whole"
	case errors.As(err, &op) && errors.As(err, &sys) && op.Op == "dial" && op.Addr != nil:
		return sys.Error() + ": " + op.Addr.String()
	case errors.As(err, &op) && errors.As(err, &sys):
		return sys.Error()
	}
	return err.Error()
}

// deadline ends what waits on a connection when ctx ends.
func deadline(ctx context.Context, c net.Conn) func() bool {
	return context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
}
