package rules

import "time"

func holdingExamples() []example {
	second := time.Second
	rival := func(byPartner Value) func(c *instance) {
		return func(c *instance) { c.p.Primary, c.f.Alias, c.f.ByPartner = true, seen(Yes, 0), byPartner }
	}
	// defended: answered n times, the last of them so long ago.
	defended := func(byPartner Value, n int, ago time.Duration) func(c *instance) {
		return func(c *instance) {
			rival(byPartner)(c)
			c.s.Defences, c.s.Defended = n, noon.Add(-ago)
		}
	}
	lost := func(alias Value) func(c *instance) {
		return func(c *instance) { c.f.Kernel, c.f.Alias = seen(No, 0), seen(alias, 0) }
	}
	return []example{
		{"H1", "the partner confirms that it took what we handed over", "though the NIC is down", func(c *instance) {
			c.s.HandingOver, c.f.Peer.Confirms, c.f.NIC = true, Yes, seen(No, 0)
		}, Release, HandedOver, 0},
		{"H2", "ordered off, and no hand-over open", "", func(c *instance) { c.s.Parked = true }, Release, OperatorReleases, 0},
		{"H2", "ordered off, and no hand-over open", "gone from the file", func(c *instance) { c.s.Leaving = true }, Release, OperatorReleases, 0},
		{"H3", "NIC missing or down", "", func(c *instance) { c.f.NIC = seen(No, 0) }, Release, LinkLost, tooOld},
		{"H3", "without carrier for (misses - 1) x timeout", "", func(c *instance) {
			c.f.Carrier = seen(No, 2*second)
		}, Release, LinkLost, tooOld},
		{"H4", "own service failing, and the partner would take", "", func(c *instance) {
			c.f.Service, c.f.Peer.Able = seen(No, 0), seen(Yes, 0)
		}, HandOver, ServiceFailing, tooOld},
		{"H5", "the kernel lost it, and another host has claimed it since", "", lost(Yes), Forget, LostToOther, tooOld},
		{"H5", "the kernel lost it, link good, nobody else claims it", "", lost(No), Restore, Restored, tooOld},
		{"H5", "the kernel lost it, link not good or rivals not known", "nothing is announced", func(c *instance) {
			lost(Unknown)(c)
			c.s.Next = noon
		}, Keep, KernelLost, tooOld},
		{"H5", "the kernel lost it, link not good or rivals not known", "no own address", func(c *instance) {
			lost(No)(c)
			c.f.Own = seen(No, 0)
		}, Keep, KernelLost, tooOld},
		{"H6", "the rival is the partner, and we do not act as primary", "by its hardware address", func(c *instance) {
			rival(Yes)(c)
			c.p.Primary = false
		}, Release, RivalPartner, tooOld},
		{"H6", "the rival is the partner, and we do not act as primary", "perhaps", func(c *instance) {
			rival(Unknown)(c)
			c.p.Primary = false
		}, Release, RivalPartner, tooOld},
		{"H6", "the rival is the partner, and we do not act as primary", "by its word", func(c *instance) {
			rival(No)(c)
			c.p.Primary, c.f.Peer.Claims = false, Yes
		}, Release, RivalPartner, tooOld},
		{"H6", "taken by failback, announced twice, and the partner has not yielded", "", func(c *instance) {
			defended(Yes, 1, second+1)(c)
			c.s.Failback = true
		}, Release, FailbackRefused, tooOld},
		{"H6", "no channel, defended twice, it claims still, and our hardware address is the higher", "", func(c *instance) {
			defended(Yes, 2, second+1)(c)
			c.f.WeAreLow = No
		}, Release, TwoPrimaries, tooOld},
		{"H7", "the rival is the partner, and we stay", "", rival(Yes), Announce, PartnerDefended, tooOld},
		{"H7", "the rival is the partner, and we stay", "defended twice, and we are the lower", func(c *instance) {
			defended(Yes, 2, DefendEvery)(c)
			c.f.WeAreLow = Yes
		}, Announce, PartnerDefended, tooOld},
		{"H7", "the rival is some third host", "", rival(No), Announce, ForeignDefended, tooOld},
		{"H7", "the rival has fallen silent", "", func(c *instance) { c.s.Defences = 1 }, Announce, RivalGone, tooOld},
		{"H7", "the rival is the partner, and the last defence is too recent", "", defended(Yes, 1, 4*second), Keep, PartnerClaims, 6 * second},
		{"H7", "the rival is the partner, and the last defence is too recent", "the claim was on its way", func(c *instance) {
			defended(Yes, 2, second)(c)
			c.f.WeAreLow = No
		}, Keep, PartnerClaims, 9 * second},
		{"H7", "the rival is some third host, and the last defence is too recent", "not primary", func(c *instance) {
			defended(No, 3, 4*second)(c)
			c.p.Primary = false
		}, Keep, ForeignClaims, 6 * second},
		{"H7", "the rival is some third host, and the last defence is too recent", "not heard since", func(c *instance) {
			defended(No, 1, 0)(c)
		}, Keep, ForeignClaims, tooOld},
		{"H8", "router and partner silent for isolated_after, and on_isolation = \"release\"", "", func(c *instance) {
			c.p.ReleaseIsolated = true
			c.f.Router, c.f.Partner = seen(Silent, time.Minute), seen(Silent, time.Hour)
		}, Release, Isolated, tooOld},
		{"H9", "an announcement is due", "", func(c *instance) { c.s.Next = noon }, Announce, AnnouncementDue, tooOld},
		{"H4", "own service failing, and the partner not able", "", func(c *instance) {
			c.f.Service, c.f.Peer.Able = seen(No, 0), seen(No, 0)
		}, Keep, ServiceFailing, tooOld},
		{"H9", "otherwise", "", func(c *instance) {}, Keep, Held, tooOld},
		{"H9", "otherwise", "ordered off while a hand-over is open", func(c *instance) {
			c.s.Leaving, c.s.HandingOver = true, true
		}, Keep, Held, tooOld},
		{"H9", "otherwise", "the partner claims what we hand over to it", func(c *instance) {
			rival(Yes)(c)
			c.s.HandingOver = true
		}, Keep, Held, tooOld},
		{"H9", "otherwise", "isolated, and nobody said to release", func(c *instance) {
			c.f.Router, c.f.Partner = seen(Silent, time.Hour), seen(Silent, time.Hour)
		}, Keep, Held, tooOld},
	}
}
