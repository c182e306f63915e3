package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// printer makes tables out of the runs.
type printer struct {
	raw   *Raw
	usual int // how many runs a program has at a rhythm, unless a cell says otherwise
}

// unknown is a cell for which nothing was measured.
const unknown = "–"

// noGap is the longest time that counts as no gap, in ms.
const noGap = 20

// cell is a value in a table: the median, and the range.
func (p printer) cell(f figure, scale float64) string {
	if f.N == 0 {
		return unknown
	}
	text := number(f.Median * scale)
	if f.AtLeast {
		text = "> " + text
	}
	if f.Min != f.Max {
		to := "–"
		if f.MaxAtLeast {
			to = " to > "
		}
		text += fmt.Sprintf(" (%s%s%s)", number(f.Min*scale), to, number(f.Max*scale))
	}
	return text + p.count(f)
}

// count tells the number of runs, if it is not the usual one.
func (p printer) count(f figure) string {
	if f.N == p.usual {
		return ""
	}
	return fmt.Sprintf(" n=%d", f.N)
}

// value is a cell of a group.
func (p printer) value(g *Group, program, variant, value string) string {
	return p.cell(p.figure(g, program, variant, value), 1)
}

func (p printer) figure(g *Group, program, variant, value string) figure {
	if g == nil {
		return figure{}
	}
	return of(g.Runs, program, variant, value)
}

// gap is the cell of a gap. A gap that is too short to count is shown as none.
func (p printer) gap(g *Group, program, variant, value string) string {
	f := p.figure(g, program, variant, value)
	if f.N > 0 && f.Max < noGap {
		return fmt.Sprintf("no gap (%s)", number(f.Median)) + p.count(f)
	}
	return p.cell(f, 1)
}

// gaps are the client's gaps, by what happened.
func (p printer) gaps() (t table) {
	t.Head = []string{"the client's longest gap, ms"}
	for _, r := range three {
		t.Head = append(t.Head, keepalived+", "+spoken(r.Name), "Alias Defender, "+spoken(r.Name))
	}
	for _, row := range []struct{ words, story, peers, ours, value string }{
		{"crash of the holder", "crash", "", "", "gap_ms"},
		{"cable of the holder pulled", "cable", "", "", "gap_ms"},
		{"holder cut off, carrier kept", "cut", "", "", "gap_ms"},
		{"partition, client at the holder", "partition", clientNear, clientNear, "gap_ms"},
		{"partition, client at the standby", "partition", clientFar, clientFar, "gap_ms"},
		{"daemon stopped; ours with `on_exit = \"keep\"`, the default", "stop", "", keepOnExit, "gap_ms"},
		{"… with `on_exit = \"release\"`, the standby primary", "stop", "", releasePrimary, "gap_ms"},
		{"… with `on_exit = \"release\"`, the standby not primary", "stop", "", releaseOnExit, "gap_ms"},
		{"return of the primary after the crash", "crash", "", "", "return_gap_ms"},
	} {
		cells, known := []string{row.words}, false
		for _, r := range three {
			g := p.raw.group(row.story, r.Name, 1)
			known = known || g != nil
			cells = append(cells, p.gap(g, keepalived, row.peers, row.value), p.gap(g, ours, row.ours, row.value))
		}
		if known {
			t.row(cells...)
		}
	}
	return t
}

// spoken is a rhythm in words.
func spoken(rate string) string {
	switch rate {
	case perSecond.Name:
		return "1 s"
	case tenth.Name:
		return "0.1 s"
	case hundredth.Name:
		return "0.01 s"
	}
	return rate
}

// heals is what follows a cut or a partition.
func (p printer) heals() (t table) {
	t.Head = []string{
		"after the heal", "gap, keepalived, ms", "gap, Alias Defender, ms",
		"held by both, keepalived, ms", "held by both, Alias Defender, ms", "served at the end, keepalived", "served at the end, Alias Defender",
	}
	for _, row := range []struct{ words, story, variant string }{
		{"holder cut off", "cut", ""},
		{"partition, client at the holder", "partition", clientNear},
		{"partition, client at the standby", "partition", clientFar},
	} {
		for _, r := range three {
			g := p.raw.group(row.story, r.Name, 1)
			if g == nil {
				continue
			}
			t.row(row.words+", "+spoken(r.Name),
				p.gap(g, keepalived, row.variant, "heal_gap_ms"), p.gap(g, ours, row.variant, "heal_gap_ms"),
				p.value(g, keepalived, row.variant, "heal_both_ms"), p.value(g, ours, row.variant, "heal_both_ms"),
				served(g, keepalived, row.variant), served(g, ours, row.variant))
		}
	}
	return t
}

// served is the number of runs in which the client was served at the end.
func served(g *Group, program, variant string) string {
	n, all := 0, 0
	for _, r := range g.Runs {
		if v, _, ok := r.value("heal_served"); ok && r.Program == program && r.Variant == variant && r.Failed == "" {
			all++
			n += int(v)
		}
	}
	if all == 0 {
		return unknown
	}
	return fmt.Sprintf("%d of %d", n, all)
}

