package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"alias-defender/aliasdefender/config"
)

// bodyMost is how much of a page is read, in bytes: what is looked for must be in that.
const bodyMost = 1 << 20

// redirectsMost is how many redirects are followed.
const redirectsMost = 10

// headMost is the most bytes that the head of an answer may have.
const headMost = 64 << 10

var errRedirects = errors.New("redirect loop")

// http asks for a page. No proxy of the environment is used, and no connection is kept:
// each question finds out whether a new client would be served.
func (q *Questions) http(ctx context.Context, c config.Check) Answer {
	at := &stage{}
	u, err := url.Parse(c.HTTP.URL)
	if err != nil {
		return unknown(err.Error()) // the file was checked
	}
	way := &http.Transport{
		Proxy:                  nil,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: headMost,
		DialContext:            func(ctx context.Context, _, addr string) (net.Conn, error) { return q.dial(ctx, at, addr) },
		DialTLSContext:         func(ctx context.Context, _, addr string) (net.Conn, error) { return q.dialTLS(ctx, at, c, u, addr) },
	}
	defer way.CloseIdleConnections()
	client := &http.Client{Transport: way, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		switch {
		case !c.HTTP.Redirects:
			return http.ErrUseLastResponse
		case len(via) > redirectsMost: // the first request is one of them
			return errRedirects
		}
		return nil
	}}
	r, err := http.NewRequestWithContext(ctx, c.HTTP.Method, c.HTTP.URL, nil)
	if err != nil {
		return unknown(err.Error())
	}
	r.Header.Set("User-Agent", "aliasdefender")
	for name, value := range c.HTTP.Headers {
		r.Header.Set(name, value)
	}
	r.Host = c.HTTP.Host
	at.set("connecting")
	answer, err := client.Do(r)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		if errors.Is(err, errRedirects) {
			return failing(fmt.Sprintf("redirect loop: more than %d redirects", redirectsMost))
		}
		return broken(ctx, at, c, err)
	}
	defer answer.Body.Close()
	at.set("reading the page")
	// An error in the middle of the body counts, whatever the status says.
	body, err := io.ReadAll(io.LimitReader(answer.Body, bodyMost+1))
	if !wanted(c.HTTP.Status, answer.StatusCode) {
		return failing(fmt.Sprintf("status %d, not one of those wanted", answer.StatusCode))
	}
	if err != nil {
		return broken(ctx, at, c, err)
	}
	return judge(c, answer.StatusCode, body)
}

// judge looks for what the page must have.
func judge(c config.Check, status int, body []byte) Answer {
	within := "the page"
	if len(body) > bodyMost {
		body, within = body[:bodyMost], fmt.Sprintf("the first %d bytes of the page", bodyMost)
	}
	switch {
	case c.Contains != "" && !strings.Contains(string(body), c.Contains):
		return failing(fmt.Sprintf("status %d, but %s does not contain %q", status, within, c.Contains))
	case c.HTTP.Matches != "" && !regexp.MustCompile(c.HTTP.Matches).Match(body):
		return failing(fmt.Sprintf("status %d, but %s does not match %q", status, within, c.HTTP.Matches))
	}
	return good(fmt.Sprintf("status %d", status))
}

func wanted(ranges []config.StatusRange, status int) bool {
	for _, r := range ranges {
		if r.First <= status && status <= r.Last {
			return true
		}
	}
	return false
}

// dialTLS connects and shakes hands. The name that is asked for, and that the certificate
// must have, is host of the settings for the URL of the settings; a redirect to elsewhere
// has its own.
func (q *Questions) dialTLS(ctx context.Context, at *stage, c config.Check, u *url.URL, addr string) (net.Conn, error) {
	plain, err := q.dial(ctx, at, addr)
	if err != nil {
		return nil, err
	}
	name, port, _ := net.SplitHostPort(addr)
	first := u.Port()
	if first == "" {
		first = "443"
	}
	if c.HTTP.Host != "" && u.Scheme == "https" && name == u.Hostname() && port == first {
		name = c.HTTP.Host
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
		name = strings.Trim(name, "[]")
	}
	set := &tls.Config{ServerName: name, InsecureSkipVerify: !c.HTTP.VerifyTLS, NextProtos: []string{"http/1.1"}}
	if len(c.HTTP.CA) > 0 {
		set.RootCAs = x509.NewCertPool()
		set.RootCAs.AppendCertsFromPEM(c.HTTP.CA)
	}
	at.set("shaking hands by TLS")
	sealed := tls.Client(plain, set)
	if err := sealed.HandshakeContext(ctx); err != nil {
		plain.Close()
		return nil, err
	}
	at.set("waiting for the answer")
	return sealed, nil
}
