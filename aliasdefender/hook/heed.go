package hook

import (
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

// standing is what a lane knows of its alias from the events so far.
type standing struct {
	holding bool
	alarm   string // the reason of the present decision, where it is as loud as an error
	misfit  bool   // the two hosts' files do not fit
	ill     bool   // a recovery of the partner's service has ended with an alarm, and nothing has helped since
}

// heed brings the standing up to date, and tells which hooks the event is for, in their
// order.
func (s *standing) heed(e record.Event, told Told) (names []config.HookName) {
	switch e.Kind {
	case record.Moved:
		names = append(s.moved(e, told), s.loud(e)...)
	case record.Decided:
		if e.Decision.Reason == rules.RivalGone.String() {
			names = append(names, config.HookReassert)
		}
		names = append(names, s.loud(e)...)
	case record.HandoverEnded:
		if s.holding { // the partner may have had it for a moment
			names = append(names, config.HookReassert)
		}
	case record.RecoveryEnded:
		switch { // a warning says that it was broken off, and so nothing of the service
		case e.Level >= rules.Error:
			s.ill = true
			names = append(names, config.HookAlarm)
		case e.Level == rules.Info && s.ill:
			s.ill = false
			names = append(names, config.HookRecovered)
		}
	case record.PairMisfit:
		s.misfit = true
		names = append(names, config.HookAlarm)
	case record.PairFits:
		if s.misfit {
			names = append(names, config.HookRecovered)
		}
		s.misfit = false
	}
	return names
}

// moved is the part of heed for an alias that came or went.
func (s *standing) moved(e record.Event, told Told) []config.HookName {
	was := s.holding
	switch e.Decision.Action {
	case rules.Take.String():
		s.holding = true
		begin(e, told)
		return []config.HookName{config.HookTake}
	case rules.Adopt.String():
		s.holding = true
		if told == nil || !told.Is(idOf(e.Alias)) {
			return []config.HookName{config.HookTake}
		}
	case rules.Restore.String():
		s.holding = true
		return []config.HookName{config.HookReassert}
	case rules.Release.String(), rules.Forget.String():
		s.holding = false
		begin(e, told)
		if was {
			return []config.HookName{config.HookRelease}
		}
	}
	return nil
}

// begin notes that no take hook has run since the alias came, or went. What becomes of
// the release's hook does not count.
func begin(e record.Event, told Told) {
	if told != nil {
		told.Set(idOf(e.Alias), false)
	}
}

// loud is the part of heed for the loudness of a decision. One reason is said once,
// however many rows in turn give it.
func (s *standing) loud(e record.Event) []config.HookName {
	switch reason := e.Decision.Reason; {
	case e.Level >= rules.Error && reason != s.alarm:
		s.alarm = reason
		return []config.HookName{config.HookAlarm}
	case e.Level < rules.Error && s.alarm != "":
		s.alarm = ""
		return []config.HookName{config.HookRecovered}
	}
	return nil
}
