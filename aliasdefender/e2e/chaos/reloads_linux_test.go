package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

const (
	reloads = 200
	steady  = 3  // aliases whose rows and settings never change; one primary, A, has them
	shaken  = 12 // aliases after them, whose rows do
)

// TestReloadsInARowTouchNothingButWhatChanged reloads both hosts' files again and
// again, good files and bad ones, without waiting for the effects of the last reload.
func TestReloadsInARowTouchNothingButWhatChanged(t *testing.T) {
	t.Parallel()
	used := seedOr(uint64(time.Now().UnixNano()))
	t.Logf("-seed %d", used)
	rnd := rand.New(rand.NewPCG(used, 0))
	const settings = `interval = "100ms"`
	p := stage.BegunWith(t, steady+shaken, settings)
	all := stage.Rows(steady+shaken, true)
	var askers []*lab.Client
	var watches []*lab.Watch
	for i, r := range all {
		w, err := p.Lab.Watch(r.Alias.Addr())
		stage.Must(t, err)
		watches = append(watches, w)
		if i < steady {
			c, err := p.User.Client(lab.ClientSpec{Target: r.Alias.Addr()})
			stage.Must(t, err)
			stage.Must(t, c.WaitAnswer(stage.Patiently(t), "a"))
			askers = append(askers, c)
		}
	}

	// It is not the daemon's doing if the client misses what the host's own address
	// misses too, nor if it misses something while the kernel's ARP table, which all
	// share, is full.
	own, err := p.User.Client(lab.ClientSpec{Target: pair.OwnA.Addr()})
	stage.Must(t, err)
	stage.Must(t, own.WaitAnswer(stage.Patiently(t), "a"))
	began, full := time.Now(), countCrowd().times
	bad := 0
	good := map[*lab.Host][]stage.Row{p.A: stage.Rows(steady+shaken, true), p.B: stage.Rows(steady+shaken, false)}
	for range reloads {
		h := p.A
		if rnd.IntN(3) == 0 {
			h = p.B
		}
		if rnd.IntN(5) == 0 {
			bad++
			badReload(t, p, h, rnd, settings, good[h])
		} else {
			good[h] = shake(rnd, good[h], h == p.A)
			stage.Put(t, p, h, shakenSettings(rnd, good[h]), good[h])
			stage.Must(t, stage.Reload(p, h))
		}
		if pause := rnd.IntN(4) - 1; pause > 0 {
			<-time.After(time.Duration(pause) * 40 * time.Millisecond)
		}
	}
	t.Logf("%d reloads, %d of bad files, in %v", reloads, bad, time.Since(began))

	// Roles and rhythms as at the beginning, so that each row has a host that takes
	// it.
	for _, h := range []*lab.Host{p.A, p.B} {
		for i := range good[h] {
			good[h][i].Primary = h == p.A
		}
		stage.Put(t, p, h, settings, good[h])
		stage.Must(t, stage.Reload(p, h))
	}
	endsAsTheFilesSay(t, p, good)
	for i, c := range askers {
		if g := stage.Gaps(c, own, began); len(g) > 0 && countCrowd().times > full {
			t.Logf("%s has the gaps %v; the kernel's ARP table was full", all[i].Alias, g)
		} else if len(g) > 0 {
			t.Errorf("%s did not change, and has the gaps %v", all[i].Alias, g)
		}
		if n := watches[i].Tenure(began, time.Time{}).Takes; n != 0 {
			t.Errorf("%s did not change, and was taken %d times", all[i].Alias, n)
		}
	}
	for i, w := range watches {
		if n := w.Copies(); n > 1 {
			t.Errorf("%s stood in %d places of one host at a time", all[i].Alias, n)
		}
	}
}

