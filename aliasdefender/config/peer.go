package config

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxKeys is as many as a rotation can want: each costs time for every packet
// that none of them opens.
const maxKeys = 4

// maxPath is the longest path that the system takes, path_resolution(7).
const maxPath = 4095

// exampleKey is the path that is shown where there is none.
const exampleKey = "/etc/aliasdefender.key"

// partnerPaths is one line of [peer.paths].
type partnerPaths struct {
	place
	partner string // as hostname.alias has it
	addrs   []witness
}

// finishPeer fills in what depends on whether there is a key.
func (f *SettingsFile) finishPeer() {
	f.Peer.KeyFiles, f.Peer.Listen = f.keyFiles.value, f.listen.value
	f.OnExit = f.onExit.orDefault(ExitKeep)
	switch {
	case len(f.Peer.KeyFiles) > 0:
		f.OnExit = f.onExit.orDefault(ExitHandover)
	case f.OnExit == ExitHandover && !f.keyFiles.bad:
		f.mistake(f.onExit.line, f.onExit.field, fmt.Sprintf("\"handover\" needs a key: make one with 'aliasdefender GenKey %s' and write key_file under [peer]; or write %q or %q",
			exampleKey, ExitKeep, ExitRelease))
	}
	for _, p := range f.paths {
		if f.Peer.Paths == nil {
			f.Peer.Paths = map[string][]netip.Addr{}
		}
		for _, a := range p.addrs {
			f.Peer.Paths[p.partner] = append(f.Peer.Paths[p.partner], a.addr)
		}
	}
}

// takePaths files what stands in [peer.paths], a name and a list of addresses.
// It leaves to others what is no such thing.
func (f *SettingsFile) takePaths(v value, name []string) bool {
	switch {
	case len(name) == 0:
		return v.kind == unstable.Table
	case len(name) > 1:
		f.refuse(v, v.path[:min(len(v.path), maxDepth)], fmt.Sprintf("a name with dots needs quotes here; write %q below [peer.paths]", strings.Join(name, ".")))
	case v.kind == unstable.Table || v.kind == unstable.ArrayTable:
		f.refuse(v, v.path, fmt.Sprintf("is a list and not a table; write %q = [\"10.9.9.5\"] below [peer.paths]", name[0]))
	default:
		addrs, mistakes := addrList("10.9.9.5")(v)
		for _, a := range addrs {
			if problem := withNIC(a.addr); problem != "" {
				mistakes = append(mistakes, Mistake{Line: a.line, Text: problem})
			}
		}
		partner, which := name[0], ""
		if addr, problem := parseAddr(partner); problem == "" {
			partner, which = addr.String(), withNIC(addr) // as the row has it, however it is spelt here
		}
		if which != "" {
			f.mistake(v.line, v.field(), which)
			break
		}
		for _, m := range mistakes {
			f.mistake(m.Line, v.field(), m.Text)
		}
		f.paths = append(f.paths, partnerPaths{place{v.line, v.field()}, partner, addrs})
	}
	return true
}

// keyFileList reads one path or a list of them.
func keyFileList(v value) ([]string, Mistakes) {
	items := []value{v}
	if v.kind == unstable.Array {
		items = v.items
	}
	if len(items) > maxKeys {
		return nil, wrong(v, "has %d keys; at most %d are tried", len(items), maxKeys)
	}
	var list []string
	var all Mistakes
	for _, item := range items {
		path, mistakes := absolute(exampleKey, maxPath)(item)
		if mistakes == nil && slices.Contains(list, path) {
			mistakes = wrong(item, "%s is listed twice", show(path))
		}
		all = append(all, mistakes...)
		list = append(list, path)
	}
	return list, all
}

