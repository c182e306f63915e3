package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// The bounds of the event log, in bytes. Below the least it would hold only a few events;
// a size above the most is probably a wrong unit.
const (
	minEvents = 64 << 10
	maxEvents = 10 << 30
)

// units are the units of a size. B comes last, because the others end with a B too.
var units = []struct {
	name  string
	bytes int64
}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}}

// byteSize reads a size such as "10MB", at least least and at most most bytes, or 0 for
// none. A KB has 1024 bytes.
func byteSize(least, most int64) parser[int64] {
	return func(v value) (int64, Mistakes) {
		if v.kind == unstable.Integer && v.text == "0" {
			return 0, nil // it needs no unit
		}
		s, mistakes := text(v, "10MB")
		if mistakes != nil || s == "0" {
			return 0, mistakes
		}
		number, unit := s, int64(0)
		for _, u := range units {
			if n, found := strings.CutSuffix(strings.ToUpper(s), u.name); found {
				number, unit = n, u.bytes
				break
			}
		}
		n, err := strconv.ParseUint(number, 10, 63)
		switch {
		case err != nil && (number == "" || strings.Trim(number, "0123456789") != ""):
			return 0, wrong(v, "%s is not a size, such as \"10MB\", \"512KB\" or \"1GB\"", show(s))
		case unit == 0:
			return 0, wrong(v, "%s has no unit; write one, such as %sMB or %sKB", show(s), show(s), show(s))
		case n == 0:
			return 0, nil
		case err != nil || n > math.MaxInt64/uint64(unit) || int64(n)*unit < least || int64(n)*unit > most:
			return 0, wrong(v, "%s is out of range: from %s to %s, or 0 for none", show(s), Bytes(least), Bytes(most))
		}
		return int64(n) * unit, nil
	}
}

// Bytes prints a number of bytes as an administrator would write it: 10MB.
func Bytes(n int64) string {
	for _, u := range units {
		if n >= u.bytes && n%u.bytes == 0 {
			return fmt.Sprintf("%d%s", n/u.bytes, u.name)
		}
	}
	return strconv.FormatInt(n, 10)
}
