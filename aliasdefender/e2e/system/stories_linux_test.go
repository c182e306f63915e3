package system

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
)

// story is something that happens to machine a, which serves.
type story struct {
	name string
	on   string // the managers for which the story makes sense; "": each
	deed func(*testing.T, *scene)

	serves string // who has the alias at the end; "": either
	held   bool   // and some host has it at each moment
}

var powerCut = story{name: "power cut, and back", serves: "b", deed: func(t *testing.T, s *scene) {
	s.a.crash(t)
	stage.Must(t, s.holders.Wait(patiently(t), "b"))
	stage.Must(t, s.a.host.Boot())
	s.a.boot(t)
}}

var stories = []story{
	{name: "standby: systemctl restart aliasdefender", on: "systemd", serves: "a", held: true, deed: func(t *testing.T, s *scene) {
		s.b.do(t, "systemctl", "restart", "aliasdefender")
	}},
	{name: "standby: reboot", serves: "a", held: true, deed: func(t *testing.T, s *scene) { s.b.reboot(t) }},
	{name: "aliasdefender Handover", serves: "b", held: true, deed: func(t *testing.T, s *scene) {
		s.a.do(t, "aliasdefender", "Handover")
	}},
	{name: "systemctl restart aliasdefender", on: "systemd", serves: "a", held: true, deed: func(t *testing.T, s *scene) {
		s.a.do(t, "systemctl", "restart", "aliasdefender")
	}},
	{name: "systemctl stop, then start aliasdefender", on: "systemd", serves: "b", held: true, deed: func(t *testing.T, s *scene) {
		s.a.do(t, "systemctl", "stop", "aliasdefender")
		stage.Must(t, s.holders.Wait(patiently(t), "b"))
		s.a.do(t, "systemctl", "start", "aliasdefender")
	}},
	{name: "kill -9 of the Monitor", on: "systemd", serves: "a", held: true, deed: func(t *testing.T, s *scene) {
		anotherMonitor(t, s.a, func() { s.a.do(t, "systemctl", "kill", "--signal=KILL", "aliasdefender") })
	}},
	{name: "the Monitor hangs: the watchdog", on: "systemd", serves: "b", deed: func(t *testing.T, s *scene) {
		anotherMonitor(t, s.a, func() { s.a.do(t, "systemctl", "kill", "--signal=STOP", "aliasdefender") })
	}},
	{name: "reboot", serves: "b", held: true, deed: func(t *testing.T, s *scene) { s.a.reboot(t) }},
	powerCut,
	{name: "power cut, and back at once", deed: func(t *testing.T, s *scene) {
		s.a.crash(t)
		stage.Must(t, s.a.host.Boot())
		s.a.boot(t)
	}},
	{name: "link away for 0.3 s", deed: func(t *testing.T, s *scene) { flap(t, s, 300*time.Millisecond) }},
	{name: "link away for 5 s", serves: "b", deed: func(t *testing.T, s *scene) { flap(t, s, 5*time.Second) }},

	{name: "networkctl reconfigure eth0", on: "networkd", deed: func(t *testing.T, s *scene) {
		s.a.do(t, "networkctl", "reconfigure", "eth0")
	}},
	{name: "systemctl restart systemd-networkd", on: "networkd", deed: func(t *testing.T, s *scene) {
		s.a.do(t, "systemctl", "restart", "systemd-networkd")
	}},
	{name: "systemctl stop, then start systemd-networkd", on: "networkd", deed: func(t *testing.T, s *scene) {
		s.a.do(t, "systemctl", "stop", "systemd-networkd")
		s.a.do(t, "systemctl", "start", "systemd-networkd")
	}},
	{name: "networkctl down, then up eth0", on: "networkd", serves: "b", deed: func(t *testing.T, s *scene) {
		s.a.do(t, "networkctl", "down", "eth0")
		stage.Must(t, s.holders.Wait(patiently(t), "b"))
		s.a.do(t, "networkctl", "up", "eth0")
	}},
	{name: "systemctl restart NetworkManager", on: "NetworkManager", deed: func(t *testing.T, s *scene) {
		s.a.do(t, "systemctl", "restart", "NetworkManager")
	}},
	{name: "nmcli device reapply eth0", on: "NetworkManager", deed: func(t *testing.T, s *scene) {
		s.a.do(t, "nmcli", "device", "reapply", "eth0")
	}},
	{name: "nmcli connection up eth0", on: "NetworkManager", deed: func(t *testing.T, s *scene) {
		s.a.do(t, "nmcli", "connection", "up", "eth0")
	}},
	{name: "nmcli connection down, then up eth0", on: "NetworkManager", deed: func(t *testing.T, s *scene) {
		s.a.do(t, "nmcli", "connection", "down", "eth0")
		s.a.do(t, "nmcli", "connection", "up", "eth0")
	}},
	{name: "systemctl restart networking", on: "systemd ifupdown", deed: func(t *testing.T, s *scene) {
		s.a.do(t, "systemctl", "restart", "networking")
	}},
	{name: "service AliasDefender restart", on: "sysv", serves: "a", held: true, deed: func(t *testing.T, s *scene) {
		s.a.do(t, "service", "AliasDefender", "restart")
	}},
	{name: "service AliasDefender stop, then start", on: "sysv", serves: "b", held: true, deed: func(t *testing.T, s *scene) {
		s.a.do(t, "service", "AliasDefender", "stop")
		stage.Must(t, s.holders.Wait(patiently(t), "b"))
		s.a.do(t, "service", "AliasDefender", "start")
	}},
	{name: "kill -9 of the Monitor, later started", on: "sysv", serves: "b", deed: func(t *testing.T, s *scene) {
		s.a.do(t, "pkill", "-KILL", "-x", "aliasdefender")
		stage.Must(t, s.holders.Wait(patiently(t), "b"))
		s.a.do(t, "service", "AliasDefender", "start")
	}},
	{name: "service networking restart", on: "sysv", deed: func(t *testing.T, s *scene) {
		s.a.do(t, "service", "networking", "restart")
	}},
	{name: "ifdown, then ifup eth0", on: "ifupdown", deed: func(t *testing.T, s *scene) {
		s.a.do(t, "ifdown", "eth0")
		s.a.do(t, "ifup", "eth0")
	}},
	{name: "DHCP: the lease runs out, then the server is back", on: "DHCP", deed: func(t *testing.T, s *scene) {
		s.dhcp.set(dhcpSilent)
		ownGone(t, s.a)
		s.dhcp.set(dhcpAnswers)
		ownBack(t, s.a)
	}},
	{name: "DHCP: the server refuses, then gives the same", on: "DHCP", deed: func(t *testing.T, s *scene) {
		s.dhcp.set(dhcpRefuses)
		ownGone(t, s.a)
		s.dhcp.set(dhcpAnswers)
		ownBack(t, s.a)
	}},
}

