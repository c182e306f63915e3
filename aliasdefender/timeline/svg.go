package timeline

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Chart is a drawing: rows of lanes over one stretch of time.
type Chart struct {
	Title    string // what a reader who cannot see it hears first
	Rows     []Row
	From, To time.Time
	Width    int  // in pixels; text keeps its size, so a narrow drawing is as readable as a wide one
	Elapsed  bool // the axis counts from From; otherwise it shows the clock of From's time zone
	Bare     bool // without a paper of its own: it lies on a page
}

// Sizes in pixels.
const (
	leastWidth = 260
	mostWidth  = 2400
	edge       = 12
	laneHeight = 18
	laneGap    = 6
	headHeight = 26 // the name of a row
	sumHeight  = 10 // the strip below the lanes
	axisHeight = 26
	letter     = 6.6 // how wide a letter is, about
	leastBlock = 3.0 // so wide at least is what must be seen, however short it was
)

// Style is the style sheet within each drawing. Where a policy wants style sheets named by
// their hash, it is this text that is named.
const Style = `.paper{fill:#fff}.bed{fill:#eef1f4}.line{stroke:#d3d8de}.on{fill:#1f6fb2}.on2{fill:#2b8a6e}.unknown{fill:url(#hatch)}.hatch{stroke:#9aa4af}` +
	`.one{fill:#c3ccd5}.nobody{fill:#c0271b}.several{fill:#8a3ab9}text{fill:#24292f;font:13px system-ui,sans-serif}.small{fill:#57606a;font-size:11px}.name{font-weight:600}` +
	`.bad{font-size:11px;font-weight:600;fill:#b3231a}.dbl{font-size:11px;font-weight:600;fill:#7a2fa8}.mark{stroke:#57606a;stroke-dasharray:2 3}.dot{fill:#57606a}.num{fill:#fff;font-size:10px;font-weight:600}` +
	`@media(prefers-color-scheme:dark){.paper{fill:#0f151c}.bed{fill:#1d2630}.line{stroke:#303b47}.on{fill:#5aa9e6}.on2{fill:#4fbf9b}.hatch{stroke:#5c6875}.one{fill:#44505c}.nobody{fill:#ff6b5e}.several{fill:#c58af0}` +
	`text{fill:#e6edf3}.small{fill:#9aa7b4}.bad{fill:#ff8a7f}.dbl{fill:#d3a4f5}.mark{stroke:#9aa7b4}.dot{fill:#9aa7b4}.num{fill:#0f151c}}`

// drawing is a chart that is being drawn.
type drawing struct {
	Chart
	out         bytes.Buffer
	left, right float64
	y           float64
}

