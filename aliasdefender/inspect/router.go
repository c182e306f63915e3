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
		if slices.ContainsFunc(s.Host.Routes, func(r host.Route) bool { return r.NIC == a.NIC }) {
			return nil
		}
		return []Finding{{Warning, s.Row(a),
			fmt.Sprintf("no default route goes out of %s, and neither router nor witnesses are set", nic.Name),
			fmt.Sprintf("%s is not taken here: nothing proves that this host's own network works", a.Addr),
			fmt.Sprintf("in %s, below [alias.%q]: router = \"an address that always answers on %s\"", s.Settings, a.Addr, nic.Name)}}
	})
}
