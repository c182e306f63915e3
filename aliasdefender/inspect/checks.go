package inspect

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"alias-defender/aliasdefender/config"
)

// The findings here are about the checks of services, as they are set: Check asks no
// service.

// mostNamed is how many aliases of one finding are named.
const mostNamed = 3

// named are the first few addresses of a list, and how many more there are.
func named(all []netip.Addr) string {
	var names []string
	for i, a := range all {
		if i == mostNamed {
			names = append(names, fmt.Sprintf("%d more", len(all)-mostNamed))
			break
		}
		names = append(names, a.String())
	}
	return strings.Join(names, ", ")
}

// checkAbout is the About of a check.
func (s *Subject) checkAbout(c config.Check) string { return fmt.Sprintf("%s:%d", s.Settings, c.Line) }

// checksWithoutChannel: nobody can be told that a service is failing.
func checksWithoutChannel(s *Subject) (found []Finding) {
	if s.Config == nil || len(s.Config.Settings.Peer.KeyFiles) > 0 {
		return nil
	}
	var kept, released []netip.Addr
	for _, a := range s.Config.Pairs() {
		switch {
		case len(a.Checks) == 0:
		case a.OnServiceFailure == config.ServiceRelease:
			released = append(released, a.Addr)
		default:
			kept = append(kept, a.Addr)
		}
	}
	const key = "set up a channel: 'aliasdefender GenKey /etc/aliasdefender.key', the same file on both hosts, and key_file under [peer]"
	if len(kept) > 0 {
		found = append(found, Finding{Warning, s.Settings + ": checks",
			fmt.Sprintf("the service of %s is checked, and there is no channel to the partner", named(kept)),
			"a holder whose service is failing keeps the alias and only warns, because it cannot offer it to the partner",
			key + "; or set on_service_failure = \"release\" on the host whose partner is primary"})
	}
	if len(released) > 0 {
		found = append(found, Finding{Note, s.Settings + ": on_service_failure",
			fmt.Sprintf("%s is released when its service is failing, and there is no channel to the partner", named(released)),
			"a partner that is primary takes it then; one that is not takes nothing from a host that it sees alive (W12), and nobody serves the alias",
			key})
	}
	return found
}

// fallMeant is the least fall of a check over a segment: a page that is asked for under a
// loss of 30 % each way fails in every third question.
const fallMeant = 5

// checkOverSegment: a check that asks another host.
func checkOverSegment(s *Subject) (found []Finding) {
	if s.Config == nil || s.Host == nil {
		return nil
	}
	for _, c := range s.Config.Used() {
		addr := askedAddr(c)
		if !addr.IsValid() || addr.IsLoopback() || addr.IsUnspecified() || c.Fall >= fallMeant {
			continue
		}
		if _, _, ours := s.Host.Find(addr); ours {
			continue
		}
		why := "packets that the segment loses look like a service that fails, and move the alias"
		mend := fmt.Sprintf("below [check.%s]: fall = %d", c.Name, fallMeant)
		if s.recovers(c) {
			why = "packets that the segment loses look like a service that fails: it is restarted, and in the end the partner is fenced"
		} else {
			mend += ", or ask an address of this host"
		}
		found = append(found, Finding{Warning, s.checkAbout(c),
			fmt.Sprintf("the check %s asks %s, which is another host, and its fall is %d", c.Name, addr, c.Fall),
			why, mend})
	}
	return found
}

// recovers tells whether a check is that of a recovery: it asks the partner.
func (s *Subject) recovers(c config.Check) bool {
	return slices.ContainsFunc(s.Config.Aliases, func(a config.Alias) bool { return a.Recover.Check == c.Name })
}