// listenAddrs reads "any", which is no address, or own addresses, at most one of each
// family.
func listenAddrs(v value) (list []netip.Addr, all Mistakes) {
	items := v.items
	switch {
	case v.kind != unstable.Array && v.text == "any":
	case v.kind != unstable.Array:
		items = []value{v}
	case len(items) == 0:
		return nil, wrong(v, "has no address; write \"any\" or an address of this host")
	}
	for _, item := range items {
		addr, mistakes := addrOr("any")(item)
		switch {
		case mistakes != nil:
		case !addr.IsValid():
			mistakes = wrong(item, "\"any\" stands alone, without a list")
		case linkLocal(addr):
			mistakes = wrong(item, "%s is link-local, and the channel has paths over other NICs too; write \"any\" or another address of this host", addr)
		case slices.ContainsFunc(list, func(a netip.Addr) bool { return a.Is6() == addr.Is6() }):
			mistakes = wrong(item, "%s is the second address of its family; the channel sends from one of each", addr)
		}
		if all = append(all, mistakes...); mistakes == nil {
			list = append(list, addr)
		}
	}
	return list, all
}

// udpPort reads a port that a daemon may have.
func udpPort(v value) (uint16, Mistakes) {
	if v.kind != unstable.Integer {
		return 0, wrong(v, "%s; write a whole number, such as %d, without quotes", v.is(), DefaultPort)
	}
	n, mistakes := whole(1, math.MaxUint16)(v)
	return uint16(n), mistakes
}

// leaseTime reads a duration of whole seconds, or 0 for none.
func leaseTime(v value) (time.Duration, Mistakes) {
	if v.kind == unstable.Integer && v.text == "0" {
		return 0, nil // it needs no unit
	}
	d, mistakes := duration(math.MinInt64, math.MaxInt64)(v)
	switch {
	case mistakes != nil:
		return 0, mistakes
	case d != 0 && (d < minLease || d > maxWait):
		return 0, wrong(v, "%s is out of range: from %s to %s, or 0 for none", show(v.text), Tidy(minLease), Tidy(maxWait))
	case d%time.Second != 0:
		return 0, wrong(v, "%s is not a whole number of seconds; the system counts in seconds", show(v.text))
	}
	return d, nil
}

// refuseAlias refuses an alias where an address to listen at is asked for.
func (j *joint) refuseAlias(at place, listen netip.Addr) {
	if line, moves := j.lines[listen]; moves && listen.IsValid() {
		j.mistake(at, fmt.Sprintf("%s is the alias of hostname.alias, line %d, which moves; write an address that this host always has", listen, line))
	}
}

// checkPeer finds what in [peer] does not fit the aliases.
func (j *joint) checkPeer() {
	f := j.settings
	for _, listen := range f.listen.value {
		j.refuseAlias(f.listen.place(), listen)
	}
	j.refuseAlias(f.statusListen.place(), f.statusListen.value.Addr().Unmap())
	owners := map[netip.Addr]string{}
	partners := map[string]bool{}
	for _, a := range j.rows {
		if a.Loopback() {
			continue // nobody speaks to its partner
		}
		partners[a.Partner.Name] = true
		if a.Partner.Addr.IsValid() {
			owners[a.Partner.Addr] = a.Partner.Name
			if slices.Contains(f.listen.value, a.Partner.Addr) {
				j.once(f.listen.place(), "partner", a.Partner.Addr, fmt.Sprintf("%s is the partner (hostname.alias, line %d); write an address of this host", a.Partner.Addr, a.Line))
			}
		}
	}
	for _, p := range f.paths {
		if !partners[p.partner] && !j.partial {
			j.mistake(p.place, "is not a partner in hostname.alias; write it as the field Partner has it")
		}
		for _, a := range p.addrs {
			at := place{a.line, p.field}
			if line, moves := j.lines[a.addr]; moves {
				j.mistake(at, fmt.Sprintf("%s is the alias of hostname.alias, line %d, which moves; write an address that the partner always has", a.addr, line))
			} else if owner, taken := owners[a.addr]; taken {
				j.mistake(at, fmt.Sprintf("%s is an address of the partner %s already", a.addr, show(owner)))
			} else if slices.Contains(f.listen.value, a.addr) {
				j.mistake(at, fmt.Sprintf("%s is this host's own address: listen has it (line %d)", a.addr, f.listen.line))
			}
			owners[a.addr] = p.partner
		}
	}
}