// kill is what a kill -9 of the daemon does.
func (p printer) kill() (t table) {
	t.Head = []string{
		"`kill -9` of the holder's daemon, ms", "watched", "held by both, keepalived", "held by both, Alias Defender",
		"… after its restart, keepalived", "… after its restart, Alias Defender",
	}
	for _, r := range three {
		g := p.raw.group("kill", r.Name, 1)
		if g == nil {
			continue
		}
		t.row(spoken(r.Name), number(of(g.Runs, keepalived, "", "watched_ms").Median),
			p.value(g, keepalived, "", "both_ms"), p.value(g, ours, "", "both_ms"),
			p.value(g, keepalived, "", "restart_both_ms"), p.value(g, ours, "", "restart_both_ms"))
	}
	return t
}

// loss is how often lost frames move the alias.
func (p printer) loss() (t table) {
	t.Head = []string{
		"60 s of 30 % loss each way at the standby", "takes, keepalived", "takes, Alias Defender", "takes, Alias Defender, standby primary",
		"held by both, keepalived, ms", "held by both, Alias Defender, ms", "held by both, standby primary, ms",
	}
	for _, r := range []rate{tenth, hundredth} {
		g := p.raw.group("loss", r.Name, 1)
		if g == nil {
			continue
		}
		cells := []string{spoken(r.Name)}
		for _, v := range []string{"takes", "both_ms"} {
			cells = append(cells, p.value(g, keepalived, "", v), p.value(g, ours, "", v), p.value(g, ours, standbyPrimary, v))
		}
		t.row(cells...)
	}
	return t
}

// sizes calls f for each rhythm and number of aliases whose cost was measured.
func (p printer) sizes(f func(words string, g *Group)) {
	for _, r := range []rate{defaultRate, perSecond, tenth, hundredth} {
		for _, n := range []int{1, 100, 1000} {
			g := p.raw.group("cpu", r.Name, n)
			if g == nil {
				continue
			}
			rhythm := spoken(r.Name)
			if r == defaultRate {
				rhythm = "the default (20 s)"
			}
			noun := "aliases"
			if n == 1 {
				noun = "alias"
			}
			f(fmt.Sprintf("%s %s, %s", number(float64(n)), noun, rhythm), g)
		}
	}
}

func (p printer) cpu() (t table) {
	t.Head = []string{
		"CPU time a minute, ms", "holder, keepalived", "holder, Alias Defender", "standby, keepalived", "standby, Alias Defender",
	}
	p.sizes(func(words string, g *Group) {
		t.row(words, p.value(g, keepalived, "", "holder_cpu_ms"), p.value(g, ours, "", "holder_cpu_ms"),
			p.value(g, keepalived, "", "standby_cpu_ms"), p.value(g, ours, "", "standby_cpu_ms"))
	})
	return t
}

func (p printer) memory() (t table) {
	t.Head = []string{
		"resident (VmRSS), MB", "holder, keepalived", "holder, Alias Defender", "standby, keepalived", "standby, Alias Defender",
		"holder, keepalived, Pss", "holder, Alias Defender, Pss",
	}
	const mega = 1.0 / 1024
	p.sizes(func(words string, g *Group) {
		cells := []string{words}
		for _, v := range []string{"holder_resident_kb", "standby_resident_kb", "holder_pss_kb"} {
			cells = append(cells, p.cell(p.figure(g, keepalived, "", v), mega), p.cell(p.figure(g, ours, "", v), mega))
		}
		t.row(cells...)
	})
	return t
}

// take is how a standby takes a thousand aliases.
func (p printer) take() (t table) {
	t.Head = []string{"1,000 aliases after a crash, ms"}
	for _, r := range []rate{perSecond, tenth} {
		if p.raw.group("take", r.Name, 1000) != nil {
			t.Head = append(t.Head, keepalived+", "+spoken(r.Name), "Alias Defender, "+spoken(r.Name))
		}
	}
	if len(t.Head) == 1 {
		return t
	}
	for _, row := range []struct{ words, value string }{
		{"crash to the first address added", "first_ms"},
		{"first to last address added", "added_ms"},
		{"first address added to the last alias announced", "announced_ms"},
		{"the client's longest gap", "gap_ms"},
	} {
		cells := []string{row.words}
		for _, r := range []rate{perSecond, tenth} {
			if g := p.raw.group("take", r.Name, 1000); g != nil {
				cells = append(cells, p.value(g, keepalived, "", row.value), p.value(g, ours, "", row.value))
			}
		}
		t.row(cells...)
	}
	return t
}

// sessions says what was measured when, on which machine, with which programs.
func (p printer) sessions() (t table) {
	t.Words = true
	t.Head = []string{"measured", "what", "seed", "machine", "programs"}
	for _, s := range p.raw.Sessions {
		var what []string
		for _, g := range p.raw.Groups {
			words := g.Story
			if !g.Session.Equal(s.At) {
				continue
			}
			for _, o := range p.raw.Groups {
				if o.Story == g.Story && !o.Session.Equal(s.At) { // the story is of several sessions
					words = fmt.Sprintf("%s %s %d", g.Story, g.Rate, g.Aliases)
				}
			}
			if !slices.Contains(what, words) {
				what = append(what, words)
			}
		}
		t.row(s.At.UTC().Format(time.DateTime+" UTC"), strings.Join(what, ", "), fmt.Sprint(s.Seed),
			fmt.Sprintf("%s, %d cores, %s", s.CPU, s.Cores, s.Kernel),
			fmt.Sprintf("%s; %s, built with %s", s.Keepalived, s.AliasDefender, s.Go))
	}
	return t
}