// checkByName: the files are refused where a check asks an alias, but of a name nobody knows
// which address it will stand for.
func checkByName(s *Subject) (found []Finding) {
	if s.Config == nil {
		return nil
	}
	for _, c := range s.Config.Used() {
		name := asked(c)
		if name == "" || name == "localhost" || askedAddr(c).IsValid() || s.recovers(c) {
			continue
		}
		mend := "write an address of this host, such as 127.0.0.1"
		if c.Kind == config.CheckHTTP {
			mend += fmt.Sprintf(", and host = %q", name)
		}
		found = append(found, Finding{Note, s.checkAbout(c),
			fmt.Sprintf("the check %s asks %s by its name", c.Name, name),
			"if the name stands for an alias, the host that has the alias answers, and this host's own service is not looked at", mend})
	}
	return found
}

// asked is the host, by address or name, that a check asks; empty: none.
func asked(c config.Check) string {
	switch c.Kind {
	case config.CheckHTTP:
		if u, err := url.Parse(c.HTTP.URL); err == nil {
			return u.Hostname()
		}
	case config.CheckTCP:
		if name, _, err := net.SplitHostPort(c.Address); err == nil {
			return name
		}
	}
	return ""
}

// askedAddr is the address that a check asks; the zero Addr: a name, or none.
func askedAddr(c config.Check) netip.Addr {
	addr, _ := netip.ParseAddr(asked(c))
	return addr.Unmap()
}

// checkWhileHolding: of a cold standby nobody knows whether its service would start.
func checkWhileHolding(s *Subject) (found []Finding) {
	if s.Config == nil {
		return nil
	}
	for _, c := range s.Config.Used() {
		if c.Holding {
			found = append(found, Finding{Note, s.checkAbout(c),
				fmt.Sprintf("the check %s is asked only while an alias is here", c.Name),
				"a standby is ready whatever its service does; a service that has failed here counts as failing for five minutes after the alias has left", ""})
		}
	}
	return found
}

// checkHiddenProcess: the unit hides the processes of others from the Monitor.
func checkHiddenProcess(s *Subject) (found []Finding) {
	if s.Config == nil || s.Unit == nil || !s.Unit.hidesProcesses() {
		return nil
	}
	for _, c := range s.Config.Used() {
		if c.Kind == config.CheckProcess {
			found = append(found, Finding{Warning, s.checkAbout(c),
				fmt.Sprintf("the check %s looks for a process, and %s has ProtectProc=%s", c.Name, s.Unit.Name, s.Unit.Last("ProtectProc")),
				"the Monitor sees no processes but its own: the check stays unknown, and moves nothing",
				fmt.Sprintf("'systemctl edit %s', write [Service] and below it ProtectProc=default, and 'systemctl restart %s'", s.Unit.Name, s.Unit.Name)})
		}
	}
	return found
}

// checkHiddenProgram: a check's program is where the unit hides it. The Monitor looks at
// those of checks that no alias names, too. (A ca_file is one of the Subject's files.)
func checkHiddenProgram(s *Subject) (found []Finding) {
	u := s.judged()
	if u == nil {
		return nil
	}
	for _, c := range s.Config.Checks {
		if len(c.Command) == 0 {
			continue
		}
		if by := u.hides(c.Command[0]); by != "" {
			found = append(found, u.hiddenProgram(fmt.Sprintf("%s check.%s.command", s.checkAbout(c), c.Name), c.Command[0], by))
		}
	}
	return found
}

// checkUnused: a check that no alias names is never asked.
func checkUnused(s *Subject) (found []Finding) {
	if s.Config == nil {
		return nil
	}
	used := s.Config.Used()
	for _, c := range s.Config.Checks {
		routed := slices.ContainsFunc(s.Config.Routes, func(r config.Route) bool { return r.Check == c.Name })
		if !routed && !slices.ContainsFunc(used, func(u config.Check) bool { return u.Name == c.Name }) {
			found = append(found, Finding{Warning, s.checkAbout(c),
				fmt.Sprintf("no alias names the check %s", c.Name), "it is never asked",
				fmt.Sprintf("in %s, above the first [table] or below an [alias.\"…\"]: checks = [%q]", s.Settings, c.Name)})
		}
	}
	return found
}
