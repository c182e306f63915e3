package inspect

import (
	"fmt"
	"slices"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// noDefaultRoute: router = "auto", and the NIC has no default route. Without a router
// nothing proves that our own network works, so nothing is taken.
func noDefaultRoute(s *Subject) []Finding {
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		if a.Router.IsValid() || len(a.Witnesses) > 0 {
			return nil
		}
		if s.defaultRoute(a) || s.deafToRouters(a) { // the latter has a finding of its own
			return nil
		}
		if a.Addr.Is6() && !s.carrier(nic.Name) { // then it is not told of any, and the carrier is what is missing
			return nil
		}
		route := "default route"
		if a.Addr.Is6() {
			route = "IPv6 default route"
		}
		group := ""
		if g := s.Config.GroupOf(a.Addr); g != nil {
			group = fmt.Sprintf("; and so none of group %s is, where the partner could have all", g.Name)
		}
		return []Finding{{Fault, s.Row(a),
			fmt.Sprintf("no %s goes out of %s, and neither router nor witnesses are set", route, nic.Name),
			fmt.Sprintf("%s is not taken here: nothing proves that this host's own network works%s", a.Addr, group),
			fmt.Sprintf("in %s, below [alias.%q]: router = \"an address that always answers on %s\"", s.Settings, a.Addr, nic.Name)}}
	})
}

// defaultRoute tells whether a default route of the alias's family goes out of its NIC.
func (s *Subject) defaultRoute(a config.Alias) bool {
	return slices.ContainsFunc(s.Host.Routes, func(r host.Route) bool {
		return r.NIC == a.NIC && host.FamilyOf(r.Gateway) == host.FamilyOf(a.Addr)
	})
}
