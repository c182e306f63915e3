// Package rehearse plays an administrator's own files in network namespaces of one
// machine, with real Monitors and real faults, and judges what became of each alias
// by what the rules promise.
//
// Prepare turns the files into a plan (networks, machines, who plays in them) and
// enters namespaces that do not see the real network. Run builds the plan as a lab,
// plays the scenarios one after the other, measures what a client and the kernels
// saw, compares that with what the rules promise for the fault, and returns a Report.
//
// It prints nothing and knows no command-line options: its caller writes to the
// terminal. Nor does it know how a Monitor works. It runs this same program with the
// verb Monitor on the machines of the plan, and watches it from outside.
package rehearse

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/lab"
)

// Resolver looks up the addresses of a partner's name, in order of preference.
type Resolver func(ctx context.Context, name string) ([]netip.Addr, error)

// Request says what is to be rehearsed.
type Request struct {
	Load     func() (*config.Config, error) // reads the files; nil: use the sample of the article
	Resolve  Resolver
	Only     []string      // scenarios, as Scenarios names them; none: all
	Interval time.Duration // instead of the files' rhythm; 0: theirs
}

// RequestError is the error of a Request that nobody can play.
type RequestError struct {
	Of   string // "only" or "interval": the part of the Request that is wrong
	Text string
}

func (e *RequestError) Error() string { return e.Of + ": " + e.Text }

// errSystem is the answer of a system that has no namespaces.
var errSystem = errors.New("a rehearsal needs Linux: it runs in network namespaces")

// errNothing is the answer to the files of a host that only keeps routes with one next hop.
var errNothing = errors.New("nothing to rehearse: hostname.alias has no rows, and no [[route]] has two next hops")

// Rehearsal is what was asked for, planned and not yet played.
type Rehearsal struct {
	plan      *plan
	daemons   daemons
	scenarios []scenario
}

// Prepare plans what is asked for. Without root the program runs twice. It runs up to
// lab.Enter on the real host, and looks at that. Then it runs as another process, with
// the same arguments, inside a namespace of its own, from which it can no longer see that
// host. Nothing is built yet.
//
// The error is a *RequestError, one of Load, or lab.ErrRefused if the system refuses
// namespaces.
func Prepare(ctx context.Context, q Request) (*Rehearsal, error) {
	if runtime.GOOS != "linux" {
		return nil, errSystem
	}
	if os.Getenv(seenEnv) != "" {
		// This is the process inside, or the lab's warden, which goes no further.
		if err := lab.Enter(); err != nil {
			return nil, err
		}
	}
	all, err := chosen(q.Only)
	if err != nil {
		return nil, err
	}
	if q.Interval != 0 && (q.Interval < minRehearsed || q.Interval > maxRehearsed) {
		return nil, &RequestError{"interval", fmt.Sprintf("%s is out of range: from %s to %s", q.Interval, config.Tidy(minRehearsed), config.Tidy(maxRehearsed))}
	}
	cfg, seen, err := q.files(ctx)
	if err != nil {
		return nil, err
	}
	if err := lab.Enter(); err != nil {
		return nil, err
	}
	if q.Interval != 0 {
		cfg = retime(cfg, q.Interval)
	}
	d := daemonsOf(cfg)
	p := &plan{}
	if len(cfg.Aliases) > 0 {
		if p, err = makePlan(cfg, seen); err != nil {
			return nil, err
		}
	} else if all, err = routesOnly(all, len(q.Only) > 0); err != nil {
		return nil, err
	}
	if all, err = playable(all, d, len(q.Only) > 0); err != nil {
		return nil, err
	}
	p.Notes = append(p.Notes, d.notes(cfg, len(q.Only) > 0)...)
	return &Rehearsal{plan: p, daemons: d, scenarios: all}, nil
}

// routesOnly are the scenarios of a host that has no aliases.
func routesOnly(all []scenario, named bool) ([]scenario, error) {
	some := slices.DeleteFunc(slices.Clone(all), func(s scenario) bool { return s.Needs != aRoute })
	if named && len(some) < len(all) {
		return nil, &RequestError{"only", "hostname.alias has no rows; leave it out, or write --only " + routeKey}
	}
	return some, nil
}

// files reads the files and what belongs to them of this host, or takes the sample.
func (q Request) files(ctx context.Context) (cfg *config.Config, seen surroundings, err error) {
	if q.Load == nil {
		return sample()
	}
	if cfg, err = q.Load(); err != nil {
		return nil, seen, err
	}
	if len(cfg.Aliases) == 0 {
		if routePlayed(cfg) == nil {
			return nil, seen, errNothing
		}
		return cfg, seen, nil
	}
	seen, err = lookAround(ctx, cfg, q.Resolve)
	return cfg, seen, err
}

// Outline is what will be played, for an introduction.
type Outline struct {
	Aliases  []AliasOutline
	Hosts    int // that run a Monitor
	Networks int
	Route    string        // the route that is played; empty: none is
	Notes    []string      // what differs from the files or from this host
	Expected time.Duration // about how long it takes
}

// AliasOutline is one alias, and who plays in it.
type AliasOutline struct {
	Prefix      netip.Prefix
	NIC         string
	Host        string // this host, by its name on the stage
	Own         string // the address at which the partner knows it
	Primary     bool   // this host is primary
	Partner     string // by its name on the stage
	PartnerAddr string
	Router      netip.Addr
	Interval    time.Duration
}

// duration is about how long it takes.
func (r *Rehearsal) duration() time.Duration {
	total := r.plan.duration(r.scenarios, r.daemons)
	if r.playsRoute() {
		total += r.daemons.Route.lasts()
	}
	return total
}

func (r *Rehearsal) playsRoute() bool {
	return slices.ContainsFunc(r.scenarios, func(s scenario) bool { return s.Key == routeKey })
}

// Outline tells what Run will play.
func (r *Rehearsal) Outline() Outline {
	o := Outline{Networks: len(r.plan.Networks), Expected: r.duration(), Notes: r.plan.Notes}
	for _, m := range r.plan.Machines {
		if len(m.Aliases) > 0 {
			o.Hosts++
		}
	}
	if r.playsRoute() {
		o.Route = r.daemons.Route.Route.Name()
		o.Hosts, o.Networks = o.Hosts+1, o.Networks+r.daemons.Route.networks()
	}
	for _, a := range r.plan.Parts {
		o.Aliases = append(o.Aliases, AliasOutline{
			Prefix: a.Prefix, NIC: a.NIC, Host: a.Host, Own: r.plan.ownOf(a), Primary: a.Primary,
			Partner: a.Partner, PartnerAddr: a.Alias.Partner.Name, Router: a.Control, Interval: a.Interval,
		})
	}
	return o
}

// ownOf is the address at which an alias's partner knows this host.
func (p *plan) ownOf(a part) (own string) {
	for _, m := range p.Machines {
		for _, theirs := range m.Aliases {
			if m.Name == a.Partner && theirs.Addr == a.Addr {
				own = theirs.Partner.Name
			}
		}
	}
	return own
}
