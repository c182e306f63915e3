package drill

import (
	"fmt"
	"net/netip"
	"time"

	"alias-defender/aliasdefender/control"
)

// String is figures as people read them.
func (f figures) String() string {
	text := fmt.Sprintf("%d pings, all answered", f.asked)
	switch {
	case f.asked == 0:
		return "no ping could be sent"
	case f.gap > 0 && f.lost == 0:
		text = fmt.Sprintf("a gap of at most %s, all %d pings answered, but some late", tidy(f.gap), f.asked)
	case f.lost > 0:
		text = fmt.Sprintf("a gap of at most %s, %d of %d pings lost", tidy(f.gap), f.lost, f.asked)
	}
	if f.pause > Bound {
		text += fmt.Sprintf(", no ping sent for %s", tidy(f.pause))
	}
	return text
}

func tidy(d time.Duration) time.Duration { return d.Round(time.Millisecond / 10) }

// verdict is the outcome by one host's figures; empty: they are good.
func (f figures) verdict() string {
	switch {
	case f.gap > Bound:
		return control.DrillGap
	case f.pause > Bound || f.asked == 0:
		return control.DrillUnmeasured
	}
	return ""
}

// worst is, of figures about several aliases, each at its worst.
func worst(all []figures) (w figures) {
	for _, f := range all {
		w.asked += f.asked
		w.lost += f.lost
		w.gap, w.pause = max(w.gap, f.gap), max(w.pause, f.pause)
	}
	return w
}

// judge fills in the outcome and its sentence. A text that is there already says what
// failed.
func judge(is *control.Drill, ours []figures, theirs map[netip.Addr]figures, drills bool, measured int) {
	var told []figures
	for _, f := range theirs {
		told = append(told, f)
	}
	us, them := worst(ours), worst(told)
	partner := "the partner measured: " + them.String()
	switch {
	case !drills:
		partner = "the partner's program is of an earlier version, which cannot measure"
	case len(told) < measured:
		partner = "the partner has not said what it measured"
	}
	seen := fmt.Sprintf("this host measured: %s; %s", us, partner)
	switch {
	case is.Text != "":
		is.Outcome, is.Text = control.DrillFailed, fmt.Sprintf("the drill failed: %s; %s", is.Text, seen)
	case us.gap > Bound || them.gap > Bound:
		is.Outcome, is.Text = control.DrillGap, fmt.Sprintf("there and back, but with a gap of more than %s: %s", tidy(Bound), seen)
	case us.verdict() != "" || drills && (len(told) < measured || them.verdict() != ""):
		is.Outcome, is.Text = control.DrillUnmeasured, "there and back, but not measured well enough to exclude a gap: "+seen
	default:
		is.Outcome, is.Text = control.DrillGood, "there and back: "+seen
	}
}
