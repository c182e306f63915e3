package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

func TestSinceReadsTimes(t *testing.T) {
	zone := time.FixedZone("", 3600)
	now := time.Date(2026, 11, 28, 9, 30, 0, 0, zone)
	at := func(day, hour, minute, second int) time.Time {
		return time.Date(2026, 11, day, hour, minute, second, 0, zone)
	}
	for text, want := range map[string]time.Time{
		"2h": at(28, 7, 30, 0), "90s": at(28, 9, 28, 30), "3d": at(25, 9, 30, 0),
		"05:00": at(28, 5, 0, 0), "09:30:00": at(28, 9, 30, 0),
		"2026-11-27": at(27, 0, 0, 0), "2026-11-27 23:15": at(27, 23, 15, 0), "2026-11-27T23:15:07": at(27, 23, 15, 7),
		"2026-11-27T22:15:07Z": at(27, 23, 15, 7),
	} {
		if got, err := sinceTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"23:00":            `--since "23:00": today it is not yet that late; for yesterday write '2026-11-27 23:00'`,
		"2026-11-29":       `--since "2026-11-29" is in the future; ` + sinceForms,
		"-2h":              `--since "-2h" is not in the past; ` + sinceForms,
		"0d":               `--since "0d" is not a time; ` + sinceForms,
		"yesterday":        `--since "yesterday" is not a time; ` + sinceForms,
		"":                 `--since "" is not a time; ` + sinceForms,
		"2026-02-30 10:00": `--since "2026-02-30 10:00" is not a time; ` + sinceForms,
		"99999999d":        `--since "99999999d" is not a time; ` + sinceForms,
	} {
		if got, err := sinceTime(text, now); err == nil || err.Error() != want {
			t.Errorf("%s: %v, %v; want %s", text, got, err, want)
		}
	}
}

// logged writes an event log with settings beside it that name it, and returns the
// command line's part that names them.
func logged(t *testing.T, events ...record.Event) (dir string, named []string) {
	t.Helper()
	dir = t.TempDir()
	var text bytes.Buffer
	for _, e := range events {
		if err := json.NewEncoder(&text).Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	if len(events) > 0 {
		put(t, filepath.Join(dir, record.LogName), text.String())
	}
	put(t, filepath.Join(dir, "toml"), fmt.Sprintf("[state]\ndir = %q\n", dir))
	put(t, filepath.Join(dir, "alias"), "eth0:1 | 10.0.0.8 | /24 | 10.0.0.2 | false\neth0:2 | 10.0.0.9 | /24 | 10.0.0.2 | false\n")
	return dir, []string{"--settings", filepath.Join(dir, "toml"), "--aliases", filepath.Join(dir, "alias")}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// night is what two runs of a Monitor wrote; the clock of the second steps back.
func night(now time.Time) []record.Event {
	ago := func(d time.Duration) time.Time { return now.Add(-d).Round(0) }
	eight, nine := record.Alias{Addr: netip.MustParseAddr("10.0.0.8"), NIC: "eth0"}, record.Alias{Addr: netip.MustParseAddr("10.0.0.9"), NIC: "eth0"}
	take := record.DecisionOf(rules.Decision{Row: "W14", Action: rules.Take, Reason: rules.PartnerSilent})
	all := []record.Event{
		{Run: 1, Time: ago(5 * time.Hour), Kind: record.Started, Text: "version 1"},
		{Run: 1, Time: ago(3 * time.Hour), Kind: record.PartnerSays, Alias: eight, Says: "holding", Text: "the partner says that it holds the alias"},
		{Run: 1, Time: ago(2 * time.Hour), Kind: record.Moved, Level: rules.Warning, Alias: eight, Decision: take, Text: "x",
			Facts: []record.Fact{{Name: "alias elsewhere", Value: "silent"}}},
		{Run: 1, Time: ago(2 * time.Hour), Kind: record.Moved, Alias: nine, Decision: take, Text: "x"},
		{Run: 2, Time: ago(time.Hour), Kind: record.Started, Text: "version 2"},
		{Run: 2, Time: ago(4 * time.Hour), Kind: record.Ordered, Alias: eight, Text: "an operator ordered RemoveAlias"},
		{Run: 2, Time: ago(4 * time.Hour), Kind: record.CheckFailing, Check: "web", Text: "failing: status 500"},
		{Run: 2, Time: ago(4 * time.Hour), Kind: record.RouteMoved, Route: "192.0.2.0/24", Text: "x", Decision: record.Decision{Row: "R6", Action: "add", Why: "y"}},
		{Run: 2, Time: ago(4 * time.Hour), Kind: record.PartnerHeard, Partner: "10.0.0.2", Text: "the partner's daemon is heard on the channel"},
		{Run: 2, Time: ago(4 * time.Hour), Kind: record.HookFailed, Alias: eight, Text: "the hook take failed", Hook: "take", Error: "exit status 1"},
		{Run: 2, Time: ago(4 * time.Hour), Kind: record.Ended},
	}
	for i := range all {
		all[i].Seq = uint64(i + 1)
	}
	return all
}

func TestWhySinceTellsTheNightOverRestarts(t *testing.T) {
	now := time.Now()
	events := night(now)
	_, named := logged(t, events...)
	var out bytes.Buffer
	if code := run(t, &out, append(named, "Why", "--since", "150m", "10.0.0.8")...); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, &out)
	}
	at := func(i int) string { return clock(events[i].Time, now) }
	_, got, _ := strings.Cut(out.String(), "\n")
	want := at(2) + "  10.0.0.8  took it (W14): alias and partner are silent, and the router answers.\n    alias silent; link good\n" +
		"-- the Monitor before this ended without a word: it was killed, or the host crashed\n" +
		at(4) + "  -         the Monitor started, version 2\n" +
		at(5) + "  10.0.0.8  an operator ordered RemoveAlias\n" +
		at(6) + "  -         check web: failing: status 500\n" +
		at(8) + "  -         the partner's daemon is heard on the channel (partner 10.0.0.2)\n" +
		at(9) + "  10.0.0.8  the hook take failed: exit status 1\n" +
		at(10) + "  -         the Monitor ended\n"
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"Why", "--since", "9h"}, "note: the event log does not go back that far: it begins at " + at(0) + "\n"},
		{[]string{"Why", "--since", "9h", "--last", "1"}, "note: 10 earlier events are not shown\n" + at(10) + "  -  the Monitor ended\n"},
		{[]string{"Why", "--since", "9h", "192.0.2.0/24"}, at(7) + "  192.0.2.0/24  added it (R6): y.\n"},
		{[]string{"Why", "--since", "10m", "10.0.0.8"}, "\nnothing has happened\n"},
	} {
		out.Reset()
		if code := run(t, &out, append(named, c.args...)...); code != exitDone || !strings.Contains(out.String(), c.want) {
			t.Errorf("%q: exit code %d, want 0 and %q in\n%s", c.args, code, c.want, &out)
		}
	}
}

