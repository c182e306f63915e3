package defender

import (
	"net/netip"

	"alias-defender/aliasdefender/peer"
)

// SayDrill has the partner told where a drill of the alias stands: at once, and in each
// heartbeat until it is called again. Nothing is decided by it.
func (d *Defender) SayDrill(alias netip.Addr, says peer.Drill) {
	d.post(func(l *loop) {
		a := l.aliases[alias]
		if a == nil || a.drill == says {
			return
		}
		if a.drill = says; a.talk != nil {
			a.talk.urgent = true
		}
	})
}

// features are what we understand beyond the words.
func (l *loop) features() uint32 {
	if l.o.Drilled == nil {
		return peer.FeatureGroups
	}
	return peer.FeatureGroups | peer.FeatureDrill
}
