package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	toml "github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// value is one right-hand side of aliasdefender.toml, or the header of a
// table, with its place.
//
// go-toml's decoder stops at the first value of a wrong type and forgets the lines of all
// others. So the settings are not decoded into a struct: the decoder judges the document,
// and its parser hands out the values.
type value struct {
	path  []string // {"alias", "172.16.1.2", "interval"}
	kind  unstable.Kind
	text  string // of a string what is between the quotes, otherwise as written
	line  int    // of the key; an item of a list has its own
	items []value
}

// field is the path as TOML writes it.
func (v value) field() string { return joinPath(v.path) }

// joinPath joins the parts of a key as TOML writes them.
func joinPath(path []string) string {
	parts := slices.Clone(path)
	for i, p := range parts {
		bare := p != "" && !strings.ContainsFunc(p, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		})
		if !bare {
			parts[i] = strconv.Quote(p)
		}
	}
	return strings.Join(parts, ".")
}

// parseTOML returns every value and every table header in the order of the document, or
// the mistake because of which it is no TOML.
func parseTOML(in input) ([]value, Mistakes) {
	var ignored map[string]any
	if err := toml.Unmarshal(in.text, &ignored); err != nil {
		return nil, Mistakes{tomlMistake(in.file, err)}
	}
	d := document{text: in.text}
	d.parser.Reset(in.text)
	for d.parser.NextExpression() {
		d.expression(d.parser.Expression())
	}
	return d.values, nil
}

// tomlMistake keeps the line of a syntax error, or of a key that is given twice.
func tomlMistake(file string, err error) Mistake {
	m := Mistake{File: file, Text: strings.TrimPrefix(err.Error(), "toml: ")}
	if strings.ContainsFunc(m.Text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		m.Text = strings.Trim(strconv.Quote(m.Text), `"`) // it repeats keys as they are
	}
	if strings.Contains(m.Text, "at start of value") { // it names one byte of what was meant
		m.Text = "no value begins like this; write a string in quotes, a number, true, false or a [list]"
	}
	if at := new(toml.DecodeError); errors.As(err, &at) {
		line, column := at.Position()
		m.Line = line
		m.Text = fmt.Sprintf("%s (column %d)", m.Text, column)
	}
	return m
}

// document is a walk through a text that is known to be good TOML.
type document struct {
	parser unstable.Parser
	text   []byte
	table  []string // the header that we are under
	values []value

	lineUpTo int // the walk only goes down, so each line is counted once
	lines    int
}

func (d *document) expression(n *unstable.Node) {
	switch n.Kind {
	case unstable.Table, unstable.ArrayTable:
		path, line := d.key(nil, n)
		d.table = path
		d.values = append(d.values, value{path: path, kind: n.Kind, line: line})
	case unstable.KeyValue:
		d.keyValue(d.table, n)
	}
}

// keyValue files one key and its value. An inline table is another way to write a table,
// and gives the same values.
func (d *document) keyValue(table []string, n *unstable.Node) {
	path, line := d.key(table, n)
	val := n.Value()
	v := value{path: path, kind: val.Kind, text: string(val.Data), line: line}
	switch val.Kind {
	case unstable.InlineTable:
		v.kind = unstable.Table
		d.values = append(d.values, v)
		for it := val.Children(); it.Next(); {
			d.keyValue(path, it.Node())
		}
		return
	case unstable.Array:
		at := line
		for it := val.Children(); it.Next(); {
			item := it.Node()
			// The parser gives no place for a list within a list, which is a mistake in
			// any case: it is near the previous item.
			if item.Raw.Length > 0 {
				at = d.line(item.Raw)
			}
			v.items = append(v.items, value{path: path, kind: item.Kind, text: string(item.Data), line: at})
		}
	}
	d.values = append(d.values, v)
}

// key returns the full path of a key or header and its line.
func (d *document) key(table []string, n *unstable.Node) (path []string, line int) {
	path = slices.Clone(table)
	for it := n.Key(); it.Next(); {
		if line == 0 {
			line = d.line(it.Node().Raw)
		}
		path = append(path, string(it.Node().Data))
	}
	return path, line
}

// line counts the lines from the last place asked for to this one.
func (d *document) line(at unstable.Range) int {
	offset := int(at.Offset)
	d.lines += bytes.Count(d.text[d.lineUpTo:offset], []byte("\n"))
	d.lineUpTo = offset
	return d.lines + 1
}
