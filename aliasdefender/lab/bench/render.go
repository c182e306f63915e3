package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"text/template"
)

//go:embed benchmarks.md.tmpl
var pageTemplate string

// file is one of the documents.
type file struct {
	name    string
	content []byte
}

// documents writes all that is known. The same raw file gives the same bytes.
func documents(raw *Raw) ([]file, error) {
	if len(raw.Groups) == 0 {
		return nil, fmt.Errorf("no run is known: there is nothing to write; measure some with -runs")
	}
	t, err := template.New("benchmarks.md").Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	if err := t.Execute(&page, newReport(raw)); err != nil {
		return nil, err
	}
	plot, err := plotGaps(raw)
	if err != nil {
		return nil, err
	}
	files := []file{{"benchmarks.md", page.Bytes()}, {"benchmarks.svg", plot}}
	if drawn := drawTimeline(raw); drawn != nil {
		files = append(files, file{"benchmarks-timeline.svg", drawn})
	}
	return files, nil
}

// report is what the page says: words, and tables that are ready to print.
type report struct {
	Runs     string
	NoGap    string // ms
	Sessions table
	Gaps     table
	Heals    table
	Timeline bool // it is drawn
	Kill     table
	Loss     table
	CPU      table
	Memory   table
	Take     table
	Repeats  string
	Noise    string // ms; two numbers where sessions differed
}

// table is a table of the page; a table without rows is not shown.
type table struct {
	Head  []string
	Rows  [][]string
	Words bool // without figures, so it is aligned to the left
}

func (t *table) row(cells ...string) { t.Rows = append(t.Rows, cells) }

// String is the table in Markdown.
func (t table) String() string {
	var b strings.Builder
	write := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	write(t.Head)
	align := "|---:"
	if t.Words {
		align = "|---"
	}
	b.WriteString("|---" + strings.Repeat(align, len(t.Head)-1) + "|\n")
	for _, r := range t.Rows {
		write(r)
	}
	return b.String()
}

func newReport(raw *Raw) report {
	p := printer{raw: raw, usual: usualRuns(raw)}
	return report{
		Runs:     fmt.Sprint(p.usual),
		NoGap:    fmt.Sprint(noGap),
		Sessions: p.sessions(),
		Gaps:     p.gaps(),
		Heals:    p.heals(),
		Timeline: drawTimeline(raw) != nil,
		Kill:     p.kill(),
		Loss:     p.loss(),
		CPU:      p.cpu(),
		Memory:   p.memory(),
		Take:     p.take(),
		Repeats:  repeats(raw),
		Noise:    noises(raw),
	}
}

// usualRuns is the number of runs that most comparisons have.
func usualRuns(raw *Raw) (usual int) {
	count := map[int]int{}
	for _, g := range raw.Groups {
		n := 0
		for _, r := range g.Runs {
			n = max(n, r.Number)
		}
		if count[n]++; count[n] > count[usual] || count[n] == count[usual] && n > usual {
			usual = n
		}
	}
	return usual
}

// repeats says which runs were discarded.
func repeats(raw *Raw) string {
	var b strings.Builder
	var failures []string
	for _, program := range []string{keepalived, ours} {
		runs, again, paused := 0, 0, 0
		for _, g := range raw.Groups {
			for _, r := range g.Runs {
				if r.Program != program {
					continue
				}
				runs++
				again += len(r.Repeats)
				for _, why := range r.Repeats {
					paused += strings.Count(why, notLetRun)
				}
				if r.Failed != "" {
					reason, _, _ := strings.Cut(r.Failed, "\n")
					failures = append(failures, fmt.Sprintf("- %s: %s\n", title(g.Story, g.Rate, g.Aliases, r), reason))
				}
			}
		}
		fmt.Fprintf(&b, "- %s: %d runs, %d attempts thrown away, %d of them because the daemon wrote that it was not let run\n", program, runs, again, paused)
	}
	if len(failures) > 0 {
		fmt.Fprintf(&b, "\nGiven up, and in no figure:\n\n%s", strings.Join(failures, ""))
	}
	return b.String()
}

// notLetRun is the reason for discarding a run in which a daemon says that it was not
// let run.
const notLetRun = "a daemon was not let run"

// noises are the limits of the sessions, in ms.
func noises(raw *Raw) string {
	var all []string
	for _, s := range raw.Sessions {
		if n := number(s.Noise); !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return strings.Join(all, " or ")
}
