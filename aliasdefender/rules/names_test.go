package rules

import (
	"fmt"
	"testing"
)

// wireReasons are the numbers on the wire, which never change. A new reason gets the
// next free number.
var wireReasons = map[uint8]Reason{
	0: NoRow, 1: Parked, 2: NoLink, 3: LinkUnknown, 4: ServiceFailing, 5: OperatorTakes, 6: OperatorAsks, 7: Offered,
	8: FailbackAsks, 9: FailbackTakes, 10: Served, 11: AliasUnknown, 12: RouterSilent, 13: NoRouter, 14: RouterUnknown,
	15: Flapping, 16: PrimaryTakes, 17: DoubtedTwice, 18: PartnerCannot, 19: OursBefore, 20: DaemonDead, 21: NoPrimary,
	22: PartnerAlive, 23: PartnerUnknown, 24: PartnerSilent, 25: HandedOver, 26: GivenBack, 27: HandingOver,
	28: OperatorReleases, 29: WouldNot, 30: LinkLost, 31: Asked, 32: LostToOther, 33: LeaseEnded, 34: Restored,
	35: KernelLost, 36: RivalPartner, 37: FailbackRefused, 38: TwoPrimaries, 39: LeaseDue, 40: PartnerDefended,
	41: ForeignDefended, 42: RivalGone, 43: PartnerClaims, 44: ForeignClaims, 45: Isolated, 46: AnnouncementDue, 47: Held,
	48: Refused, 49: NoAnswer, 50: NotVerified, 51: Withdrawn, 52: Adopted, 53: NotTaken,
	54: Stopped, 55: RowGone,
	56: ClaimDefended, 57: ClaimAsked,
	58: ParkedUnknown, 59: KeepsVanishing,
	60: OwnBehind, 61: OwnBehindAgain, 62: OwnStaysBehind, 63: OwnGone,
	64: Shared, 65: ServiceUnknown, 66: SharedFailing,
	70: OnOtherNIC, 71: NotYet, 72: PartnerDown, 73: PartnerUnheard, 74: PartnerNotReady, 75: PartnerDeaf, 76: NotServed, 77: NoChannel, 78: ServedByNobody, 79: RouterIsPartner, 80: NotTold,
	81: ServiceReleased, 82: BothFailing, 83: GroupApart, 84: GroupSplit, 85: GroupJoins,
	90: FencedAnswers, 91: PartnerFenced,
	255: NotKnownHere,
}

func TestReasonsKeepTheirNumbersOnTheWire(t *testing.T) {
	for n, r := range wireReasons {
		if r.Wire() != n || ReasonFromWire(n) != r {
			t.Errorf("%s: number %d, and %d is %s", r, r.Wire(), n, ReasonFromWire(n))
		}
	}
	if len(wireReasons) != int(reasonCount) {
		t.Errorf("%d numbers for %d reasons: add the new one here, and never change another", len(wireReasons), reasonCount)
	}
}

func TestANumberFromALaterVersionIsNoReasonHere(t *testing.T) {
	for n := range 256 {
		r := ReasonFromWire(uint8(n))
		if _, known := wireReasons[uint8(n)]; !known && r != NotKnownHere {
			t.Errorf("%d is %s", n, r)
		}
	}
	r := Reason(200)
	if r.String() != NotKnownHere.String() || r.Text() != NotKnownHere.Text() || r.Level() != NotKnownHere.Level() || r.Wire() != NotKnownHere.Wire() {
		t.Errorf("a reason out of range: %s: %s, level %d, number %d", r, r.Text(), r.Level(), r.Wire())
	}
}

func TestWhatHasNoNameIsSpelledNevertheless(t *testing.T) {
	for _, v := range []fmt.Stringer{Action(200), Reason(200), Standing(200), Step(200), Side(200), FactID(200), FactCount, Result(200), Command(200)} {
		if v.String() != unnamed {
			t.Errorf("%T: %q", v, v)
		}
	}
	for v, want := range map[fmt.Stringer]string{Take: "take", SaysAble: "able", Offers: "offers it", Giving: "offering it to the partner", FactOwn: "own address", Dropped: "dropped", StopAndGive: "stop and hand over"} {
		if v.String() != want {
			t.Errorf("%T: %q, want %q", v, v, want)
		}
	}
	if len(results) != int(Dropped)+1 || len(commands) != int(StopAndRelease)+1 {
		t.Errorf("%d results and %d commands are spelled", len(results), len(commands))
	}
}

// TestCallersNeedNoRowNames: where callers need to tell rows apart, the reason does
// it.
func TestCallersNeedNoRowNames(t *testing.T) {
	for _, r := range Rows() {
		d := Decision{Row: r.ID, Action: r.Action, Reason: r.Reason}
		if is := r.ID == "H7" && r.Action == Announce; d.Defends() != is {
			t.Errorf("%s %s, %s: a defence %v", r.ID, r.Action, r.Reason, !is)
		}
		if is := r.ID == "H6"; r.Reason.YieldsToRival() != is {
			t.Errorf("%s %s, %s: yields %v", r.ID, r.Action, r.Reason, !is)
		}
		if is := r.ID == "H9" && r.Action != Keep; r.Reason.Routine() != is {
			t.Errorf("%s %s, %s: routine %v", r.ID, r.Action, r.Reason, !is)
		}
	}
	if want := (Decision{Row: "H9", Action: Keep, Reason: Held}); Rest() != want {
		t.Errorf("at rest %+v, want %+v", Rest(), want)
	}
}
