package rehearse

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"alias-defender/aliasdefender/lab"
)

// routeStage is a router with its next hops, and a client in front of it.
type routeStage struct {
	*routePlan
	hops           []*lab.Host
	monitor        *lab.Process
	asker, control *lab.Client
}

// hopName is a next hop as hosts are named.
func hopName(hop netip.Addr) string { return "hop " + hop.String() }

// playRoute plays the route: the next hop that serves dies, and returns.
func (r *play) playRoute(ctx context.Context) error {
	r.say("building the route's network")
	s, err := r.buildRoute(ctx)
	if err != nil {
		return err
	}
	defer s.end()
	all := make([]string, len(s.hops))
	for i, hop := range s.Route.Via {
		all[i] = hopName(hop)
	}
	begin := all[:1]
	if s.Route.Mode == "spread" {
		begin = all
	}
	if err := r.routeStep(ctx, s, "route begins", begin, nil, patience, func() error { return nil }); err != nil {
		return err
	}
	serves := s.serves()
	i := slices.Index(all, serves)
	if i < 0 {
		return nil // that is reported
	}
	others := slices.Delete(slices.Clone(all), i, i+1)
	if s.Route.Mode != "spread" {
		others = others[:1]
	}
	if err := r.routeStep(ctx, s, "next hop dead", others, []string{serves}, s.within(), s.hops[i].Crash); err != nil {
		return err
	}
	then := others
	switch {
	case s.Route.Mode == "spread":
		then = all
	case s.Route.Failback:
		then = []string{serves}
	}
	return r.routeStep(ctx, s, "next hop back", then, []string{serves}, slack, s.hops[i].Boot)
}

// routeStep does something, waits until one of the wanted serves, and judges.
func (r *play) routeStep(ctx context.Context, s *routeStage, name string, wanted, hit []string, most time.Duration, deed func() error) error {
	r.say(name)
	before, from, waited := s.serves(), time.Now(), s.monitor.Waited()
	if err := deed(); err != nil {
		return err
	}
	// Who stays where it is is watched for as long as one who moves.
	if err := r.awaitRoute(ctx, s, wanted, s.Route.Detect()+slack); err != nil {
		return err
	}
	gap, control, late := time.Duration(0), s.control.Gap(from).Length(), s.monitor.Waited()-waited
	if before != "" {
		gap = s.asker.Gap(from).Length()
	}
	row := Step{Scenario: routeKey, Step: name, Route: s.Route.Name(), Hit: hit, ServedBy: s.serves(), GapMS: millis(gap), Control: millis(control), Late: millis(late)}
	if before != "" {
		row.Before = []string{before}
	}
	if row.ServedBy != "" {
		row.After = []string{row.ServedBy}
	}
	row.Good, row.Verdict = judgeRoute(wanted, row.ServedBy, gap, most, max(control, late))
	if !row.Good {
		row.Log = lastLines(s.monitor.Output())
	}
	r.report.add(row)
	return nil
}

// awaitRoute waits until one of the wanted serves the client, but not less than least.
func (r *play) awaitRoute(ctx context.Context, s *routeStage, wanted []string, least time.Duration) error {
	begun := time.Now()
	for time.Since(begun) < least || !slices.Contains(wanted, s.serves()) && time.Since(begun) < s.within()+patience {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// serves is who last answered the client, within the last 200 ms.
func (s *routeStage) serves() string {
	now := time.Now()
	spans := s.asker.Spans(now.Add(-200*time.Millisecond), now)
	if len(spans) == 0 {
		return ""
	}
	return spans[len(spans)-1].By
}

// mostLines is how much of the Monitor's log is shown where a verdict is bad.
const mostLines = 20

func lastLines(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[max(0, len(lines)-mostLines):]
}

// buildRoute builds the stage, and starts the router's Monitor and the clients.
func (r *play) buildRoute(ctx context.Context) (*routeStage, error) {
	s := &routeStage{routePlan: r.daemons.Route}
	l := r.stage.lab
	front, err := l.Switch("route front")
	if err != nil {
		return nil, err
	}
	router := lab.HostSpec{Name: "router of the route", Forward: true, NICs: []lab.NICSpec{{Name: "front0", Switch: front, Addrs: []netip.Prefix{s.Front}}}}
	switches := map[string]*lab.Switch{}
	for i, nic := range s.NICs {
		if switches[nic] == nil {
			if switches[nic], err = l.Switch("route " + nic); err != nil {
				return nil, err
			}
			router.NICs = append(router.NICs, lab.NICSpec{Name: nic, Switch: switches[nic], Addrs: []netip.Prefix{s.Near[i]}})
		}
	}
	host, err := l.Host(router)
	if err != nil {
		return nil, err
	}
	for i, hop := range s.Route.Via {
		own := netip.PrefixFrom(hop.WithZone(""), s.Near[i].Bits())
		h, err := l.Host(behind(lab.HostSpec{Name: hopName(hop), NICs: []lab.NICSpec{{Switch: switches[s.NICs[i]], Addrs: []netip.Prefix{own, s.Service}}}}, s.Near[i].Addr()))
		if err != nil {
			return nil, err
		}
		s.hops = append(s.hops, h)
	}
	client, err := l.Host(behind(lab.HostSpec{Name: "client of the route", NICs: []lab.NICSpec{{Switch: front, Addrs: []netip.Prefix{s.Client}}}}, s.Front.Addr()))
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(r.stage.dir, "route")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"hostname.alias": "# this host only keeps a route\n", "aliasdefender.toml": s.settings(dir)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	if s.asker, err = client.Client(lab.ClientSpec{Target: s.Service.Addr(), Keep: s.lasts() + 3*patience}); err != nil {
		return nil, err
	}
	if s.control, err = client.Client(lab.ClientSpec{Target: s.Front.Addr(), Keep: s.lasts() + 3*patience}); err != nil {
		return nil, err
	}
	s.monitor, err = host.StartCommand(lab.Command{Name: "Monitor", Dir: r.stage.dir, Argv: []string{
		lab.Self(), "Monitor", "--aliases", filepath.Join(dir, "hostname.alias"), "--settings", filepath.Join(dir, "aliasdefender.toml"),
	}})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.monitor.WaitOutput(ctx, startedText); err != nil {
		return nil, fmt.Errorf("%w; it wrote: %s", err, strings.TrimSpace(s.monitor.Output()))
	}
	return s, nil
}

// behind gives a host its default route.
func behind(spec lab.HostSpec, router netip.Addr) lab.HostSpec {
	switch {
	case router.Is4():
		spec.Gateway = router
	case router.IsLinkLocalUnicast():
		spec.Gateway6 = router.WithZone("eth0")
	default:
		spec.Gateway6 = router
	}
	return spec
}

// end ends what asks and what runs; the hosts go with the lab.
func (s *routeStage) end() {
	_ = s.monitor.Kill()
	_ = s.asker.Close()
	_ = s.control.Close()
}
