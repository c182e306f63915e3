package inspect

import (
	"fmt"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/host"
)

// rows calls find for each row whose NIC is known to be there.
func (s *Subject) rows(find func(config.Alias, host.NIC) []Finding) (found []Finding) {
	if s.Host == nil {
		return nil
	}
	for _, a := range s.Config.Aliases {
		if nic, ok := s.Host.NIC(a.NIC); ok {
			found = append(found, find(a, nic)...)
		}
	}
	return found
}

// nicMissing: the table names a NIC that this host does not have.
func nicMissing(s *Subject) (found []Finding) {
	if s.Host == nil {
		return nil
	}
	for _, a := range s.Config.Aliases {
		if _, ok := s.Host.NIC(a.NIC); !ok {
			found = append(found, Finding{Warning, s.Row(a),
				fmt.Sprintf("this host has no NIC %s", a.NIC),
				fmt.Sprintf("%s is not taken here while there is none", a.Addr),
				"ip link: it lists the NICs; write the right one"})
		}
	}
	return found
}

// nicDown: nothing can be taken on a NIC that is down.
func nicDown(s *Subject) []Finding {
	return s.rows(func(a config.Alias, nic host.NIC) []Finding {
		if nic.Up {
			return nil
		}
		return []Finding{{Warning, s.Row(a),
			fmt.Sprintf("%s is down", nic.Name),
			fmt.Sprintf("%s is not taken here while it is", a.Addr),
			"ip link set " + nic.Name + " up"}}
	})
}
