package story

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab/pair"
)

// backWithin is how long an alias that another program deleted may be away.
const backWithin = 20 * time.Millisecond

// TestDeletedAliasIsBackAndAnnouncedAtOnce has the rhythm of a second, so that
// only the kernel's own notice can tell in time, and no reading of each round.
func TestDeletedAliasIsBackAndAnnouncedAtOnce(t *testing.T) {
	for _, n := range []int{1, 100} {
		t.Run(fmt.Sprintf("%d aliases", n), func(t *testing.T) {
			p := stage.BegunWith(t, n, `interval = "1s"`)
			sniff, err := p.User.Port().Sniff()
			stage.Must(t, err)
			eth0, takes := p.A.NIC("eth0"), p.Holders.Tenure(time.Time{}, time.Time{}).Takes
			var first time.Time
			var back, announced []time.Duration
			for noise := 0; len(back) < max(5, stage.Runs()); {
				deleted := time.Now()
				stage.Must(t, eth0.DelAddr(pair.Alias))
				takes++
				announcing, err := stage.Announcement(t, sniff, p.A, pair.Alias, deleted)
				stage.Must(t, err)
				stage.Held(t, p, 5*time.Second, "a")
				stage.Served(t, p, 5*time.Second, "a")
				spans := p.Holders.Spans()
				taken := spans[len(spans)-1].From
				if first.IsZero() {
					first = deleted
				}
				if still := stage.Stillness(p.Asker, p.Control, deleted, announcing); still > backWithin/2 && noise < 20 {
					noise++
					t.Logf("the machine stood still for %v: repeated", still)
					continue
				}
				back, announced = append(back, taken.Sub(deleted)), append(announced, announcing.Sub(deleted))
			}
			t.Logf("back after %v, announced after %v; medians %v and %v", back, announced, stage.Median(back), stage.Median(announced))
			if m := stage.Median(announced); m > backWithin {
				t.Errorf("announced %v after it was deleted, in the median of %d runs; want %v", m, len(announced), backWithin)
			}
			if g := stage.Gaps(p.Asker, p.Control, first); len(g) > len(back)/2 {
				t.Errorf("the client's gaps of %d deletions: %v", len(back), g)
			}
			if have := p.Holders.Tenure(time.Time{}, time.Time{}).Takes; have != takes {
				t.Errorf("%d takes, want %d: one of each deletion", have, takes)
			}
			saysWhatVanished(t, p, first)
			if n > 1 {
				allDeleted(t, p, n)
			}
		})
	}
}

// saysWhatVanished looks for the alias and the time in the log and in Why.
func saysWhatVanished(t *testing.T, p *pair.Pair, deleted time.Time) {
	t.Helper()
	told := false
	for line := range strings.Lines(p.Monitor(p.A).Output()) {
		at, err := time.ParseInLocation("2006-01-02 15:04:05.000", line[:min(len(line), 23)], time.Local)
		told = told || err == nil && at.Sub(deleted).Abs() < time.Second &&
			strings.Contains(line, pair.Alias.String()) && strings.Contains(line, "another program removed it")
	}
	if !told {
		t.Errorf("the log does not tell that %s vanished at %v:\n%s", pair.Alias, deleted, p.Monitor(p.A).Output())
	}
	out, errs, code := p.Run(stage.Within(t, 10*time.Second), p.A, "Why", pair.Alias.String(), "--json")
	var why []stage.Told
	if err := json.Unmarshal([]byte(out), &why); err != nil || code != 0 || len(why) != 1 {
		t.Fatalf("Why: exit %d, %v:\n%s%s", code, err, out, errs)
	}
	for _, e := range why[0].Journal {
		if e.Row == "H5" && e.At.Sub(deleted).Abs() < time.Second {
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
	stage.WaitAddrs(t, p.A, 5*time.Second, stage.Rows(n, true))
	t.Logf("%d aliases deleted in %v were all back %v after the first", n, gone, time.Since(deleted))
	if have := stage.StrangeAddrs(t, p.B, nil); len(have) > 0 {
		t.Errorf("the partner took: %v", have)
	}
}

// TestRecreatedNICHoldsAgainWithoutARestart deletes the interface and makes it
// anew, with another index: what was on it is gone, an ear too. The daemon sees it
// go, and has let the aliases go before it comes; or sees but the new one.
func TestRecreatedNICHoldsAgainWithoutARestart(t *testing.T) {
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
			for done, repeats := 0, 0; done < stage.Runs(); {
				p := stage.BegunWith(t, tt.n, `interval = "200ms"`)
				began := time.Now()
				if err := recreatedTwice(t, p, tt.n, tt.unseen); err == nil {
					done++
				} else if repeats++; repeats > 5 || !stage.Noisy(t, p, began) {
					t.Fatal(err)
				}
				stage.Must(t, p.Lab.Close())
			}
		})
	}
}

// recreatedTwice makes the holder's interface anew, and again.
func recreatedTwice(t *testing.T, p *pair.Pair, n int, unseen bool) error {
	t.Helper()
	sniff, err := p.User.Port().Sniff()
	stage.Must(t, err)
	eth0 := p.A.NIC("eth0")
	for range 2 {
		index, began := eth0.Index(), time.Now()
		if unseen {
			stage.Must(t, p.Monitor(p.A).Signal(unix.SIGSTOP))
		}
		stage.Must(t, eth0.Recreate())
		if unseen {
			stage.Must(t, p.Monitor(p.A).Signal(unix.SIGCONT))
		}
		if eth0.Index() == index {
			t.Fatalf("the NIC still has index %d", index)
		}
		announced, err := stage.Announcement(t, sniff, p.A, pair.Alias, began)
		if err != nil {
			return err
		}
		limit := 3 * time.Second
		if !unseen { // they were let go, and the rivals of so many are asked for in turns
			limit += time.Duration(n) * 20 * time.Millisecond
		}
		if strange := stage.AwaitAddrs(t, p.A, limit, stage.Rows(n, true)); len(strange) > 0 {
			return fmt.Errorf("%v after the interface was made anew: %v", limit, strange)
		}
		t.Logf("announced %v, all %d held %v after the interface was deleted", announced.Sub(began), n, time.Since(began))
		stage.Served(t, p, 5*time.Second, "a")
	}
	if have := stage.StrangeAddrs(t, p.B, nil); len(have) > 0 {
		return fmt.Errorf("the partner took: %v", have)
	}
	select {
	case <-p.Monitor(p.A).Done():
		t.Error("the Monitor has ended")
	default:
	}
	return nil
}