// TestStoriesOfARealSystem plays each story with each manager of addresses, one after
// the other on the same two machines.
func TestStoriesOfARealSystem(t *testing.T) {
	sweepDead(t, *systemDir)
	tell(t, &report{versions: versions(t), file: *reportFile}, managers, stories)
}

// tell plays the stories, and prints and saves what they cost.
func tell(t *testing.T, r *report, managers []manager, stories []story) {
	t.Helper()
	defer func() { fmt.Println(r.markdown()) }()
	for _, m := range managers {
		t.Run(m.name, func(t *testing.T) {
			defer r.save(t)
			s := newScene(t, m)
			for _, story := range stories {
				if m.is(story.on) {
					t.Run(story.name, func(t *testing.T) { s.play(t, r, m, story) })
				}
			}
		})
	}
}

// play plays a story, measures what the clients see until everything is at rest, and
// files that in the report.
func (s *scene) play(t *testing.T, r *report, m manager, story story) {
	t.Helper()
	s.rest(t)
	f := figure{manager: m.name, story: story.name, wrong: []string{"not played to its end"}}
	since := time.Now()
	defer func() {
		now := time.Now()
		for _, g := range stage.GapsOver(20*time.Millisecond, s.asker, s.control, since) {
			f.gap = max(f.gap, g.Length())
		}
		f.noise = stage.Stillness(s.control, s.control, since, now)
		f.both = s.holders.Tenure(since, now).LongestBoth
		f.by = strings.Join(s.holders.Holders(), " and ")
		s.disorder = len(f.wrong) > 0
		r.figures = append(r.figures, f)
		asked, routers := s.asker.Report(since, now.Add(-time.Second)), s.control.Report(since, now.Add(-time.Second))
		t.Logf("gap %v, the machine's own %v, held by both %v, served by %s; %d of %d questions were lost, %d to the router",
			f.gap, f.noise, f.both, f.by, asked.Lost, asked.Sent, routers.Lost)
	}()
	story.deed(t, s)
	f.wrong = s.settle()
	if holders := s.holders.Holders(); story.serves != "" && !slices.Equal(holders, []string{story.serves}) {
		f.wrong = append(f.wrong, fmt.Sprintf("%q have it, and it should be %s", holders, story.serves))
	}
	if none := s.holders.Tenure(since, time.Time{}).LongestNobody; story.held && none > 0 {
		f.wrong = append(f.wrong, fmt.Sprintf("nobody had it for %v", none))
	}
	for _, w := range f.wrong {
		t.Error(w)
	}
}

// flap pulls the cable of a for a while.
func flap(t *testing.T, s *scene, d time.Duration) {
	t.Helper()
	stage.Must(t, s.a.host.Port().Down())
	<-time.After(d)
	stage.Must(t, s.a.host.Port().Up())
}

// anotherMonitor ends the Monitor by a deed and waits until systemd has started
// another.
func anotherMonitor(t *testing.T, m *machine, deed func()) {
	t.Helper()
	pid := func() string {
		return strings.TrimSpace(m.do(t, "systemctl", "show", "--property=MainPID", "--value", "aliasdefender"))
	}
	before := pid()
	deed()
	until(t, patiently(t), "another Monitor runs", func() bool {
		if now := pid(); now == before || now == "0" {
			return false
		}
		_, err := m.status(patiently(t))
		return err == nil
	})
}

// ownGone waits until the machine has lost its own address.
func ownGone(t *testing.T, m *machine) {
	t.Helper()
	until(t, patiently(t), m.host.Name+" has lost its own address", func() bool { return !m.hasOwn(t) })
}

// ownBack waits until it has it again.
func ownBack(t *testing.T, m *machine) {
	t.Helper()
	until(t, patiently(t), m.host.Name+" has its own address again", func() bool { return m.hasOwn(t) })
}

func (m *machine) hasOwn(t *testing.T) bool {
	t.Helper()
	all, err := m.host.Addrs()
	stage.Must(t, err)
	for _, a := range all {
		if a.Prefix == m.own {
			return true
		}
	}
	return false
}
