package record

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// numbered is a line of the file with that number.
func numbered(seq uint64) string {
	e := take(one(1))
	e.Run, e.Seq, e.Time = 1, seq, start
	return encoded(e)
}

func put(t *testing.T, path string, parts ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(parts, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNoEventIsPassedOverAndCounted(t *testing.T) {
	good, next := numbered(1), numbered(2)
	for name, c := range map[string]struct {
		text string
		want []uint64
		skip Skipped
	}{
		"nothing":                      {"", nil, Skipped{}},
		"blank lines":                  {"\n" + good + "\n \r\n\n" + next, upTo(1, 2), Skipped{}},
		"CRLF":                         {strings.ReplaceAll(good+next, "\n", "\r\n"), upTo(1, 2), Skipped{}},
		"no newline at the end":        {good + strings.TrimSpace(next), upTo(1, 2), Skipped{}},
		"a torn line at the end":       {good + next[:100], upTo(1, 1), Skipped{Torn: true}},
		"a torn line, and more after":  {good[:100] + "\n" + next, upTo(2, 2), Skipped{Lines: 1}},
		"a torn line joined":           {good[:100] + next + numbered(3), upTo(3, 3), Skipped{Lines: 1}},
		"words":                        {"hello\n" + good, upTo(1, 1), Skipped{Lines: 1}},
		"other JSON":                   {"[]\n1\nnull\n{}\n\"x\"\n{\"seq\":1}\n" + good, upTo(1, 1), Skipped{Lines: 6}},
		"a value of another type":      {strings.Replace(good, `"W14"`, `14`, 1) + next, upTo(2, 2), Skipped{Lines: 1}},
		"an address that is none":      {strings.Replace(good, `172.16.0.1`, `172.16.0.999`, 1) + next, upTo(2, 2), Skipped{Lines: 1}},
		"NUL bytes, as a crash leaves": {good + strings.Repeat("\x00", 3000) + "\n" + next, upTo(1, 2), Skipped{Lines: 1}},
		"a long line":                  {good + strings.Repeat("x", 100_000) + "\n" + next, upTo(1, 2), Skipped{Long: 1}},
		"a long line at the end":       {good + strings.Repeat("x", 100_000), upTo(1, 1), Skipped{Torn: true}},
		"a long line that ends well":   {strings.Repeat(" ", maxLine) + good + next, upTo(2, 2), Skipped{Long: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, logPath(dir, 0), c.text)
			if d := cmp.Diff(c.want, seqs(all(t, dir, c.skip))); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestWithoutALogThereAreNoEvents(t *testing.T) {
	if events := all(t, filepath.Join(t.TempDir(), "none"), Skipped{}); events != nil {
		t.Error(events)
	}
}

func TestOnlyTheNewestAreRead(t *testing.T) {
	dir := t.TempDir()
	put(t, logPath(dir, 2), numbered(1), numbered(2))
	put(t, logPath(dir, 1), numbered(3), numbered(4))
	put(t, logPath(dir, 0), numbered(5), numbered(6))
	one := int64(len(numbered(1)))
	for _, c := range []struct {
		limits Limits
		want   []uint64
	}{
		{Limits{3, 1 << 20}, upTo(4, 6)},
		{Limits{1, 1 << 20}, upTo(6, 6)},
		{Limits{0, 1 << 20}, nil},
		{Limits{100, 6 * one}, upTo(1, 6)},
		{Limits{100, 6*one - 1}, upTo(2, 6)},
		{Limits{100, 3 * one}, upTo(4, 6)},
		{Limits{100, 3*one - 1}, upTo(5, 6)},
		{Limits{100, 0}, nil},
	} {
		events, skipped, err := Read(dir, c.limits)
		if d := cmp.Diff(c.want, seqs(events)); d != "" || err != nil || skipped != (Skipped{}) {
			t.Errorf("%+v: %+v %v, -want +got:\n%s", c.limits, skipped, err, d)
		}
	}

	// Of one that cannot be read the others are.
	if err := os.Remove(logPath(dir, 1)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(logPath(dir, 1), 0o700); err != nil {
		t.Fatal(err)
	}
	events, _, err := Read(dir, Limits{100, 1 << 20})
	if d := cmp.Diff([]uint64{1, 2, 5, 6}, seqs(events)); d != "" || err == nil {
		t.Errorf("%v, -want +got:\n%s", err, d)
	}
}

// TestAGigabyteOfRubbishIsReadInNoTime: of a file that is much too large, the end.
func TestAGigabyteOfRubbishIsReadInNoTime(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(logPath(dir, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("\n"+numbered(1)+numbered(2)), 1<<30); err != nil { // a hole before
		t.Fatal(err)
	}
	best := time.Hour
	for range 10 { // the machine may have been busy with others
		ring, began := NewRing(one(1)), time.Now()
		if _, err := Load(dir, ring); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(upTo(1, 2), seqs(ring.Of(one(1)))); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
		if best = min(best, time.Since(began)); best < 5*time.Second { // the whole would take longer than that
			return
		}
	}
	t.Errorf("took %s at best", best)
}

// TestOneAliasThatFlapsLeavesRoomForTheOthers: what is loaded is bounded for each.
func TestOneAliasThatFlapsLeavesRoomForTheOthers(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	e := take(one(2))
	e.Run, e.Seq = 1, 1
	encode(&b, e)
	for seq := uint64(2); seq < 3000; seq++ {
		e := take(one(1))
		e.Run, e.Seq = 1, seq
		encode(&b, e)
	}
	put(t, logPath(dir, 0), b.String())
	ring := NewRing(one(1), one(2), one(3))
	if _, err := Load(dir, ring); err != nil {
		t.Error(err)
	}
	for a, want := range map[Alias]int{one(1): 64, one(2): 1, one(3): 0} {
		if got := len(ring.Of(a)); got != want {
			t.Errorf("%s has %d events, want %d", a.Addr, got, want)
		}
	}
}

// FuzzRead: whatever stands in the files, what is read are events, which fit into a
// line and read the same again.
func FuzzRead(f *testing.F) {
	good := numbered(1)
	for _, seed := range []string{
		"", "\n", good, good + good[:50], good[:50] + "\n" + good, "{}\n[]\nnull\n", strings.Repeat("x", 2*maxLine) + "\n" + good,
		`{"time":"2026-11-28T20:00:00Z","seq":1,"event":"x","facts":null,"alias":"fe80::1%eth0","run":"ffffffffffffffff","level":""}`,
		`{"TIME":"2026-11-28T20:00:00.000000001+01:00","seq":18446744073709551615,"event":"\ud800\u2028"}`, "\x00\xff\xfe\n" + good,
		strings.Repeat("[", 5000), `{"facts":[{"facts":[{}]}],"seq":1e0}`,
	} {
		f.Add([]byte(seed), []byte(good), 1<<20)
	}
	f.Fuzz(func(t *testing.T, newer, older []byte, most int) {
		dir := t.TempDir()
		put(t, logPath(dir, 0), string(newer))
		put(t, logPath(dir, 1), string(older))
		events, skipped, err := Read(dir, Limits{100, int64(most)})
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(newer, []byte("\n")) + bytes.Count(older, []byte("\n")) + 2; len(events)+skipped.Lines+skipped.Long > lines {
			t.Errorf("%d events and %+v of %d lines", len(events), skipped, lines)
		}
		for _, e := range events {
			text := encoded(e)
			again, ok := parse([]byte(text))
			if !ok || len(text) > maxLine || strings.Count(text, "\n") != 1 {
				t.Fatalf("%q of %+v", text, e)
			}
			if fmt.Sprint(again.Seq, again.Run, again.Drops) != fmt.Sprint(e.Seq, e.Run, e.Drops) && again.Kind != Lost {
				t.Errorf("%+v became %+v", e, again)
			}
		}
	})
}
