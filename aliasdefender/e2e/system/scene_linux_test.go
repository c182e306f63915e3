package system

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// The addresses of the scene.
var (
	aliasAddr  = netip.MustParseAddr("192.0.2.100")
	ownA       = netip.MustParsePrefix("192.0.2.11/24")
	ownB       = netip.MustParsePrefix("192.0.2.12/24")
	routerAddr = netip.MustParsePrefix("192.0.2.1/24")
	clientAddr = netip.MustParsePrefix("192.0.2.50/24")
)

// every is the rhythm of the clients' questions: the figures are no more exact.
const every = 2 * time.Millisecond

// settings are the settings of both hosts: the alias moves more often than flapping
// allows.
const settings = `interval = "1s"
max_takes = 1000

[peer]
key_file = "/etc/aliasdefender.key"
`

// scene is two machines, their router and a client on one switch.
type scene struct {
	a, b           *machine
	asker, control *lab.Client // they ask the alias, and the router: what both miss is the machine's own noise
	holders        *lab.Watch
	dhcp           *dhcpServer // nil if the addresses are static
	disorder       bool        // the last story did not end as it should
}

// newScene boots two machines with this manager of addresses, and waits until a
// serves and b would take over.
func newScene(t *testing.T, m manager) *scene {
	t.Helper()
	l := lab.ForTest(t)
	s := &scene{}
	lan, err := l.Switch("lan")
	stage.Must(t, err)
	nic := func(addrs ...netip.Prefix) []lab.NICSpec {
		return []lab.NICSpec{{Name: "eth0", Switch: lan, Addrs: addrs}}
	}
	a, err := l.Host(lab.HostSpec{Name: "a", NICs: nic()})
	stage.Must(t, err)
	b, err := l.Host(lab.HostSpec{Name: "b", NICs: nic()})
	stage.Must(t, err)
	router, err := l.Host(lab.HostSpec{Name: "router", NICs: nic(routerAddr), Forward: true})
	stage.Must(t, err)
	client, err := l.Host(lab.HostSpec{Name: "client", NICs: nic(clientAddr), Gateway: routerAddr.Addr()})
	stage.Must(t, err)
	s.holders, err = l.Watch(aliasAddr)
	stage.Must(t, err)
	rhythm := every
	if m.is("deb") {
		rhythm = time.Millisecond
	}
	s.asker, err = client.Client(lab.ClientSpec{Target: aliasAddr, Every: rhythm, Keep: 15 * time.Minute})
	stage.Must(t, err)
	s.control, err = client.Client(lab.ClientSpec{Target: routerAddr.Addr(), Every: rhythm, Keep: 15 * time.Minute})
	stage.Must(t, err)
	if m.is("DHCP") {
		s.dhcp = serveDHCP(t, router, map[string]netip.Prefix{a.NIC("eth0").MAC.String(): ownA, b.NIC("eth0").MAC.String(): ownB})
	}
	key := string(config.NewKey().File())
	s.a = newMachine(t, a, ownA, m.kind(), files(m, "a", ownA, ownB.Addr(), true, key))
	s.b = newMachine(t, b, ownB, m.kind(), files(m, "b", ownB, ownA.Addr(), false, key))
	s.a.packaged, s.b.packaged = m.is("deb"), m.is("deb")
	s.a.begin(t)
	s.b.begin(t)
	for _, m := range []*machine{s.a, s.b} {
		m.booted(t)
		if m.packaged {
			m.install(t, firstDeb)
		}
	}
	s.rest(t)
	return s
}

// files are the files that an administrator has written on a machine.
func files(m manager, name string, own netip.Prefix, partner netip.Addr, primary bool, key string) map[string]string {
	all := map[string]string{
		"etc/hostname":           name + "\n",
		"etc/machine-id":         strings.Repeat(name, 32) + "\n",
		"etc/hostname.alias":     fmt.Sprintf("eth0:1 | %s | 255.255.255.0 | %s | %t\n", aliasAddr, partner, primary),
		"etc/aliasdefender.toml": settings,
		"etc/aliasdefender.key":  key,
	}
	if m.kind() == "systemd" && !m.is("deb") {
		all[units+"multi-user.target.wants/aliasdefender.service"] = "-> /usr/local/lib/systemd/system/aliasdefender.service"
	}
	maps.Copy(all, m.files(own))
	return all
}

