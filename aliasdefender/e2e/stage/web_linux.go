package stage

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// NginxConf is the configuration of an nginx of one process that writes in dir alone, and
// to its log errors. server is what stands in its only server.
func NginxConf(dir, errors, server string) string {
	var temps strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temps, "\t%s_temp_path %s;\n", kind, filepath.Join(dir, kind))
	}
	return fmt.Sprintf(`master_process off;
pid %s/pid;
error_log %s;
events { worker_connections 64; }
http {
	access_log off;
	default_type text/html;
%s	server {
%s	}
}
`, dir, errors, temps.String(), server)
}

// Page asks a web server for its first page, from a host, and returns what is in it.
// Connecting and reading may each take as long as within.
func Page(h *lab.Host, at netip.Addr, within time.Duration) (string, error) {
	var c net.Conn
	err := h.Do(func() (err error) { // this thread is in the host's namespace, and so is the socket
		c, err = net.DialTimeout("tcp", netip.AddrPortFrom(at, 80).String(), within)
		return err
	})
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(within))
	_, body, err := Answered(c, "GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
	return body, err
}

// Answered puts a question of HTTP, and returns the answer's status, such as "200 OK", and
// what is in it.
func Answered(c net.Conn, question string) (status, body string, err error) {
	if _, err := io.WriteString(c, question); err != nil {
		return "", "", err
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.Status, string(text), err
}

// Crowd gives a host that has not begun so many addresses of a loopback interface that what it
// shows of them is too long for the kernel to keep for one who does not read.
func Crowd(t *testing.T, p *pair.Pair, h *lab.Host) {
	t.Helper()
	file := p.File(h, "hostname.alias")
	rows := Read(t, file)
	for i := range 500 {
		rows += fmt.Sprintf("lo:%d | 198.51.%d.%d | /32 | - | false\n", i+1, 100+i/250, 1+i%250)
	}
	Place(t, file, rows)
}

// KernelsKeep is more bytes than the kernels of both ends keep of an answer over TCP for a reader
// who reads nothing and has a small buffer: Linux doubles the server's 256 KB.
const KernelsKeep = 512<<10 + 128<<10
