package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// askWithin is longer than the server may take, so that the server is the one to say what
// it waited for.
const askWithin = workWithin + 2*time.Second

// maxAnswer bounds what is read from whatever listens on the socket: 10,000 aliases with
// their journals need less.
const maxAnswer = 256 << 20 // bytes

// ErrNotRunning is wrapped by the error of every call that finds no Monitor behind the
// socket. A Monitor that does not answer, or that we may not ask, is another error.
var ErrNotRunning = errors.New("no Monitor is running")

// Client asks the Monitor of one socket. Its errors are one line that says
// what, where and what to do; only a *Refusal can have more.
type Client struct {
	socket string
	web    http.Client
}

// Dial returns a client for the socket. It asks nothing yet.
func Dial(socket string) *Client {
	c := &Client{socket: socket}
	c.web.Timeout = askWithin
	c.web.Transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}
	return c
}

// Status returns what the Monitor knows; with journal, also each alias's last
// transitions. A caller that may not open the control socket asks on the readers' socket,
// if there is one.
func (c *Client) Status(ctx context.Context, journal bool) (Snapshot, error) {
	s, err := c.status(ctx, journal)
	return orReaders(c, err, s, func(c *Client) (Snapshot, error) { return c.status(ctx, journal) })
}

// orReaders is an answer, or that of the readers' socket if we may not open the control
// socket.
func orReaders[T any](c *Client, err error, answer T, ask func(*Client) (T, error)) (T, error) {
	if errors.Is(err, fs.ErrPermission) {
		readers := c.socket + ReadersSuffix
		if answer, again := ask(Dial(readers)); again == nil || !isAbsent(readers, again) {
			return answer, again
		}
	}
	return answer, err
}

// isAbsent tells that there is no readers' socket, or that we may not use it: then the
// error about the control socket says more. A socket that a dead Monitor has left is not
// absent.
func isAbsent(readers string, err error) bool {
	if _, missing := os.Lstat(readers); missing == nil && errors.Is(err, ErrNotRunning) {
		return false
	}
	return errors.Is(err, ErrNotRunning) || errors.Is(err, fs.ErrPermission)
}

func (c *Client) status(ctx context.Context, journal bool) (Snapshot, error) {
	path := "/v1/status"
	if journal {
		path += "?journal=1"
	}
	var s Snapshot
	err := c.do(ctx, http.MethodGet, path, nil, &s)
	return s, err
}

// Reload makes the Monitor read its files again. If they have mistakes, the error is a
// *Refusal of KindConfig that lists them, and nothing has changed. If they lack rows of
// aliases that the host holds, the error is a *Refusal of KindDrop.
func (c *Client) Reload(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/v1/reload", nil, &struct{}{})
}

// ReloadAndDrop is Reload, and releases aliases that the host holds and for which the
// files no longer have a row. A Monitor of an earlier version does so at every Reload.
func (c *Client) ReloadAndDrop(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/v1/reload?drop=1", nil, &struct{}{})
}

// do sends one order, with in as its JSON if that is not nil, and reads the answer into
// out.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var question io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		question = bytes.NewReader(text)
	}
	// The host is a placeholder: the transport goes to the socket, whatever the name.
	req, err := http.NewRequestWithContext(ctx, method, "http://monitor"+path, question)
	if err != nil {
		return err
	}
	resp, err := c.web.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	version := resp.Header.Get(versionHeader)
	if version == "" {
		return fmt.Errorf("%s: the program that answers there is not an Alias Defender Monitor; check [control] socket", c.socket)
	}
	body := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode == http.StatusOK {
		if err := body.Decode(out); err != nil {
			return c.garbled(version, err)
		}
		return nil
	}
	var f failure
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed {
		return fmt.Errorf("%s: the running Monitor has version %s and does not know this order; restart it, or use the program of its version", c.socket, version)
	}
	if err := body.Decode(&f); err != nil || f.Error == "" {
		return c.garbled(version, fmt.Errorf("status %s", resp.Status))
	}
	if f.Kind == KindBusy {
		return fmt.Errorf("%s: the Monitor cannot answer now: %s; try again, and look at its log", c.socket, f.Error)
	}
	if resp.StatusCode == http.StatusConflict {
		return &Refusal{Kind: f.Kind, Text: f.Error}
	}
	return fmt.Errorf("%s: the Monitor failed: %s; look at its log", c.socket, f.Error)
}

// explain says what it means that the question did not arrive, or that no answer came.
func (c *Client) explain(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no socket %s; start one, or name its --settings", ErrNotRunning, c.socket)
	case errors.Is(err, syscall.ECONNREFUSED) && otherThan(c.socket, fs.ModeSocket) != "":
		return fmt.Errorf("%w: %s is %s, not a socket; move it away and start one, or name its --settings", ErrNotRunning, c.socket, otherThan(c.socket, fs.ModeSocket))
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: the socket %s is left over from a Monitor that died; start it again", ErrNotRunning, c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w: its Monitor runs as another user; run as root, or, for Status and Why, as a member of the group that [control] readers names", c.socket, fs.ErrPermission)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: interrupted", c.socket)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s: the Monitor there does not answer; it may be stopped or overloaded; look at its log", c.socket)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("%s: the Monitor closed the connection without an answer; it may be ending; try again", c.socket)
	}
	return fmt.Errorf("%s: the request failed: %w; is an Alias Defender Monitor behind it?", c.socket, errors.Unwrap(err))
}

// garbled says that a Monitor gave an answer that we cannot read.
func (c *Client) garbled(version string, err error) error {
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return c.explain(err)
	}
	return fmt.Errorf("%s: the running Monitor has version %s, and this program does not understand its answer (%w); restart it, or use the program of its version", c.socket, version, err)
}
