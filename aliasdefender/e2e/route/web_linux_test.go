package route

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// web is the check through each server.
const web = `[check.web]
http = "http://{via}/"
contains = "</html>"
interval = "500ms"
timeout = "400ms"
fall = 2
`

// nginx starts a web server on a server, which answers at all of its addresses.
func (w *town) nginx(n int) *lab.Process {
	w.t.Helper()
	stage.Wanted(w.t, "nginx", "nginx-light")
	h, dir := w.servers[n], w.t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	stage.Place(w.t, conf, "daemon off;\n"+stage.NginxConf(dir, "stderr", fmt.Sprintf("\t\tlisten 80;\n\t\tlocation = / { return 200 \"<html>%s</html>\\n\"; }\n", h.Name)))
	p, err := h.Start("nginx", "nginx", "-p", dir, "-c", conf, "-e", "stderr")
	stage.Must(w.t, err)
	return p
}

// A web server is stopped while its host lives, and started again: its subnet is moved by the
// check through that hop, and comes back when the check is good again. No ping is lost, because
// the hosts themselves live; pages are, until the check has noticed.
func TestAStoppedWebServerLosesItsSubnet(t *testing.T) {
	t.Parallel()
	w := newTown(t, first(quick, "check = \"web\"")+web)
	var servers []*lab.Process
	for n := range subnets {
		servers = append(servers, w.nginx(n))
	}
	w.begun()
	each, router := w.asks()
	begun := time.Now()
	stage.Must(t, servers[0].Kill())
	w.arrive(0, "1")
	if page, err := stage.Page(w.client, service(0), 5*time.Second); err != nil || page != "<html>s1</html>\n" {
		t.Errorf("the page of %s: %q, %v", service(0), page, err)
	}
	if a, err := netip.ParseAddr(w.snapshot().Routes[0].Via[0].Hop); err != nil || a.String() != server(1) {
		t.Errorf("Status says %s, %v", a, err)
	}
	w.nginx(0)
	w.arrive(0, "0")
	w.answered(each[0], 0)
	for n := range subnets { // the hosts live all the time, and answer the client at each address
		w.undisturbed(subnet(n), each[n], router, begun)
	}
}
