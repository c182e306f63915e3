package ipv6

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// peer is a client with what its kernel knows of the alias.
type peer struct {
	state int // of the entry, of the kernel's NUD_ states; 0: there is none
	host  *lab.Host
	asker *lab.Client
	sniff *lab.Sniffer
	since time.Time // of the crash: what was announced before came from the old host
}

// neighbour changes a host's table of neighbours.
func neighbour(t *testing.T, h *lab.Host, state int, alias netip.Addr, mac net.HardwareAddr) {
	t.Helper()
	stage.Must(t, h.Do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		entry := &netlink.Neigh{LinkIndex: link.Attrs().Index, Family: netlink.FAMILY_V6, State: state, IP: alias.AsSlice(), HardwareAddr: mac}
		if state == 0 {
			return netlink.NeighDel(entry)
		}
		return netlink.NeighSet(entry)
	}))
}

// known is where the host's kernel has the alias.
func known(t *testing.T, h *lab.Host, alias netip.Addr) (mac net.HardwareAddr) {
	t.Helper()
	stage.Must(t, h.Do(func() error {
		list, err := netlink.NeighList(0, netlink.FAMILY_V6)
		for _, n := range list {
			if n.IP.Equal(alias.AsSlice()) {
				mac = n.HardwareAddr
			}
		}
		return err
	}))
	return mac
}

// TestAClientFollowsTheAliasWhateverItKnowsOfIt has clients whose entries of the alias are
// in each state when its holder crashes. What a client is told moves its entry at once:
// it does not have to find out by itself, which with a reachable entry takes half a minute.
// Only an entry that somebody wrote there for good stays.
func TestAClientFollowsTheAliasWhateverItKnowsOfIt(t *testing.T) {
	t.Parallel()
	p := six.Begun(t)
	stage.Said(t, p.Monitor(p.B), "row=W6")
	old, alias := p.A.NIC("eth0").MAC, p.Alias
	at := netip.MustParsePrefix("2001:db8:77::60/64")
	peers := map[string]*peer{
		"reachable": {state: netlink.NUD_REACHABLE}, "stale": {state: netlink.NUD_STALE}, "absent": {}, "permanent": {state: netlink.NUD_PERMANENT},
	}
	for name, c := range peers {
		var err error
		c.host, err = p.Lab.Host(lab.HostSpec{Name: name, NICs: []lab.NICSpec{{Name: "eth0", Switch: p.Switch, Addrs: []netip.Prefix{at}}}})
		stage.Must(t, err)
		at = netip.PrefixFrom(at.Addr().Next(), at.Bits())
		c.sniff, err = c.host.Port().Sniff()
		stage.Must(t, err)
	}
	for name, c := range peers {
		if c.state == 0 {
			continue
		}
		neighbour(t, c.host, c.state, alias, old)
		if have := known(t, c.host, alias); !bytes.Equal(have, old) {
			t.Fatalf("%s: the entry leads to %s, want the old host, %s", name, have, old)
		}
	}
	crash := time.Now()
	stage.Must(t, p.A.Crash())
	for _, c := range peers {
		var err error
		c.since = crash
		c.asker, err = c.host.Client(lab.ClientSpec{Target: alias, Every: 5 * time.Millisecond})
		stage.Must(t, err)
	}
	stage.Held(t, p, "b")
	taken := time.Now()
	for _, s := range p.Holders.Spans() {
		if s.By == "b" {
			taken = s.From
		}
	}
	for name, c := range peers {
		if c.state == netlink.NUD_PERMANENT {
			continue
		}
		stage.Must(t, c.asker.WaitAnswer(stage.Patiently(t), "b"))
		first, told := c.moved(alias)
		t.Logf("figure: %s: it asked the old host for %v after the crash, %v of it after it was told of the new one", name, first.Sub(crash), max(0, first.Sub(told))) // what is asked without an entry waits for one
		if have := known(t, c.host, alias); !bytes.Equal(have, p.B.NIC("eth0").MAC) {
			t.Errorf("%s: the entry leads to %s", name, have)
		}
		c.toldNotAsked(t, name, alias)
	}
	last := peers["permanent"]
	// Told a second time, which was as much in vain.
	_, err := last.sniff.Wait(stage.Patiently(t), func(f lab.Frame) bool { return f.Claim(alias) && f.At.After(taken.Add(time.Second)) })
	stage.Must(t, err)
	if by := last.asker.Report(crash, time.Time{}).By; len(by) > 0 {
		t.Errorf("permanent: answered by %v", by)
	}
	if have := known(t, last.host, alias); !bytes.Equal(have, old) {
		t.Errorf("permanent: the entry leads to %s, want still %s", have, old)
	}
	removed := time.Now()
	neighbour(t, last.host, 0, alias, nil)
	stage.Must(t, last.asker.WaitAnswer(stage.Patiently(t), "b"))
	t.Logf("figure: permanent: it asked the old host until the entry was removed by hand, %v after the crash", removed.Sub(crash))
}

// moved is when the client asked the first question that the new host answered, and when its
// port had the first announcement of that host.
func (c *peer) moved(alias netip.Addr) (first, told time.Time) {
	for _, s := range c.asker.Spans(time.Time{}, time.Time{}) {
		if s.By == "b" && first.IsZero() {
			first = s.From
		}
	}
	for _, f := range c.sniff.Frames() {
		if f.Claim(alias) && f.ToAll() && told.IsZero() && f.At.After(c.since) {
			told = f.At
		}
	}
	return first, told
}

// toldNotAsked checks that a client that had an entry was led to the new host by the first
// announcement, and not by questions of its own. One whose kernel has given its entry up
// before, as on a busy machine it may, has to ask.
func (c *peer) toldNotAsked(t *testing.T, name string, alias netip.Addr) {
	t.Helper()
	if c.state == 0 {
		return
	}
	first, _ := c.moved(alias)
	told := false
	for _, f := range c.sniff.Frames() {
		asks := f.Op == lab.Request && f.TargetIP == alias && bytes.Equal(f.EthSrc, c.host.NIC("eth0").MAC)
		switch {
		case f.At.Before(c.since) || f.At.After(first):
		case f.Claim(alias) && f.ToAll():
			told = true
		case asks && !told && f.EthDst[0]&1 != 0:
			t.Logf("%s: given up before the alias was taken", name)
			return
		case asks && told:
			t.Errorf("%s: it was told, and had to ask all the same: %v", name, f)
		}
	}
	if !told {
		t.Errorf("%s: answered before it was told", name)
	}
}