// shake changes rows at random: some go, some come back, and the others change label,
// mask or role.
func shake(rnd *rand.Rand, old []stage.Row, primary bool) []stage.Row {
	next := slices.Clone(old[:steady])
	for i, r := range stage.Rows(steady+shaken, primary)[steady:] {
		at := slices.IndexFunc(old, func(o stage.Row) bool { return o.Alias.Addr() == r.Alias.Addr() })
		switch n := rnd.IntN(10); {
		case at < 0 && n < 5, n == 0:
			continue // it stays away, or goes
		case at >= 0:
			r = old[at]
		}
		switch rnd.IntN(10) {
		case 0:
			r.Label = fmt.Sprintf("eth0:%d", 100*(1+rnd.IntN(9))+i)
		case 1:
			r.Alias = netip.PrefixFrom(r.Alias.Addr(), []int{24, 25, 32}[rnd.IntN(3)])
		case 2:
			r.Primary = !r.Primary
		}
		next = append(next, r)
	}
	return next
}

// shakenSettings are a rhythm for all, which touches no address, and changing
// settings for some of the aliases.
func shakenSettings(rnd *rand.Rand, rows []stage.Row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "interval = \"%dms\"", 100*(1+rnd.IntN(2)))
	for _, r := range rows[steady:] {
		switch rnd.IntN(8) {
		case 0:
			fmt.Fprintf(&b, "\n[alias.%q]\ninterval = \"%dms\"", r.Alias.Addr(), 50*(1+rnd.IntN(6)))
		case 1:
			fmt.Fprintf(&b, "\n[alias.%q]\nmisses = %d", r.Alias.Addr(), 2+rnd.IntN(3))
		}
	}
	return b.String()
}

// badReload requires that files with a mistake are refused.
func badReload(t *testing.T, p *pair.Pair, h *lab.Host, rnd *rand.Rand, settings string, good []stage.Row) {
	t.Helper()
	changed := shake(rnd, good, h == p.A)
	var add string
	switch rnd.IntN(5) {
	case 0:
		add = "eth0:1000 | 10.77.0.250 | 255.0.255.0 | 10.77.0.77 | true\n"
	case 1:
		add = "eth0:1000 | " + pair.Alias.String() + " | 24 | 10.77.0.77 | true\n" // twice
	case 2:
		add = "eth0:1000 | 10.77.0.250 | 24\n"
	case 3:
		settings += "\nno_such_key = 1"
	case 4:
		settings += "\n[alias.\"10.9.9.9\"]\ninterval = \"1s\"" // no alias of the file
	}
	stage.Put(t, p, h, settings, changed)
	file := p.File(h, "hostname.alias")
	text, err := os.ReadFile(file)
	stage.Must(t, err)
	stage.Must(t, os.WriteFile(file, append(text, add...), 0o644))
	var refusal *control.Refusal
	if err := stage.Reload(p, h); !errors.As(err, &refusal) || refusal.Kind != control.KindConfig {
		t.Fatalf("a bad file with %q and %q: %v", add, settings, err)
	}
}

// endsAsTheFilesSay waits until one host holds each alias of the files exactly as its
// file says, and neither host has any other.
func endsAsTheFilesSay(t *testing.T, p *pair.Pair, good map[*lab.Host][]stage.Row) {
	t.Helper()
	var wrong []string
	for deadline := time.Now().Add(stage.Patience); ; {
		wrong = wrong[:0]
		holders := map[netip.Addr]int{}
		for h, rows := range good {
			have, err := h.Addrs()
			stage.Must(t, err)
			held := slices.DeleteFunc(slices.Clone(rows), func(r stage.Row) bool {
				return !slices.Contains(have, r.InKernel())
			})
			for _, r := range held {
				holders[r.Alias.Addr()]++
			}
			for _, s := range stage.StrangeAddrs(t, h, held) {
				wrong = append(wrong, h.Name+": "+s)
			}
		}
		for _, r := range good[p.A] { // a row that only B has may wait for a primary for ever
			if n := holders[r.Alias.Addr()]; n != 1 {
				wrong = append(wrong, fmt.Sprintf("%s is held by %d hosts", r.Alias, n))
			}
		}
		if len(wrong) == 0 {
			return
		}
		if time.Now().After(deadline) {
			break
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Errorf("at the end:\n%s\nA's rows:\n%sB's rows:\n%s", strings.Join(wrong, "\n"),
		stage.Table(p.OwnB.Addr(), good[p.A]), stage.Table(p.OwnA.Addr(), good[p.B]))
}
