package rehearse

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/lab"
)

// stage is the built plan: a lab with the hosts' files and the clients.
type stage struct {
	plan    *plan
	lab     *lab.Lab
	daemons daemons
	key     []byte // the key that all hosts have; nil: none
	dir     string // the directory of all files

	switches map[string]*lab.Switch
	hosts    map[string]*lab.Host
	monitors map[string]*lab.Process
	watches  map[netip.Addr]*lab.Watch  // by alias
	askers   map[netip.Addr]*lab.Client // by alias
	controls map[netip.Addr]*lab.Client // by the address asked
	every    time.Duration              // the askers' rhythm
}

// newStage builds the stage. After an error, close takes down what was built.
func newStage(p *plan, d daemons, longest time.Duration) (_ *stage, err error) {
	s := &stage{
		plan: p, daemons: d, key: config.NewKey().File(),
		switches: map[string]*lab.Switch{}, hosts: map[string]*lab.Host{}, monitors: map[string]*lab.Process{},
		watches: map[netip.Addr]*lab.Watch{}, askers: map[netip.Addr]*lab.Client{}, controls: map[netip.Addr]*lab.Client{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "rehearse"); err != nil {
		return nil, err
	}
	s.lab, err = lab.New()
	os.Unsetenv(seenEnv)         // the lab's warden was the last to need it
	os.Unsetenv("NOTIFY_SOCKET") // of a unit that runs the rehearsal; what the Monitors on stage say is not for it
	if err != nil {
		return nil, err
	}
	for _, n := range p.Networks {
		if s.switches[n], err = s.lab.Switch(n); err != nil {
			return nil, err
		}
	}
	for i, m := range p.Machines {
		if err := s.build(m); err != nil {
			return nil, err
		}
		if err := s.write(m, i); err != nil {
			return nil, err
		}
	}
	return s, s.ask(longest)
}

// close takes everything down: programs, namespaces, files.
func (s *stage) close() error {
	var err error
	if s.lab != nil {
		err = s.lab.Close()
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// build makes a machine.
func (s *stage) build(m machine) error {
	spec := lab.HostSpec{Name: m.Name, Gateway: m.Gateway.IPv4, Gateway6: m.via(m.Gateway.IPv6), Forward: m.Router}
	for _, n := range m.NICs {
		spec.NICs = append(spec.NICs, lab.NICSpec{Name: n.Name, Switch: s.switches[n.Network], Addrs: n.Addrs})
	}
	if len(m.Aliases) > 0 && s.daemons.Service.played() {
		nowhere, err := s.lab.Switch("service on " + m.Name)
		if err != nil {
			return err
		}
		spec.NICs = append(spec.NICs, lab.NICSpec{Name: s.plan.serviceNIC(), Switch: nowhere})
	}
	h, err := s.lab.Host(spec)
	s.hosts[m.Name] = h
	return err
}

// write writes a host's files.
func (s *stage) write(m machine, number int) error {
	if len(m.Aliases) == 0 {
		return nil
	}
	dir := s.dirOf(number)
	if len(dir)+len("/sock") > config.MaxSocket {
		return fmt.Errorf("%s is too long for a control socket; set TMPDIR to a shorter directory", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "hostname.alias"), []byte(aliasesText(m.Aliases)), 0o600); err != nil {
		return err
	}
	if s.daemons.Keyed {
		if err := os.WriteFile(filepath.Join(dir, keyFile), s.key, 0o600); err != nil {
			return err
		}
	}
	text := settingsText(s.daemons, s.plan.knownAs(m.Name), m.Aliases, s.plan.serviceNIC(), dir)
	return os.WriteFile(filepath.Join(dir, "aliasdefender.toml"), []byte(text), 0o600)
}

// dirOf is a machine's directory, by its number: a name may be long or have any character
// in it.
func (s *stage) dirOf(number int) string {
	return filepath.Join(s.dir, fmt.Sprintf("h%d", number))
}

// ask starts to watch the aliases, and starts a client for each.
func (s *stage) ask(longest time.Duration) error {
	// Each question costs both ends some microseconds: a machine could not ask each of
	// many aliases every millisecond.
	const atOnce, remembered = 8, 1_000_000
	keep := 2*longest + time.Minute
	s.every = max(time.Millisecond*time.Duration((len(s.plan.Parts)+atOnce-1)/atOnce), keep/remembered)
	for _, a := range s.plan.Parts {
		var err error
		if s.watches[a.Addr], err = s.lab.Watch(a.Addr); err != nil {
			return err
		}
		client, from := s.hosts[a.Client], s.plan.machine(a.Client)
		if s.askers[a.Addr], err = client.Client(lab.ClientSpec{Target: from.via(bare(a.Addr)), Every: s.every, Keep: keep}); err != nil {
			return err
		}
		if s.controls[a.Control] != nil {
			continue
		}
		if s.controls[a.Control], err = client.Client(lab.ClientSpec{Target: from.via(a.Control), Every: s.every, Keep: keep}); err != nil {
			return err
		}
	}
	return nil
}

// do carries out a deed on the hosts that the scenario hits.
func (s *stage) do(ctx context.Context, d act, all []situation) error {
	hit := all[0].Hit
	switch d {
	case doBegin:
		return s.each(s.defenders(), func(name string) error {
			if s.monitors[name] != nil {
				return nil // it is played again, because the machine stood still: they run already
			}
			return s.start(ctx, name)
		})
	case doCrash:
		return s.each(hit, func(name string) error { return s.hosts[name].Crash() })
	case doBoot:
		return s.each(hit, func(name string) error {
			if err := s.hosts[name].Boot(); err != nil {
				return err
			}
			return s.start(ctx, name)
		})
	case doPull:
		return s.eachPort(hit, (*lab.Port).Down)
	case doPlug:
		return s.eachPort(hit, (*lab.Port).Up)
	case doPullOne:
		return s.eachPortOf(hit, s.daemons.Spread, (*lab.Port).Down)
	case doPlugOne:
		return s.eachPortOf(hit, s.daemons.Spread, (*lab.Port).Up)
	case doMute:
		return s.eachPort(hit, (*lab.Port).Mute)
	case doUnmute:
		return s.eachPort(hit, (*lab.Port).Unmute)
	case doStop:
		return s.each(hit, func(name string) error { return s.stop(ctx, name) })
	case doKill:
		return s.each(hit, func(name string) error { return s.kill(ctx, name) })
	case doGive:
		return s.give(ctx, all, func(sit situation) bool { return slices.Contains(sit.Hit, sit.Now[0]) })
	case doGiveBack:
		return s.give(ctx, all, func(sit situation) bool { return sit.Now[0] != sit.Holder })
	case doMaintain:
		return s.each(hit, func(name string) error { return s.order(ctx, name, "Maintenance", "on") })
	case doServe:
		return s.each(hit, func(name string) error { return s.order(ctx, name, "Maintenance", "off") })
	case doStart:
		return s.each(hit, func(name string) error { return s.start(ctx, name) })
	case doRouterDown:
		return s.hosts[routerName].Crash()
	case doRouterUp:
		return s.hosts[routerName].Boot()
	case doDivide:
		return s.divide(hit)
	case doHeal:
		var err error
		for _, sw := range s.switches {
			err = errors.Join(err, sw.Heal())
		}
		return err
	case doFail:
		return s.serve(hit, false)
	case doFailAll:
		return s.serve(s.defenders(), false)
	case doMend:
		return s.serve(mended(all), true)
	case doMendAll:
		return s.serve(s.defenders(), true)
	}
	return fmt.Errorf("nobody knows how to %s", d)
}

func (s *stage) each(hosts []string, do func(string) error) error {
	for _, name := range hosts {
		if err := do(name); err != nil {
			return err
		}
	}
	return nil
}

// defenders are the hosts that run a Monitor.
func (s *stage) defenders() (names []string) {
	for _, m := range s.plan.Machines {
		if len(m.Aliases) > 0 {
			names = append(names, m.Name)
		}
	}
	return names
}

// startedText is what a Monitor writes when it has begun.
const startedText = "Alias Defender starts"

// patience is for things that take no time on a machine that is not stuck.
const patience = 20 * time.Second

// start starts a host's Monitor.
func (s *stage) start(ctx context.Context, name string) error {
	m, err := s.hosts[name].StartCommand(lab.Command{Name: "Monitor", Argv: s.commandOf(name, "Monitor"), Dir: s.dir})
	if err != nil {
		return err
	}
	s.monitors[name] = m
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := m.WaitOutput(ctx, startedText); err != nil {
		return fmt.Errorf("%w; it wrote: %s", err, strings.TrimSpace(m.Output()))
	}
	return nil
}

// stop stops a host's Monitor gracefully.
func (s *stage) stop(ctx context.Context, name string) error {
	m := s.monitors[name]
	if err := m.Signal(unix.SIGTERM); err != nil {
		return fmt.Errorf("TERM to the Monitor on %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := m.Wait(ctx)
	return err
}

// kill kills a host's Monitor, which leaves it no time for anything.
func (s *stage) kill(ctx context.Context, name string) error {
	m := s.monitors[name]
	if err := m.Kill(); err != nil {
		return fmt.Errorf("kill the Monitor on %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := m.Wait(ctx)
	return err
}

// give has the holders hand over the aliases that the scenario is meant for and that fit.
func (s *stage) give(ctx context.Context, all []situation, fits func(situation) bool) error {
	for _, sit := range all {
		if !sit.Meant || len(sit.Now) != 1 || !fits(sit) {
			continue
		}
		if err := s.order(ctx, sit.Now[0], "Handover", sit.Addr.String()); err != nil {
			return err
		}
	}
	return nil
}

// logSince returns what the Monitors of an alias's hosts said about it.
func (s *stage) logSince(a part, since time.Time) (lines []string) {
	const stamp, most = "2006-01-02 15:04:05.000", 20
	from := since.Format(stamp)
	for _, name := range []string{a.Host, a.Partner} {
		m := s.monitors[name]
		if m == nil {
			continue
		}
		for line := range strings.Lines(m.Output()) {
			line = strings.TrimSpace(line)
			if len(line) > len(stamp) && line[:len(stamp)] >= from && strings.Contains(line, "alias="+a.Addr.String()+" ") {
				lines = append(lines, name+": "+line[len("2006-01-02 "):])
			}
		}
	}
	return lines[:min(len(lines), most)]
}
