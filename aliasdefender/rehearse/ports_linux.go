package rehearse

import (
	"slices"

	"alias-defender/aliasdefender/lab"
)

// eachPort does something to the cables of hosts. It takes the cables to the aliases'
// networks, because there a holder is missed.
func (s *stage) eachPort(hosts []string, do func(*lab.Port) error) error {
	return s.eachPortOf(hosts, "", do)
}

// eachPortOf does something to the cables of hosts to one network; empty: to all.
func (s *stage) eachPortOf(hosts []string, network string, do func(*lab.Port) error) error {
	return s.each(hosts, func(name string) error {
		for _, n := range s.plan.machine(name).NICs {
			if n.Network == beyond || network != "" && n.Network != network {
				continue
			}
			if err := do(s.hosts[name].NIC(n.Name).Port); err != nil {
				return err
			}
		}
		return nil
	})
}

// serve has the service of hosts live or die.
func (s *stage) serve(hosts []string, lives bool) error {
	return s.each(hosts, func(name string) error {
		port := s.hosts[name].NIC(s.plan.serviceNIC()).Port
		if lives {
			return port.Up()
		}
		return port.Down()
	})
}

// divide parts every network in two: the given hosts and the client on one side, all
// others on the other.
func (s *stage) divide(hosts []string) error {
	near, far := map[string][]*lab.Port{}, map[string][]*lab.Port{}
	for _, m := range s.plan.Machines {
		for _, n := range m.NICs {
			port := s.hosts[m.Name].NIC(n.Name).Port
			if slices.Contains(hosts, m.Name) || m.Name == clientOf(n.Network) {
				near[n.Network] = append(near[n.Network], port)
			} else {
				far[n.Network] = append(far[n.Network], port)
			}
		}
	}
	for name, sw := range s.switches {
		if name == beyond {
			continue
		}
		if err := sw.Partition(near[name], far[name]); err != nil {
			return err
		}
	}
	return nil
}
