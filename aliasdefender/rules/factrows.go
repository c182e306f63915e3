package rules

// FactID names one fact. It is an index into [Peer.Facts] and into the table of
// facts. It never leaves the process; the number on the wire is [FactRow].Wire.
type FactID uint8

// The facts, in the order in which snapshot, log and Why show them.
const (
	FactNIC FactID = iota
	FactCarrier
	FactOwn
	FactKernel
	FactService
	FactAlias
	FactPartner
	FactRouter
	FactClaimant
	FactBehind
	FactParkedKnown
	FactElsewhere
	FactFenced
	FactWhole
	FactPartnerWhole
	FactReady
	FactHears

	FactCount // how many there are
)

// String is the fact's name.
func (id FactID) String() string {
	if id >= FactCount {
		return unnamed
	}
	return factRows[id].Name
}

// FactRow is everything that is particular to one fact. Snapshot, log, Why, the word
// on the wire and the tests' generators read it; none of them lists the facts itself.
type FactRow struct {
	ID   FactID
	Name string // in JSON; tools rely on it

	Address  bool // the fact is whether an address answers: answered, silent, unknown; otherwise yes, no, unknown
	Service  bool // the fact is whether a service is well: good, failing, unknown
	Host     bool // read from this host: the kernel reports a change, and the value lives at least 5 s
	Link     bool // the link is good only if this is yes
	Loopback bool // LoopbackRows read it; the others are not shown of an alias on a loopback interface

	Short   string // the address's name in a line for people
	Broken  string // in the log, if a fact of the link is no: what is wrong
	No      string // the same in Why, as a clause
	Unknown string // the clause if it is unknown

	Wire   uint8 // the number under which we tell the partner the value; 0: we do not
	Ours   bool  // our own conclusion, told to the partner: nobody observes it, and no row reads it
	Group  bool  // made of what is known of all members of the alias's group: nobody observes it
	Hidden bool  // shown only while its value is known: what observes it may not be set up
	Rare   bool  // shown only while it is yes
	Quiet  bool  // shown only while it is not yes: nobody asks otherwise

	Of func(*Facts) *Fact // the fact itself
}

// FactRows is the table of facts, in the order of their IDs.
func FactRows() []FactRow { return factRows[:] }

// The numbers in Wire are fixed: a partner of another version reads them.
var factRows = [FactCount]FactRow{
	FactNIC: {ID: FactNIC, Name: "nic up", Host: true, Link: true,
		Broken: "missing or down", No: "the NIC is missing or down", Unknown: "whether the NIC is up is unknown",
		Of: func(f *Facts) *Fact { return &f.NIC }},
	FactCarrier: {ID: FactCarrier, Name: "carrier", Host: true, Link: true,
		Broken: "no carrier", No: "no carrier", Unknown: "carrier unknown",
		Of: func(f *Facts) *Fact { return &f.Carrier }},
	FactOwn: {ID: FactOwn, Name: "own address", Host: true, Link: true,
		Broken: "no own address", No: "no address of its own", Unknown: "whether the NIC has an address of its own is unknown",
		Of: func(f *Facts) *Fact { return &f.Own }},
	FactKernel: {ID: FactKernel, Name: "in kernel", Host: true, Loopback: true,
		Of: func(f *Facts) *Fact { return &f.Kernel }},
	FactService: {ID: FactService, Name: "service", Service: true, Loopback: true, Wire: 1, Hidden: true,
		Of: func(f *Facts) *Fact { return &f.Service }},
	// A partner that hears of a claim answers with its word at once.
	FactAlias: {ID: FactAlias, Name: "alias elsewhere", Address: true, Short: "alias", Wire: 2,
		Of: func(f *Facts) *Fact { return &f.Alias }},
	FactPartner: {ID: FactPartner, Name: "partner", Address: true, Short: "partner",
		Of: func(f *Facts) *Fact { return &f.Partner }},
	FactRouter: {ID: FactRouter, Name: "router", Address: true, Short: "router",
		Of: func(f *Facts) *Fact { return &f.Router }},
	FactClaimant: {ID: FactClaimant, Name: "claimant", Address: true, Short: "claimant", Hidden: true,
		Of: func(f *Facts) *Fact { return &f.Claimant }},
	FactBehind: {ID: FactBehind, Name: "own address behind", Host: true, Rare: true,
		Of: func(f *Facts) *Fact { return &f.Behind }},
	FactParkedKnown: {ID: FactParkedKnown, Name: "parked known", Host: true, Loopback: true, Quiet: true,
		Of: func(f *Facts) *Fact { return &f.ParkedKnown }},
	FactElsewhere: {ID: FactElsewhere, Name: "on another nic", Host: true, Loopback: true, Hidden: true,
		Of: func(f *Facts) *Fact { return &f.Elsewhere }},
	FactFenced: {ID: FactFenced, Name: "partner fenced", Hidden: true, Rare: true,
		Of: func(f *Facts) *Fact { return &f.Fenced }},
	FactWhole: {ID: FactWhole, Name: "whole group here", Wire: 5, Group: true, Hidden: true,
		Of: func(f *Facts) *Fact { return &f.Whole }},
	FactPartnerWhole: {ID: FactPartnerWhole, Name: "whole group at the partner", Group: true, Hidden: true,
		Of: func(f *Facts) *Fact { return &f.PartnerWhole }},
	FactReady: {ID: FactReady, Name: "ready", Ours: true, Wire: 3, Hidden: true,
		Of: func(f *Facts) *Fact { return &f.Ready }},
	FactHears: {ID: FactHears, Name: "hears partner", Ours: true, Wire: 4, Hidden: true,
		Of: func(f *Facts) *Fact { return &f.Hears }},
}

// Spell returns the word for a value of this fact.
func (r FactRow) Spell(v Value) string {
	switch {
	case r.Address:
		return v.Answer()
	case r.Service:
		return v.Health()
	}
	return v.String()
}

// Shown tells whether snapshot and log show the fact with that value.
func (r FactRow) Shown(v Value) bool {
	return (!r.Hidden || v != Unknown) && (!r.Rare || v == Yes) && (!r.Quiet || v != Yes)
}

// FactNamed returns the row of the fact with that name in JSON; false if this version has
// no such fact.
func FactNamed(name string) (FactRow, bool) {
	for _, r := range factRows {
		if r.Name == name {
			return r, true
		}
	}
	return FactRow{}, false
}

// FactOfWire returns the fact with that number on the wire; false if this version has no
// such fact.
func FactOfWire(n uint8) (FactID, bool) {
	for _, r := range factRows {
		if n != 0 && r.Wire == n {
			return r.ID, true
		}
	}
	return FactCount, false
}
