package inspect

import (
	"fmt"

	"alias-defender/aliasdefender/config"
)

// nobodyAfterStop: on_exit = "release" on a primary without a channel. The partner
// sees that this host is alive, and takes nothing (row W12).
func nobodyAfterStop(s *Subject) (found []Finding) {
	set := s.Config.Settings
	if set.OnExit != config.ExitRelease || len(set.Peer.KeyFiles) > 0 {
		return nil
	}
	for _, a := range s.Config.Pairs() {
		if a.Primary {
			found = append(found, Finding{Warning, s.Row(a),
				fmt.Sprintf("on_exit = \"release\" takes %s off this host, which is its primary, when the Monitor is stopped, and there is no channel", a.Addr),
				"nobody serves it then: a partner that is not primary takes nothing while this host answers its pings (row W12)",
				fmt.Sprintf("on_exit = \"keep\" in %s; or a key on both hosts, so that the partner takes it first: aliasdefender GenKey /etc/aliasdefender.key", s.Settings)})
		}
	}
	return found
}
