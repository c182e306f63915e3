package timeline

import "time"

// wordsMost is how many pieces the words about one alias name, the newest.
const wordsMost = 40

// Entry is a row of the table that tells the same as the drawing.
type Entry struct {
	Alias string    `json:"alias"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Who   string    `json:"who"` // a host, "both: a and b", "nobody", "not known"
	Bad   bool      `json:"bad"` // nobody, or several
}

// Table tells what the chart shows, for each alias the newest pieces, oldest first.
func (c Chart) Table() []Entry {
	all := []Entry{}
	for _, r := range c.Rows {
		pieces := r.Pieces(c.From, c.To)
		for _, p := range pieces[max(0, len(pieces)-wordsMost):] {
			all = append(all, Entry{r.Name, p.From, p.To, p.Words(), p.Many == Nobody || p.Many == Several})
		}
	}
	return all
}

// Words tells the same in sentences.
func (c Chart) Words() (all []string) {
	for _, r := range c.Rows {
		text := r.Name + ":"
		pieces := r.Pieces(c.From, c.To)
		for i, p := range pieces[max(0, len(pieces)-wordsMost):] {
			if i > 0 {
				text += ","
			}
			text += " " + p.Words() + " for " + Lasting(p.To.Sub(p.From))
		}
		all = append(all, text+".")
	}
	return all
}
