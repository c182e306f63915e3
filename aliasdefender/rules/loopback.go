package rules

// LoopbackRows is the table for an alias on a loopback interface, which many hosts have at
// the same time by design: a router in front, or a routing daemon, chooses one of them. So
// there is no rival, and nobody to ask: no row reads router, partner, channel or lease.
// [Policy].Loopback chooses this table. It is a table of its own because the other one is
// about having an alias on one host only.
func LoopbackRows() []Row { return loopbackRows }

// tableFor is the table that decides about an alias.
func tableFor(p Policy) []Row {
	if p.Loopback {
		return loopbackRows
	}
	return rows
}

var loopbackRows = []Row{
	{"L1", false, "parked by an operator", Wait, Parked,
		func(v *view) bool { return v.s.Parked || v.s.Leaving }},
	{"L1", false, "it is not known what operators parked, and nobody has ordered the alias here since", Wait, ParkedUnknown,
		(*view).parkedUnknown},
	{"L2", false, "another NIC of this host has the alias or an address in its subnet, or a default route's gateway is in it, or this is not known", Wait, OnOtherNIC,
		func(v *view) bool { return v.local(v.f.Elsewhere) != No }},
	{"L3", false, "own service failing", Wait, ServiceFailing,
		func(v *view) bool { return v.service() == No }},
	{"L4", false, "an operator forces it", Take, OperatorTakes,
		func(v *view) bool { return v.s.Order == OrderForce }},
	{"L3", false, "own service unknown", Wait, ServiceUnknown,
		func(v *view) bool { return v.service() == Unknown }},
	{"L4", false, "an operator orders it", Take, OperatorTakes,
		func(v *view) bool { return v.s.Order != NoOrder }},
	{"L4", false, "otherwise", Take, Shared,
		func(*view) bool { return true }},

	{"L5", true, "ordered off", Release, OperatorReleases,
		func(v *view) bool { return v.s.Parked || v.s.Leaving }},
	{"L6", true, "own service failing, and nothing says to keep it then", Release, SharedFailing,
		func(v *view) bool { return v.service() == No && v.p.ReleaseFailing }},
	{"L7", true, "the kernel lost it yet again, and the last restore is too recent", Keep, KeepsVanishing,
		func(v *view) bool { return v.local(v.f.Kernel) == No && v.vanishes() && !v.restoreDue() }},
	{"L7", true, "the kernel lost it yet again", Restore, KeepsVanishing,
		func(v *view) bool { return v.local(v.f.Kernel) == No && v.vanishes() }},
	{"L7", true, "the kernel lost it", Restore, Restored,
		func(v *view) bool { return v.local(v.f.Kernel) == No }},
	{"L8", true, "own service failing, and on_service_failure = \"keep\"", Keep, ServiceFailing,
		func(v *view) bool { return v.service() == No }},
	{"L9", true, "otherwise", Keep, Held,
		func(*view) bool { return true }},
}

// service is whether the service behind a loopback alias is well. Without a check it is:
// such an alias is always here.
func (v *view) service() Value {
	if !v.p.Checked {
		return Yes
	}
	return v.fresh(v.f.Service)
}