// rest brings the scene to where each story begins: a serves, b would take the alias,
// and each daemon hears the other. If a story has left disorder the machines are
// booted anew.
func (s *scene) rest(t *testing.T) {
	t.Helper()
	if !s.disorder && s.rested(t, time.Minute) {
		return
	}
	t.Log("both machines are booted anew, after a story that has not ended as it should, or since a does not come to serve")
	if s.dhcp != nil {
		s.dhcp.set(dhcpAnswers)
	}
	for _, m := range []*machine{s.a, s.b} {
		if m.host.Up() {
			m.crash(t)
		}
		stage.Must(t, m.host.Boot())
		m.begin(t)
	}
	s.a.booted(t)
	s.b.booted(t)
	if !s.rested(t, patience) {
		t.Fatalf("a does not come to serve, with b able: held by %q", s.holders.Holders())
	}
}

// rested waits for a while until the scene is as a story needs it. If b has the
// alias, it makes a take it.
func (s *scene) rested(t *testing.T, within time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	asked := time.Time{}
	for {
		switch {
		case slices.Equal(s.holders.Holders(), []string{"a"}) && s.says(ctx, s.a) == "able" && s.says(ctx, s.b) == "holding":
			return s.asker.WaitAnswer(ctx, "a") == nil
		case s.says(ctx, s.a) == "holding" && time.Since(asked) > 5*time.Second:
			asked = time.Now()
			s.a.in(ctx, "aliasdefender", "AddAlias")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

// says is the standing of m's partner to the alias, as m has heard it; "" if it has
// heard nothing.
func (s *scene) says(ctx context.Context, m *machine) string {
	status, err := m.status(ctx)
	if err != nil {
		return ""
	}
	for _, a := range status.Aliases {
		if a.Says != nil && a.Says.Daemon == "heard" {
			return a.Says.State
		}
	}
	return ""
}

// quiet is how long nothing may change before a story counts as at rest.
const quiet = 3 * time.Second

// settle waits until nothing has changed for a while since a story: the same single
// holder, answers without a gap, and no problem in either Status. If that does not
// come in time it returns in words what was wrong.
func (s *scene) settle() (wrong []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	since := time.Now()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		now := s.faults()
		if len(now) > 0 || !slices.Equal(now, wrong) {
			since = time.Now()
		}
		wrong = now
		if len(now) == 0 && time.Since(since) > quiet {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return wrong
		}
	}
}

// faults are what is wrong now.
func (s *scene) faults() (wrong []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	holders := s.holders.Holders()
	if len(holders) != 1 {
		wrong = append(wrong, fmt.Sprintf("held by %q", holders))
	}
	if r := s.asker.Report(time.Now().Add(-time.Second), time.Time{}); len(r.By) != 1 || len(holders) == 1 && r.By[holders[0]] == 0 {
		wrong = append(wrong, fmt.Sprintf("clients are answered by %v", r.By))
	}
	for _, m := range []*machine{s.a, s.b} {
		if first := m.first(); first != m.own {
			wrong = append(wrong, fmt.Sprintf("the first address of %s is %v", m.host.Name, first))
		}
		if out, errs, code := m.in(ctx, "aliasdefender", "Status"); code != 0 {
			wrong = append(wrong, fmt.Sprintf("Status on %s exits with %d: %s", m.host.Name, code, strings.TrimSpace(out+errs)))
		}
	}
	return wrong
}

// first is the first address of the machine's NIC: packets leave from it unless the
// program has bound another.
func (m *machine) first() netip.Prefix {
	out, _, _ := m.host.Run(context.Background(), "ip", "-4", "-o", "addr", "show", "dev", "eth0", "primary")
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if i := slices.Index(f, "inet"); i >= 0 && i+1 < len(f) {
			p, _ := netip.ParsePrefix(f[i+1])
			return p
		}
	}
	return netip.Prefix{}
}
