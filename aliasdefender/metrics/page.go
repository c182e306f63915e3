package metrics

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	vm "github.com/VictoriaMetrics/metrics"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/count"
)

// ContentType is that of a page.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Source is what a page is made of.
type Source struct {
	control.Snapshot
	Events  *Events // nil: none were counted
	Stale   bool    // the last reload was refused
	Dropped uint64  // events that the event log did not take
	Go      string  // the version of Go that the program was built with
}

// The types of families.
const (
	Gauge     = "gauge"
	Counter   = "counter"
	Histogram = "histogram"
)

// Family is one name, with all its rows.
type Family struct {
	Name   string
	Type   string
	Labels string // their names, with a space between
	Help   string
	rows   func(p *page)
}

// Write makes the page.
func Write(s Source) []byte {
	p := page{Source: s, aliases: make([]string, len(s.Aliases)), counted: make([]ofAlias, len(s.Aliases))}
	for i, a := range s.Aliases {
		p.aliases[i] = labels("alias", a.Alias, "nic", a.NIC)
	}
	if s.Events != nil {
		s.Events.copyTo(&p)
	}
	for _, f := range Families() {
		p.family = f
		fmt.Fprintf(&p.text, "# HELP %s %s\n# TYPE %s %s\n", f.Name, f.Help, f.Name, f.Type)
		f.rows(&p)
	}
	return p.text.Bytes()
}

// page is one that is being written.
type page struct {
	Source
	text   bytes.Buffer
	family Family

	aliases []string  // the labels of each alias
	counted []ofAlias // the events of each alias
	events  totals
}

// number writes a row with a whole number; in are its labels, as labels makes them.
func (p *page) number(in string, n uint64) {
	name := p.row("", in)
	if p.family.Type == Counter {
		vm.WriteCounterUint64(&p.text, name, n)
	} else {
		vm.WriteGaugeUint64(&p.text, name, n)
	}
}

// yes writes a row that is 0 or 1.
func (p *page) yes(in string, is bool) {
	if is {
		p.number(in, 1)
	} else {
		p.number(in, 0)
	}
}

// seconds writes a duration.
func (p *page) seconds(in string, d time.Duration) {
	vm.WriteGaugeFloat64(&p.text, p.row("", in), d.Seconds())
}

// at writes a time, in seconds since 1970; none if there is none.
func (p *page) at(in string, t time.Time) {
	if !t.IsZero() {
		vm.WriteGaugeFloat64(&p.text, p.row("", in), float64(t.UnixMilli())/1000)
	}
}

// histogram writes one with all its rows.
func (p *page) histogram(in string, h count.Histogram) {
	if in != "" {
		in += ","
	}
	all := uint64(0)
	for i, n := range h.Buckets {
		all += n
		most := "+Inf"
		if i < len(count.Bounds) {
			most = strconv.FormatFloat(count.Bounds[i].Seconds(), 'g', -1, 64)
		}
		vm.WriteCounterUint64(&p.text, p.row("_bucket", in+labels("le", most)), all)
	}
	in = strings.TrimSuffix(in, ",")
	vm.WriteCounterFloat64(&p.text, p.row("_sum", in), h.Sum.Seconds())
	vm.WriteCounterUint64(&p.text, p.row("_count", in), all)
}

// row is the name of a row with its labels.
func (p *page) row(suffix, in string) string {
	if in == "" {
		return p.family.Name + suffix
	}
	return p.family.Name + suffix + "{" + in + "}"
}

// labels are names and values, in turn.
func labels(pairs ...string) string {
	var text strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(pairs[i])
		text.WriteString(`="`)
		text.WriteString(escaped.Replace(strings.ToValidUTF8(pairs[i+1], "\uFFFD")))
		text.WriteByte('"')
	}
	return text.String()
}

// escaped makes a value of a label of any text. The library takes names with their labels
// as they are.
var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
