package story

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

const (
	// backWithin is how long an alias that another program deleted may be away.
	backWithin = 20 * time.Millisecond
	// backAmongTakes is the same right after the Monitor has added many, while it logs and
	// announces each of them.
	backAmongTakes = 50 * time.Millisecond
)

// TestDeletedAliasIsBackAndAnnouncedAtOnce has a rhythm of an hour, so that only the
// kernel's own notice can tell the Monitor, and not a reading in some round.
func TestDeletedAliasIsBackAndAnnouncedAtOnce(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 100} {
		t.Run(fmt.Sprintf("%d aliases", n), func(t *testing.T) {
			t.Parallel()
			back := stage.NewFigures(t, fmt.Sprintf("a deleted alias is back, of %d", n), backWithin)
			announced := stage.NewFigures(t, fmt.Sprintf("a deleted alias is announced, of %d", n), backWithin)
			among := stage.NewFigures(t, fmt.Sprintf("an alias that is deleted right after the takes is announced, of %d", n), backAmongTakes)
			after := stage.NewFigures(t, fmt.Sprintf("the same, after the last of the takes is announced, of %d", n), backWithin)
			for i := range stage.Runs(12) {
				t.Run(fmt.Sprint(i), func(t *testing.T) { deletedTwice(t, n, among, after, back, announced) })
			}
		})
	}
}

// deletedTwice deletes it right after the takes, while the Monitor may still log and
// announce the others, which have waited for longer, and once more when it has nothing else
// to do. After the third time within a minute the Monitor would wait.
func deletedTwice(t *testing.T, n int, among, after, back, announced *stage.Figures) {
	p := stage.BegunWith(t, n, "interval = \"1h\"\ntimeout = \"100ms\"")
	stage.WaitAddrs(t, p.A, stage.Rows(n, true)) // while it adds the others, the Monitor reads them together
	sniff, err := p.User.Port().Sniff()
	stage.Must(t, err)
	eth0, takes := p.A.NIC("eth0"), p.Holders.Tenure(time.Time{}, time.Time{}).Takes
	first := time.Now()
	for settled := range 2 {
		deleted := time.Now()
		stage.Must(t, eth0.DelAddr(p.Alias))
		takes++
		announcing, err := stage.Announcement(t, sniff, p.A, p.Alias, deleted)
		stage.Must(t, err)
		stage.Held(t, p, "a")
		stage.Served(t, p, "a")
		spans := p.Holders.Spans()
		still := stage.Stillness(p.Asker, p.Control, deleted, announcing)
		if settled == 0 {
			for _, r := range stage.Rows(n, true) {
				stage.Said(t, p.Monitor(p.A), fmt.Sprintf("event=moved alias=%s ", r.Alias.Addr()))
			}
			due := deleted
			if last := lastTake(p.Monitor(p.A)); last.After(due) {
				due = last
			}
			among.Add(announcing.Sub(deleted), still)
			after.Add(announcing.Sub(due), still)
			continue
		}
		back.Add(spans[len(spans)-1].From.Sub(deleted), still)
		announced.Add(announcing.Sub(deleted), still)
	}
	if have := p.Holders.Tenure(time.Time{}, time.Time{}).Takes; have != takes {
		t.Errorf("%d takes, want %d: one of each deletion", have, takes)
	}
	saysWhatVanished(t, p, first)
	if n > 1 {
		allDeleted(t, p, n)
	}
}

// lastTake is when the Monitor logged the last of its takes, which it announces in the
// same moment.
func lastTake(m *lab.Process) (last time.Time) {
	for line := range strings.Lines(m.Output()) {
		at, err := time.ParseInLocation("2006-01-02 15:04:05.000", line[:min(len(line), 23)], time.Local)
		if err == nil && strings.Contains(line, "action=take") {
			last = at
		}
	}
	return last
}

