package rules

// Action is what to do about an alias.
type Action uint8

// The actions.
const (
	Wait        Action = iota // do not hold it, do nothing
	Take                      // put it on this host and announce
	AskHandover               // ask the partner to hand it over
	Keep                      // hold it, do nothing
	Announce                  // hold it, and say so on the wire
	Restore                   // add it again at once, and announce
	Release                   // take it off this host
	HandOver                  // offer it to the partner
	Forget                    // it is gone from this host, and another serves it
	Refresh                   // tell the kernel to keep it for a whole lease again
	Adopt                     // it was found on this host; the reading decides this, not a row
	Reorder                   // put it behind this host's own address again
)

var actions = [...]string{
	Wait: "wait", Take: "take", AskHandover: "ask for hand-over", Keep: "keep", Announce: "announce",
	Restore: "restore", Release: "release", HandOver: "hand over", Forget: "forget", Refresh: "refresh", Adopt: "adopt",
	Reorder: "reorder",
}

func (a Action) String() string { return spelled(actions[:], int(a)) }

// unnamed stands for a value that this version has no name for. It comes from a bug,
// or from another version; neither is worth a panic.
const unnamed = "not known here"

func spelled(names []string, i int) string {
	if i >= len(names) {
		return unnamed
	}
	return names[i]
}

// Level is how serious a reason is.
type Level uint8

// The levels. An alarm is an error that needs an operator.
const (
	Info Level = iota
	Warning
	Error
	Alarm
)

// Reason is why a decision was made. The same value feeds tests, log, Status
// and Why.
type Reason uint8

// The reasons, in the order of the table.
const (
	NoRow Reason = iota
	Parked
	NoLink
	LinkUnknown
	OnOtherNIC
	ServiceFailing
	OperatorTakes
	OperatorAsks
	Offered
	GroupApart
	GroupSplit
	FailbackAsks
	FailbackTakes
	FencedAnswers
	Served
	AliasUnknown
	RouterSilent
	NoRouter
	RouterUnknown
	Flapping
	PrimaryTakes
	DoubtedTwice
	PartnerCannot
	PartnerFenced
	OursBefore
	DaemonDead
	NoPrimary
	PartnerAlive
	PartnerUnknown
	PartnerSilent
	HandedOver
	GivenBack
	HandingOver
	OperatorReleases
	WouldNot
	LinkLost
	Asked
	GroupJoins
	LostToOther
	LeaseEnded
	Restored
	KernelLost
	RivalPartner
	FailbackRefused
	TwoPrimaries
	LeaseDue
	PartnerDefended
	ForeignDefended
	ClaimDefended
	RivalGone
	PartnerClaims
	ForeignClaims
	ClaimAsked
	Isolated
	ServiceReleased
	AnnouncementDue
	BothFailing
	Held
	Refused
	NoAnswer
	NotVerified
	Withdrawn
	Adopted
	NotTaken
	OwnBehind
	OwnBehindAgain
	OwnStaysBehind
	OwnGone
	Stopped
	RowGone
	ParkedUnknown
	KeepsVanishing
	NotYet
	PartnerDown
	PartnerUnheard
	PartnerNotReady
	PartnerDeaf
	NotServed
	NoChannel
	ServedByNobody
	RouterIsPartner
	NotTold
	Shared
	ServiceUnknown
	SharedFailing
	NotKnownHere // the partner gave a reason that this version does not know

	reasonCount
)

