package main

import (
	"time"

	"alias-defender/aliasdefender/timeline"
)

// The two hosts: hostA has the alias when the fault strikes.
const (
	hostA = "a"
	hostB = "b"
)

// Had is a stretch of time in which a host had the alias, in milliseconds since the fault.
type Had struct {
	Host     string
	From, To float64
	Open     bool // it had it still when the run ended
}

// drawnStory is a story that is drawn.
type drawnStory struct{ words, story, variant string }

// drawnStories are the stories of which the first run of each program is drawn, at drawnRate.
var drawnStories = []drawnStory{
	{"crash of the holder, and its return", "crash", ""},
	{"partition, and its healing", "partition", clientFar},
}

const (
	drawnRate     = "1s"
	timelineWidth = 920
)

// drawTimeline draws who had the alias when; nil if no such run is known.
func drawTimeline(raw *Raw) []byte {
	// Every row begins with its fault, so the moments of different runs lie below each other.
	fault := time.Unix(0, 0).UTC()
	at := func(ms float64) time.Time { return fault.Add(time.Duration(ms * float64(time.Millisecond))) }
	c := timeline.Chart{Title: "Who had the alias when, from the fault on, with a question each second", From: fault, To: fault, Width: timelineWidth, Elapsed: true}
	for _, d := range drawnStories {
		g := raw.group(d.story, drawnRate, 1)
		if g == nil {
			continue
		}
		for _, program := range []string{keepalived, ours} {
			for _, r := range g.Runs {
				if r.Program != program || r.Variant != d.variant || r.Failed != "" || len(r.Had) == 0 {
					continue
				}
				row := timeline.Row{Name: called(program) + ": " + d.words}
				for _, host := range []string{hostA, hostB} {
					var had []timeline.Span
					for _, h := range r.Had {
						if h.Host != host {
							continue
						}
						one := timeline.Span{From: at(h.From), To: at(h.To)}
						if one.To.After(c.To) {
							c.To = one.To
						}
						if h.Open {
							one.To = time.Time{}
						}
						had = append(had, one)
					}
					row.Lanes = append(row.Lanes, timeline.Watched(host, fault, had))
				}
				c.Rows = append(c.Rows, row)
				break
			}
		}
	}
	if len(c.Rows) == 0 {
		return nil
	}
	return c.SVG()
}

// called is a program as it is called in a sentence.
func called(program string) string {
	if program == ours {
		return "Alias Defender"
	}
	return program
}