func TestWhySinceAsJSONHasTheEventsAsTheLogHasThem(t *testing.T) {
	events := night(time.Now().UTC())
	dir, named := logged(t, events...)
	f, err := os.OpenFile(filepath.Join(dir, record.LogName), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("rubbish\n" + strings.Repeat("x", 20000) + "\n")
	f.Close()
	var out bytes.Buffer
	if code := run(t, &out, append(named, "Why", "--json", "--since", "9h", "10.0.0.8")...); code != exitDone {
		t.Fatalf("exit code %d:\n%s", code, &out)
	}
	var got story
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := story{Dir: dir, Begins: events[0].Time, Skipped: 2, Events: append(append(append([]record.Event{}, events[:3]...), events[4:7]...), events[8:]...)}
	got.Since = time.Time{}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(story{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestWhySinceSaysWhatIsInItsWay(t *testing.T) {
	_, none := logged(t)
	dir, named := logged(t, night(time.Now())...)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{append(none, "Why", "--since", "2h"), exitFailed, "aliasdefender: there is no event log in "},
		{append(named, "Why", "--since", "2h", "10.0.0.7"), exitFailed, "aliasdefender: the event log has nothing about it: 10.0.0.7 is no alias of " + dir + "/alias, which has 10.0.0.8, 10.0.0.9\n"},
		{append(named, "Why", "--since", "2h", "192.0.3.0/24"), exitFailed, "aliasdefender: the event log has nothing about 192.0.3.0/24, which is no route of "},
		{append(named, "Why", "--since", "noon"), exitUsage, "aliasdefender: --since \"noon\" is not a time; " + sinceForms + "; try 'aliasdefender Why --since 2h'\n"},
		{append(named, "Why", "--since", "2h", "--last", "10001"), exitUsage, "aliasdefender: --last 10001 is too large: with --since at most 10000\n"},
	} {
		var out bytes.Buffer
		if code := run(t, &out, c.args...); code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%q: exit code %d, want %d and %q in\n%s", c.args, code, c.code, c.want, &out)
		}
	}
}

// However large the event log is, Why --since keeps only so many of its events.
func TestWhySinceKeepsTheNewest(t *testing.T) {
	dir, _ := logged(t, night(time.Now())...)
	s, err := readStory(dir, time.Now().Add(-9*time.Hour), subject{}, 2)
	if err != nil || len(s.Events) != 2 || cap(s.Events) > 8 || s.LeftOut != 9 || s.Events[1].Kind != record.Ended {
		t.Errorf("%d events of %d, %v: %+v", len(s.Events), cap(s.Events), err, s)
	}
}

func TestWhySinceWithoutPermissionSaysWhoMayRead(t *testing.T) {
	err := unreadable("/state", errors.Join(fmt.Errorf("open: %w", fs.ErrPermission), fmt.Errorf("again: %w", fs.ErrPermission)))
	if want := "the event log in /state cannot be read: permission denied; run as root"; err.Error() != want {
		t.Errorf("%v; want %s", err, want)
	}
}