// SVG draws the chart. Every text is escaped, and there is nothing in it that runs.
func (c Chart) SVG() []byte {
	c.Width = min(max(c.Width, leastWidth), mostWidth)
	if !c.From.Before(c.To) {
		c.To = c.From.Add(time.Second)
	}
	d := drawing{Chart: c, left: edge + names(c), right: float64(c.Width - edge), y: edge}
	for _, r := range c.Rows {
		d.row(r)
	}
	if len(c.Rows) == 0 {
		d.text(edge, d.y+16, "small", "nothing is known yet")
		d.y += headHeight
	}
	d.axis()
	height := d.y + edge
	var all bytes.Buffer
	fmt.Fprintf(&all, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %g" width="%d" height="%g" role="img" aria-labelledby="title what">`+"\n", c.Width, height, c.Width, height)
	fmt.Fprintf(&all, "<title id=\"title\">%s</title>\n<desc id=\"what\">%s</desc>\n<style>%s</style>\n", escape(c.Title), escape(strings.Join(c.Words(), " ")), Style)
	all.WriteString(`<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line class="hatch" x1="0" y1="0" x2="0" y2="6" stroke-width="1.5"/></pattern></defs>` + "\n")
	if !c.Bare {
		fmt.Fprintf(&all, `<rect class="paper" width="%d" height="%g" rx="6"/>`+"\n", c.Width, height)
	}
	all.Write(d.out.Bytes())
	all.WriteString("</svg>\n")
	return all.Bytes()
}

// names is how wide the column of hosts is: as wide as the longest name, within reason.
func names(c Chart) float64 {
	longest := 4
	for _, r := range c.Rows {
		for _, l := range r.Lanes {
			longest = max(longest, utf8.RuneCountInString(l.Host))
		}
	}
	return min(float64(longest)*letter*1.15+10, float64(c.Width)*0.3)
}

// x is where a moment lies.
func (d *drawing) x(t time.Time) float64 {
	share := float64(t.Sub(d.From)) / float64(d.To.Sub(d.From))
	return tenth(d.left + (d.right-d.left)*min(max(share, 0), 1))
}

func tenth(v float64) float64 { return math.Round(v*10) / 10 }

// text writes a text; what must be cut off is cut by the caller.
func (d *drawing) text(x, y float64, class, text string, more ...string) {
	fmt.Fprintf(&d.out, `<text x="%g" y="%g"`, tenth(x), tenth(y))
	if class != "" {
		fmt.Fprintf(&d.out, ` class="%s"`, class)
	}
	for _, m := range more {
		d.out.WriteString(" " + m)
	}
	fmt.Fprintf(&d.out, ">%s</text>\n", escape(text))
}

// rect draws a block with what a pointer shows over it.
func (d *drawing) rect(class string, from, to, y, height, least float64, title string) {
	if to-from < least {
		from = min(max((from+to)/2-least/2, d.left), d.right-least)
		to = from + least
	}
	fmt.Fprintf(&d.out, `<rect class="%s" x="%g" y="%g" width="%g" height="%g" rx="2">`, class, tenth(from), tenth(y), tenth(max(to-from, 0.1)), height)
	if title != "" {
		fmt.Fprintf(&d.out, "<title>%s</title>", escape(title))
	}
	d.out.WriteString("</rect>\n")
}

// row draws an alias: its name, its marks, a lane for each host, and below them where nobody
// and where more than one host had it.
func (d *drawing) row(r Row) {
	d.text(edge, d.y+14, "name", cut(r.Name, d.right-edge))
	d.y += headHeight
	numbers := d.marks(r)
	top := d.y
	pieces := r.Pieces(d.From, d.To)
	for i, l := range r.Lanes {
		d.text(edge, d.y+13, "", cut(l.Host, d.left-edge-6))
		fmt.Fprintf(&d.out, `<rect class="bed" x="%g" y="%g" width="%g" height="%d" rx="2"/>`+"\n", tenth(d.left), d.y, tenth(d.right-d.left), laneHeight)
		d.lane(l, i)
		d.y += laneHeight + laneGap
	}
	d.sum(pieces)
	if numbers {
		for _, m := range r.Marks {
			if x := d.x(m.At); d.within(m.At) {
				fmt.Fprintf(&d.out, `<line class="mark" x1="%g" y1="%g" x2="%g" y2="%g"/>`+"\n", x, top-4, x, d.y-laneGap)
			}
		}
		d.legend(r)
	}
	d.y += 8
}

func (d *drawing) within(t time.Time) bool { return !t.Before(d.From) && !t.After(d.To) }

// lane draws what a host was to the alias. What no event tells is hatched.
func (d *drawing) lane(l Lane, number int) {
	class := "on"
	if number%2 == 1 {
		class = "on2"
	}
	at := d.From
	for _, s := range l.Spans {
		to := s.To
		if to.IsZero() || to.After(d.To) {
			to = d.To
		}
		if !to.After(d.From) || !s.From.Before(d.To) {
			continue
		}
		if s.From.After(at) {
			d.unknown(l.Host, at, s.From)
		}
		from := s.From
		if from.Before(d.From) {
			from = d.From
		}
		switch s.State {
		case Holding:
			d.rect(class, d.x(from), d.x(to), d.y, laneHeight, leastBlock, l.Host+" had it for "+Lasting(to.Sub(from)))
		case Unknown:
			d.unknown(l.Host, from, to)
		}
		at = to
	}
	if at.Before(d.To) {
		d.unknown(l.Host, at, d.To)
	}
}

func (d *drawing) unknown(host string, from, to time.Time) {
	d.rect("unknown", d.x(from), d.x(to), d.y, laneHeight, 0, "not known of "+host+" for "+Lasting(to.Sub(from)))
}

// sum draws the strip in which gaps and doubles cannot be overlooked, with their lengths.
func (d *drawing) sum(pieces []Piece) {
	told := false
	reaches := d.left - 100                   // how far the words so far reach
	for _, one := range []bool{true, false} { // what is bad lies above what is good
		for _, p := range pieces {
			class := map[Many]string{One: "one", Nobody: "nobody", Several: "several"}[p.Many]
			if class == "" || (class == "one") != one {
				continue
			}
			from, to := d.x(p.From), d.x(p.To)
			said := p.Words() + " for " + Lasting(p.To.Sub(p.From))
			if class == "one" {
				d.rect(class, from, to, d.y, sumHeight, 0, said)
				continue
			}
			d.rect(class, from, to, d.y, sumHeight, leastBlock+1, said)
			word, style := "nobody "+Lasting(p.To.Sub(p.From)), "bad"
			if p.Many == Several {
				word, style = "both "+Lasting(p.To.Sub(p.From)), "dbl"
			}
			width := float64(len(word)) * letter * 0.95
			x := min(max((from+to)/2-width/2, d.left), d.right-width)
			if x > reaches+6 {
				d.text(x, d.y+sumHeight+13, style, word)
				reaches, told = x+width, true
			}
		}
	}
	d.y += sumHeight + laneGap
	if told {
		d.y += 14
	}
}

// marks draws the numbers of the marks above the lanes.
func (d *drawing) marks(r Row) (any bool) {
	for i, m := range r.Marks {
		if !d.within(m.At) {
			continue
		}
		any = true
		x := min(max(d.x(m.At), d.left+8), d.right-8)
		fmt.Fprintf(&d.out, `<circle class="dot" cx="%g" cy="%g" r="8"><title>%s</title></circle>`+"\n", x, d.y+6, escape(m.Text))
		d.text(x, d.y+9.5, "num", fmt.Sprint(i+1), `text-anchor="middle"`)
	}
	if any {
		d.y += 20
	}
	return any
}

// legend tells below the lanes what the numbers stand for, on as many lines as it needs.
func (d *drawing) legend(r Row) {
	x := float64(edge)
	d.y += 4
	for i, m := range r.Marks {
		if !d.within(m.At) {
			continue
		}
		text := cut(fmt.Sprintf("%d %s", i+1, m.Text), d.right-edge)
		width := float64(utf8.RuneCountInString(text))*6 + 16
		if x > edge && x+width > d.right {
			x, d.y = edge, d.y+16
		}
		d.text(x, d.y+10, "small", text)
		x += width
	}
	d.y += 18
}

// axis draws the times.
func (d *drawing) axis() {
	step := d.step()
	first := d.From
	if !d.Elapsed { // whole steps of the clock that is shown
		_, zone := d.From.Zone()
		away := time.Duration(zone) * time.Second
		first = d.From.Add(away).Truncate(step).Add(-away)
	}
	for t := first; !t.After(d.To); t = t.Add(step) {
		if t.Before(d.From) {
			continue
		}
		x := d.x(t)
		fmt.Fprintf(&d.out, `<line class="line" x1="%g" y1="%g" x2="%g" y2="%g"/>`+"\n", x, d.y, x, d.y+5)
		anchor := "middle"
		if x-d.left < 20 && d.Elapsed {
			anchor = "start"
		} else if d.right-x < 20 {
			anchor = "end"
		}
		d.text(x, d.y+18, "small", d.label(t, step), `text-anchor="`+anchor+`"`)
	}
	fmt.Fprintf(&d.out, `<line class="line" x1="%g" y1="%g" x2="%g" y2="%g"/>`+"\n", tenth(d.left), d.y, d.right, d.y)
	d.y += axisHeight
}

// steps are the distances between two times on the axis.
var steps = []time.Duration{
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour,
}

// step is the smallest one that leaves room for the times.
func (d *drawing) step() time.Duration {
	most := max((d.right-d.left)/72, 1)
	for _, s := range steps {
		if float64(d.To.Sub(d.From))/float64(s) <= most {
			return s
		}
	}
	return max(steps[len(steps)-1], time.Duration(float64(d.To.Sub(d.From))/most))
}

func (d *drawing) label(t time.Time, step time.Duration) string {
	if d.Elapsed {
		return short(t.Sub(d.From))
	}
	switch {
	case step >= 24*time.Hour:
		return t.Format("Jan 2")
	case step >= time.Hour && t.Hour() == 0:
		return t.Format("Jan 2")
	case step >= time.Minute:
		return t.Format("15:04")
	case step >= time.Second:
		return t.Format("15:04:05")
	}
	return t.Format("05.000")
}

// short is a time since the beginning.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%g s", d.Seconds())
	case d%time.Minute == 0:
		return fmt.Sprintf("%g min", d.Minutes())
	}
	return fmt.Sprintf("%d:%02d min", int(d.Minutes()), int(d.Seconds())%60)
}

// cut shortens a text to what about fits.
func cut(text string, width float64) string {
	most := max(int(width/letter), 2)
	all := []rune(text)
	if len(all) <= most {
		return text
	}
	return string(all[:most-1]) + "…"
}

// escape makes a text of any bytes one that XML can have.
func escape(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xFFFE || r == 0xFFFF {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return html.EscapeString(text)
}