// reasons has each reason's number on the wire, its short name, which tools may rely
// on, its level, and its sentence. The numbers are fixed, because a partner of
// another version reads them. A new reason gets the next free number, wherever it
// stands in the order of the table.
var reasons = [reasonCount]struct {
	wire  uint8
	name  string
	level Level
	text  string
}{
	NoRow:            {0, "no row", Alarm, "no row of the table matches: a bug in this program"},
	Parked:           {1, "parked", Info, "an operator took the alias off this host"},
	NoLink:           {2, "no link", Warning, "the NIC is missing, down, without carrier or without an address of its own"},
	LinkUnknown:      {3, "link unknown", Warning, "the state of the NIC cannot be read"},
	ServiceFailing:   {4, "service failing", Warning, "our own service fails its check"},
	OperatorTakes:    {5, "operator", Info, "an operator ordered it"},
	OperatorAsks:     {6, "operator", Info, "an operator ordered it; we ask the partner to hand it over"},
	Offered:          {7, "offered", Info, "the partner is handing it over to us"},
	GroupApart:       {83, "group apart", Warning, "this host cannot have every member of the group, and the partner can"},
	GroupSplit:       {84, "group split", Alarm, "neither host can have every member of the group: when_split says what becomes of each"},
	GroupJoins:       {85, "group joins", Info, "the partner has the first member of the group, and can have all: the others go there"},
	FailbackAsks:     {8, "failback", Info, "we are primary, and everything has been well for failback_after"},
	FailbackTakes:    {9, "failback", Info, "we are primary, and everything has been well for failback_after"},
	Served:           {10, "served", Info, "another host serves the alias"},
	AliasUnknown:     {11, "cannot ask", Warning, "it is not known whether the alias answers"},
	RouterSilent:     {12, "router silent", Warning, "the alias is silent, but so is the router: our own network may be at fault"},
	NoRouter:         {13, "no router known", Error, "there is no default route out of the NIC and no router or witness is set: nobody can prove that our own network works"},
	RouterUnknown:    {14, "router unknown", Info, "the router has not been heard since the alias fell silent"},
	Flapping:         {15, "flapping", Alarm, "taken too often within an hour: it is left to the partner for 15 minutes at most; AddAlias ends this"},
	PrimaryTakes:     {16, "primary", Info, "the alias is silent, the router answers, and we are primary"},
	DoubtedTwice:     {17, "doubted twice", Info, "the alias is silent, but the partner is not: we go on asking for as long again"},
	PartnerCannot:    {18, "partner cannot", Info, "the partner says that it cannot serve the alias"},
	OursBefore:       {19, "ours before", Info, "we were the last to hold it, and nobody has taken it since"},
	DaemonDead:       {20, "partner's daemon dead", Warning, "the partner's host is alive, but its daemon has fallen silent"},
	NoPrimary:        {21, "partner alive, nobody serves", Alarm, "the partner is alive, and nobody has served the alias for a minute: no primary on either host?"},
	PartnerAlive:     {22, "partner alive", Warning, "the alias is silent, but the partner is alive, and we are not primary"},
	PartnerUnknown:   {23, "cannot ask the partner", Warning, "since the alias fell silent it is not known whether the partner is alive"},
	PartnerSilent:    {24, "partner silent", Info, "alias and partner are silent, and the router answers"},
	HandedOver:       {25, "handed over", Info, "the partner took it and confirmed"},
	GivenBack:        {26, "given back", Warning, "the router does not answer the alias here, and the partner still has it"},
	HandingOver:      {27, "handing over", Info, "it is being handed over"},
	OperatorReleases: {28, "operator", Info, "an operator ordered it"},
	WouldNot:         {29, "partner would not take", Warning, "it is to be handed over, but the partner is not heard, cannot serve it or would not take it"},
	LinkLost:         {30, "no link", Warning, "the NIC is missing, down or without carrier"},
	Asked:            {31, "asked", Info, "the partner asked for it, and would take it"},
	LostToOther:      {32, "lost to another", Warning, "it was removed from this host, and another host claims it"},
	LeaseEnded:       {33, "lease ended", Warning, "we did not renew its lease in time: this process was away"},
	Restored:         {34, "restored", Warning, "another program removed it from this host, and nobody else claims it"},
	KernelLost:       {35, "lost", Warning, "it was removed from this host; the link is not good, or it is not known whether another host claims it"},
	RivalPartner:     {36, "rival", Warning, "the partner claims it too, and we are not primary"},
	FailbackRefused:  {37, "failback refused", Error, "the partner did not yield to two announcements; failback is given up until the alias changes hands"},
	TwoPrimaries:     {38, "two primaries", Error, "another primary keeps claiming it, and our hardware address is the higher: is Primary true on both hosts?"},
	LeaseDue:         {39, "lease", Info, "its lease is due: we renew it"},
	PartnerDefended:  {40, "partner claims it", Warning, "the partner claims the alias that we keep: we announce it in answer"},
	ForeignDefended:  {41, "foreign host claims it", Alarm, "a host that is not the partner claims the alias that we hold: we announce it in answer"},
	ClaimDefended:    {56, "claimed", Warning, "another host claims the alias that we hold: we announce it in answer, and find out whether it is the partner"},
	RivalGone:        {42, "rival gone", Info, "the rival has fallen silent: we announce it once more"},
	PartnerClaims:    {43, "partner claims it", Warning, "the partner claims the alias that we keep; we announce it at most once in ten seconds"},
	ForeignClaims:    {44, "foreign host claims it", Alarm, "a host that is not the partner claims the alias that we hold; we announce it at most once in ten seconds"},
	ClaimAsked:       {57, "claimed", Warning, "another host claims the alias that we hold: we find out whether it is the partner"},
	Isolated:         {45, "isolated", Warning, "neither router nor partner has answered for isolated_after"},
	ServiceReleased:  {81, "service released", Warning, "our own service fails its check, there is no channel to hand the alias over, and on_service_failure is release"},
	BothFailing:      {82, "both services failing", Alarm, "our own service fails its check, and so does the partner's: the alias stays where it is"},
	AnnouncementDue:  {46, "announcement due", Info, "an announcement was due"},
	Adopted:          {52, "adopted", Info, "it was found on this host"},
	Held:             {47, "held", Info, "we hold the alias, and nothing calls for a change"},
	Refused:          {48, "refused", Warning, "the partner refused the hand-over"},
	NoAnswer:         {49, "no answer", Warning, "the partner did not answer in time"},
	NotVerified:      {50, "not verified", Warning, "the router did not answer the alias here"},
	Withdrawn:        {51, "withdrawn", Warning, "the hand-over was no longer open"},
	NotTaken:         {53, "not taken", Warning, "the alias could not be added here"},
	OwnBehind:        {60, "own address behind", Warning, "this host's own address stands behind the alias, so that the host speaks with the alias: we put the alias behind it again"},
	OwnBehindAgain:   {61, "own address behind again", Alarm, "another program keeps putting this host's own address behind the alias: we put the alias behind it again, after longer and longer pauses"},
	OwnStaysBehind:   {62, "own address stays behind", Warning, "this host's own address stands behind the alias, so that the host speaks with the alias; what we did about it is too recent, or something else comes first"},
	OwnGone:          {63, "own address gone", Warning, "the NIC has lost its own address: we keep the alias, and this host speaks with it"},
	Stopped:          {54, "stopped", Info, "the daemon was stopped"},
	RowGone:          {55, "row gone", Info, "its row was changed or removed in the file"},
	ParkedUnknown:    {58, "parked unknown", Alarm, "it is not known what operators parked on this host, because the file cannot be read: nothing is taken while the partner may be alive; AddAlias, RemoveAlias or Maintenance writes a new file"},
	KeepsVanishing:   {59, "keeps vanishing", Alarm, "another program keeps removing it from this host: it is added again at longer and longer intervals"},
	OnOtherNIC:       {70, "on another NIC", Error, "another NIC of this host has the alias, or may have it"},
	NotYet:           {71, "not known yet", Info, "too little has been heard since the start, a change or a pause"},
	PartnerDown:      {72, "partner down", Warning, "the partner is silent"},
	PartnerUnheard:   {73, "partner unheard", Warning, "the partner's daemon says nothing about the alias"},
	PartnerNotReady:  {74, "partner not ready", Warning, "the partner says that it would not take the alias"},
	PartnerDeaf:      {75, "partner deaf", Warning, "the partner does not hear this host on the channel"},
	NotServed:        {76, "not served", Info, "neither host says that it has the alias"},
	NoChannel:        {77, "no channel", Info, "without a key on both hosts nothing can be handed over"},
	ServedByNobody:   {78, "answered for nobody", Warning, "the partner says that it does not have the alias, and yet it is answered with the partner's hardware address: does something answer for others (proxy_arp_pvlan, proxy_ndp)?"},
	RouterIsPartner:  {79, "router is the partner", Warning, "the router answers with the partner's hardware address, and would fall silent with it; set router or witnesses"},
	NotTold:          {80, "not told", Info, "the partner does not say whether it would take the alias: it is not sure yet, or of an earlier version"},
	Shared:           {64, "shared", Info, "many hosts have the alias by design, and nothing speaks against having it here"},
	ServiceUnknown:   {65, "service unknown", Warning, "it is not known whether our own service is well; the alias comes when its checks are good"},
	SharedFailing:    {66, "service failing", Warning, "our own service fails its check: the other hosts that have the alias serve it"},
	FencedAnswers:    {90, "fenced, and answers", Alarm, "the partner was fenced, and yet the alias is still answered: the fence did not do what its exit code says"},
	PartnerFenced:    {91, "partner fenced", Warning, "the partner's service failed and could not be restarted; the partner was fenced, and the alias has been silent since"},
	NotKnownHere:     {255, "not known here", Info, "a reason that this version does not know"},
}

