package convert

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// definition is what a $NAME stands for. One of several lines is put in only where it ends
// a line, as keepalived does.
type definition struct {
	lines []string
	multi bool
}

// maxPasses is how often what was put into a line is looked at for more of it.
const maxPasses = 64

var (
	defines   = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)=[ \t]*(.*)$`)
	mentions  = regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)((?:[ \t]+[A-Za-z0-9_]+)*)\}|([A-Za-z_][A-Za-z0-9_]*))`)
	sequences = regexp.MustCompile(`^~SEQ(x?)\(([^()]*)\)[ \t]*(.*)$`)
)

// line takes in one line: what it asks for by @, defines by $, repeats by ~, or says. It
// returns a definition whose lines go on in the file.
func (r *reader) line(at Place, l string, depth int) (*definition, error) {
	if depth > maxDepth {
		return nil, refuse(at, "definitions refer to each other more than %d deep, or to themselves", maxDepth)
	}
	var later []string // the further lines of definitions that were put in
	for passes := 0; l != ""; passes++ {
		if err := r.count(at); err != nil {
			return nil, err
		}
		if passes > maxPasses {
			return nil, refuse(at, "definitions refer to each other more than %d deep, or to themselves", maxPasses)
		}
		if l[0] == '@' {
			l = r.wanted(l)
			continue
		}
		if l[0] == '~' {
			if err := r.repeat(at, l, depth); err != nil {
				return nil, err
			}
			break
		}
		if m := defines.FindStringSubmatch(l); m != nil {
			return r.define(m[1], m[2]), r.rest(at, later, depth)
		}
		put, more, err := r.put(at, l)
		if err != nil {
			return nil, err
		}
		later = append(more, later...)
		if put != l {
			l = put
			continue
		}
		if err := r.statement(at, l); err != nil {
			return nil, err
		}
		break
	}
	return nil, r.rest(at, later, depth)
}

// count counts a line.
func (r *reader) count(at Place) error {
	if r.lines++; r.lines > maxLines {
		return refuse(at, "expanded, the configuration has more than %d lines here", maxLines)
	}
	return nil
}

// rest takes in the further lines of a definition.
func (r *reader) rest(at Place, lines []string, depth int) error {
	for _, l := range lines {
		if _, err := r.line(at, l, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// wanted is what follows @NAME if the config-id is that name, or @^NAME if it is another;
// otherwise nothing.
func (r *reader) wanted(l string) string {
	name, rest := l[1:], ""
	if i := strings.IndexAny(name, " \t"); i >= 0 {
		name, rest = name[:i], strings.Trim(name[i:], " \t")
	}
	name, others := strings.CutPrefix(name, "^")
	if (name == r.id) == others {
		return ""
	}
	return rest
}

// define files what a name stands for from here on.
func (r *reader) define(name, value string) *definition {
	d := &definition{}
	value, d.multi = strings.CutSuffix(value, `\`)
	if value = strings.TrimRight(value, " \t"); value != "" || !d.multi {
		d.lines = []string{value}
	}
	r.defs[name] = d
	if d.multi {
		return d
	}
	return nil
}

// put puts in what the names in a line stand for, once. more are further lines that follow.
func (r *reader) put(at Place, l string) (line string, more []string, err error) {
	var b strings.Builder
	done := 0
	for _, m := range mentions.FindAllStringSubmatchIndex(l, -1) {
		name, plain := "", m[6] >= 0
		if plain {
			name = l[m[6]:m[7]]
		} else {
			name = l[m[2]:m[3]]
		}
		if plain && m[1] < len(l) && !strings.ContainsRune(" \t,)", rune(l[m[1]])) {
			continue
		}
		value, lines, known := r.value(at, name, m[1] == len(l))
		if name == "_RANDOM" {
			return "", nil, refuse(at, "${_RANDOM} is another number each time; write the one that is meant")
		}
		if name == "_ENV" {
			return "", nil, refuse(at, "${_ENV} is of the environment that keepalived is started in; write the value that is meant")
		}
		if !known {
			continue
		}
		more = lines
		b.WriteString(l[done:m[0]])
		b.WriteString(value)
		done = m[1]
		if b.Len() > maxLine {
			return "", nil, refuse(at, "once $%s is replaced the line has more than %d bytes", name, maxLine)
		}
	}
	b.WriteString(l[done:])
	return strings.Trim(b.String(), " \t"), more, nil
}

// value is what a name stands for: the first line of it, and those that follow.
func (r *reader) value(at Place, name string, ends bool) (first string, more []string, known bool) {
	if d := r.defs[name]; d != nil {
		switch {
		case d.multi && !ends:
			return "", nil, false
		case len(d.lines) == 0:
			return "", nil, true
		}
		return d.lines[0], d.lines[1:], true
	}
	switch name {
	case "_PWD":
		dir, err := filepath.Abs(filepath.Dir(at.File))
		return dir, nil, err == nil
	case "_INSTANCE":
		return r.id, nil, true
	case "_HASH":
		return "#", nil, true
	case "_BANG":
		return "!", nil, true
	}
	return "", nil, false
}

// repeat takes in what follows ~SEQ(name, first, step, last), once for each number.
func (r *reader) repeat(at Place, l string, depth int) error {
	m := sequences.FindStringSubmatch(l)
	if m == nil {
		return refuse(at, "%s: only ~SEQ(NAME, FIRST, STEP, LAST) and ~SEQx are read here; write the lines that it stands for", show(l))
	}
	args := strings.Split(m[2], ",")
	var n []int64
	for _, a := range args[1:] {
		i, err := strconv.ParseInt(strings.TrimSpace(a), 0, 32)
		if err != nil {
			return refuse(at, "%s is not a number that ~SEQ can use", show(strings.TrimSpace(a)))
		}
		n = append(n, i)
	}
	first, step, last := int64(1), int64(0), int64(0)
	switch len(n) {
	case 1:
		if last = n[0]; last < 0 {
			first = -1
		}
	case 2:
		first, last = n[0], n[1]
	case 3:
		first, step, last = n[0], n[1], n[2]
	default:
		return refuse(at, "~SEQ(NAME, FIRST, STEP, LAST) is expected; FIRST and STEP may be left out")
	}
	if len(n) < 3 {
		if step = 1; last < first {
			step = -1
		}
	}
	if step == 0 || (last-first)*step < 0 {
		return refuse(at, "~SEQ from %d to %d never ends with a step of %d", first, last, step)
	}
	base := 10
	if m[1] == "x" {
		base = 16
	}
	for i := first; (last-i)*step >= 0; i += step {
		if err := r.count(at); err != nil {
			return err
		}
		r.define(strings.TrimSpace(args[0]), strconv.FormatInt(i, base))
		if _, err := r.line(at, m[3], depth+1); err != nil {
			return err
		}
	}
	return nil
}
