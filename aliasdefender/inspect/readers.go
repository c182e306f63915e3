package inspect

import "fmt"

// noReaders: the group that may ask for Status and Why does not exist.
func noReaders(s *Subject) []Finding {
	if s.NoReaders == "" {
		return nil
	}
	r := s.Config.Settings.Readers
	return []Finding{{Mistake, fmt.Sprintf("%s:%d", s.Settings, r.Line),
		"control.readers: " + s.NoReaders,
		"only the Monitor's own user may ask for Status and Why; the Monitor starts all the same",
		"groupadd --system " + r.Group}}
}
