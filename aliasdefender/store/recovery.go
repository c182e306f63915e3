package store

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// RecoveryName is the name of the file in the state directory that says how far the
// recovery of a partner's service has come, and how many have begun.
const RecoveryName = "recovery"

const recoveryLine = "# Alias Defender: recoveries of partners' services, with a checksum"

const recoveryHead = recoveryLine + `
# A line for each alias: its step and since when, when the partner was fenced, and when
# recoveries began within the last hour. Written by the program. Without the file nothing
# is under way, and no partner is fenced.
`

// Recovery is what outlives a Monitor of the recovery of one alias. Package recovery knows
// what a Step means, and keeps no fence for which the alias was taken.
type Recovery struct {
	Alias  netip.Addr
	Step   string // one word
	Since  time.Time
	Fenced time.Time   // zero: it is not
	Begun  []time.Time // oldest first
}

// noTime stands for a time that is zero.
const noTime = "-"

// ReadRecoveries returns what the file in the state directory dir says. A file that is not
// there has nothing. The error says why it is not known what it says. It waits for the
// disk.
func ReadRecoveries(dir string) ([]Recovery, error) {
	var all []Recovery
	err := readOfBoot(dir, RecoveryName, recoveryLine, "", func(line string) error {
		words := strings.Fields(line)
		if len(words) < 4 {
			return fmt.Errorf("%.60q is no recovery", line)
		}
		r := Recovery{Step: words[1]}
		var err error
		if r.Alias, err = netip.ParseAddr(words[0]); err != nil {
			return fmt.Errorf("%.60q is no address", words[0])
		}
		times := make([]time.Time, 0, len(words))
		for _, w := range words[2:] {
			t := time.Time{}
			if w != noTime {
				if t, err = time.Parse(time.RFC3339Nano, w); err != nil {
					return fmt.Errorf("%.60q is no time", w)
				}
			}
			times = append(times, t)
		}
		r.Since, r.Fenced, r.Begun = times[0], times[1], times[2:]
		all = append(all, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// WriteRecoveries makes the file say just this. When it returns nil the disk has it. It
// waits for the disk.
func WriteRecoveries(dir string, all []Recovery) error {
	lines := make([]string, len(all))
	for i, r := range all {
		words := []string{r.Alias.String(), r.Step}
		for _, t := range append([]time.Time{r.Since, r.Fenced}, r.Begun...) {
			word := noTime
			if !t.IsZero() {
				word = t.UTC().Format(time.RFC3339Nano)
			}
			words = append(words, word)
		}
		lines[i] = strings.Join(words, " ")
	}
	return writeOfBoot(dir, RecoveryName, recoveryHead, "", lines)
}
