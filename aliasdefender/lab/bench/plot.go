package main

import (
	"bytes"
	_ "embed"
	"math"
	"text/template"
)

//go:embed benchmarks.svg.tmpl
var plotTemplate string

// The plot, in pixels: panels side by side, one for each fault, with a common
// logarithmic axis.
const (
	plotLeft   = 64.0
	plotTop    = 64.0
	plotHeight = 300.0
	panelWidth = 170.0
	panelGap   = 12.0
	leastMS    = 1.0
	mostMS     = 100_000.0
)

// plot is what the template draws.
type plot struct {
	Width, Height       float64
	Top, Bottom         float64
	Left, Right, Middle float64
	Lines               []tick
	Panels              []panel
	NoGap               float64 // where 20 ms are
}

// tick is a line across.
type tick struct {
	Y    float64
	Text string
}

// panel is a fault.
type panel struct {
	X, Width, Middle float64
	Text             string
	Rates            []label
	Marks            []mark
}

type label struct {
	X    float64
	Text string
}

// mark is one program at one rhythm: its median and its range.
type mark struct {
	Program         string // its class in the style sheet
	X, Y, High, Low float64
	Open            bool
	Title           string
}

// plotGaps draws the client's gaps by rhythm.
func plotGaps(raw *Raw) ([]byte, error) {
	t, err := template.New("benchmarks.svg").Parse(plotTemplate)
	if err != nil {
		return nil, err
	}
	p := plot{Top: plotTop, Bottom: plotTop + plotHeight, Left: plotLeft, NoGap: across(noGap)}
	for _, l := range []tick{{1, "1 ms"}, {10, "10 ms"}, {100, "0.1 s"}, {1000, "1 s"}, {10_000, "10 s"}, {100_000, "100 s"}} {
		p.Lines = append(p.Lines, tick{across(l.Y), l.Text})
	}
	x := plotLeft
	for _, f := range []struct{ words, story, variant, value string }{
		{"crash", "crash", "", "gap_ms"},
		{"cable pulled", "cable", "", "gap_ms"},
		{"holder cut off", "cut", "", "gap_ms"},
		{"… and healed", "cut", "", "heal_gap_ms"},
		{"partition healed", "partition", clientFar, "heal_gap_ms"},
	} {
		p.Panels = append(p.Panels, newPanel(raw, x, f.words, f.story, f.variant, f.value))
		x += panelWidth + panelGap
	}
	p.Right = x - panelGap
	p.Middle = (p.Left + p.Right) / 2
	p.Width, p.Height = p.Right+16, p.Bottom+48
	var b bytes.Buffer
	err = t.Execute(&b, p)
	return b.Bytes(), err
}

func newPanel(raw *Raw, x float64, words, story, variant, value string) panel {
	const apart = 11 // of the two programs
	p := panel{X: x, Width: panelWidth, Middle: x + panelWidth/2, Text: words}
	for i, r := range three {
		at := x + panelWidth*(float64(i)+0.5)/float64(len(three))
		p.Rates = append(p.Rates, label{at, spoken(r.Name)})
		g := raw.group(story, r.Name, 1)
		if g == nil {
			continue
		}
		for j, program := range []string{keepalived, ours} {
			f := of(g.Runs, program, variant, value)
			if f.N == 0 {
				continue
			}
			p.Marks = append(p.Marks, mark{
				Program: program, X: at + float64(2*j-1)*apart, Y: across(f.Median), High: across(f.Max), Low: across(f.Min),
				Open: f.AtLeast, Title: program + ", " + words + ", " + spoken(r.Name) + ": " + printer{usual: f.N}.cell(f, 1) + " ms",
			})
		}
	}
	return p
}

// across is where a value lies on the axis.
func across(v float64) float64 {
	v = min(max(v, leastMS), mostMS)
	share := math.Log(v/leastMS) / math.Log(mostMS/leastMS)
	return math.Round((plotTop+plotHeight*(1-share))*10) / 10
}
