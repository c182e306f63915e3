package rules

// Action is what is done about an alias.
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
	Forget                    // it is gone from this host and served elsewhere
	Refresh                   // tell the kernel to keep it for a whole lease again
	Adopt                     // it was found on this host; no row says so, the reading does
)

var actions = [...]string{
	Wait: "wait", Take: "take", AskHandover: "ask for hand-over", Keep: "keep", Announce: "announce",
	Restore: "restore", Release: "release", HandOver: "hand over", Forget: "forget", Refresh: "refresh", Adopt: "adopt",
}

func (a Action) String() string { return actions[a] }

// Level is how loud a reason is.
type Level uint8

// The levels. An alarm is an error that an operator has to mend.
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
	ServiceFailing
	OperatorTakes
	OperatorAsks
	Offered
	FailbackAsks
	FailbackTakes
	Served
	AliasUnknown
	RouterSilent
	NoRouter
	RouterUnknown
	Flapping
	PrimaryTakes
	DoubtedTwice
	PartnerCannot
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
	RivalGone
	PartnerClaims
	ForeignClaims
	Isolated
	AnnouncementDue
	Held
	Refused
	NoAnswer
	NotVerified
	Withdrawn
	Adopted
	NotTaken
)

// reasons holds for each reason its short name, which tools may rely on, its
// level, and the sentence that explains it.
var reasons = [...]struct {
	name  string
	level Level
	text  string
}{
	NoRow:            {"no row", Alarm, "no row of the table matches: a defect of this program"},
	Parked:           {"parked", Info, "an operator took the alias off this host"},
	NoLink:           {"no link", Warning, "the NIC is missing, down, without carrier or without an address of its own"},
	LinkUnknown:      {"link unknown", Warning, "the state of the NIC cannot be read"},
	ServiceFailing:   {"service failing", Warning, "our own service fails its check"},
	OperatorTakes:    {"operator", Info, "an operator ordered it"},
	OperatorAsks:     {"operator", Info, "an operator ordered it, and the partner is asked to hand it over"},
	Offered:          {"offered", Info, "the partner hands it over to us"},
	FailbackAsks:     {"failback", Info, "we are primary, and all has been good for failback_after"},
	FailbackTakes:    {"failback", Info, "we are primary, and all has been good for failback_after"},
	Served:           {"served", Info, "another host serves the alias"},
	AliasUnknown:     {"cannot ask", Warning, "whether the alias answers is not known"},
	RouterSilent:     {"router silent", Warning, "the alias is silent, but so is the router: our own network may be at fault"},
	NoRouter:         {"no router known", Error, "there is no default route out of the NIC and no router or witness is set: nobody can prove that our own network works"},
	RouterUnknown:    {"router unknown", Info, "the router has not been heard since the alias fell silent"},
	Flapping:         {"flapping", Alarm, "taken too often within an hour; AddAlias ends this"},
	PrimaryTakes:     {"primary", Info, "the alias is silent, the router answers, and we are primary"},
	DoubtedTwice:     {"doubted twice", Info, "the alias is silent but the partner is not: asked for as long again"},
	PartnerCannot:    {"partner cannot", Info, "the partner says that it cannot serve the alias"},
	OursBefore:       {"ours before", Info, "we were the last to hold it, and nobody has taken it since"},
	DaemonDead:       {"partner's daemon dead", Warning, "the partner's host lives, but its daemon has fallen silent"},
	NoPrimary:        {"partner alive, nobody serves", Alarm, "the partner lives, and nobody has served the alias for a minute: no primary on either host?"},
	PartnerAlive:     {"partner alive", Warning, "the alias is silent, but the partner lives, and we are not primary"},
	PartnerUnknown:   {"cannot ask the partner", Warning, "whether the partner lives is not known since the alias fell silent"},
	PartnerSilent:    {"partner silent", Info, "alias and partner are silent, and the router answers"},
	HandedOver:       {"handed over", Info, "the partner took it and confirmed"},
	GivenBack:        {"given back", Warning, "the router does not know the alias here, and the partner has it still"},
	HandingOver:      {"handing over", Info, "it is being handed over"},
	OperatorReleases: {"operator", Info, "an operator ordered it"},
	WouldNot:         {"partner would not take", Warning, "it is to be handed over, and the partner is not heard, cannot serve it or would not take it"},
	LinkLost:         {"no link", Warning, "the NIC is missing, down or without carrier"},
	Asked:            {"asked", Info, "the partner asked for it, and would take it"},
	LostToOther:      {"lost to another", Warning, "it was removed from this host, and another host claims it"},
	LeaseEnded:       {"lease ended", Warning, "we did not tell the kernel in time to keep it: this process was away"},
	Restored:         {"restored", Warning, "another program removed it from this host, and nobody else claims it"},
	KernelLost:       {"lost", Warning, "it was removed from this host, and the link is not good, or whether another host claims it is not known"},
	RivalPartner:     {"rival", Warning, "the partner claims it too, and we are not primary"},
	FailbackRefused:  {"failback refused", Error, "the partner did not yield to two announcements; failback is given up until the alias changes hands"},
	TwoPrimaries:     {"two primaries", Error, "another primary keeps claiming it, and our hardware address is the higher: Primary is true on both hosts?"},
	LeaseDue:         {"lease", Info, "the kernel is told to keep it for another lease"},
	PartnerDefended:  {"partner claims it", Warning, "the partner claims the alias that we keep: announced against it"},
	ForeignDefended:  {"foreign host claims it", Alarm, "a host that is not the partner claims the alias that we hold: announced against it"},
	RivalGone:        {"rival gone", Info, "the rival has fallen silent: announced once more"},
	PartnerClaims:    {"partner claims it", Warning, "the partner claims the alias that we keep; announced at most once in ten seconds"},
	ForeignClaims:    {"foreign host claims it", Alarm, "a host that is not the partner claims the alias that we hold; announced at most once in ten seconds"},
	Isolated:         {"isolated", Warning, "neither router nor partner has answered for isolated_after"},
	AnnouncementDue:  {"announcement due", Info, "an announcement was due"},
	Adopted:          {"adopted", Info, "it was found on this host"},
	Held:             {"held", Info, "we hold the alias, and nothing speaks against it"},
	Refused:          {"refused", Warning, "the partner refused the hand-over"},
	NoAnswer:         {"no answer", Warning, "the partner did not answer in time"},
	NotVerified:      {"not verified", Warning, "the router did not answer the alias here"},
	Withdrawn:        {"withdrawn", Warning, "the hand-over was open no longer"},
	NotTaken:         {"not taken", Warning, "the alias could not be added here"},
}

// String is the reason's short name.
func (r Reason) String() string { return reasons[r].name }

// Text explains the reason in one clause.
func (r Reason) Text() string { return reasons[r].text }

// Level is how loud the reason is.
func (r Reason) Level() Level { return reasons[r].level }
