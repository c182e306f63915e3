package drill

import (
	"fmt"
	"strings"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/rules"
)

// Refuses tells which aliases move with one, itself among them, and why a drill of it is
// refused; an empty text: it is not. Whatever is not known is a reason too, because a drill
// moves an alias that is served well.
func Refuses(s control.Snapshot, alias string) (moves []control.Alias, why string) {
	var asked *control.Alias
	for i := range s.Aliases {
		if s.Aliases[i].Alias == alias {
			asked = &s.Aliases[i]
		}
	}
	switch {
	case asked == nil:
		return nil, alias + " is no alias of the running Monitor; a row that is new in the file needs a Reload"
	case s.Observing:
		return nil, "this Monitor only observes"
	case s.Maintenance:
		return nil, "this host is in maintenance; 'Maintenance off' ends it"
	case asked.Role == "shared":
		return nil, alias + " is on a loopback interface, on many hosts at once: there is nothing to hand over"
	case s.Channel == nil:
		return nil, "there is no channel to the partner: a hand-over needs one; set [peer] key_file on both hosts"
	case len(s.Problems) > 0:
		return nil, "the Monitor has a problem: " + s.Problems[0]
	}
	moves = []control.Alias{*asked}
	if asked.Group != nil {
		for _, a := range s.Aliases {
			if a.Alias != alias && a.Group != nil && a.Group.Name == asked.Group.Name {
				moves = append(moves, a)
			}
		}
	}
	for _, a := range moves {
		if why := refuses(a); why != "" {
			if a.Alias != alias {
				why = fmt.Sprintf("%s, which is in the group %s of %s", why, a.Group.Name, alias)
			}
			return moves, why
		}
	}
	return moves, ""
}

// refuses is why one alias must not move now.
func refuses(a control.Alias) string {
	switch is, says := a.Standby, a.Says; {
	case a.Parked:
		return a.Alias + " is parked on this host; AddAlias ends that"
	case a.Holder != "us":
		return fmt.Sprintf("%s is not on this host (holder: %s); a drill is done on the host that has the alias", a.Alias, a.Holder)
	case a.Handover != "":
		return fmt.Sprintf("a hand-over of %s is open (%s); wait until it has ended", a.Alias, a.Handover)
	case len(a.Pair) > 0:
		return fmt.Sprintf("the two hosts' files do not fit for %s: %s", a.Alias, a.Pair[0])
	case a.Level != "":
		return fmt.Sprintf("%s has a problem here (%s): %s", a.Alias, a.Level, a.Why)
	case says == nil:
		return "there is no channel to the partner of " + a.Alias
	case says.Daemon != "heard":
		return fmt.Sprintf("the daemon of the partner of %s is %s", a.Alias, says.Daemon)
	case says.State != "able": // newer than the readiness, which is found out once a second
		return fmt.Sprintf("the partner would not take %s: it says: %s", a.Alias, strings.TrimSuffix(says.State+": "+says.Why, ": "))
	case is == nil || is.Ready != "yes" && !(is.Reason == rules.NotTold.String() && !says.Drills): // a former program never tells it
		return fmt.Sprintf("the standby of %s is not ready%s", a.Alias, because(is))
	case is.HandOver != "yes":
		return fmt.Sprintf("a hand-over of %s would not work now: %s", a.Alias, strings.TrimSpace(is.HandOver+" "+is.HandOverWhy))
	}
	return ""
}

// because is what is known of why a standby is not ready.
func because(is *control.Standby) string {
	switch {
	case is == nil:
		return ": nothing is known of it yet"
	case is.Why != "":
		return fmt.Sprintf(" (%s): %s", is.Ready, is.Why)
	case is.Reason != "":
		return fmt.Sprintf(" (%s): %s", is.Ready, is.Reason)
	}
	return " (" + is.Ready + ")"
}