// saysWhatVanished looks for the alias and the time in the log and in Why.
func saysWhatVanished(t *testing.T, p *pair.Pair, deleted time.Time) {
	t.Helper()
	stage.Said(t, p.Monitor(p.A), "action=restore") // the line comes after the address
	told := false
	for line := range strings.Lines(p.Monitor(p.A).Output()) {
		at, err := time.ParseInLocation("2006-01-02 15:04:05.000", line[:min(len(line), 23)], time.Local)
		told = told || err == nil && at.After(deleted.Add(-time.Millisecond)) &&
			strings.Contains(line, p.Alias.String()) && strings.Contains(line, "action=restore")
	}
	if !told {
		t.Errorf("the log does not tell that %s vanished at %v:\n%s", p.Alias, deleted, p.Monitor(p.A).Output())
	}
	out, errs, code := p.Run(stage.Patiently(t), p.A, "Why", p.Alias.String(), "--json")
	var why []stage.Told
	if err := json.Unmarshal([]byte(out), &why); err != nil || code != 0 || len(why) != 1 {
		t.Fatalf("Why: exit %d, %v:\n%s%s", code, err, out, errs)
	}
	for _, e := range why[0].Journal {
		if e.Row == "H5" && !e.At.Before(deleted) {
			return
		}
	}
	t.Errorf("Why does not tell that it vanished at %v:\n%s", deleted, out)
}

// allDeleted deletes every alias in one go: a script that has cleaned up.
func allDeleted(t *testing.T, p *pair.Pair, n int) {
	t.Helper()
	deleted := time.Now()
	for _, r := range stage.Rows(n, true) {
		stage.Must(t, p.A.NIC("eth0").DelAddr(r.Alias.Addr()))
	}
	gone := time.Since(deleted)
	stage.WaitAddrs(t, p.A, stage.Rows(n, true))
	t.Logf("%d aliases deleted in %v were all back %v after the first", n, gone, time.Since(deleted))
	if have := stage.StrangeAddrs(t, p.B, nil); len(have) > 0 {
		t.Errorf("the partner took: %v", have)
	}
}

// TestRecreatedNICHoldsAgainWithoutARestart deletes the interface and makes it again
// with another index. Everything on it is gone, an ARP listener too. Either the
// daemon sees it go, and has let the aliases go before it comes back; or it sees only
// the new one.
func TestRecreatedNICHoldsAgainWithoutARestart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		n      int
		unseen bool
	}{
		{"1 alias", 1, false},
		{"1 alias, in a moment", 1, true},
		{"100 aliases", 100, false},
		{"100 aliases, in a moment", 100, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range stage.Runs(4) {
				// Slow enough that the other host does not take them meanwhile.
				p := stage.BegunWith(t, tt.n, "interval = \"10m\"\ntimeout = \"750ms\"")
				recreatedTwice(t, p, tt.n, tt.unseen)
				stage.Must(t, p.Lab.Close())
			}
		})
	}
}

// recreatedTwice makes the holder's interface anew, and then once more.
func recreatedTwice(t *testing.T, p *pair.Pair, n int, unseen bool) {
	t.Helper()
	sniff, err := p.User.Port().Sniff()
	stage.Must(t, err)
	eth0 := p.A.NIC("eth0")
	for range 2 {
		index, began := eth0.Index(), time.Now()
		if unseen {
			stage.Must(t, p.Monitor(p.A).Freeze())
		}
		stage.Must(t, eth0.Recreate())
		if unseen {
			stage.Must(t, p.Monitor(p.A).Signal(unix.SIGCONT))
		}
		if eth0.Index() == index {
			t.Fatalf("the NIC still has index %d", index)
		}
		announced, err := stage.Announcement(t, sniff, p.A, p.Alias, began)
		stage.Must(t, err)
		stage.WaitAddrs(t, p.A, stage.Rows(n, true))
		t.Logf("announced %v, all %d held %v after the interface was deleted", announced.Sub(began), n, time.Since(began))
		stage.Served(t, p, "a")
	}
	if have := stage.StrangeAddrs(t, p.B, nil); len(have) > 0 {
		t.Errorf("the partner took: %v", have)
	}
	select {
	case <-p.Monitor(p.A).Done():
		t.Error("the Monitor has ended")
	default:
	}
}
