package peer

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

// alarmed waits until Status --json of both hosts shows what does not fit, and
// returns how long that took after both had heard each other.
func alarmed(t *testing.T, p *pair.Pair, text string) time.Duration {
	t.Helper()
	for _, h := range []*lab.Host{p.A, p.B} {
		stage.Said(t, p.Monitor(h), "event=partner_heard")
	}
	heard := time.Now()
	for _, h := range []*lab.Host{p.A, p.B} {
		stage.Until(t, p, h, text, func(s control.Snapshot, a control.Alias) bool {
			return strings.Contains(strings.Join(append(s.Problems, a.Pair...), "\n"), text)
		})
	}
	return time.Since(heard)
}

func TestPairThatDoesNotFitIsAnAlarmOnBothHosts(t *testing.T) {
	t.Parallel()
	const interval = 500 * time.Millisecond
	row := func(primary bool, bits string) string {
		partner := pair.OwnB.Addr().String()
		if !primary {
			partner = pair.OwnA.Addr().String()
		}
		return "eth0:1 | " + pair.Alias.String() + " | " + bits + " | " + partner
	}
	second := "eth0:2 | 10.77.0.101 | /24 | " + pair.OwnB.Addr().String() + " | true\n"
	for _, tt := range []struct {
		name, a, b string
		settings   string // of B
		text       string
		within     time.Duration
		oneHolder  bool // the host with the lower hardware address
	}{
		{name: "two primaries", a: row(true, "/24") + " | true\n", b: row(false, "/24") + " | true\n",
			text: "both hosts' files say primary", within: 2 * interval, oneHolder: true},
		{name: "no primary", a: row(true, "/24") + " | false\n", b: row(false, "/24") + " | false\n",
			text: "no host's file says primary", within: 2 * interval, oneHolder: true},
		{name: "different masks", a: row(true, "/24") + " | true\n", b: row(false, "/25") + " | false\n",
			text: "the netmask is", within: 2 * interval},
		{name: "rhythms that cannot work together", a: row(true, "/24") + " | true\n", b: row(false, "/24") + " | false\n",
			settings: "interval = \"50ms\"", text: "the rhythms cannot work together", within: 2 * interval},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Rhythm(interval), Keys: []string{stage.NewKey()}})
			if tt.settings != "" {
				stage.Must(t, p.Write(p.B, pair.OwnA.Addr(), false, tt.settings))
			}
			rewrite(t, p, p.A, tt.a)
			rewrite(t, p, p.B, tt.b)
			stage.Must(t, p.Begin(stage.Patience))
			took := alarmed(t, p, tt.text)
			figure := stage.NewFigures(t, "shown on both hosts: "+tt.name, tt.within)
			figure.Add(took, stage.Stillness(p.Asker, p.Control, time.Now().Add(-took), time.Now()))
			judgeAlarm(t, p)
			if tt.oneHolder {
				low := "a"
				if slices.Compare(p.B.NIC("eth0").MAC, p.A.NIC("eth0").MAC) < 0 {
					low = "b"
				}
				stage.Held(t, p, low)
				stage.Unchanged(t, p, 2*time.Second)
			}
		})
	}
	t.Run("an alias that one file has not", func(t *testing.T) {
		t.Parallel()
		p := stage.Pair(t, pair.Spec{PrimaryA: true, Settings: stage.Rhythm(interval), Keys: []string{stage.NewKey()}})
		rewrite(t, p, p.A, row(true, "/24")+" | true\n"+second)
		stage.Must(t, p.Begin(stage.Patience))
		for _, h := range []*lab.Host{p.A, p.B} {
			stage.Said(t, p.Monitor(h), "event=pair_misfit")
		}
		judgeAlarm(t, p)
	})
}

// judgeAlarm checks whether Status of both hosts shows an alarm.
func judgeAlarm(t *testing.T, p *pair.Pair) {
	t.Helper()
	for _, h := range []*lab.Host{p.A, p.B} {
		out, errs, code := p.Run(stage.Patiently(t), h, "Status", "--json")
		var s control.Snapshot
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatalf("%v\n%s%s", err, out, errs)
		}
		if alarm := slices.ContainsFunc(s.Aliases, func(a control.Alias) bool { return a.Level == "alarm" }); code != stage.Failed || !alarm && len(s.Problems) == 0 {
			t.Errorf("Status on %s exits with %d, want %d and an alarm:\n%s", h.Name, code, stage.Failed, out)
		}
	}
}