// row is the reason itself, or [NotKnownHere] if it is out of range.
func (r Reason) row() Reason {
	if r >= reasonCount {
		return NotKnownHere
	}
	return r
}

// String is the reason's short name.
func (r Reason) String() string { return reasons[r.row()].name }

// Text explains the reason in one clause.
func (r Reason) Text() string { return reasons[r.row()].text }

// Level is how serious the reason is.
func (r Reason) Level() Level { return reasons[r.row()].level }

// Wire is the reason's number in words to the partner.
func (r Reason) Wire() uint8 { return reasons[r.row()].wire }

// ReasonFromWire is the reason with that number on the wire, [NotKnownHere] if this
// version does not know it.
func ReasonFromWire(n uint8) Reason {
	for r := range reasons {
		if reasons[r].wire == n {
			return Reason(r)
		}
	}
	return NotKnownHere
}

// Defence tells whether the alias is announced because of a rival, or because a rival has
// gone, and not by the schedule: rows H7.
func (r Reason) Defence() bool {
	return r == PartnerDefended || r == ForeignDefended || r == ClaimDefended || r == RivalGone
}

// Failover tells whether the reason takes the alias because nobody serves it any
// more, without an order. The log has it as a warning.
func (r Reason) Failover() bool {
	return r == PrimaryTakes || r == PartnerSilent || r == PartnerCannot || r == DaemonDead || r == PartnerFenced
}

// AtOnce tells whether a release for this reason waits for no gate, because for every
// further moment the alias is on two hosts, or on the wrong one (H1, H3, H6; H8 if the
// host is isolated).
func (r Reason) AtOnce() bool {
	switch r {
	case HandedOver, GivenBack, LinkLost, Isolated:
		return true
	}
	return r.YieldsToRival()
}

// Routine tells whether the deed is a scheduled step while we hold the alias and
// nothing has changed. The log leaves it out.
func (r Reason) Routine() bool { return r == AnnouncementDue || r == LeaseDue }

// YieldsToRival tells whether this host releases the alias because a rival keeps it: rows
// H6.
func (r Reason) YieldsToRival() bool {
	return r == RivalPartner || r == TwoPrimaries || r == FailbackRefused
}
