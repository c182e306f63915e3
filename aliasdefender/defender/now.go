package defender

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"slices"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

// mostNow is of how many aliases it is told at once what the rows lacked: each takes some
// ten milliseconds.
const mostNow = 32

// moment is what the rules are asked about one alias, and what is shown of it.
type moment struct {
	policy rules.Policy
	state  rules.State
	facts  rules.Facts
	shown  control.Alias
}

// Now tells which row has put the alias where it is, and what the rows above it lacked.
// Without an address it does so for all aliases. The loop hands out its facts and goes
// on; the caller does the thinking.
func (d *Defender) Now(ctx context.Context, of netip.Addr) ([]control.Now, error) {
	type found struct {
		all   []moment
		known []string
	}
	answer := make(chan found, 1)
	d.post(func(l *loop) {
		var f found
		for _, a := range l.list {
			f.known = append(f.known, a.id().String())
			if id := a.id(); len(f.all) > mostNow || of.IsValid() && id != of && (of.Zone() != "" || id.WithZone("") != of) {
				continue
			}
			f.all = append(f.all, moment{a.policy, a.state, l.decisive(a), l.show(a, false)})
		}
		answer <- f
	})
	select {
	case f := <-answer:
		switch {
		case len(f.all) == 0 && of.IsValid():
			return nil, &control.Refusal{Kind: control.KindNoAlias, Text: fmt.Sprintf("%s is no alias of the running Monitor's file; Status lists them", of)}
		case len(f.all) > mostNow:
			return nil, &control.Refusal{Kind: control.KindTooMany, Text: fmt.Sprintf("the Monitor has %d aliases: name one, as in 'aliasdefender Why --now %s'", len(f.known), f.known[0])}
		}
		select { // one thinks at a time: on a host with one processor the loop has to get it too
		case d.thinks <- struct{}{}:
			defer func() { <-d.thinks }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		all := []control.Now{}
		for _, q := range f.all {
			runtime.Gosched()
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			all = append(all, q.now())
		}
		return all, nil
	case <-d.over:
		return nil, errEnded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// now asks the rules.
func (q moment) now() control.Now {
	near := rules.Nearest(q.policy, q.state, q.facts)
	r := near.Row
	n := control.Now{
		Alias: q.shown.Alias, NIC: q.shown.NIC, At: q.facts.Now.Round(0), Facts: q.shown.Facts,
		Row: r.ID, Action: r.Action.String(), Reason: r.Reason.String(), When: r.When, Why: r.Reason.Text(),
		Above: []control.Lack{}, Far: []control.Lack{},
	}
	if q.shown.Row == n.Row && q.shown.Reason == n.Reason {
		n.Why = q.shown.Why // it may say more
	}
	for _, l := range near.Above {
		n.Above = joined(n.Above, control.Lack{
			Row: l.Row.ID, Action: l.Row.Action.String(), Reason: l.Row.Reason.String(), Needs: l.Needs, Together: l.Together,
		})
	}
	for _, r := range near.Far {
		far := control.Lack{Row: r.ID, Action: r.Action.String(), Reason: r.Reason.String()}
		if !slices.ContainsFunc(slices.Concat(n.Above, n.Far), far.Same) {
			n.Far = append(n.Far, far)
		}
	}
	return n
}

// joined adds a row to others. Several rows of the table do the same for the same reason: for
// the reader they are one, and of what they lack the single things are the nearest.
func joined(all []control.Lack, one control.Lack) []control.Lack {
	i := slices.IndexFunc(all, one.Same)
	switch {
	case i < 0:
		return append(all, one)
	case one.Together:
	case all[i].Together:
		all[i] = one
	default:
		for _, need := range one.Needs {
			if !slices.Contains(all[i].Needs, need) {
				all[i].Needs = append(all[i].Needs, need)
			}
		}
	}
	return all
}
