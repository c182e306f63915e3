package config

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// fieldNames names the five columns, as the original's documentation does.
const fieldNames = "Nic | Alias IP | NetMask | Partner | Primary"

// exampleRow is shown to an administrator who has no row.
const exampleRow = "eth0:1 | 172.16.1.2 | 255.255.255.0 | 172.16.1.5 | true"

// ParseAliases reads a hostname.alias from r; messages call the file name. The aliases
// have the five fields of their rows and nothing else: Join adds the settings. The error
// is of type Mistakes; a table without rows is a mistake.
func ParseAliases(r io.Reader, name string) ([]Alias, error) {
	t := readTable(read(r, name))
	if err := t.mistakes.err(); err != nil {
		return nil, err
	}
	return t.rows, nil
}

// table is hostname.alias as far as it could be understood.
type table struct {
	file     string
	rows     []Alias // rows with mistakes too, with those fields that were good
	mistakes Mistakes

	// partial means that there may be aliases which are not among the rows. Code that
	// misses an alias must then not blame the other file.
	partial bool

	empty bool // it has no rows, which is its only mistake, and none on a host that keeps routes
}

// readTable reads every row, whatever is wrong with the others.
func readTable(in input) table {
	t := table{file: in.file, mistakes: in.mistakes, partial: len(in.mistakes) > 0}
	for i, line := range in.lines() {
		if len(t.mistakes) > enoughMistakes {
			t.partial = true
			break
		}
		row, _, _ := strings.Cut(line, "#")
		if row = strings.TrimSpace(row); row != "" {
			t.add(i+1, row)
		}
	}
	t.checkRows()
	if len(t.rows) == 0 && len(t.mistakes) == 0 {
		t.partial, t.empty = true, true
		t.mistakes = Mistakes{{File: t.file, Text: fmt.Sprintf(
			"no alias yet: add a row for each, such as \"%s\" (%s)", exampleRow, fieldNames)}}
	}
	return t
}

// add reads one row, which is not empty.
func (t *table) add(line int, row string) {
	fields := strings.Split(row, "|")
	if len(fields) != 5 {
		t.partial = true
		between := ""
		if len(fields) == 1 {
			between = ", with | between them"
		}
		t.mistake(line, "", fmt.Sprintf("%s found, 5 expected%s: %s", plural(len(fields), "field"), between, fieldNames))
		return
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}

	a := Alias{Line: line, Label: fields[0]}
	var problem string
	if a.NIC, problem = splitNIC(a.Label); problem != "" {
		a.Label = ""
		t.mistake(line, "nic", problem)
	}
	if a.Addr, problem = parseHost(fields[1]); problem == "" {
		a.Addr, problem = onNIC(a.Addr, a.NIC)
	}
	if problem != "" {
		t.partial = true
		t.mistake(line, "alias", problem)
	}
	if length, problem := parseMask(fields[2], a.Addr); problem != "" {
		t.mistake(line, "netmask", problem)
	} else if a.Addr.IsValid() {
		a.Prefix = netip.PrefixFrom(a.Addr, length)
	}
	if a.Partner, problem = a.readPartner(fields[3]); problem != "" {
		t.mistake(line, "partner", problem)
	}
	switch strings.ToLower(fields[4]) {
	case "true":
		a.Primary = true
	case "false":
	case "":
		t.mistake(line, "primary", "is missing; write true on one of the two hosts and false on the other")
	default:
		t.mistake(line, "primary", fmt.Sprintf("%s is neither true nor false", show(fields[4])))
	}
	t.checkRow(a)
	t.rows = append(t.rows, a)
}

// checkRow finds what is wrong between the fields of one row.
func (t *table) checkRow(a Alias) {
	if a.Loopback() {
		t.checkLoopback(a)
		return
	}
	if problem := edge(a.Addr, a.Prefix); problem != "" {
		t.mistake(a.Line, "alias", problem)
	}
	if a.Addr.IsValid() && a.Addr == a.Partner.Addr {
		t.mistake(a.Line, "partner", fmt.Sprintf("%s is the alias itself; write the address that the partner always has", a.Partner.Addr))
	} else if problem := edge(a.Partner.Addr, a.Prefix); problem != "" {
		t.mistake(a.Line, "partner", problem)
	}
}

// checkRows finds what is wrong between the rows.
func (t *table) checkRows() {
	labels, aliases := map[string]int{}, map[netip.Addr]int{}
	for _, a := range t.rows {
		if line, twice := labels[a.Label]; twice {
			t.mistake(a.Line, "nic", fmt.Sprintf("%s is the Nic of line %d already; give each row its own, such as %s:2", a.Label, line, a.NIC))
		} else if a.Label != "" {
			labels[a.Label] = a.Line
		}
		if line, twice := aliases[a.Addr]; twice {
			t.mistake(a.Line, "alias", fmt.Sprintf("%s is the alias of line %d already", a.Addr, line))
		} else if a.Addr.IsValid() {
			aliases[a.Addr] = a.Line
		}
	}
	t.checkCovered()
	// A partner that is an alias moves: now and then we ourselves would answer for it.
	for _, a := range t.rows {
		if line, moves := aliases[a.Partner.Addr]; moves && a.Partner.Addr != a.Addr {
			t.mistake(a.Line, "partner", fmt.Sprintf(
				"%s is the alias of line %d, which moves; write the address that the partner always has", a.Partner.Addr, line))
		}
	}
}

func (t *table) mistake(line int, field, text string) {
	t.mistakes = append(t.mistakes, Mistake{File: t.file, Line: line, Field: field, Text: text})
}

// Row is the alias as a line of hostname.alias, without the line end. The Nic is the zone
// of every link-local address in it.
func (a Alias) Row() string {
	partner := a.Partner.Name
	if a.Partner.Addr.IsValid() {
		partner = a.Partner.Addr.WithZone("").String()
	}
	return fmt.Sprintf("%s | %s | /%d | %s | %t", a.Label, a.Prefix.Addr(), a.Prefix.Bits(), partner, a.Primary)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
