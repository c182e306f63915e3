package main

import "slices"

// had is who has had the alias since the fault.
func (s *stage) had() (all []Had) {
	for _, span := range s.holders.Spans() {
		if span.To.After(s.fault) {
			all = append(all, Had{span.By, ms(span.From.Sub(s.fault)), ms(span.To.Sub(s.fault)), span.Open})
		}
	}
	return all
}

// draws tells whether a run of it is drawn.
func (p part) draws(e entry) bool {
	return p.rate.Name == drawnRate && p.aliases == 1 && slices.ContainsFunc(drawnStories, func(d drawnStory) bool {
		return d.story == p.story.Key && d.variant == e.Variant
	})
}
