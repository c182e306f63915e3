package rules

// Near is which row decides about an alias now, and what the rows above it lacked.
type Near struct {
	Row   Row
	Above []Lack // in the order of the table
	Far   []Row  // rows above for which more than two things are missing, or another setting
}

// Lack is a row that does not decide, and what would make it decide. Each need was found
// by making that change and asking the table, so it is true.
type Lack struct {
	Row      Row
	Needs    []string // what would have to be so: one of these is enough,
	Together bool     // unless this is set: then it takes all of them
}

// Nearest tells what the rows above the one that decides lacked. It makes some thousand
// hypotheses: nothing that must not wait should call it.
func Nearest(p Policy, s State, f Facts) Near {
	n, _ := nearest(p, s, f)
	return n
}

// nearest is Nearest, with the hypotheses behind the Needs of each Lack.
func nearest(p Policy, s State, f Facts) (n Near, proof [][]hypothesis) {
	is := instanceOf{p, s, f}
	rows := tableFor(p)
	now := is.row(rows)
	all := is.hypotheses()
	single := is.single(rows, all)
	double := is.double(rows[:now], all, single)
	n.Row = rows[now]
	for i, r := range rows[:now] {
		needs := single[i]
		if needs == nil {
			needs = double[i]
		}
		switch {
		case r.Holding != s.Holding:
		case needs == nil:
			n.Far = append(n.Far, r)
		default:
			n.Above, proof = append(n.Above, Lack{r, texts(needs), single[i] == nil}), append(proof, needs)
		}
	}
	return n, proof
}

func texts(all []hypothesis) (s []string) {
	for _, h := range all {
		s = append(s, h.text)
	}
	return s
}

func among(all []string, text string) bool {
	for _, s := range all {
		if s == text {
			return true
		}
	}
	return false
}

// single are, for each row, the hypotheses of which each makes it decide. Where something
// general does, nothing is said of what is more particular.
func (is instanceOf) single(rows []Row, all []hypothesis) [][]hypothesis {
	needs, said := make([][]hypothesis, len(rows)), make([][]string, len(rows))
	for _, h := range all {
		i := is.with(h).row(rows)
		if h.than == "" || !among(said[i], h.than) {
			needs[i] = append(needs[i], h)
		}
		said[i] = append(said[i], h.text)
	}
	return needs
}

// double are, for each of the rows for which nothing single is enough, the first two that
// make it decide together.
func (is instanceOf) double(above []Row, all []hypothesis, single [][]hypothesis) [][]hypothesis {
	needs, left := make([][]hypothesis, len(above)), 0
	for i, r := range above {
		if r.Holding == is.s.Holding && single[i] == nil {
			left++
		}
	}
	rows := tableFor(is.p)
	for k, h := range all {
		one := is.with(h)
		for _, other := range all[k+1:] {
			if left == 0 {
				return needs
			}
			if h.of == other.of {
				continue
			}
			i := one.with(other).row(rows)
			if i < len(above) && single[i] == nil && needs[i] == nil {
				needs[i] = []hypothesis{h, other}
				left--
			}
		}
	}
	return needs
}

// instanceOf is what the rules are asked about.
type instanceOf struct {
	p Policy
	s State
	f Facts
}

func (is instanceOf) with(h hypothesis) instanceOf {
	h.make(&is)
	return is
}

// row is the row that decides; the last one of either half matches everything.
func (is instanceOf) row(rows []Row) int {
	v := view{p: is.p, s: is.s, f: is.f}
	for i, r := range rows {
		if r.Holding == is.s.Holding && r.when(&v) {
			return i
		}
	}
	return len(rows) - 1
}
