package examples

import (
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

var dnsPairAt = addresses{
	a: stage.Prefixes("192.168.1.2/24", "fd53:1:2:3::2/64"), b: stage.Prefixes("192.168.1.3/24", "fd53:1:2:3::3/64"),
	router: stage.Prefixes("192.168.1.1/24", "fd53:1:2:3::1/64"), user: stage.Prefixes("192.168.1.50/24", "fd53:1:2:3::50/64"),
}

// dnsPair is that example with a dnsmasq on each host.
type dnsPair struct {
	*example
	conf    string                     // of dnsmasq
	server  map[*lab.Host]*lab.Process // dnsmasq
	aliases []netip.Addr
	holder  []*lab.Watch
	asker   []*resolver
}

// begin starts a host's dnsmasq and its Monitor. dnsmasq is there when it answers at the
// host's own address. With --no-daemon it stays the user that it is: in a user namespace
// there is no other.
func (d *dnsPair) begin(h *lab.Host, own netip.Prefix) {
	d.Helper()
	server, err := h.Start("dnsmasq", "dnsmasq", "--no-daemon", "--conf-file="+d.conf,
		"--no-resolv", "--no-hosts", "--txt-record="+who+","+h.Name)
	stage.Must(d.T, err)
	d.server[h] = server
	stage.Must(d.T, resolves(d.T, d.user, own.Addr()).wait(stage.Patiently(d.T), h.Name))
	d.start(h)
}

// answered waits until a host alone has both aliases, and its dnsmasq answers at both.
func (d *dnsPair) answered(by *lab.Host) {
	d.Helper()
	for i := range d.aliases {
		d.held(d.holder[i], by)
		stage.Must(d.T, d.asker[i].wait(stage.Patiently(d.T), by.Name))
	}
}

// told logs what was lost since a moment, and requires who has answered, in order.
func (d *dnsPair) told(what string, from time.Time, want ...string) {
	d.Helper()
	for i, alias := range d.aliases {
		order, lost, gap := d.asker[i].report(from)
		d.Logf("figure: %s: at %s %d DNS questions lost, the longest time without an answer %v", what, alias, lost, gap.Round(time.Millisecond))
		if !slices.Equal(order, want) {
			d.Errorf("%s: %s is answered by %q, want %q", what, alias, order, want)
		}
	}
}

// TestDNSPairAnswersThroughACrashAndAHandOver: clients that know the one resolver's
// addresses are answered by B when A is dead, by A again after a hand-over, and by B when
// A's dnsmasq hangs; with dnsmasq's file as it is, and with the lines that it has for
// another case.
func TestDNSPairAnswersThroughACrashAndAHandOver(t *testing.T) {
	t.Parallel()
	stage.Wanted(t, "dnsmasq", "dnsmasq-base")
	conf := stage.Read(t, filepath.Join(examples, "dns-pair", "dnsmasq.conf"))
	for name, conf := range map[string]string{
		"as it is":          conf,
		"with bind-dynamic": regexp.MustCompile(`(?m)^#([^ \n])`).ReplaceAllString(conf, "$1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dnsPairStory(t, conf)
		})
	}
}

func dnsPairStory(t *testing.T, conf string) {
	d := &dnsPair{
		example: play(t, "dns-pair", dnsPairAt, asItIs),
		server:  map[*lab.Host]*lab.Process{},
	}
	d.conf = filepath.Join(d.dir, "dnsmasq.conf")
	stage.Place(t, d.conf, conf)
	for _, alias := range []string{"192.168.1.53", "fd53:1:2:3::53"} {
		addr := netip.MustParseAddr(alias)
		d.aliases = append(d.aliases, addr)
		d.holder = append(d.holder, d.watched(addr))
		d.asker = append(d.asker, resolves(t, d.user, addr))
	}
	d.begin(d.a, dnsPairAt.a[0])
	d.begin(d.b, dnsPairAt.b[0])
	d.answered(d.a)
	d.ready()

	from := time.Now()
	d.answered(d.a)
	stage.Must(t, d.a.Crash())
	d.answered(d.b)
	d.told("crash", from, "a", "b")

	stage.Must(t, d.a.Boot())
	d.begin(d.a, dnsPairAt.a[0])
	d.ready()
	from = time.Now()
	d.answered(d.b) // no failback: it stays where it is
	d.run(d.b, "Handover")
	d.answered(d.a)
	d.told("hand-over", from, "b", "a")
	always := func(what string) {
		for i, alias := range d.aliases {
			if moved := d.holder[i].Tenure(from, time.Time{}); moved.Nobody != 0 {
				t.Errorf("%s: %s: %+v", what, alias, moved)
			}
		}
	}
	always("hand-over")

	d.ready()
	from = time.Now()
	d.answered(d.a)
	stage.Must(t, d.server[d.a].Freeze())
	d.answered(d.b)
	d.told("dnsmasq hangs", from, "a", "b")
	always("dnsmasq hangs")
}
